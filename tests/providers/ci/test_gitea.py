"""Gitea's and Forgejo's Actions: what they send, and what is asked of them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from cihealing.domain.values import ExecutionRef, Failed, Ignored, JobFacts, Passed, Result
from cihealing.ports import BadPayload, BadSignature, NoLog, PermanentError, TransientError
from cihealing.providers.gitea import hook
from cihealing.providers.gitea.logs import GiteaLogs
from cihealing.providers.gitea.provider import SIGNED_IN
from cihealing.providers.gitea.reruns import GiteaReruns
from cihealing.providers.gitea.settings import GiteaSettings
from tests.groups import holding
from tests.providers.ci.api import PASSING, STAYING, Api, ended
from tests.providers.ci.mutations import GONE, VALUES, changed, places
from tests.providers.ci.payloads import SECRET, SHA, raw

SETTINGS = {"CI_HEALING_GITEA_URL": "https://git.example", "CI_HEALING_GITEA_TOKEN": "s3cret"}
REPOSITORY = {"full_name": "acme/shop", "html_url": "https://git.example/acme/shop"}
ACTIONS = "/api/v1/repos/acme/shop/actions"


def job(**changes: Any) -> dict[str, Any]:
    return {
        "id": 41,
        "run_id": 7,
        "run_attempt": 1,
        "name": "unit",
        "head_sha": SHA,
        "head_branch": "refs/heads/fix-cart",
        "html_url": "https://git.example/acme/shop/actions/runs/7/jobs/0",
        "status": "completed",
        "conclusion": "failure",
        "steps": [
            {"name": "check out", "conclusion": "success"},
            {"name": "pytest", "conclusion": "failure"},
        ],
        "completed_at": "2026-05-04T11:59:30Z",
        **changes,
    }


def run(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "run_attempt": 1,
        "path": "ci.yml@refs/heads/fix-cart",
        "head_sha": SHA,
        "head_branch": "fix-cart",
        "html_url": "https://git.example/acme/shop/actions/runs/7",
        "status": "completed",
        "conclusion": "failure",
        "completed_at": "2026-05-04T11:59:30Z",
        **changes,
    }


def told(event: str, **parts: Any) -> Result:
    payload = {"action": "completed", "repository": REPOSITORY, **parts}
    (result,) = hook.parse(raw(payload, headers={"x-gitea-event": event}), payload)
    return result


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("secrets", [[SECRET], ["the old one", SECRET]])
def test_a_signature_over_the_raw_body_is_taken(secrets: list[str]) -> None:
    body = '{"name": "ünïcode ♥"}'.encode()
    headers = {"x-gitea-signature": signed(body), "x-gitea-delivery": "f6266f16"}
    assert hook.verify(raw(body, headers=headers), secrets) == "f6266f16"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-gitea-signature": ""},
        {"x-gitea-signature": "ä"},
        {"x-gitea-signature": signed(b"{} ")},
        {"x-gitea-signature": signed(b"{}", "somebody else's")},
        {"x-gitea-signature": f"sha1={signed(b'{}')}"},
        {"x-hub-signature-256": f"sha256={signed(b'{}')}"},
    ],
)
def test_any_other_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        hook.verify(raw(b"{}", headers=headers), [SECRET])
    with pytest.raises(BadSignature):
        hook.verify(raw(b"{}", headers=headers), [])


def test_a_red_job_is_read() -> None:
    result = told("workflow_job", workflow_job=job(run_attempt=2))
    assert isinstance(result, Failed)
    assert result.execution == ExecutionRef(
        provider="gitea", host="git.example", job_run_id="41", attempt=2
    )
    assert (result.branch, result.commit, result.job) == ("fix-cart", SHA, "unit")
    assert (result.step, result.parent_id, result.coarse) == ("pytest", "7", False)


def test_a_green_one_and_one_that_is_neither() -> None:
    assert isinstance(told("workflow_job", workflow_job=job(conclusion="success")), Passed)
    for conclusion in ("skipped", "cancelled", ""):
        assert isinstance(told("workflow_job", workflow_job=job(conclusion=conclusion)), Ignored)


def test_a_red_run_stands_for_its_jobs() -> None:
    result = told("workflow_run", workflow_run=run())
    assert isinstance(result, Failed)
    assert (result.execution.job_run_id, result.coarse, result.job) == ("run-7", True, "ci.yml")


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        ({"ref": "fix-cart", "repo": {"full_name": "acme/shop"}}, False),
        ({"ref": "fix-cart", "repo": {"full_name": "eve/shop"}}, True),
        ({"ref": "fix-cart", "repo": None}, True),
    ],
)
def test_a_pull_request_names_base_and_fork(head: dict[str, Any], fork: bool) -> None:
    pull = {"head": head, "base": {"ref": "main"}}
    result = told("workflow_job", workflow_job=job(), pull_request=pull)
    assert isinstance(result, JobFacts)
    assert (result.base_branch, result.fork) == ("main", fork)


def test_what_says_nothing_of_a_result_is_ignored() -> None:
    assert isinstance(told("workflow_job", action="in_progress", workflow_job=job()), Ignored)
    assert isinstance(told("push"), Ignored)
    with pytest.raises(BadPayload, match="X-Gitea-Event"):
        told("")
    with pytest.raises(BadPayload, match=r"^workflow_job\.head_sha"):
        told("workflow_job", workflow_job=job(head_sha="no commit"))


PULL = {"head": {"ref": "x", "repo": {"full_name": "eve/shop"}}, "base": {"ref": "main"}}
SENT = {
    "workflow_job": {"workflow_job": job(), "pull_request": PULL},
    "workflow_run": {"workflow_run": run(), "pull_request": PULL},
}


@pytest.mark.parametrize("event", SENT)
def test_any_value_in_any_place_is_read_or_named(event: str) -> None:
    payload = {"action": "completed", "repository": REPOSITORY, **SENT[event]}
    answers = set()
    for path in list(places(payload))[1:]:
        for value in (*VALUES, GONE):
            try:
                found = hook.parse(
                    raw({}, headers={"x-gitea-event": event}), changed(payload, path, value)
                )
            except BadPayload as error:
                answers.add(str(error))
            else:
                assert found
    assert len(answers) > 10


def test_a_change_of_our_own_is_known() -> None:
    pull = {"head": {"ref": "cihealing/r1"}}
    assert hook.own_change({"repository": REPOSITORY, "pull_request": pull}) == (
        "acme/shop",
        "cihealing/r1",
    )
    assert hook.own_change({"repository": REPOSITORY, "pull_request": {}}) is None


def red() -> Failed:
    result = told("workflow_job", workflow_job=job())
    assert isinstance(result, Failed)
    return result


def coarse() -> Failed:
    result = told("workflow_run", workflow_run=run())
    assert isinstance(result, Failed)
    return result


def test_a_log_is_fetched_with_the_token() -> None:
    api = Api({f"GET {ACTIONS}/jobs/41/logs": "the log\n"})
    assert (
        GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).fetch_log(red()) == "the log\n"
    )
    assert api.seen[0].headers["authorization"] == "token s3cret"


def test_the_token_of_one_installation_is_not_shown_to_another() -> None:
    api = Api({})
    elsewhere = {**SETTINGS, "CI_HEALING_GITEA_URL": "https://other.example"}
    with pytest.raises(NoLog, match="CI_HEALING_GITEA_URL"):
        GiteaLogs(holding(GiteaSettings, elsewhere), api.transport).fetch_log(red())
    with pytest.raises(NoLog, match="CI_HEALING_GITEA_TOKEN"):
        GiteaLogs(holding(GiteaSettings, {**SETTINGS, "CI_HEALING_GITEA_TOKEN": ""})).fetch_log(
            red()
        )
    assert api.seen == []


@pytest.mark.parametrize("status", STAYING)
def test_a_refusal_that_stays_is_a_log_that_cannot_be_had(status: int) -> None:
    api = Api({f"GET {ACTIONS}/jobs/41/logs": httpx.Response(status, json={"message": "no"})})
    with pytest.raises(NoLog):
        GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).fetch_log(red())


@pytest.mark.parametrize(("answer", "after"), PASSING)
def test_what_passes_is_tried_again(answer: Any, after: float | None) -> None:
    api = Api({f"GET {ACTIONS}/jobs/41/logs": answer})
    with pytest.raises(TransientError) as caught:
        GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).fetch_log(red())
    assert caught.value.retry_after == after


def test_a_whole_run_has_no_log_of_its_own() -> None:
    with pytest.raises(NoLog, match="job events"):
        GiteaLogs(holding(GiteaSettings, SETTINGS)).fetch_log(coarse())


@pytest.mark.parametrize("key", ["jobs", "workflow_jobs"])
def test_the_jobs_of_a_run_are_listed_page_by_page(key: str) -> None:
    def pages(request: httpx.Request) -> httpx.Response:
        many = [job(id=n, conclusion="success") for n in range(100, 150)]
        pages = {"1": many, "2": [job(), job(id=99, conclusion="")]}
        return httpx.Response(200, json={key: pages.get(request.url.params["page"], [])})

    api = Api({f"GET {ACTIONS}/runs/7/jobs": pages})
    found = GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).expand(coarse())
    assert (len(found), [type(one) for one in found[-1:]]) == (51, [Failed])


@pytest.mark.parametrize("ignores_pages", [False, True])
def test_a_server_with_pages_of_its_own_size_hides_no_job(ignores_pages: bool) -> None:
    every = [*(job(id=n, conclusion="success") for n in range(100, 125)), job()]

    def pages(request: httpx.Request) -> httpx.Response:
        at = 0 if ignores_pages else 20 * (int(request.url.params["page"]) - 1)
        return httpx.Response(200, json={"jobs": every if ignores_pages else every[at : at + 20]})

    api = Api({f"GET {ACTIONS}/runs/7/jobs": pages})
    found = GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).expand(coarse())
    assert [type(one) for one in found].count(Failed) == 1
    assert len(found) == len(every)


def test_gos_zero_time_is_no_time() -> None:
    zero = job(completed_at="0001-01-01T00:00:00Z")
    api = Api({f"GET {ACTIONS}/runs/7/jobs": httpx.Response(200, json={"jobs": [zero]})})
    (found,) = GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).expand(coarse())
    assert isinstance(found, Failed)
    assert found.finished_at is None


class Server:
    """A run of one job; `same` keeps the job's id when it is run again, as older versions do."""

    def __init__(self, *, same: bool) -> None:
        self.same, self.jobs = same, [job()]
        self.api = Api(
            {
                f"GET {ACTIONS}/jobs/41": lambda _: httpx.Response(200, json=self.jobs[0]),
                f"GET {ACTIONS}/runs/7/jobs": lambda _: httpx.Response(
                    200, json={"jobs": self.jobs[-1:]}
                ),
                f"POST {ACTIONS}/runs/7/jobs/41/rerun": self.again,
            }
        )

    def again(self, _request: httpx.Request) -> httpx.Response:
        new = job(id=41 if self.same else 42, run_attempt=2, status="queued", conclusion="")
        self.jobs = [new] if self.same else [*self.jobs, new]
        return httpx.Response(201, json=new)

    def end(self, conclusion: str) -> None:
        self.jobs[-1] |= {"status": "completed", "conclusion": conclusion}

    def rerun(self, **more: str) -> str:
        execution = {"repository": "acme/shop", "jobRunId": "41", "attempt": "1", "rerun": "r-0-1"}
        return GiteaReruns(holding(GiteaSettings, SETTINGS), self.api.transport).rerun(
            {**execution, "host": "git.example", **more}
        )

    def result(self, handle: str) -> Result | None:
        return ended(
            lambda: GiteaReruns(holding(GiteaSettings, SETTINGS), self.api.transport).rerun_result(
                handle
            )
        )


