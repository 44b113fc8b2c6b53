"""The consoles of builds."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.providers.jenkins.api import asked_about, run_at, talk
from cihealing.providers.jenkins.settings import JenkinsSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results

_LOG_LINES = ", or set 'Log lines' of the notification endpoint (loglines) to some thousand"


@dataclass(frozen=True)
class JenkinsLogs:
    """`ports.Logs` at Jenkins."""

    settings: JenkinsSettings
    transport: httpx.BaseTransport | None = None

    def fetch_log(self, failed: Result) -> str:
        """The build's console as plain text, at most 64 MB of it (head and tail). Source: Jenkins,
        'Remote Access API' (`consoleText`).
        """
        facts = _results.facts_of(failed)
        host, otherwise = facts.execution.host, _LOG_LINES + _outbound.SEND
        with (
            _outbound.no_log(),
            talk(
                self.settings,
                host=host,
                need="Job/Read",
                transport=self.transport,
                otherwise=otherwise,
            ) as conversation,
        ):
            job, number = run_at(conversation, facts.execution.job_run_id)
            asked = asked_about(f"build {number} of {job}", "Job/Read")
            return _outbound.whole_log(conversation, f"{job}/{number}/consoleText", asked=asked)
