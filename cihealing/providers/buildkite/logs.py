"""The logs of jobs, and the jobs of builds."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.ports import NoLog
from cihealing.providers.buildkite.api import JOB, asked_about, build_path, talk
from cihealing.providers.buildkite.results import ENDED, of_build
from cihealing.providers.buildkite.settings import BuildkiteSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results


@dataclass(frozen=True)
class BuildkiteLogs:
    """`ports.Logs` and `ports.Expanding` at Buildkite."""

    settings: BuildkiteSettings
    transport: httpx.BaseTransport | None = None

    def fetch_log(self, failed: Result) -> str:
        """The job's log, at most 64 MB of it (head and tail). Source: Jobs API, 'Get a job's log
        output' (text).
        """
        facts = _results.facts_of(failed)
        job, scope = facts.execution.job_run_id, "read_build_logs"
        with (
            _outbound.no_log(),
            talk(
                self.settings, scope=scope, transport=self.transport, otherwise=_outbound.SEND
            ) as conversation,
        ):
            build = build_path(facts.pipeline_url)
            if not re.fullmatch(JOB, job):
                raise NoLog(
                    f"{job[:100]!r} is no job of Buildkite: send the log with `cihealing notify"
                    " --log build.log`"
                )
            return _outbound.whole_log(
                conversation,
                f"{build}/jobs/{job}/log.txt",
                asked=asked_about(f"job {job} of {facts.repository}", scope=scope),
                accept="text/plain",
            )

    def expand(self, coarse: Result) -> list[Result]:
        """The red and green jobs of a build. Source: Builds API, 'Get a build'."""
        facts = _results.facts_of(coarse)
        with (
            _outbound.no_log(),
            talk(
                self.settings,
                scope="read_builds",
                transport=self.transport,
                otherwise=_outbound.EVENTS,
            ) as conversation,
        ):
            asked = asked_about(f"the build at {facts.pipeline_url}", scope="read_builds")
            build = asked.fields(conversation.get(build_path(facts.pipeline_url)))
            with asked.readable():
                return _outbound.results(
                    [
                        of_build(build, job)
                        for job in build.children("jobs")
                        if job.label("state").lower() in ENDED
                    ]
                )
