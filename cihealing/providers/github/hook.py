"""GitHub Actions, checks of other apps and commit statuses.

Source: GitHub docs, 'Webhook events and payloads', 'Validating webhook deliveries'; REST 'Workflow
jobs' and 'Workflow runs'.

One red job is told four times: `workflow_job` and `check_run` (the same id) give the same
ExecutionRef, `workflow_run` is a coarse result with the run as parent, `check_suite` is only noted.
GitHub gives each try of a job an id of its own, so `attempt` is always 1 for a job; a coarse result
carries the run's attempt. Ids that are no jobs are prefixed: their number spaces overlap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.http import archive_rules, archives
from cihealing.http.client import Conversation
from cihealing.ports import (
    BadPayload,
    BadSignature,
    NoLog,
    PermanentError,
    RawRequest,
    TransientError,
)
from cihealing.providers.github import app as github_app
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

name = "github"

TOKEN = "CI_HEALING_GITHUB_TOKEN"  # noqa: S105 - the name of the setting

RED = ("failure", "timed_out", "startup_failure")
MAX_ATTEMPT = 9_999


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    given = _signing.required_header(request.headers, "x-hub-signature-256")
    if not _signing.hex_signed(
        given, message=request.body, secrets=known, schemes={"sha256": "sha256"}
    ):
        raise BadSignature("X-Hub-Signature-256 is not of a secret known here")
    # Unsigned, but the same over redeliveries; who replays a body under another id meets the
    # sameness of the execution.
    return _signing.delivery_id(request.headers.get("x-github-delivery", ""), body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body, event = _wire.Fields(payload), request.headers.get("x-github-event", "")
    match event:
        case "workflow_job":
            return [_workflow_job(body)]
        case "check_run":
            return [_check_run(body)]
        case "workflow_run":
            return [_workflow_run(body)]
        case "check_suite":
            return [_check_suite(body)]
        case "status":
            return [_status(body)]
        case "installation" | "installation_repositories":
            return [
                Ignored(
                    reason=(
                        f"the App was changed at GitHub ({body.label('action')}): what it may reach"
                        " is asked for anew"
                    )
                )
            ]
        case "pull_request" | "push":
            return [
                Ignored(
                    reason=(
                        f"{event} events make us look at our own changes, and say nothing of a"
                        " job's result"
                    )
                )
            ]
        case "ping":
            return [Ignored(reason="GitHub only asks whether somebody is here")]
        case "":
            raise BadPayload("the header X-GitHub-Event is missing")
        case _:
            return [
                Ignored(
                    reason=(
                        f"{re.sub('[^a-z_]', '', event[:50])} events say nothing of a job's result"
                    )
                )
            ]


def _workflow_job(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    job, repository = body.child("workflow_job"), body.child("repository")
    return _job_result(job, repository=repository.repository("full_name"), host=_host(repository))


def _job_result(
    job: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False
) -> Result:
    """From a job as the webhook and the REST API show it alike."""
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=host, job_run_id=job.ident("id")),
        repository=repository,
        branch=job.branch("head_branch"),
        commit=job.commit("head_sha"),
        job=job.title("name"),
        pipeline_url=job.link("html_url"),
        base_branch=base_branch,
        fork=fork,
        parent_id=job.ident("run_id"),
        finished_at=job.moment("completed_at"),
    )
    return _result(facts, conclusion=job.label("conclusion"), step=_failed_step(job))


def _failed_step(job: _wire.Fields) -> str:
    return next(
        (step.label("name") for step in job.children("steps") if step.label("conclusion") in RED),
        "",
    )


def _check_run(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    check, repository = body.child("check_run"), body.child("repository")
    suite = check.maybe("check_suite")
    run, job = _actions_ids(check)
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=_host(repository), job_run_id=job or f"check-{check.ident('id')}"
        ),
        repository=repository.repository("full_name"),
        branch=suite.branch("head_branch"),
        commit=check.commit("head_sha"),
        job=check.title("name"),
        pipeline_url=check.link("details_url") or check.link("html_url"),
        base_branch=_base_branch(check),
        # GitHub: "head_branch is null for a push to a fork", see 'Check runs' in the REST docs.
        fork=suite.null("head_branch"),
        parent_id=run,
        finished_at=check.moment("completed_at"),
    )
    return _result(facts, conclusion=check.label("conclusion"), log=None if job else _report(check))


def _actions_ids(check: _wire.Fields) -> tuple[str, str]:
    """Run id and job id of a check that is a job of GitHub Actions, whose check id is its job id;
    else two empty ones.
    """
    if check.maybe("app").label("slug") != "github-actions":
        return "", ""
    found = re.search(r"/actions/runs/([0-9]{1,20})/job/([0-9]{1,20})", check.link("details_url"))
    return (found[1], found[2]) if found else ("", check.ident("id"))


def _report(check: _wire.Fields) -> str | None:
    """What another app wrote about its check: the only log there is of it."""
    output = check.maybe("output")
    parts = [output.raw(part) for part in ("title", "summary", "text")]
    return "\n".join(part for part in parts if part) or None


def _workflow_run(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    repository = body.child("repository")
    return _run_result(
        body.child("workflow_run"),
        repository=repository.repository("full_name"),
        host=_host(repository),
    )


def _run_result(run: _wire.Fields, *, repository: str, host: str) -> Result:
    """From a workflow run as the webhook and the REST API show it alike."""
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=f"run-{run.ident('id')}", attempt=_attempt(run)
        ),
        repository=repository,
        branch=run.branch("head_branch"),
        commit=run.commit("head_sha"),
        job=run.label("name") or run.label("path") or "workflow",
        pipeline_url=run.link("html_url"),
        base_branch=_base_branch(run),
        fork=_of_fork(run, repository),
        parent_id=run.ident("id"),
        coarse=True,
        finished_at=run.moment("updated_at"),
    )
    return _result(facts, conclusion=run.label("conclusion"))


def _of_fork(run: _wire.Fields, repository: str) -> bool:
    """A deleted fork leaves `head_repository: null`."""
    if "head_repository" in run:
        return run.child("head_repository").label("full_name") != repository
    return run.null("head_repository")


def _attempt(run: _wire.Fields) -> int:
    return run.number("run_attempt", least=1, most=MAX_ATTEMPT) or 1


def _check_suite(body: _wire.Fields) -> Result:
    app = body.child("check_suite").maybe("app").label("slug")
    who = "its jobs" if app == "github-actions" else "its checks"
    return Ignored(reason=f"a check suite is only noted: {who} report themselves")


def _status(body: _wire.Fields) -> Result:
    """A commit status, as CIs without the Checks API set it: `context` is the nearest to a job's
    name.
    """
    repository = body.child("repository")
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=_host(repository), job_run_id=f"status-{body.ident('id')}"
        ),
        repository=repository.repository("full_name"),
        branch=_status_branch(body),
        commit=body.commit("sha"),
        job=body.title("context"),
        pipeline_url=body.link("target_url"),
        finished_at=body.moment("updated_at"),
    )
    state = body.label("state")
    return _result(facts, conclusion="failure" if state == "error" else state)


def _status_branch(body: _wire.Fields) -> str:
    """The branch whose head is the commit, else the first that holds it; "" where none does."""
    branches, sha = body.children("branches"), body.commit("sha")
    heads = [branch for branch in branches if branch.maybe("commit").label("sha").lower() == sha]
    return next((branch.branch("name") for branch in heads + branches), "")


def _base_branch(fields: _wire.Fields) -> str:
    """Of the first pull request the payload names (a build of a fork names none)."""
    return next(
        (request.maybe("base").branch("ref") for request in fields.children("pull_requests")), ""
    )


def _unfinished(body: _wire.Fields) -> Ignored | None:
    action = body.label("action")
    return (
        None
        if action == "completed"
        else Ignored(reason=f"{action or 'no action'}: not completed yet")
    )


def _result(facts: JobFacts, *, conclusion: str, **more: Any) -> Result:
    """`more` says what is known of a failure alone."""
    if conclusion == "success":
        return _wire.passed(facts)
    if conclusion in RED:
        return _wire.failed(facts, conclusion=conclusion, **more)
    return Ignored(reason=f"{facts.job}: {conclusion or 'no conclusion'} is neither red nor green")


def _host(repository: _wire.Fields) -> str:
    return _wire.host_of(repository.link("html_url"))


def github_token(settings: Mapping[str, str], repository: str) -> str:
    """The token requests about `repository` are made with; empty where there is none."""
    return github_app.token_for(repository, settings).strip()


_GITHUB = _outbound.Provider(
    name=name,
    title="GitHub",
    token=TOKEN,
    headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
    credential=lambda token: {"Authorization": f"Bearer {token}"},
    same=lambda api, host: api in (host, f"api.{host}"),
    example="https://{host}/api/v3 for GitHub Enterprise Server",
)


def fetch_log(
    failed: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> str:
    """The job's log, of a workflow run the logs of its jobs, at most 64 MB of it (head and tail).

    Sources: REST 'Download job logs for a workflow run', 'Download workflow run attempt logs'.
    """
    facts = _wire.facts_of(failed)
    job = facts.execution.job_run_id
    if not _is_id(job) and not facts.coarse:
        raise NoLog(
            f"{facts.job!r} is no job of GitHub Actions, GitHub holds no log of it: send it with"
            " `cihealing notify --log build.log`"
        )
    wanted = "the jobs of the workflow and their logs" if facts.coarse else "the log"
    with (
        _outbound.no_log(),
        _talk(settings, facts, wanted=wanted, transport=transport) as conversation,
    ):
        actions, asked = (
            f"/repos/{facts.repository}/actions",
            _asked(f"{job} of {facts.repository}", facts.repository),
        )
        if facts.coarse:
            return _logs_of_run(
                conversation,
                f"{actions}/runs/{facts.parent_id}/attempts/{facts.execution.attempt}/logs",
                asked=asked,
            )
        return _outbound.whole_log(conversation, f"{actions}/jobs/{job}/logs", asked=asked)


def _logs_of_run(conversation: Conversation, path: str, *, asked: _outbound.Asked) -> str:
    """One log a job, in the jobs' order, from the archive that holds them whole and again step by
    step.
    """
    answer = conversation.get(path, limit=archive_rules.MAX_PACKED)
    asked.check(answer)
    logs = [(name, text) for name, text in archives.read(answer.body) if "/" not in name]
    chunks = (f"==> {name}\n{text}\n".encode() for name, text in logs)
    return _outbound.kept(chunks)


def expand(
    coarse: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> list[Result]:
    """The red and green jobs of one attempt of a workflow run. Source: REST 'List jobs for a
    workflow run attempt'.
    """
    facts = _wire.facts_of(coarse)
    run = f"/repos/{facts.repository}/actions/runs/{facts.parent_id}"
    path = f"{run}/attempts/{facts.execution.attempt}/jobs"
    asked = _asked(f"workflow run {facts.parent_id} of {facts.repository}", facts.repository)
    with (
        _outbound.no_log(),
        _talk(settings, facts, wanted="the list of jobs", transport=transport) as conversation,
        asked.readable(),
    ):
        jobs = _jobs(conversation, path, asked=asked)
        return _outbound.results([_listed_job(job, facts) for job in jobs])


def _listed_job(job: _wire.Fields, facts: JobFacts) -> Result:
    return _job_result(
        job,
        repository=facts.repository,
        host=facts.execution.host,
        base_branch=facts.base_branch,
        fork=facts.fork,
    )


def _talk(
    settings: Mapping[str, str],
    facts: JobFacts,
    *,
    wanted: str,
    transport: httpx.BaseTransport | None,
) -> Conversation:
    need, token = f"actions:read on {facts.repository}", github_token(settings, facts.repository)
    side = _GITHUB.side(settings, token=token, host=facts.execution.host, need=need, wanted=wanted)
    return _outbound.talk(side, settings=settings, transport=transport)


def _asked(subject: str, repository: str, *, scope: str = "actions:read") -> _outbound.Asked:
    return _outbound.Asked(provider=_GITHUB, subject=subject, need=f"{scope} on {repository}")


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,20}", text))


def _jobs(
    conversation: Conversation, path: str, *, asked: _outbound.Asked, which: str = "latest"
) -> list[_wire.Fields]:
    """`which`: `latest` tries of a run's jobs, or `all`."""
    jobs: list[_wire.Fields] = []
    for page in range(1, _outbound.MAX_PAGES + 1):
        params = {"per_page": _outbound.PER_PAGE, "page": page} | (
            {} if "/attempts/" in path else {"filter": which}
        )
        with asked.readable():
            found = asked.fields(conversation.get(path, params=params)).children("jobs")
        jobs += found
        if len(found) < _outbound.PER_PAGE:
            break
    return jobs


