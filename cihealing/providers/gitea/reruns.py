"""Jobs and workflow runs, run again on the same commit.

Forgejo, and older Gitea, have no such call in their API: they answer 404, which is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.http.client import Conversation
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.gitea.api import WRITE, actions, asked_about, jobs_of, number, talk
from cihealing.providers.gitea.results import attempt_of, job_result, run_result
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

RUN = "run-"


@dataclass(frozen=True)
class GiteaReruns:
    """`ports.Reruns` at Gitea."""

    settings: GiteaSettings
    transport: httpx.BaseTransport | None = None

    def rerun(self, execution: Mapping[str, str]) -> str:
        """Run the job (of a coarse result: the failed jobs of the run) again. A later attempt that
        is there already is adopted.

        The handle names the repository, the job or run, and the attempt that was asked for. Source:
        `rerunWorkflowJob`, `rerunFailedWorkflowRun`.
        """
        repository, host = execution.get("repository", ""), execution.get("host", "")
        with talk(
            self.settings,
            repository,
            host=host,
            transport=self.transport,
            scope=WRITE,
            otherwise=_outbound.NOT_HERE,
        ) as conversation:
            if not _wire.is_repository(repository):
                raise PermanentError(
                    f"{repository[:100]!r} is no repository: its job cannot be rerun from here"
                )
            job = execution.get("jobRunId", "")
            asked = asked_about(f"the rerun of {job[:50]} of {repository}", repository, scope=WRITE)
            wanted = _attempt(execution) + _outbound.asked_before(execution) + 1
            again = _run_again if job.startswith(RUN) else _job_again
            again(conversation, repository, number(job.removeprefix(RUN)), wanted, asked=asked)
            return _outbound.handle(repository, job, str(wanted))

    def rerun_result(self, handle: str) -> Result | None:
        """The result of the rerun; TransientError until it has ended, None without a token. Source:
        `getWorkflowJob`, `GetWorkflowRun`.
        """
        if not self.settings.token:
            return None
        repository, job, attempt = _outbound.parts_of(
            handle, r"[\x21-\x7e]+/[\x21-\x7e]+", r"(?:run-)?[0-9]{1,20}", r"[0-9]{1,6}"
        )
        asked = asked_about(f"the rerun of {job} of {repository}", repository)
        with (
            talk(self.settings, repository, host="", transport=self.transport) as conversation,
            asked.readable(),
        ):
            if job.startswith(RUN):
                path = f"{actions(repository)}/runs/{job.removeprefix(RUN)}"
                run = asked.fields(conversation.get(path))
                return _outbound.ended(
                    run_result(run, repository=repository, host=_host(run))
                    if _has_ended(run, int(attempt))
                    else None
                )
            found = _latest(conversation, repository, job, asked=asked)
            return _outbound.ended(
                job_result(found, repository=repository, host=_host(found))
                if _has_ended(found, int(attempt))
                else None
            )


def _attempt(execution: Mapping[str, str]) -> int:
    return int(number(execution.get("attempt") or "1"))


def _run_again(
    conversation: Conversation, repository: str, run: str, wanted: int, *, asked: _outbound.Subject
) -> None:
    path = f"{actions(repository)}/runs/{run}"
    with asked.readable():
        newest = attempt_of(asked.fields(conversation.get(path)))
    if newest < wanted:
        _ask(conversation, f"{path}/rerun-failed-jobs", asked=asked)


def _job_again(
    conversation: Conversation, repository: str, job: str, wanted: int, *, asked: _outbound.Subject
) -> None:
    with asked.readable():
        latest = _latest(conversation, repository, job, asked=asked)
        newest, last, run = attempt_of(latest), latest.ident("id"), latest.ident("run_id")
    if newest < wanted:
        path = f"{actions(repository)}/runs/{number(run)}/jobs/{number(last)}/rerun"
        _ask(conversation, path, asked=asked)


def _latest(
    conversation: Conversation, repository: str, job: str, *, asked: _outbound.Subject
) -> _wire.Fields:
    """The job as its run's latest attempt has it: the same one, or one of its name."""
    first = asked.fields(conversation.get(f"{actions(repository)}/jobs/{job}"))
    jobs = jobs_of(conversation, repository, number(first.ident("run_id")), asked=asked)
    same = [other for other in jobs if other.label("name") == first.label("name")]
    return max([first, *same], key=attempt_of)


def _ask(conversation: Conversation, path: str, *, asked: _outbound.Subject) -> None:
    answer = conversation.send("POST", path)
    if answer.status in (400, 409) and b"not done" in answer.body[:10_000]:
        raise TransientError("Gitea reruns jobs only of a run that has ended", retry_after=60.0)
    asked.check(answer)


def _has_ended(found: _wire.Fields, attempt: int) -> bool:
    return attempt_of(found) >= attempt and found.label("status") == "completed"


def _host(found: _wire.Fields) -> str:
    return _wire.host_of(found.link("html_url"))
