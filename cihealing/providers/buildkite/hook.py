"""Buildkite webhooks: job.finished. By signature (better) or by plain token.

Source: Buildkite docs, 'Webhooks' > 'Webhook signature' and 'Job events'; REST 'Jobs API', 'Builds
API'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.http.client import Conversation
from cihealing.ports import BadSignature, NoLog, PermanentError, RawRequest
from cihealing.providers.buildkite.hosts import HOSTS
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

name = "buildkite"

RED = ("failed", "timed_out")


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    if "x-buildkite-signature" in request.headers:
        _verify_signature(request, known)
    else:
        _verify_token(request, known)
    # Buildkite names no delivery; a retry sends the same body, and each job's end has its own.
    return _signing.delivery_id("", body=request.body)


def _verify_signature(request: RawRequest, secrets: Sequence[str]) -> None:
    given = request.headers["x-buildkite-signature"]
    parts = dict(part.strip().partition("=")[::2] for part in given.split(",", 4)[:4])
    timestamp, signature = parts.get("timestamp", ""), parts.get("signature", "")
    _signing.fresh(
        timestamp, now=request.received_at, header="the timestamp of X-Buildkite-Signature"
    )
    signed = timestamp.encode() + b"." + request.body
    if not _signing.hex_signed(signature, message=signed, secrets=secrets, schemes={"": "sha256"}):
        raise BadSignature("X-Buildkite-Signature is not of a secret known here")


def _verify_token(request: RawRequest, secrets: Sequence[str]) -> None:
    given = request.headers.get("x-buildkite-token", "")
    if not given:
        raise BadSignature("X-Buildkite-Signature (or X-Buildkite-Token) is missing")
    if not _signing.one_of(given, secrets):
        raise BadSignature("X-Buildkite-Token is not a secret known here")


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.text("event"):
        case "job.finished":
            return [_job(body)]
        case "build.finished":
            # It names no job; where job.finished is sent too, the build would be a second report of
            # the same failure.
            return [
                Ignored(
                    reason=(
                        "build.finished is only noted: let Buildkite send job.finished, its jobs"
                        " report themselves"
                    )
                )
            ]
        case event:
            return [Ignored(reason=f"{event} events say nothing of a job's result")]


def _job(body: _wire.Fields) -> Result:
    job, build = body.child("job"), body.child("build")
    kind = job.label("type") or "script"
    if kind != "script":
        return Ignored(reason=f"a {kind} step runs no command")
    if build.text("commit").upper() == "HEAD":
        return Ignored(reason="the build was started for HEAD and names no commit")
    facts, state = _facts(body, job, build), _state(job)
    if state == "passed":
        return _results.passed(facts)
    if state in RED and not job.flag("soft_failed"):
        return _results.failed(facts, command=job.label("command", limit=4_000), conclusion=state)
    return Ignored(
        reason=(
            f"{facts.job}: {state or 'no state'}{' (soft fail)' if job.flag('soft_failed') else ''}"
            " is neither red nor green"
        )
    )


def _state(job: _wire.Fields) -> str:
    """REST says `passed` or `failed`; where only `finished` is said, the exit status decides."""
    state = job.label("state").lower()
    if state != "finished":
        return state
    return "passed" if job.number("exit_status") == 0 else "failed"


def _facts(body: _wire.Fields, job: _wire.Fields, build: _wire.Fields) -> JobFacts:
    repository, request = body.child("pipeline").cloned("repository"), build.maybe("pull_request")
    branch, fork = _branch(build)
    source = _wire.repository_of(request.optional("repository", limit=2_000))
    return JobFacts(
        execution=ExecutionRef(provider=name, host=HOSTS.ids, job_run_id=job.ident("id")),
        repository=repository,
        branch=branch,
        commit=build.commit("commit"),
        job=job.label("name") or job.label("step_key") or "build",
        pipeline_url=job.link("web_url") or build.link("web_url"),
        base_branch=request.branch("base"),
        fork=fork or (bool(source) and source != repository),
        parent_id=build.maybe_ident("id"),
        finished_at=job.moment("finished_at"),
    )


def _branch(build: _wire.Fields) -> tuple[str, bool]:
    """A pull request of a fork is built as `user:branch`."""
    user, colon, branch = build.optional("branch", limit=255).rpartition(":")
    if not _wire.is_branch(branch):
        raise build.bad("branch", "a branch name that git accepts is expected")
    return branch, bool(colon and user)


_BUILDKITE = _outbound.RestApi(
    title="Buildkite",
    hosts=HOSTS,
    token="CI_HEALING_BUILDKITE_TOKEN",  # noqa: S106 - the name of the setting
    headers={"Accept": "application/json"},
    credential=lambda token: {"Authorization": f"Bearer {token}"},
    # Ids are unique over all of Buildkite, and there is one of it.
    same=lambda _api, _host: True,
)
_PAGE = re.compile(
    r"https?://[^/]+/(?P<org>[A-Za-z0-9_-]{1,60})/(?P<pipeline>[A-Za-z0-9_-]{1,100})/builds/(?P<number>[0-9]{1,12})(?:[/#?].*)?"
)
_JOB = r"[0-9a-fA-F-]{1,36}"
ENDED = ("passed", "failed", "finished", "timed_out", "canceled", "skipped", "broken", "expired")


def fetch_log(
    failed: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> str:
    """The job's log, at most 64 MB of it (head and tail). Source: Jobs API, 'Get a job's log
    output' (text).
    """
    facts = _results.facts_of(failed)
    job, scope = facts.execution.job_run_id, "read_build_logs"
    with (
        _outbound.no_log(),
        _talk(settings, scope=scope, transport=transport, otherwise=_outbound.SEND) as conversation,
    ):
        build = _build(facts.pipeline_url)
        if not re.fullmatch(_JOB, job):
            raise NoLog(
                f"{job[:100]!r} is no job of Buildkite: send the log with `cihealing notify --log"
                " build.log`"
            )
        return _outbound.whole_log(
            conversation,
            f"{build}/jobs/{job}/log.txt",
            asked=_asked(f"job {job} of {facts.repository}", scope=scope),
            accept="text/plain",
        )


def expand(
    coarse: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> list[Result]:
    """The red and green jobs of a build. Source: Builds API, 'Get a build'."""
    facts = _results.facts_of(coarse)
    with (
        _outbound.no_log(),
        _talk(
            settings, scope="read_builds", transport=transport, otherwise=_outbound.EVENTS
        ) as conversation,
    ):
        asked = _asked(f"the build at {facts.pipeline_url}", scope="read_builds")
        build = asked.fields(conversation.get(_build(facts.pipeline_url)))
        with asked.readable():
            return _outbound.results(
                [
                    _of_build(build, job)
                    for job in build.children("jobs")
                    if job.label("state").lower() in ENDED
                ]
            )


def rerun(
    execution: Mapping[str, str],
    *,
    settings: Mapping[str, str],
    transport: httpx.BaseTransport | None = None,
) -> str:
    """Retry the job. A retry of it that is there already, one more than were asked for before, is
    adopted.

    The handle names the build and the retry's own job. Source: Jobs API, 'Retry a job': each job is
    retried once, then its retry is.
    """
    job, scope = execution.get("jobRunId", ""), "read_builds and write_builds"
    with _talk(
        settings, scope=scope, transport=transport, otherwise=_outbound.NOT_HERE
    ) as conversation:
        build, asked = (
            _build(execution.get("pipelineUrl", "")),
            _asked(f"the retry of job {job[:36]}", scope=scope),
        )
        if not re.fullmatch(_JOB, job):
            raise PermanentError(
                f"{job[:100]!r} is no job of Buildkite: it cannot be rerun from here"
            )
        with asked.readable():
            retries, before = (
                _retries(_whole(conversation, build, asked=asked), job),
                _outbound.asked_before(execution),
            )
            if len(retries) <= before:
                made = asked.fields(
                    conversation.send("PUT", f"{build}/jobs/{[job, *retries][-1]}/retry")
                )
                retries.append(made.ident("id"))
        return _outbound.handle(build.removeprefix(_ROOT), retries[min(before, len(retries) - 1)])


def rerun_result(
    handle: str, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> Result | None:
    """The result of the retry; TransientError until it has ended, None without a token."""
    if not settings.get(_BUILDKITE.token, "").strip():
        return None
    build, job = _outbound.parts_of(
        handle, r"[A-Za-z0-9_-]+/pipelines/[A-Za-z0-9_-]+/builds/[0-9]+", _JOB
    )
    asked = _asked(f"job {job}", scope="read_builds")
    with (
        _talk(settings, scope="read_builds", transport=transport) as conversation,
        asked.readable(),
    ):
        found = _whole(conversation, f"{_ROOT}{build}", asked=asked)
        ended = [
            one
            for one in found.children("jobs")
            if one.label("id") == job and one.label("state").lower() in ENDED
        ]
        return _outbound.ended(_of_build(found, ended[0]) if ended else None)


_ROOT = "v2/organizations/"


def _build(page: str) -> str:
    """The build's path in the API, from the address of its page. Raises PermanentError."""
    found = _PAGE.fullmatch(page)
    if found is None:
        raise PermanentError(
            "no build of Buildkite can be told from the job's page: send the log with `cihealing"
            " notify --log build.log`"
        )
    return f"{_ROOT}{found['org']}/pipelines/{found['pipeline']}/builds/{found['number']}"


