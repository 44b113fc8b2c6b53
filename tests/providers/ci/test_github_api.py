"""What is asked of GitHub, over a mock transport."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed, Result
from cihealing.http import client
from cihealing.ports import NoLog, PermanentError, TransientError
from cihealing.providers.github import hook
from cihealing.providers.github.logs import GitHubLogs
from cihealing.providers.github.reruns import GitHubReruns
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import outbound as _outbound
from tests.groups import holding
from tests.http.packing import built
from tests.providers.ci.api import ended
from tests.providers.ci.payloads import SHA, raw, workflow_job, workflow_run

SETTINGS = {"CI_HEALING_GITHUB_TOKEN": "ghp_token"}
LOGS = "https://api.github.com/repos/acme/shop/actions/jobs/4001/logs"
STORE = "https://productionresultssa7.blob.core.windows.net/actions-results/4001?sig=a%2Fb%3D"

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
    queue = [httpx.Response(302, headers={"location": target}) for target in targets] + [
        final or httpx.Response(200, text="the log\n")
    ]
    return Wire(lambda _: queue.pop(0))


def fetch(wire: Wire, *, failed: Failed = JOB, settings: dict[str, str] = SETTINGS) -> str:
    return GitHubLogs(holding(GitHubSettings, settings), wire.transport).fetch_log(failed)


def test_the_log_is_fetched_from_where_github_sends_us() -> None:
    wire = redirecting(
        STORE, final=httpx.Response(200, content=b"\xef\xbb\xbf2026 Run pytest\nE \xff assert\n")
    )
    assert fetch(wire) == "2026 Run pytest\nE \ufffd assert\n"
    assert [str(request.url) for request in wire.seen] == [LOGS, STORE]


def test_the_token_goes_to_the_api_alone() -> None:
    wire = redirecting("https://api.github.com/repositories/1/actions/jobs/4001/logs", STORE)
    fetch(wire)
    assert [request.headers.get("authorization") for request in wire.seen] == [
        "Bearer ghp_token",
        "Bearer ghp_token",
        None,
    ]
    assert "ghp_token" not in str(
        [(request.url, dict(request.headers)) for request in wire.seen[2:]]
    )


@pytest.mark.parametrize(
    "target",
    [
        "http://logs.example.net/4001",
        "http://api.github.com/x",
        "ftp://x/y",
        "file:///etc/passwd",
        "https://api.github.com.evil.example/x",
    ],
)
def test_a_redirect_off_the_allowed_hosts_is_not_followed(target: str) -> None:
    wire = redirecting(target)
    with pytest.raises(NoLog, match="redirects where nothing is fetched"):
        fetch(wire)
    assert len(wire.seen) == 1


def test_endless_redirects_end() -> None:
    wire = always(302, headers={"location": STORE})
    with pytest.raises(NoLog, match="redirects more than 4 times"):
        fetch(wire)
    assert len(wire.seen) == 5


def test_a_huge_log_keeps_its_head_and_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outbound, "MAX_LOG", 1_000)
    log = fetch(
        redirecting(
            STORE, final=httpx.Response(200, content=b"first\n" + b"x" * 100_000 + b"\nlast")
        )
    )
    assert log.startswith("first\n")
    assert log.endswith("\nlast")
    assert "99011 bytes of the log are left out" in log
    assert len(log) < 1_100


def test_a_log_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_SECONDS", -1.0)
    with pytest.raises(TransientError, match="seconds"):
        fetch(always(200, text="drip"))


def test_the_logs_of_a_run_are_those_of_its_jobs() -> None:
    files = {
        "1_lint.txt": "fine\n",
        "0_unit.txt": "E  assert\n",
        "unit/1_Set up job.txt": "again\n",
    }
    archive = built({"zip": [{"name": name, "text": text} for name, text in files.items()]})
    wire = redirecting(STORE, final=httpx.Response(200, content=archive))
    assert fetch(wire, failed=RUN) == "==> 0_unit.txt\nE  assert\n\n==> 1_lint.txt\nfine\n\n"
    assert wire.seen[0].url.path == "/repos/acme/shop/actions/runs/77/attempts/2/logs"


def test_a_hostile_archive_is_no_log() -> None:
    archive = built({"zip": [{"name": "../x.txt", "text": "x"}]})
    with pytest.raises(NoLog, match=r"archive\.traversal"):
        fetch(redirecting(STORE, final=httpx.Response(200, content=archive)), failed=RUN)


@pytest.mark.parametrize("token", ["", "  "])
def test_without_a_token_the_message_names_the_setting(token: str) -> None:
    wire = always(200)
    with pytest.raises(
        NoLog, match=r"set CI_HEALING_GITHUB_TOKEN \(a token with actions:read on acme/shop\)"
    ):
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
        (503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        (503, {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}, 3_600.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4091000000"}, 3_600.0),
        (500, {}, None),
        (502, {"retry-after": "999999"}, 3_600.0),
    ],
)
def test_what_passes_is_tried_again(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(TransientError) as busy:
        fetch(always(status, headers=headers))
    assert busy.value.retry_after == seconds


def test_a_refusing_log_store_is_tried_again() -> None:
    with pytest.raises(TransientError, match="log store"):
        fetch(redirecting(STORE, final=httpx.Response(403)))


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("no"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("odd")]
)
def test_a_broken_connection_is_tried_again(error: Exception) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TransientError, match="reached"):
        fetch(Wire(broken))


@pytest.mark.parametrize(
    "run_id", ["check-4001", "status-9", "run-77", "delivery:x", "../../user", "٤"]
)
def test_what_is_no_actions_job_is_not_asked_for(run_id: str) -> None:
    wire = always(200)
    with pytest.raises(NoLog, match="cihealing notify"):
        fetch(wire, failed=replace(JOB, execution=replace(JOB.execution, job_run_id=run_id)))
    assert wire.seen == []


@pytest.mark.parametrize(
    ("host", "api", "asked"),
    [
        ("github.com", "", "https://api.github.com/repos/"),
        (
            "ghe.example.com",
            "https://ghe.example.com/api/v3/",
            "https://ghe.example.com/api/v3/repos/",
        ),
        ("acme.ghe.com", "https://api.acme.ghe.com", "https://api.acme.ghe.com/repos/"),
        ("ghe.example.com", "", None),
        ("github.com", "https://ghe.example.com/api/v3", None),
        ("github.com", "ftp://x", None),
    ],
)
def test_the_token_of_one_github_is_not_shown_to_another(
    host: str, api: str, asked: str | None
) -> None:
    wire = always(200, text="log")
    failed, settings = (
        replace(JOB, execution=replace(JOB.execution, host=host)),
        {**SETTINGS, "CI_HEALING_GITHUB_API_URL": api},
    )
    if asked:
        assert fetch(wire, failed=failed, settings=settings) == "log"
        assert str(wire.seen[0].url) == f"{asked}acme/shop/actions/jobs/4001/logs"
    else:
        with pytest.raises(NoLog, match="CI_HEALING_GITHUB_API_URL"):
            fetch(wire, failed=failed, settings=settings)
        assert wire.seen == []


def job(number: int, conclusion: str = "success", **more: Any) -> dict[str, Any]:
    return {
        **workflow_job()["workflow_job"],
        "id": number,
        "conclusion": conclusion,
        "name": f"job {number}",
        **more,
    }


def pages(*jobs: dict[str, Any]) -> Wire:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        found = jobs[(page - 1) * 100 : page * 100]
        return httpx.Response(
            200, content=json.dumps({"total_count": len(jobs), "jobs": found}).encode()
        )

    return Wire(answer)


def test_all_pages_of_jobs_are_read() -> None:
    wire = pages(
        *(job(number, "failure" if number == 234 else "success") for number in range(1, 251))
    )
    results = GitHubLogs(holding(GitHubSettings, SETTINGS), wire.transport).expand(RUN)
    assert len(results) == 250
    assert [r.execution.job_run_id for r in results if isinstance(r, Failed)] == ["234"]
    assert [request.url.params["page"] for request in wire.seen] == ["1", "2", "3"]
    assert wire.seen[0].url.path == "/repos/acme/shop/actions/runs/77/attempts/2/jobs"


def test_the_jobs_of_a_run_are_what_their_own_events_say() -> None:
    wire = pages(
        job(4001, "failure", name="unit (3.11)"),
        job(2, "skipped"),
        job(3, "cancelled"),
        job(4, "success"),
    )
    red, green = GitHubLogs(holding(GitHubSettings, SETTINGS), wire.transport).expand(RUN)
    assert isinstance(red, Failed)
    assert isinstance(green, Passed)
    (told,) = hook.parse(raw({}, headers={"x-github-event": "workflow_job"}), workflow_job())
    assert not isinstance(told, Ignored)
    assert red.execution == told.execution
    assert (red.parent_id, red.step, red.coarse) == ("77", "Run pytest", False)
    assert (red.base_branch, red.fork) == ("main", True)


def test_jobs_need_the_token() -> None:
    with pytest.raises(NoLog, match="set CI_HEALING_GITHUB_TOKEN"):
        GitHubLogs(holding(GitHubSettings), always(200).transport).expand(RUN)


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b'{"jobs": {}}', b'{"jobs": [1]}', b'{"jobs": [{"id": 1}]}']
)
def test_an_unreadable_list_is_tried_again(content: bytes) -> None:
    with pytest.raises(TransientError, match="could not be read"):
        GitHubLogs(
            holding(GitHubSettings, SETTINGS), always(200, content=content).transport
        ).expand(RUN)


RUN_PATH, JOB_PATH = "/repos/acme/shop/actions/runs/77", "/repos/acme/shop/actions/jobs/4001"


def tried(
    number: int, attempt: int, conclusion: str | None = "failure", *, minute: int, **more: Any
) -> dict[str, Any]:
    """One try of the job `unit`, one minute long."""
    times = {
        "started_at": f"2026-05-04T12:{minute:02}:00Z",
        "completed_at": f"2026-05-04T12:{minute:02}:59Z",
    }
    status = "completed" if conclusion else "in_progress"
    return job(number, conclusion, name="unit", run_attempt=attempt, status=status, **times, **more)  # type: ignore[arg-type]


class Actions:
    """A workflow run as the API shows it, and what was asked of it."""

    def __init__(
        self,
        *jobs: dict[str, Any],
        attempt: int = 1,
        status: str = "completed",
        conclusion: str = "failure",
    ) -> None:
        self.jobs, self.refusal = list(jobs), httpx.Response(201, json={})
        self.run = workflow_run(run_attempt=attempt, status=status, conclusion=conclusion)[
            "workflow_run"
        ]
        self.asked: list[str] = []
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer ghp_token"
        path = request.url.path
        if request.method == "POST":
            self.asked.append(path.removeprefix("/repos/acme/shop/actions/"))
            return self.refusal
        if path == RUN_PATH:
            return httpx.Response(200, json=self.run)
        if path == f"{RUN_PATH}/jobs":
            latest = {one["name"]: one for one in self.jobs}
            found = self.jobs if request.url.params["filter"] == "all" else list(latest.values())
            return httpx.Response(200, json={"jobs": found})
        return httpx.Response(
            200, json=next(one for one in self.jobs if path.endswith(f"/{one['id']}"))
        )

    def rerun(self, run_id: str = "4001", **more: str) -> str:
        execution = {
            "repository": "acme/shop",
            "jobRunId": run_id,
            "attempt": "1",
            "rerun": "r-0-1",
            **more,
        }
        return GitHubReruns(holding(GitHubSettings, SETTINGS), self.transport).rerun(execution)

    def result(self, handle: str) -> Result | None:
        return ended(
            lambda: GitHubReruns(holding(GitHubSettings, SETTINGS), self.transport).rerun_result(
                handle
            )
        )


def test_one_red_job_is_rerun_alone() -> None:
    actions = Actions(tried(4001, 1, minute=0), job(5, "success", run_attempt=1))
    assert actions.rerun() == "acme/shop 4001 2"
    assert actions.asked == ["jobs/4001/rerun"]


def test_of_several_red_jobs_all_are_rerun_at_once() -> None:
    actions = Actions(tried(4001, 1, minute=0), job(5, "failure", run_attempt=1))
    assert actions.rerun() == "acme/shop 4001 2"
    assert actions.asked == ["runs/77/rerun-failed-jobs"]


def test_a_try_that_is_there_already_is_adopted() -> None:
    actions = Actions(tried(4001, 1, minute=0), tried(4100, 2, None, minute=5))
    assert actions.rerun() == "acme/shop 4001 2"
    assert actions.asked == []


def test_a_second_rerun_is_asked_of_the_last_try() -> None:
    actions = Actions(tried(4001, 1, minute=0), tried(4100, 2, minute=5), attempt=2)
    assert actions.rerun(rerun="r-0-2") == "acme/shop 4001 3"
    assert actions.asked == ["jobs/4100/rerun"]
    assert actions.rerun(rerun="r-0-1", asked="0") == "acme/shop 4001 2"
    assert actions.rerun(rerun="r-1-1", asked="1") == "acme/shop 4001 3"


def test_a_job_that_a_later_attempt_only_repeats_was_not_tried_again() -> None:
    actions = Actions(tried(4001, 1, minute=0), tried(4100, 2, minute=0), attempt=2)
    actions.rerun()
    assert len(actions.asked) == 1
    assert actions.result("acme/shop 4001 2") is None


def test_a_workflow_is_rerun_from_its_failed_jobs_and_the_next_attempt_is_adopted() -> None:
    assert Actions(attempt=1).rerun("run-77") == "acme/shop run-77 2"
    later = Actions(attempt=2)
    assert later.rerun("run-77") == "acme/shop run-77 2"
    assert later.asked == []
    later.rerun("run-77", asked="1")
    assert later.asked == ["runs/77/rerun-failed-jobs"]


@pytest.mark.parametrize("status", [403, 409])
def test_a_run_that_has_not_ended_is_rerun_later(status: int) -> None:
    actions = Actions(tried(4001, 1, minute=0))
    actions.refusal = httpx.Response(
        status, json={"message": "The workflow run containing this job is already running"}
    )
    with pytest.raises(TransientError) as later:
        actions.rerun()
    assert later.value.retry_after == 60.0


@pytest.mark.parametrize(
    ("conclusion", "kind"), [("success", Passed), ("failure", Failed), ("cancelled", Ignored)]
)
def test_the_result_of_a_rerun_is_told_without_any_delivery(conclusion: str, kind: type) -> None:
    actions = Actions(tried(4001, 1, minute=0))
    handle = actions.rerun()
    actions.jobs.append(tried(4100, 2, None, minute=5))
    assert actions.result(handle) is None
    actions.jobs[-1] = tried(4100, 2, conclusion, minute=5)
    result = actions.result(handle)
    assert type(result) is kind
    if isinstance(result, Passed | Failed):
        assert result.execution == ExecutionRef(
            provider="github", host="github.com", job_run_id="4100"
        )
        assert (result.repository, result.commit, result.job) == ("acme/shop", SHA, "unit")


def test_the_result_of_a_rerun_workflow_is_that_of_its_attempt() -> None:
    assert Actions(attempt=1).result("acme/shop run-77 2") is None
    assert Actions(attempt=2, status="in_progress").result("acme/shop run-77 2") is None
    result = Actions(attempt=2, conclusion="success").result("acme/shop run-77 2")
    assert isinstance(result, Passed)
    assert result.execution == ExecutionRef(
        provider="github", host="github.com", job_run_id="run-77", attempt=2
    )


@pytest.mark.parametrize(
    "handle", ["", "acme/shop#4001", "acme/shop 4001", "acme/shop ../user 2", "acme/shop 4001 2 3"]
)
def test_a_handle_of_another_make_is_refused(handle: str) -> None:
    with pytest.raises(PermanentError, match="cannot be looked up"):
        Actions().result(handle)


def test_a_write_is_not_redirected() -> None:
    actions = Actions(tried(4001, 1, minute=0))
    actions.refusal = httpx.Response(
        307, headers={"location": "https://api.github.com/repositories/1/actions/jobs/4001/rerun"}
    )
    with pytest.raises(PermanentError, match="answered 307"):
        actions.rerun()
    assert len(actions.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422])
def test_a_refused_rerun_says_why(status: int) -> None:
    wire = always(status, content=b'{"message": "This run cannot be retried"}')
    with pytest.raises(
        PermanentError, match=r"This run cannot be retried.*actions:write on acme/shop"
    ):
        GitHubReruns(holding(GitHubSettings, SETTINGS), wire.transport).rerun(
            {"repository": "acme/shop", "jobRunId": "1"}
        )


@pytest.mark.parametrize(
    "wire", [always(503), always(429), always(403, headers={"retry-after": "9"})]
)
def test_a_busy_rerun_is_tried_again(wire: Wire) -> None:
    with pytest.raises(TransientError):
        GitHubReruns(holding(GitHubSettings, SETTINGS), wire.transport).rerun(
            {"repository": "acme/shop", "jobRunId": "1"}
        )


@pytest.mark.parametrize(
    "execution",
    [
        {},
        {"repository": "acme/shop"},
        {"repository": "../user", "jobRunId": "1"},
        {"repository": "acme/shop", "jobRunId": "check-1"},
    ],
)
def test_what_cannot_be_rerun_is_not_asked_for(execution: dict[str, str]) -> None:
    wire = always(201)
    with pytest.raises(PermanentError, match="no job of GitHub Actions"):
        GitHubReruns(holding(GitHubSettings, SETTINGS), wire.transport).rerun(execution)
    assert wire.seen == []


def test_a_run_of_another_github_is_not_rerun_at_this_one() -> None:
    wire = always(201)
    with pytest.raises(PermanentError, match="CI_HEALING_GITHUB_API_URL"):
        GitHubReruns(holding(GitHubSettings, SETTINGS), wire.transport).rerun(
            {"repository": "acme/shop", "jobRunId": "1", "host": "ghe.example.com"}
        )
    assert wire.seen == []


def test_a_workflow_without_token_says_which_one_brings_its_jobs() -> None:
    with pytest.raises(
        NoLog, match=r"set CI_HEALING_GITHUB_TOKEN .* the jobs of the workflow and their logs"
    ):
        fetch(always(200), failed=RUN, settings={})


def test_a_rerun_needs_the_token() -> None:
    with pytest.raises(
        PermanentError, match=r"set CI_HEALING_GITHUB_TOKEN .*actions:write on acme/shop"
    ):
        GitHubReruns(holding(GitHubSettings), always(201).transport).rerun(
            {"repository": "acme/shop", "jobRunId": "1"}
        )