def rerun(
    execution: Mapping[str, str],
    *,
    settings: Mapping[str, str],
    transport: httpx.BaseTransport | None = None,
) -> str:
    """Run the job (of a coarse result, or where several jobs of the run are red: its failed jobs)
    again.

    `execution` names `repository`, `host`, `jobRunId` and `attempt`. What was run again before, by
    whomever, is looked for first: the try after those that were asked for is adopted. The handle
    names repository, job and the first attempt that may hold the new try. Source: REST 'Re-run a
    job from a workflow run', 'Re-run failed jobs from a workflow run'.
    """
    repository, job = execution.get("repository", ""), execution.get("jobRunId", "")
    if not _wire.is_repository(repository) or not _is_id(job.removeprefix("run-")):
        raise PermanentError(
            f"{job[:100]!r} of {repository[:100]!r} is no job of GitHub Actions: it cannot be rerun"
            " from here"
        )
    side = _GITHUB.side(
        settings,
        token=github_token(settings, repository),
        host=execution.get("host", ""),
        need=f"actions:write on {repository}",
        wanted="a rerun",
    )
    asked = _asked(f"the rerun of {job} of {repository}", repository, scope="actions:write")
    with _outbound.talk(side, settings=settings, transport=transport) as conversation:
        again = _run_again if job.startswith("run-") else _job_again
        return _outbound.handle(repository, job, str(again(conversation, execution, asked=asked)))