def _talk(
    settings: Mapping[str, str],
    *,
    scope: str,
    transport: httpx.BaseTransport | None,
    otherwise: str = "",
) -> Conversation:
    token = settings.get(_BUILDKITE.token, "").strip()
    side = _BUILDKITE.side(
        settings, token=token, host="", need=scope, wanted="logs and reruns", otherwise=otherwise
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def _asked(subject: str, *, scope: str) -> _outbound.Asked:
    return _outbound.Asked(api=_BUILDKITE, subject=subject, need=scope)


def _whole(conversation: Conversation, build: str, *, asked: _outbound.Asked) -> _wire.Fields:
    return asked.fields(conversation.get(build, params={"include_retried_jobs": "true"}))


def _retries(build: _wire.Fields, job: str) -> list[str]:
    """Ids of the jobs that retried the job and one another, oldest first."""
    after = {one.label("id"): one.label("retried_in_job_id") for one in build.children("jobs")}
    found: list[str] = []
    while (
        re.fullmatch(_JOB, following := after.get(([job, *found])[-1], ""))
        and following not in found
    ):
        found.append(following)
    return found


def _of_build(build: _wire.Fields, job: _wire.Fields) -> Result:
    """From a job of a build as the REST API shows it: the same fields as in the webhook, put
    together in another way.
    """
    return _job(_wire.Fields.of(job=job, build=build, pipeline=build.child("pipeline")))
