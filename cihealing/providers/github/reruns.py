"""Jobs and workflow runs, run again on the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx

from cihealing.domain.values import Result
from cihealing.http.client import Conversation
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.github.actions import asked_about, is_id, jobs_at, talk
from cihealing.providers.github.results import RED, attempt_of, job_result, run_result
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire


@dataclass(frozen=True)
class GitHubReruns:
    """`ports.Reruns` at GitHub."""

    settings: GitHubSettings
    transport: httpx.BaseTransport | None = None

    def rerun(self, execution: Mapping[str, str]) -> str:
        """Run the job (of a coarse result, or where several jobs of the run are red: its failed
        jobs) again.

        `execution` names `repository`, `host`, `jobRunId` and `attempt`. What was run again before,
        by whomever, is looked for first: the try after those that were asked for is adopted. The
        handle names repository, job and the first attempt that may hold the new try. Source: REST
        'Re-run a job from a workflow run', 'Re-run failed jobs from a workflow run'.
        """
        repository, job = execution.get("repository", ""), execution.get("jobRunId", "")
        if not _wire.is_repository(repository) or not is_id(job.removeprefix("run-")):
            raise PermanentError(
                f"{job[:100]!r} of {repository[:100]!r} is no job of GitHub Actions: it cannot"
                " be rerun from here"
            )
        asked = asked_about(
            f"the rerun of {job} of {repository}", repository, scope="actions:write"
        )
        with talk(
            self.settings,
            repository,
            host=execution.get("host", ""),
            wanted="a rerun",
            transport=self.transport,
            scope="actions:write",
        ) as conversation:
            again = _run_again if job.startswith("run-") else _job_again
            return _outbound.handle(
                repository, job, str(again(conversation, execution, asked=asked))
            )

    def rerun_result(self, handle: str) -> Result | None:
        """The result of the rerun; TransientError until it has ended. Source: REST 'List jobs for a
        workflow run', 'Get a workflow run'.
        """
        repository, job, attempt = _outbound.parts_of(
            handle, r"[\x21-\x7e]+/[\x21-\x7e]+", r"(?:run-)?[0-9]{1,20}", r"[0-9]{1,6}"
        )
        asked = asked_about(f"the rerun of {job} of {repository}", repository)
        with (
            talk(
                self.settings,
                repository,
                host="",
                wanted="the result of a rerun",
                transport=self.transport,
            ) as conversation,
            asked.readable(),
        ):
            if job.startswith("run-"):
                return _outbound.ended(
                    _run_ended(
                        conversation,
                        repository,
                        job.removeprefix("run-"),
                        attempt=int(attempt),
                        asked=asked,
                    )
                )
            return _outbound.ended(
                _job_ended(conversation, repository, job, attempt=int(attempt), asked=asked)
            )


def _run_again(
    conversation: Conversation, execution: Mapping[str, str], *, asked: _outbound.Subject
) -> int:
    """The attempt the failed jobs of a run are tried in again."""
    number = execution["jobRunId"].removeprefix("run-")
    run = f"/repos/{execution['repository']}/actions/runs/{number}"
    found = asked.fields(conversation.get(run))
    with asked.readable():
        newest = attempt_of(found)
    first = int(execution.get("attempt") or 1) if is_id(execution.get("attempt") or "1") else 1
    wanted = first + _outbound.asked_before(execution) + 1
    if newest >= wanted:
        return wanted
    _ask(conversation, f"{run}/rerun-failed-jobs", asked=asked)
    return newest + 1


def _job_again(
    conversation: Conversation, execution: Mapping[str, str], *, asked: _outbound.Subject
) -> int:
    """The attempt one job is tried in again."""
    repository = f"/repos/{execution['repository']}/actions"
    with asked.readable():
        job = asked.fields(conversation.get(f"{repository}/jobs/{execution['jobRunId']}"))
        run = f"{repository}/runs/{job.ident('run_id')}"
        jobs = jobs_at(conversation, f"{run}/jobs", asked=asked, which="all")
        tries, before = _later_tries(jobs, job), _outbound.asked_before(execution)
        if len(tries) > before:
            return attempt_of(tries[before])
        newest = max((attempt_of(other) for other in [*jobs, job]), default=1)
        red = {
            other.label("name")
            for other in jobs
            if attempt_of(other) == newest and other.label("conclusion") in RED
        }
        last = [job, *tries][-1].ident("id")
    _ask(
        conversation,
        f"{run}/rerun-failed-jobs" if len(red) > 1 else f"{repository}/jobs/{last}/rerun",
        asked=asked,
    )
    return newest + 1


def _later_tries(jobs: list[_wire.Fields], job: _wire.Fields) -> list[_wire.Fields]:
    """The job's own later tries, oldest first. A later attempt repeats jobs it did not run, with
    the times they ran at.
    """
    ended = job.moment("completed_at")
    tries = [
        other
        for other in jobs
        if other.label("name") == job.label("name") and attempt_of(other) > attempt_of(job)
    ]
    return sorted((other for other in tries if _began_after(other, ended)), key=attempt_of)


def _began_after(job: _wire.Fields, ended: datetime | None) -> bool:
    began = job.moment("started_at")
    return began is None or ended is None or began >= ended


def _ask(conversation: Conversation, path: str, *, asked: _outbound.Subject) -> None:
    answer = conversation.send("POST", path)
    if answer.status in (403, 409) and b"already running" in answer.body[:10_000]:
        raise TransientError(
            "GitHub reruns jobs only of a workflow run that has ended", retry_after=60.0
        )
    asked.check(answer)


def _run_ended(
    conversation: Conversation, repository: str, run: str, *, attempt: int, asked: _outbound.Subject
) -> Result | None:
    found = asked.fields(conversation.get(f"/repos/{repository}/actions/runs/{run}"))
    if attempt_of(found) < attempt or found.label("status") != "completed":
        return None
    return run_result(found, repository=repository, host=_wire.host_of(found.link("html_url")))


def _job_ended(
    conversation: Conversation, repository: str, job: str, *, attempt: int, asked: _outbound.Subject
) -> Result | None:
    path = f"/repos/{repository}/actions"
    first = asked.fields(conversation.get(f"{path}/jobs/{job}"))
    jobs = jobs_at(conversation, f"{path}/runs/{first.ident('run_id')}/jobs", asked=asked)
    tries = [
        found
        for found in _later_tries(jobs, first)
        if attempt_of(found) >= attempt and found.label("status") == "completed"
    ]
    return (
        job_result(tries[0], repository=repository, host=_wire.host_of(tries[0].link("html_url")))
        if tries
        else None
    )
