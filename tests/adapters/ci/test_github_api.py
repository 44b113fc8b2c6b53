"""What is asked of GitHub, over a mock transport."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from cihealing.adapters.ci import github
from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed
from cihealing.ports import NoLog, PermanentError, TransientError
from tests.adapters.ci.payloads import SHA, raw, workflow_job

SETTINGS = {"CI_HEALING_GITHUB_TOKEN": "ghp_token"}
LOGS = "https://api.github.com/repos/acme/shop/actions/jobs/4001/logs"
STORE = "https://logs.blob.example.net/4001?sig=abc"

JOB = Failed(
    execution=ExecutionRef(provider="github", host="github.com", job_run_id="4001"),
    repository="acme/shop",
    branch="fix-cart",
    commit=SHA,
    job="unit",
)
RUN = replace(
    JOB,
    execution=ExecutionRef(provider="github", host="github.com", job_run_id="run-77", attempt=2),
    parent_id="77",
    coarse=True,
    base_branch="main",
    fork=True,
)
Answer = Callable[[httpx.Request], httpx.Response]


class Wire:
    """Answers requests and remembers them."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.seen = answer, list[httpx.Request]()
        self.transport = httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.answer(request)


def always(status: int, **more: Any) -> Wire:
    return Wire(lambda _: httpx.Response(status, **more))


def redirecting(*targets: str, final: httpx.Response | None = None) -> Wire:
    queue = [httpx.Response(302, headers={"location": target}) for target in targets] + [final or httpx.Response(200, text="the log\n")]
    return Wire(lambda _: queue.pop(0))


def fetch(wire: Wire, *, failed: Failed = JOB, settings: dict[str, str] = SETTINGS) -> str:
    return github.fetch_log(failed, settings=settings, transport=wire.transport)


# ---------------------------------------------------------------- logs


def test_the_log_is_fetched_from_where_github_sends_us() -> None:
    wire = redirecting(STORE, final=httpx.Response(200, content=b"\xef\xbb\xbf2026 Run pytest\nE \xff assert\n"))
    assert fetch(wire) == "2026 Run pytest\nE \ufffd assert\n"
    assert [str(request.url) for request in wire.seen] == [LOGS, STORE]


def test_the_token_goes_to_the_api_alone() -> None:
    wire = redirecting("https://api.github.com/repositories/1/actions/jobs/4001/logs", "https://api.github.com.evil.example/x", STORE)
    fetch(wire)
    assert [request.headers.get("authorization") for request in wire.seen] == ["Bearer ghp_token", "Bearer ghp_token", None, None]
    assert "ghp_token" not in str([(request.url, dict(request.headers)) for request in wire.seen[2:]])


@pytest.mark.parametrize("target", ["http://logs.example.net/4001", "http://api.github.com/x", "ftp://x/y", "file:///etc/passwd"])
def test_a_redirect_off_https_is_not_followed(target: str) -> None:
    wire = redirecting(target)
    with pytest.raises(TransientError):
        fetch(wire)
    assert len(wire.seen) == 1


def test_endless_redirects_end() -> None:
    wire = always(302, headers={"location": STORE})
    with pytest.raises(TransientError, match="redirected"):
        fetch(wire)
    assert len(wire.seen) == github.MAX_HOPS


def test_a_huge_log_keeps_its_head_and_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "MAX_LOG", 1_000)
    log = fetch(redirecting(STORE, final=httpx.Response(200, content=b"first\n" + b"x" * 100_000 + b"\nlast")))
    assert log.startswith("first\n")
    assert log.endswith("\nlast")
    assert "99011 bytes of the log are left out" in log
    assert len(log) < 1_100


def test_a_log_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "MAX_SECONDS", -1.0)
    with pytest.raises(TransientError, match="seconds"):
        fetch(always(200, text="drip"))


