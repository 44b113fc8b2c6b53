"""Jobs, retried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.http.client import Conversation
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.gitlab.api import asked_about, jobs_of, number, project, talk
from cihealing.providers.gitlab.results import listed
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

_WRITE = "api, for a member who may run pipelines,"
ENDED = ("success", "failed", "canceled", "skipped")


@dataclass(frozen=True)
class GitLabReruns:
    """`ports.Reruns` at GitLab."""

    settings: GitLabSettings
    transport: httpx.BaseTransport | None = None

    def rerun(self, execution: Mapping[str, str]) -> str:
        """Retry the job. A retry of it that is there already, one more than were asked for before,
        is adopted.

        The handle names the project and the retry's own job. Source: Jobs API, 'Retry a job': each
        job is retried once, then its retry is.
        """
        repository, host = execution.get("repository", ""), execution.get("host", "")
        with talk(
            self.settings,
            repository,
            host=host,
            transport=self.transport,
            scope=_WRITE,
            otherwise=_outbound.NOT_HERE,
        ) as conversation:
            job = number(execution.get("jobRunId", ""))
            if not _wire.is_repository(repository):
                raise PermanentError(
                    f"{repository[:100]!r} is no project of GitLab: its job cannot be rerun from"
                    " here"
                )
            asked = asked_about(f"the retry of job {job} of {repository}", repository, scope=_WRITE)
            with asked.readable():
                retries, before = (
                    _retries(conversation, repository, job, asked=asked),
                    _outbound.asked_before(execution),
                )
                if len(retries) <= before:
                    retries.append(
                        _retry(conversation, repository, [job, *retries][-1], asked=asked)
                    )
            return _outbound.handle(repository, retries[min(before, len(retries) - 1)])

    def rerun_result(self, handle: str) -> Result | None:
        """The result of the retry; TransientError until it has ended, None without a token. Source:
        Jobs API, 'Get a single job'.
        """
        if not self.settings.token.strip():
            return None
        repository, job = _outbound.parts_of(handle, r"[\x21-\x7e]+", r"[0-9]{1,20}")
        asked = asked_about(f"job {job} of {repository}", repository)
        with (
            talk(self.settings, repository, host="", transport=self.transport) as conversation,
            asked.readable(),
        ):
            found = asked.fields(conversation.get(f"{project(repository)}/jobs/{job}"))
            return _outbound.ended(
                listed(found, repository) if found.label("status") in ENDED else None
            )


def _retries(
    conversation: Conversation, repository: str, job: str, *, asked: _outbound.Subject
) -> list[str]:
    """Ids of the later jobs of the same name in the job's pipeline, oldest first."""
    first = asked.fields(conversation.get(f"{project(repository)}/jobs/{job}"))
    pipeline = first.child("pipeline").ident("id")
    jobs = jobs_of(conversation, repository, pipeline=number(pipeline), asked=asked, retried=True)
    later = [
        int(number(other.ident("id")))
        for other in jobs
        if other.label("name") == first.label("name")
    ]
    return [str(number) for number in sorted(later) if number > int(job)]


def _retry(
    conversation: Conversation, repository: str, job: str, *, asked: _outbound.Subject
) -> str:
    made = asked.fields(conversation.send("POST", f"{project(repository)}/jobs/{job}/retry")).ident(
        "id"
    )
    # Some versions answer with the job that was retried.
    again = [made] if made != job else _retries(conversation, repository, job, asked=asked)
    if not again:
        raise TransientError(f"GitLab did not say which job retries {job} of {repository}")
    return number(again[-1])