@pytest.mark.parametrize("same", [True, False])
def test_a_job_is_run_again_once_and_its_result_is_found(same: bool) -> None:
    server = Server(same=same)
    handle = server.rerun()
    assert handle == "acme/shop 41 2"
    assert server.rerun() == handle, "what is there already is adopted"
    assert server.api.written == [f"POST {ACTIONS}/runs/7/jobs/41/rerun"]
    assert server.result(handle) is None
    server.end("success")
    found = server.result(handle)
    assert isinstance(found, Passed)
    assert found.execution.attempt == 2
    assert found.execution.job_run_id == ("41" if same else "42")


def test_the_failed_jobs_of_a_run_are_run_again() -> None:
    attempts = [1]
    api = Api(
        {
            f"GET {ACTIONS}/runs/7": lambda _: httpx.Response(
                200, json=run(run_attempt=attempts[0], conclusion="success")
            ),
            f"POST {ACTIONS}/runs/7/rerun-failed-jobs": httpx.Response(201),
        }
    )
    order = {"repository": "acme/shop", "jobRunId": "run-7", "attempt": "1", "host": "git.example"}
    handle = GiteaReruns(holding(GiteaSettings, SETTINGS), api.transport).rerun(order)
    assert handle == "acme/shop run-7 2"

    def look() -> Result | None:
        return GiteaReruns(holding(GiteaSettings, SETTINGS), api.transport).rerun_result(handle)

    assert ended(look) is None
    attempts[0] = 2
    assert isinstance(ended(look), Passed)


