"""GitHub Actions, checks of other apps and commit statuses.

Source: GitHub docs, 'Webhook events and payloads', 'Validating webhook deliveries'; REST 'Workflow jobs' and 'Workflow runs'.

One red job is told four times: `workflow_job` and `check_run` (the same id) give the same ExecutionRef, `workflow_run` is a coarse
result with the run as parent, `check_suite` is only noted. GitHub gives each try of a job an id of its own, so `attempt` is always 1
for a job; a coarse result carries the run's attempt. Ids that are no jobs are prefixed: their number spaces overlap.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from cihealing.adapters.ci import _wire
from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadPayload, BadSignature, NoLog, PermanentError, RawRequest, TransientError

name = "github"

TOKEN = "CI_HEALING_GITHUB_TOKEN"  # noqa: S105 - the name of the setting
API_URL = "CI_HEALING_GITHUB_API_URL"
DEFAULT_API = "https://api.github.com"

RED = ("failure", "timed_out", "startup_failure")
MAX_LOG = 64 * 1024 * 1024
MAX_SECONDS = 300.0
MAX_HOPS = 4
MAX_PAGES = 20
PER_PAGE = 100


# ---------------------------------------------------------------- inbound


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _wire.require_secret(secrets, provider=name)
    given = _wire.required_header(request.headers, "x-hub-signature-256")
    if not _wire.hex_signed(given, message=request.body, secrets=known, schemes={"sha256": "sha256"}):
        raise BadSignature("X-Hub-Signature-256 is not of a secret known here")
    # Unsigned, but the same over redeliveries; who replays a body under another id meets the sameness of the execution.
    return _wire.delivery_id(request.headers.get("x-github-delivery", ""), body=request.body)


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
        case "":
            raise BadPayload("the header X-GitHub-Event is missing")
        case _:
            return [Ignored(reason=f"{re.sub('[^a-z_]', '', event[:50])} events say nothing of a job's result")]


def _workflow_job(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    job, repository = body.child("workflow_job"), body.child("repository")
    return _job_result(job, repository=repository.repository("full_name"), host=_host(repository))


def _job_result(job: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False) -> Result:
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
    return next((step.label("name") for step in job.children("steps") if step.label("conclusion") in RED), "")


def _check_run(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    check, repository = body.child("check_run"), body.child("repository")
    suite = check.maybe("check_suite")
    run, job = _actions_ids(check)
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(repository), job_run_id=job or f"check-{check.ident('id')}"),
        repository=repository.repository("full_name"),
        branch=suite.branch("head_branch"),
        commit=check.commit("head_sha"),
        job=check.title("name"),
        pipeline_url=check.link("details_url") or check.link("html_url"),
        base_branch=_base_branch(check),
        # GitHub: "head_branch is null for a push to a fork", see 'Check runs' in the REST docs.
        fork="head_branch" in suite.value and "head_branch" not in suite,
        parent_id=run,
        finished_at=check.moment("completed_at"),
    )
    return _result(facts, conclusion=check.label("conclusion"), log=None if job else _report(check))


def _actions_ids(check: _wire.Fields) -> tuple[str, str]:
    """Run id and job id of a check that is a job of GitHub Actions, whose check id is its job id; else two empty ones."""
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
    run, repository = body.child("workflow_run"), body.child("repository")
    full_name = repository.repository("full_name")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(repository), job_run_id=f"run-{run.ident('id')}", attempt=_attempt(run)),
        repository=full_name,
        branch=run.branch("head_branch"),
        commit=run.commit("head_sha"),
        job=run.label("name") or run.label("path") or "workflow",
        pipeline_url=run.link("html_url"),
        base_branch=_base_branch(run),
        fork=_of_fork(run, full_name),
        parent_id=run.ident("id"),
        coarse=True,
        finished_at=run.moment("updated_at"),
    )
    return _result(facts, conclusion=run.label("conclusion"))


def _of_fork(run: _wire.Fields, repository: str) -> bool:
    """A deleted fork leaves `head_repository: null`."""
    return "head_repository" in run.value and run.maybe("head_repository").label("full_name") != repository


def _attempt(run: _wire.Fields) -> int:
    found = run.value.get("run_attempt", 1)
    return found if isinstance(found, int) and 1 <= found < 10_000 else 1


def _check_suite(body: _wire.Fields) -> Result:
    app = body.child("check_suite").maybe("app").label("slug")
    who = "its jobs" if app == "github-actions" else "its checks"
    return Ignored(reason=f"a check suite is only noted: {who} report themselves")


def _status(body: _wire.Fields) -> Result:
    """A commit status, as CIs without the Checks API set it: `context` is the nearest to a job's name."""
    repository = body.child("repository")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(repository), job_run_id=f"status-{body.ident('id')}"),
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
    return next((request.maybe("base").branch("ref") for request in fields.children("pull_requests")), "")


