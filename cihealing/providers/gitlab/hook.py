"""GitLab: Job Hook and Pipeline Hook, by secret token or by signing token.

Source: GitLab docs, 'Webhooks' > 'Delivery headers' and 'Webhook events' > 'Job events', 'Pipeline
events'; 'Jobs API'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.http.client import Conversation
from cihealing.ports import BadSignature, NoLog, PermanentError, RawRequest, TransientError
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

name = "gitlab"


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    """A signing token (`whsec_…`) signs after Standard Webhooks; a secret token is sent as it is in
    X-Gitlab-Token.
    """
    known = _signing.require_secret(secrets, provider=name)
    signing = [secret for secret in known if secret.startswith(_signing.SECRET_PREFIX)]
    if signing and "webhook-signature" in request.headers:
        # A stale signature must not be saved by the token sent beside it.
        _signing.verify_standard(
            request.headers, body=request.body, secrets=signing, now=request.received_at
        )
    else:
        _verify_token(request, known)
    # Idempotency-Key stays the same over retries and is new for each event. X-Gitlab-Event-UUID is
    # shared by all hooks of one request and by what they trigger in turn, X-Gitlab-Webhook-UUID is
    # new for each try: neither names a delivery.
    return _signing.delivery_id(request.headers.get("idempotency-key", ""), body=request.body)


def _verify_token(request: RawRequest, secrets: Sequence[str]) -> None:
    given = _signing.required_header(request.headers, "x-gitlab-token")
    if not _signing.one_of(given, secrets):
        raise BadSignature("X-Gitlab-Token is not a secret known here")


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.label("object_kind"):
        case "build" | "job":
            return [_job(body)]
        case "pipeline":
            return _pipeline(body)
        case "" if "event_name" not in body:
            raise body.bad("object_kind", "this field is required")
        case kind:
            return [
                Ignored(
                    reason=(
                        f"{kind or body.label('event_name')} events say nothing of a job's result"
                    )
                )
            ]


def _job(body: _wire.Fields) -> Result:
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(body), job_run_id=body.ident("build_id")),
        repository=_repository(body),
        branch=_wire.plain_branch(body.branch("ref")),
        commit=body.commit("sha"),
        job=body.title("build_name"),
        pipeline_url=_page(body, job=body.ident("build_id")),
        parent_id=body.maybe_ident("pipeline_id"),
        finished_at=body.moment("build_finished_at"),
    )
    status, allowed = body.label("build_status"), body.flag("build_allow_failure")
    return _result(facts, status=status, allowed=allowed, reason=body.label("build_failure_reason"))


def _pipeline(body: _wire.Fields) -> list[Result]:
    """The results of its ended jobs, whatever the pipeline's own status is: each is a fact of its
    own.
    """
    pipeline = body.child("object_attributes")
    results = [_pipeline_job(body, pipeline, build) for build in body.children("builds")]
    ended: list[Result] = [result for result in results if not isinstance(result, Ignored)]
    return ended or [
        Ignored(
            reason=(
                f"pipeline {pipeline.ident('id')} is {pipeline.label('status')}: no job of it is"
                " red or green yet"
            )
        )
    ]


def _pipeline_job(body: _wire.Fields, pipeline: _wire.Fields, build: _wire.Fields) -> Result:
    request = body.maybe("merge_request")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(body), job_run_id=build.ident("id")),
        repository=_repository(body),
        branch=_wire.plain_branch(pipeline.branch("ref")),
        commit=pipeline.commit("sha"),
        job=build.title("name"),
        pipeline_url=_page(body, job=build.ident("id")),
        base_branch=request.branch("target_branch"),
        fork=request.maybe_ident("source_project_id") != request.maybe_ident("target_project_id"),
        parent_id=pipeline.ident("id"),
        finished_at=build.moment("finished_at"),
    )
    return _result(
        facts,
        status=build.label("status"),
        allowed=build.flag("allow_failure"),
        reason=build.label("failure_reason"),
    )


def _result(facts: JobFacts, *, status: str, allowed: bool, reason: str) -> Result:
    if status == "success":
        return _wire.passed(facts)
    if status == "failed" and not allowed:
        return _wire.failed(facts, error_type="" if reason == "script_failure" else reason)
    return Ignored(
        reason=(
            f"{facts.job}: {status or 'no status'}{' (allowed to fail)' if allowed else ''} is"
            " neither red nor green"
        )
    )


def _repository(body: _wire.Fields) -> str:
    """Full path with namespace. Older Job Hooks have no `project`; their `project_name` is a
    display name, so the clone URL speaks.
    """
    project, source = body.maybe("project"), body.maybe("repository")
    if "path_with_namespace" in project:
        return project.repository("path_with_namespace")
    return source.cloned("git_http_url" if "git_http_url" in source else "homepage")


def _web_url(body: _wire.Fields) -> str:
    return body.maybe("project").link("web_url") or body.maybe("repository").link("homepage")


def _host(body: _wire.Fields) -> str:
    return _wire.host_of(_web_url(body))


def _page(body: _wire.Fields, *, job: str) -> str:
    base = _web_url(body)
    return f"{base}/-/jobs/{job}" if base else ""


_GITLAB = _outbound.Provider(
    name=name,
    title="GitLab",
    token="CI_HEALING_GITLAB_TOKEN",  # noqa: S106 - the name of the setting
    headers={"Accept": "application/json"},
    credential=lambda token: {"PRIVATE-TOKEN": token},
    same=lambda api, host: api == host,
    example="https://{host}",
)
_WRITE = "api, for a member who may run pipelines,"
ENDED = ("success", "failed", "canceled", "skipped")


def fetch_log(
    failed: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> str:
    """The job's trace, at most 64 MB of it (head and tail). Source: Jobs API, 'Get a log file for a
    job'.
    """
    facts = _wire.facts_of(failed)
    job = facts.execution.job_run_id
    with (
        _outbound.no_log(),
        _talk(
            settings,
            facts.repository,
            host=facts.execution.host,
            transport=transport,
            otherwise=_outbound.SEND,
        ) as conversation,
    ):
        asked = _asked(f"job {job} of {facts.repository}", facts.repository)
        log = _outbound.whole_log(
            conversation, f"{_project(facts.repository)}/jobs/{_number(job)}/trace", asked=asked
        )
    if not log:
        raise NoLog(
            f"GitLab holds no log of job {job} of {facts.repository}: it was erased, or the job"
            " never began"
        )
    return log


def expand(
    coarse: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> list[Result]:
    """The red and green jobs of a pipeline. Source: Jobs API, 'List pipeline jobs'."""
    facts = _wire.facts_of(coarse)
    with (
        _outbound.no_log(),
        _talk(
            settings,
            facts.repository,
            host=facts.execution.host,
            transport=transport,
            otherwise=_outbound.EVENTS,
        ) as conversation,
    ):
        asked = _asked(f"pipeline {facts.parent_id} of {facts.repository}", facts.repository)
        jobs = _jobs(
            conversation,
            facts.repository,
            pipeline=_number(facts.parent_id),
            asked=asked,
            retried=False,
        )
        with asked.readable():
            return _outbound.results(
                [
                    _listed(job, facts.repository, base=facts.base_branch, fork=facts.fork)
                    for job in jobs
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

    The handle names the project and the retry's own job. Source: Jobs API, 'Retry a job': each job
    is retried once, then its retry is.
    """
    repository, host = execution.get("repository", ""), execution.get("host", "")
    with _talk(
        settings,
        repository,
        host=host,
        transport=transport,
        scope=_WRITE,
        otherwise=_outbound.NOT_HERE,
    ) as conversation:
        job = _number(execution.get("jobRunId", ""))
        if not _wire.is_repository(repository):
            raise PermanentError(
                f"{repository[:100]!r} is no project of GitLab: its job cannot be rerun from here"
            )
        asked = _asked(f"the retry of job {job} of {repository}", repository, scope=_WRITE)
        with asked.readable():
            retries, before = (
                _retries(conversation, repository, job, asked=asked),
                _outbound.asked_before(execution),
            )
            if len(retries) <= before:
                retries.append(_retry(conversation, repository, [job, *retries][-1], asked=asked))
        return _outbound.handle(repository, retries[min(before, len(retries) - 1)])


