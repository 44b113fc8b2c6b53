"""The logs of jobs, and the jobs of workflow runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Failed, JobFacts, Passed, Result
from cihealing.http.client import Conversation
from cihealing.ports import NoLog
from cihealing.providers.gitea.api import actions, asked_about, jobs_of, number, talk
from cihealing.providers.gitea.results import job_result, of_run, run_facts
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results


@dataclass(frozen=True)
class GiteaLogs:
    """`ports.Logs`, `ports.Expanding` and `ports.Identifying` at Gitea."""

    settings: GiteaSettings
    transport: httpx.BaseTransport | None = None

    @contextmanager
    def _conversation(self, job: JobFacts, *, otherwise: str) -> Iterator[Conversation]:
        with (
            _outbound.no_log(),
            talk(
                self.settings,
                job.repository,
                host=job.execution.host,
                transport=self.transport,
                otherwise=otherwise,
            ) as conversation,
        ):
            yield conversation

    def fetch_log(self, failed: Result) -> str:
        """The job's log, at most 64 MB of it (head and tail). Source:
        `downloadActionsRunJobLogs`.
        """
        facts = _results.facts_of(failed)
        job = facts.execution.job_run_id
        if facts.coarse:
            raise NoLog(
                "the logs of Gitea are of its jobs: let it send its job events, or send the log"
                " with `cihealing notify --log build.log`"
            )
        with self._conversation(facts, otherwise=_outbound.SEND) as conversation:
            asked = asked_about(f"job {job} of {facts.repository}", facts.repository)
            path = f"{actions(facts.repository)}/jobs/{number(job)}/logs"
            return _outbound.whole_log(conversation, path, asked=asked)

    def expand(self, coarse: Result) -> list[Result]:
        """The red and green jobs of a workflow run. Source: `listWorkflowRunJobs`."""
        facts = _results.facts_of(coarse)
        host = facts.execution.host
        with self._conversation(facts, otherwise=_outbound.EVENTS) as conversation:
            asked = asked_about(f"run {facts.parent_id} of {facts.repository}", facts.repository)
            jobs = jobs_of(conversation, facts.repository, number(facts.parent_id), asked=asked)
            with asked.readable():
                return _outbound.results(
                    [
                        job_result(job, repository=facts.repository, host=host, run=facts)
                        for job in jobs
                    ]
                )

    def identify(self, result: Failed | Passed) -> Failed | Passed:
        """By the job's workflow run. Source: `getWorkflowRun`."""
        host = result.execution.host
        with self._conversation(result, otherwise=_outbound.EVENTS) as conversation:
            asked = asked_about(f"run {result.parent_id} of {result.repository}", result.repository)
            with asked.readable():
                path = f"{actions(result.repository)}/runs/{number(result.parent_id)}"
                run = asked.fields(conversation.get(path))
                facts = run_facts(run, repository=result.repository, host=host)
                return _results.checked(of_run(result, facts))