def _run_again(
    conversation: Conversation, execution: Mapping[str, str], *, asked: _outbound.Asked
) -> int:
    """The attempt the failed jobs of a run are tried in again."""
    number = execution["jobRunId"].removeprefix("run-")
    run = f"/repos/{execution['repository']}/actions/runs/{number}"
    found = asked.fields(conversation.get(run))
    with asked.readable():
        newest = _attempt(found)
    first = int(execution.get("attempt") or 1) if _is_id(execution.get("attempt") or "1") else 1
    wanted = first + _outbound.asked_before(execution) + 1
    if newest >= wanted:
        return wanted
    _ask(conversation, f"{run}/rerun-failed-jobs", asked=asked)
    return newest + 1


def _job_again(
    conversation: Conversation, execution: Mapping[str, str], *, asked: _outbound.Asked
) -> int:
    """The attempt one job is tried in again."""
    repository = f"/repos/{execution['repository']}/actions"
    with asked.readable():
        job = asked.fields(conversation.get(f"{repository}/jobs/{execution['jobRunId']}"))
        run = f"{repository}/runs/{job.ident('run_id')}"
        jobs = _jobs(conversation, f"{run}/jobs", asked=asked, which="all")
        tries, before = _later_tries(jobs, job), _outbound.asked_before(execution)
        if len(tries) > before:
            return _attempt(tries[before])
        newest = max((_attempt(other) for other in [*jobs, job]), default=1)
        red = {
            other.label("name")
            for other in jobs
            if _attempt(other) == newest and other.label("conclusion") in RED
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
        if other.label("name") == job.label("name") and _attempt(other) > _attempt(job)
    ]
    return sorted((other for other in tries if _began_after(other, ended)), key=_attempt)