def _unfinished(body: _wire.Fields) -> Ignored | None:
    action = body.label("action")
    return None if action == "completed" else Ignored(reason=f"{action or 'no action'}: not completed yet")


def _result(facts: JobFacts, *, conclusion: str, **more: Any) -> Result:
    """`more` says what is known of a failure alone."""
    if conclusion == "success":
        return _wire.passed(facts)
    if conclusion in RED:
        return _wire.failed(facts, conclusion=conclusion, **more)
    return Ignored(reason=f"{facts.job}: {conclusion or 'no conclusion'} is neither red nor green")


def _host(repository: _wire.Fields) -> str:
    return _wire.host_of(repository.link("html_url"))


# ---------------------------------------------------------------- outbound


def fetch_log(failed: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> str:
    """The job's log, at most 64 MB of it (head and tail). Source: REST 'Download job logs for a workflow run'."""
    facts = _wire.facts_of(failed)
    job = facts.execution.job_run_id
    if not _is_id(job):
        if facts.coarse:
            _need_access(settings, facts, wanted="the jobs of the workflow and their logs")
        raise NoLog(
            f"{facts.job!r} is no job of GitHub Actions, GitHub holds no log of it: send it with `cihealing notify --log build.log`"
        )
    _need_access(settings, facts, wanted="the log")
    with _client(settings, transport=transport) as client, _errors():
        raw = _download(client, f"/repos/{facts.repository}/actions/jobs/{job}/logs", subject=f"job {job} of {facts.repository}")
    return raw.decode("utf-8-sig", errors="replace")


def expand(coarse: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> list[Result]:
    """The red and green jobs of one attempt of a workflow run. Source: REST 'List jobs for a workflow run attempt'."""
    facts = _wire.facts_of(coarse)
    _need_access(settings, facts, wanted="the list of jobs")
    path = f"/repos/{facts.repository}/actions/runs/{facts.parent_id}/attempts/{facts.execution.attempt}/jobs"
    with _client(settings, transport=transport) as client, _errors():
        jobs = _jobs(client, path, subject=f"workflow run {facts.parent_id} of {facts.repository}")
    found = [_listed_job(job, facts) for job in jobs]
    return [result for result in found if not isinstance(result, Ignored)]


def rerun(execution: Mapping[str, str], *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> str:
    """Run the job (of a coarse result: its failed jobs) again. `execution` names `repository`, `host` and `jobRunId`.

    Source: REST 'Re-run a job from a workflow run'. The new try has a new job id and reports itself.
    """
    repository, job = execution.get("repository", ""), execution.get("jobRunId", "")
    if objection := _unusable(settings, need=f"actions:write on {repository}", wanted="a rerun", host=execution.get("host", "")):
        raise PermanentError(objection)
    path = _rerun_path(job)
    if not path or not _wire.is_repository(repository):
        raise PermanentError(f"{job!r} of {repository!r} is no job of GitHub Actions: it cannot be rerun from here")
    with _client(settings, transport=transport) as client, _errors():
        _check_rerun(client.post(f"/repos/{repository}{path}"), repository=repository)
    return f"{repository}#{job}"


def rerun_result(handle: str, *, settings: Mapping[str, str]) -> Result | None:
    """None: the new try arrives as a webhook."""
    return None


def _rerun_path(job: str) -> str:
    if _is_id(job):
        return f"/actions/jobs/{job}/rerun"
    run = job.removeprefix("run-")
    return f"/actions/runs/{run}/rerun-failed-jobs" if _is_id(run) else ""


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,20}", text))


def _check_rerun(response: httpx.Response, *, repository: str) -> None:
    _check_busy(response)
    if not response.is_success:
        said = _said(response) or "no reason given"
        raise PermanentError(f"GitHub refused the rerun ({response.status_code}: {said}). {TOKEN} needs actions:write on {repository}")


def _said(response: httpx.Response) -> str:
    try:
        return _wire.Fields(_wire.json_object(response.content)).label("message", limit=200)
    except BadPayload:
        return ""


# ---------------------------------------------------------------- over the wire


def _need_access(settings: Mapping[str, str], facts: JobFacts, *, wanted: str) -> None:
    if objection := _unusable(settings, need=f"actions:read on {facts.repository}", wanted=wanted, host=facts.execution.host):
        raise NoLog(objection)


def _unusable(settings: Mapping[str, str], *, need: str, wanted: str, host: str) -> str:
    """What keeps the API from being asked about a job that ran on `host`, and which setting changes that; empty where nothing does."""
    token, api = settings.get(TOKEN, "").strip(), _wire.host_of(_api(settings))
    if not token:
        return f"set {TOKEN} (a token with {need}) to bring {wanted} from GitHub"
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        return f"{TOKEN} holds characters that no token has"
    if not _wire.web(_api(settings)):
        return f"{API_URL} must be an http(s) URL"
    if host and api not in (host, f"api.{host}"):
        # The token of one GitHub is not shown to another.
        return f"the job ran on {host}, {TOKEN} is for {api}: set {API_URL} (https://{host}/api/v3 for GitHub Enterprise Server)"
    return ""


def _api(settings: Mapping[str, str]) -> str:
    return settings.get(API_URL, "").strip().rstrip("/") or DEFAULT_API


class _Bearer(httpx.Auth):
    """The token, for requests to the API's own origin alone: a redirect to a log store gets none."""

    def __init__(self, token: str, *, api: str) -> None:
        self.token, self.origin = token, _origin(httpx.URL(api))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if _origin(request.url) == self.origin:
            request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


def _origin(url: httpx.URL) -> tuple[str, bytes]:
    return url.scheme, url.netloc


def _client(settings: Mapping[str, str], *, transport: httpx.BaseTransport | None) -> httpx.Client:
    api = _api(settings)
    return httpx.Client(
        base_url=api,
        auth=_Bearer(settings[TOKEN].strip(), api=api),
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(30.0, connect=10.0),
        transport=transport,
    )


@contextmanager
def _errors() -> Iterator[None]:
    """What goes wrong between here and GitHub passes."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(f"GitHub could not be reached: {type(error).__name__}") from error


def _download(client: httpx.Client, path: str, *, subject: str) -> bytes:
    """The body behind `path`, over at most MAX_HOPS redirects, never from https down to http."""
    url = client.base_url.copy_with(path=client.base_url.path.rstrip("/") + path)
    for _ in range(MAX_HOPS):
        with client.stream("GET", url) as response:
            if not response.has_redirect_location:
                _check_read(response, subject=subject, at_api=_origin(url) == _origin(client.base_url))
                return _wire.head_and_tail(_in_time(response.iter_bytes()), limit=MAX_LOG)
            url = url.join(response.headers["location"])
        if url.scheme not in ("https", client.base_url.scheme):
            raise TransientError(f"GitHub sent {subject} to a {url.scheme} address, which is not followed")
    raise TransientError(f"GitHub redirected more than {MAX_HOPS} times for {subject}")


def _in_time(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Read time-outs bound the wait for one chunk; this bounds them all."""
    end = time.monotonic() + MAX_SECONDS
    for chunk in chunks:
        if time.monotonic() > end:
            raise TransientError(f"the log took more than {MAX_SECONDS:.0f} seconds to download")
        yield chunk


def _check_read(response: httpx.Response, *, subject: str, at_api: bool) -> None:
    _check_busy(response)
    status = response.status_code
    if response.is_success:
        return
    if not at_api:
        # The log store: its short-lived address may have expired on the way.
        raise TransientError(f"the log store of GitHub answered {status} for {subject}")
    raise NoLog(f"GitHub answered {status} for {subject}: {_advice(status, subject=subject)}")


def _advice(status: int, *, subject: str) -> str:
    repository = subject.rpartition(" ")[2]
    match status:
        case 401:
            return f"{TOKEN} is expired or revoked, set a new one with actions:read on {repository}"
        case 410:
            return "the log has expired there, run the job again"
        case _:
            return f"{TOKEN} needs actions:read on {repository}, then retry"


def _check_busy(response: httpx.Response) -> None:
    """Raises TransientError for 5xx and rate limits. Source: REST 'Rate limits', 'Exceeding the rate limit'."""
    status, headers = response.status_code, response.headers
    limited = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    if status == 429 or status >= 500 or (status == 403 and limited):
        raise TransientError(f"GitHub answered {status}", retry_after=_retry_after(headers))


def _retry_after(headers: httpx.Headers) -> float | None:
    given = headers.get("retry-after", "")
    return min(float(given), 3_600.0) if re.fullmatch(r"[0-9]{1,6}", given) else None


def _jobs(client: httpx.Client, path: str, *, subject: str) -> list[_wire.Fields]:
    jobs: list[_wire.Fields] = []
    for page in range(1, MAX_PAGES + 1):
        response = client.get(path, params={"per_page": PER_PAGE, "page": page})
        _check_read(response, subject=subject, at_api=True)
        found = _page(response)
        jobs += found
        if len(found) < PER_PAGE:
            break
    return jobs


def _page(response: httpx.Response) -> list[_wire.Fields]:
    try:
        return _wire.Fields(_wire.json_object(response.content)).children("jobs")
    except BadPayload as error:
        raise TransientError(f"GitHub's list of jobs could not be read: {error}") from error


def _listed_job(job: _wire.Fields, facts: JobFacts) -> Result:
    try:
        return _job_result(job, repository=facts.repository, host=facts.execution.host, base_branch=facts.base_branch, fork=facts.fork)
    except BadPayload as error:
        raise TransientError(f"GitHub's list of jobs could not be read: {error}") from error
