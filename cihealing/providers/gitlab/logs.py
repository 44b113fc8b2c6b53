"""The traces of jobs, and the jobs of pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from msgspec import structs

from cihealing.domain.values import Failed, JobFacts, Passed, Result
from cihealing.http.client import Conversation
from cihealing.ports import NoLog
from cihealing.providers.gitlab.api import asked_about, jobs_of, number, project, talk
from cihealing.providers.gitlab.results import listed, of_request
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results


@dataclass(frozen=True)
class GitLabLogs:
    """`ports.Logs`, `ports.Expanding` and `ports.Identifying` at GitLab."""

    settings: GitLabSettings
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
        """The job's trace, at most 64 MB of it (head and tail). Source: Jobs API, 'Get a log file
        for a job'.
        """
        facts = _results.facts_of(failed)
        job = facts.execution.job_run_id
        with self._conversation(facts, otherwise=_outbound.SEND) as conversation:
            asked = asked_about(f"job {job} of {facts.repository}", facts.repository)
            log = _outbound.whole_log(
                conversation, f"{project(facts.repository)}/jobs/{number(job)}/trace", asked=asked
            )
        if not log:
            raise NoLog(
                f"GitLab holds no log of job {job} of {facts.repository}: it was erased, or the job"
                " never began"
            )
        return log

    def expand(self, coarse: Result) -> list[Result]:
        """The red and green jobs of a pipeline. Source: Jobs API, 'List pipeline jobs'."""
        facts = _results.facts_of(coarse)
        with self._conversation(facts, otherwise=_outbound.EVENTS) as conversation:
            asked = asked_about(
                f"pipeline {facts.parent_id} of {facts.repository}", facts.repository
            )
            jobs = jobs_of(
                conversation,
                facts.repository,
                pipeline=number(facts.parent_id),
                asked=asked,
                retried=False,
            )
            with asked.readable():
                return _outbound.results(
                    [listed(job, facts.repository, pipeline=facts) for job in jobs]
                )

    def identify(self, result: Failed | Passed) -> Failed | Passed:
        """By its pipeline, and by its merge request where it is of one. Sources: Pipelines API,
        'Get a single pipeline'; Merge requests API, 'Get single MR'.
        """
        with self._conversation(result, otherwise=_outbound.EVENTS) as conversation:
            asked = asked_about(
                f"pipeline {result.parent_id} of {result.repository}", result.repository
            )
            at = project(result.repository)
            with asked.readable():
                path = f"{at}/pipelines/{number(result.parent_id)}"
                source = asked.fields(conversation.get(path)).label("source")
                request = (
                    asked.fields(conversation.get(f"{at}/merge_requests/{result.change}"))
                    if result.change
                    else None
                )
                # Which of its parent's children a pipeline is stands nowhere in it.
                known = structs.replace(result, partial=source == "parent_pipeline")
                return _results.checked(of_request(known, request) if request else known)