def test_a_run_that_goes_on_is_waited_for() -> None:
    server = Server(same=True)
    refusal = httpx.Response(400, json={"message": "this workflow run is not done"})
    server.api.routes[f"POST {ACTIONS}/runs/7/jobs/41/rerun"] = refusal
    with pytest.raises(TransientError) as caught:
        server.rerun()
    assert caught.value.retry_after == 60.0


def test_a_server_that_cannot_rerun_is_told_and_so_is_nonsense() -> None:
    server = Server(same=True)
    del server.api.routes[f"POST {ACTIONS}/runs/7/jobs/41/rerun"]
    with pytest.raises(PermanentError, match="404"):
        server.rerun()
    for odd in ({"jobRunId": "../x"}, {"repository": "x"}, {"attempt": "one"}):
        with pytest.raises(PermanentError):
            server.rerun(**odd)
    assert GiteaReruns(holding(GiteaSettings)).rerun_result("acme/shop 41 2") is None
    with pytest.raises(PermanentError, match="another version"):
        GiteaReruns(holding(GiteaSettings, SETTINGS)).rerun_result("of another make")


def test_doctor_says_what_to_set() -> None:
    assert "CI_HEALING_GITEA_URL" in SIGNED_IN.excuse(holding(GiteaSettings))
    assert SIGNED_IN.excuse(holding(GiteaSettings, SETTINGS)) == ""


def test_the_answer_of_a_server_is_read_strictly() -> None:
    body = json.dumps({"jobs": [job(head_sha=7)]})
    api = Api({f"GET {ACTIONS}/runs/7/jobs": httpx.Response(200, text=body)})
    with pytest.raises(TransientError, match="could not be read"):
        GiteaLogs(holding(GiteaSettings, SETTINGS), api.transport).expand(coarse())