@pytest.mark.parametrize("token", ["", "  "])
def test_without_a_token_the_message_names_the_setting(token: str) -> None:
    wire = always(200)
    with pytest.raises(NoLog, match=r"set CI_HEALING_GITHUB_TOKEN \(a token with actions:read on acme/shop\)"):
        fetch(wire, settings={"CI_HEALING_GITHUB_TOKEN": token})
    assert wire.seen == []


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "tökén"])
def test_a_token_that_is_none_never_reaches_a_header(token: str) -> None:
    with pytest.raises(NoLog, match="no token has"):
        fetch(always(200), settings={"CI_HEALING_GITHUB_TOKEN": token})


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "expired or revoked"),
        (403, "actions:read on acme/shop"),
        (404, "actions:read on acme/shop"),
        (410, "expired there"),
        (422, "422"),
    ],
)
def test_what_stays_away_says_what_to_do(status: int, says: str) -> None:
    with pytest.raises(NoLog, match=says) as missing:
        fetch(always(status))
    assert "4001" in str(missing.value)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {}, None),
        (429, {"retry-after": "17"}, 17.0),
        (403, {"retry-after": "60"}, 60.0),
        (403, {"x-ratelimit-remaining": "0"}, None),
        (503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (500, {}, None),
        (502, {"retry-after": "999999"}, 3_600.0),
    ],
)
def test_what_passes_is_tried_again(status: int, headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(TransientError) as busy:
        fetch(always(status, headers=headers))
    assert busy.value.retry_after == seconds


def test_a_refusing_log_store_is_tried_again() -> None:
    with pytest.raises(TransientError, match="log store"):
        fetch(redirecting(STORE, final=httpx.Response(403)))


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("odd")])
def test_a_broken_connection_is_tried_again(error: Exception) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TransientError, match="reached"):
        fetch(Wire(broken))


@pytest.mark.parametrize("run_id", ["check-4001", "status-9", "run-77", "delivery:x", "../../user", "٤"])
def test_what_is_no_actions_job_is_not_asked_for(run_id: str) -> None:
    wire = always(200)
    with pytest.raises(NoLog, match="cihealing notify"):
        fetch(wire, failed=replace(JOB, execution=replace(JOB.execution, job_run_id=run_id)))
    assert wire.seen == []


@pytest.mark.parametrize(
    ("host", "api", "asked"),
    [
        ("github.com", "", "https://api.github.com/repos/"),
        ("ghe.example.com", "https://ghe.example.com/api/v3/", "https://ghe.example.com/api/v3/repos/"),
        ("acme.ghe.com", "https://api.acme.ghe.com", "https://api.acme.ghe.com/repos/"),
        ("ghe.example.com", "", None),
        ("github.com", "https://ghe.example.com/api/v3", None),
        ("github.com", "ftp://x", None),
    ],
)
def test_the_token_of_one_github_is_not_shown_to_another(host: str, api: str, asked: str | None) -> None:
    wire = always(200, text="log")
    failed, settings = replace(JOB, execution=replace(JOB.execution, host=host)), {**SETTINGS, "CI_HEALING_GITHUB_API_URL": api}
    if asked:
        assert fetch(wire, failed=failed, settings=settings) == "log"
        assert str(wire.seen[0].url) == f"{asked}acme/shop/actions/jobs/4001/logs"
    else:
        with pytest.raises(NoLog, match="CI_HEALING_GITHUB_API_URL"):
            fetch(wire, failed=failed, settings=settings)
        assert wire.seen == []


# ---------------------------------------------------------------- the jobs of a run


def job(number: int, conclusion: str = "success", **more: Any) -> dict[str, Any]:
    return {**workflow_job()["workflow_job"], "id": number, "conclusion": conclusion, "name": f"job {number}", **more}


def pages(*jobs: dict[str, Any]) -> Wire:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        found = jobs[(page - 1) * 100 : page * 100]
        return httpx.Response(200, content=json.dumps({"total_count": len(jobs), "jobs": found}).encode())

    return Wire(answer)


def test_all_pages_of_jobs_are_read() -> None:
    wire = pages(*(job(number, "failure" if number == 234 else "success") for number in range(1, 251)))
    results = github.expand(RUN, settings=SETTINGS, transport=wire.transport)
    assert len(results) == 250
    assert [r.execution.job_run_id for r in results if isinstance(r, Failed)] == ["234"]
    assert [request.url.params["page"] for request in wire.seen] == ["1", "2", "3"]
    assert wire.seen[0].url.path == "/repos/acme/shop/actions/runs/77/attempts/2/jobs"