def rerun_result(
    handle: str, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> Result | None:
    """The result of the retry; TransientError until it has ended, None without a token. Source:
    Jobs API, 'Get a single job'.
    """
    if not settings.get(_GITLAB.token, "").strip():
        return None
    repository, job = _outbound.parts_of(handle, r"[\x21-\x7e]+", r"[0-9]{1,20}")
    asked = _asked(f"job {job} of {repository}", repository)
    with (
        _talk(settings, repository, host="", transport=transport) as conversation,
        asked.readable(),
    ):
        found = asked.fields(conversation.get(f"{_project(repository)}/jobs/{job}"))
        return _outbound.ended(
            _listed(found, repository) if found.label("status") in ENDED else None
        )


def _talk(
    settings: Mapping[str, str],
    repository: str,
    *,
    host: str,
    transport: httpx.BaseTransport | None,
    scope: str = "read_api",
    otherwise: str = "",
) -> Conversation:
    token, need = settings.get(_GITLAB.token, "").strip(), f"{scope} on {repository}"
    side = _GITLAB.side(
        settings, token=token, host=host, need=need, wanted="logs and reruns", otherwise=otherwise
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def _asked(subject: str, repository: str, *, scope: str = "read_api") -> _outbound.Asked:
    return _outbound.Asked(provider=_GITLAB, subject=subject, need=f"{scope} on {repository}")


def _number(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise PermanentError(
            f"{text[:100]!r} is no id of GitLab: send the log with `cihealing notify --log"
            " build.log`"
        )
    return text


def _project(repository: str) -> str:
    return f"api/v4/projects/{quote(repository, safe='')}"


def _jobs(
    conversation: Conversation,
    repository: str,
    *,
    pipeline: str,
    asked: _outbound.Asked,
    retried: bool,
) -> list[_wire.Fields]:
    jobs: list[_wire.Fields] = []
    for page in range(1, _outbound.MAX_PAGES + 1):
        params: dict[str, str | int] = {
            "per_page": _outbound.PER_PAGE,
            "page": page,
            "include_retried": str(retried).lower(),
        }
        found = asked.items(
            conversation.get(f"{_project(repository)}/pipelines/{pipeline}/jobs", params=params)
        )
        jobs += found
        if len(found) < _outbound.PER_PAGE:
            break
    return jobs


def _retries(
    conversation: Conversation, repository: str, job: str, *, asked: _outbound.Asked
) -> list[str]:
    """Ids of the later jobs of the same name in the job's pipeline, oldest first."""
    first = asked.fields(conversation.get(f"{_project(repository)}/jobs/{job}"))
    pipeline = first.child("pipeline").ident("id")
    jobs = _jobs(conversation, repository, pipeline=_number(pipeline), asked=asked, retried=True)
    later = [
        int(_number(other.ident("id")))
        for other in jobs
        if other.label("name") == first.label("name")
    ]
    return [str(number) for number in sorted(later) if number > int(job)]


def _retry(conversation: Conversation, repository: str, job: str, *, asked: _outbound.Asked) -> str:
    made = asked.fields(
        conversation.send("POST", f"{_project(repository)}/jobs/{job}/retry")
    ).ident("id")
    # Some versions answer with the job that was retried.
    again = [made] if made != job else _retries(conversation, repository, job, asked=asked)
    if not again:
        raise TransientError(f"GitLab did not say which job retries {job} of {repository}")
    return _number(again[-1])


def _listed(job: _wire.Fields, repository: str, *, base: str = "", fork: bool = False) -> Result:
    """From a job as the REST API shows it."""
    page = job.link("web_url")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_wire.host_of(page), job_run_id=job.ident("id")),
        repository=repository,
        branch=_wire.plain_branch(job.branch("ref")),
        commit=(
            job.maybe("commit").commit("id")
            if "commit" in job
            else job.child("pipeline").commit("sha")
        ),
        job=job.title("name"),
        pipeline_url=page,
        base_branch=base,
        fork=fork,
        parent_id=job.child("pipeline").ident("id"),
        finished_at=job.moment("finished_at"),
    )
    return _result(
        facts,
        status=job.label("status"),
        allowed=job.flag("allow_failure"),
        reason=job.label("failure_reason"),
    )