def _began_after(job: _wire.Fields, ended: datetime | None) -> bool:
    began = job.moment("started_at")
    return began is None or ended is None or began >= ended


def _ask(conversation: Conversation, path: str, *, asked: _outbound.Asked) -> None:
    answer = conversation.send("POST", path)
    if answer.status in (403, 409) and b"already running" in answer.body[:10_000]:
        raise TransientError(
            "GitHub reruns jobs only of a workflow run that has ended", retry_after=60.0
        )
    asked.check(answer)


def rerun_result(
    handle: str, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> Result | None:
    """The result of the rerun; TransientError until it has ended. Source: REST 'List jobs for a
    workflow run', 'Get a workflow run'.
    """
    repository, job, attempt = _outbound.parts_of(
        handle, r"[\x21-\x7e]+/[\x21-\x7e]+", r"(?:run-)?[0-9]{1,20}", r"[0-9]{1,6}"
    )
    token = github_token(settings, repository)
    side = _GITHUB.side(
        settings,
        token=token,
        host="",
        need=f"actions:read on {repository}",
        wanted="the result of a rerun",
    )
    asked = _asked(f"the rerun of {job} of {repository}", repository)
    with (
        _outbound.talk(side, settings=settings, transport=transport) as conversation,
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


def _run_ended(
    conversation: Conversation, repository: str, run: str, *, attempt: int, asked: _outbound.Asked
) -> Result | None:
    found = asked.fields(conversation.get(f"/repos/{repository}/actions/runs/{run}"))
    if _attempt(found) < attempt or found.label("status") != "completed":
        return None
    return _run_result(found, repository=repository, host=_wire.host_of(found.link("html_url")))


def _job_ended(
    conversation: Conversation, repository: str, job: str, *, attempt: int, asked: _outbound.Asked
) -> Result | None:
    path = f"/repos/{repository}/actions"
    first = asked.fields(conversation.get(f"{path}/jobs/{job}"))
    jobs = _jobs(conversation, f"{path}/runs/{first.ident('run_id')}/jobs", asked=asked)
    tries = [
        found
        for found in _later_tries(jobs, first)
        if _attempt(found) >= attempt and found.label("status") == "completed"
    ]
    return (
        _job_result(tries[0], repository=repository, host=_wire.host_of(tries[0].link("html_url")))
        if tries
        else None
    )