def test_the_jobs_of_a_run_are_what_their_own_events_say() -> None:
    wire = pages(job(4001, "failure", name="unit (3.11)"), job(2, "skipped"), job(3, "cancelled"), job(4, "success"))
    red, green = github.expand(RUN, settings=SETTINGS, transport=wire.transport)
    assert isinstance(red, Failed)
    assert isinstance(green, Passed)
    (told,) = github.parse(raw({}, headers={"x-github-event": "workflow_job"}), workflow_job())
    assert not isinstance(told, Ignored)
    assert red.execution == told.execution
    assert (red.parent_id, red.step, red.coarse) == ("77", "Run pytest", False)
    assert (red.base_branch, red.fork) == ("main", True)


def test_jobs_need_the_token() -> None:
    with pytest.raises(NoLog, match="set CI_HEALING_GITHUB_TOKEN"):
        github.expand(RUN, settings={}, transport=always(200).transport)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"jobs": {}}', b'{"jobs": [1]}', b'{"jobs": [{"id": 1}]}'])
def test_an_unreadable_list_is_tried_again(content: bytes) -> None:
    with pytest.raises(TransientError, match="could not be read"):
        github.expand(RUN, settings=SETTINGS, transport=always(200, content=content).transport)


# ---------------------------------------------------------------- reruns


@pytest.mark.parametrize(("run_id", "path"), [("4001", "jobs/4001/rerun"), ("run-77", "runs/77/rerun-failed-jobs")])
def test_a_rerun_is_asked_for(run_id: str, path: str) -> None:
    wire = always(201)
    handle = github.rerun({"repository": "acme/shop", "jobRunId": run_id}, settings=SETTINGS, transport=wire.transport)
    (request,) = wire.seen
    assert (request.method, str(request.url)) == ("POST", f"https://api.github.com/repos/acme/shop/actions/{path}")
    assert request.headers["authorization"] == "Bearer ghp_token"
    assert github.rerun_result(handle, settings=SETTINGS) is None


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_a_refused_rerun_says_why(status: int) -> None:
    wire = always(status, content=b'{"message": "This run cannot be retried"}')
    with pytest.raises(PermanentError, match=r"This run cannot be retried.*actions:write on acme/shop"):
        github.rerun({"repository": "acme/shop", "jobRunId": "1"}, settings=SETTINGS, transport=wire.transport)


@pytest.mark.parametrize("wire", [always(503), always(429), always(403, headers={"retry-after": "9"})])
def test_a_busy_rerun_is_tried_again(wire: Wire) -> None:
    with pytest.raises(TransientError):
        github.rerun({"repository": "acme/shop", "jobRunId": "1"}, settings=SETTINGS, transport=wire.transport)


@pytest.mark.parametrize(
    "execution",
    [{}, {"repository": "acme/shop"}, {"repository": "../user", "jobRunId": "1"}, {"repository": "acme/shop", "jobRunId": "check-1"}],
)
def test_what_cannot_be_rerun_is_not_asked_for(execution: dict[str, str]) -> None:
    wire = always(201)
    with pytest.raises(PermanentError, match="no job of GitHub Actions"):
        github.rerun(execution, settings=SETTINGS, transport=wire.transport)
    assert wire.seen == []


def test_a_run_of_another_github_is_not_rerun_at_this_one() -> None:
    wire = always(201)
    with pytest.raises(PermanentError, match="CI_HEALING_GITHUB_API_URL"):
        github.rerun({"repository": "acme/shop", "jobRunId": "1", "host": "ghe.example.com"}, settings=SETTINGS, transport=wire.transport)
    assert wire.seen == []


def test_a_workflow_without_token_says_which_one_brings_its_jobs() -> None:
    with pytest.raises(NoLog, match=r"set CI_HEALING_GITHUB_TOKEN .* the jobs of the workflow and their logs"):
        fetch(always(200), failed=RUN, settings={})


def test_a_rerun_needs_the_token() -> None:
    with pytest.raises(PermanentError, match=r"set CI_HEALING_GITHUB_TOKEN .*actions:write on acme/shop"):
        github.rerun({"repository": "acme/shop", "jobRunId": "1"}, settings={}, transport=always(201).transport)
