"""What is asked of CircleCI. Samples after API v2 ('Workflow', 'Pipeline') and v1.1 ('Single
job').
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed, Result
from cihealing.ports import NoLog, PermanentError, TransientError
from cihealing.providers.circleci.logs import MAX_OUTPUTS, CircleCILogs
from cihealing.providers.circleci.reruns import CircleCIReruns
from cihealing.providers.circleci.settings import CircleCISettings
from cihealing.providers.shared import outbound as _outbound
from tests.groups import holding
from tests.providers.ci import payloads
from tests.providers.ci.api import PASSING, STAYING, Api, Route, ended
from tests.providers.ci.payloads import SHA

SETTINGS = {"CI_HEALING_CIRCLECI_TOKEN": "CCIPAT_x"}
OLD, NEW, NEWER = (f"fda08377-fe7e-46b1-8992-3a7aaecac9c{n}" for n in (3, 4, 5))
UNIT, AGAIN, PIPELINE = (
    "8b91f9a8-7975-4e60-916c-f0152ccbc937",
    "8b91f9a8-7975-4e60-916c-f0152ccbc938",
    "5034460f-c7c4-4c43-9457-de07e2029e7b",
)
RERUN, SINGLE = f"POST /api/v2/workflow/{OLD}/rerun", "GET /api/v1.1/project/gh/acme/shop/12"
STORE = "https://circle-production-action-output.s3.amazonaws.com/1-0?X-Amz-Signature=a"
JOB = Failed(
    execution=ExecutionRef(provider="circleci", host="circleci.com", job_run_id=UNIT),
    repository="acme/shop",
    branch="fix-cart",
    commit=SHA,
    job="unit",
    parent_id=OLD,
    pipeline_url="https://app.circleci.com/pipelines/github/acme/shop/1",
)
PAGE = f"https://app.circleci.com/pipelines/github/acme/shop/1/workflows/{OLD}"
EXECUTION = {
    "repository": "acme/shop",
    "jobRunId": UNIT,
    "pipelineUrl": PAGE,
    "attempt": "1",
    "rerun": "r-0-1",
}


def job(job_id: str = UNIT, status: str = "failed", **more: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "name": "unit",
        "job_number": 12,
        "status": status,
        "project_slug": "gh/acme/shop",
        "type": "build",
        "started_at": "2026-05-04T11:58:00Z",
        "stopped_at": "2026-05-04T11:59:30.170Z",
    } | more


def workflow(
    workflow_id: str = OLD, minute: int = 0, status: str = "failed", **more: Any
) -> dict[str, Any]:
    return {
        "id": workflow_id,
        "name": "ci",
        "status": status,
        "pipeline_id": PIPELINE,
        "created_at": f"2026-05-04T12:{minute:02}:00Z",
    } | more


def circle(*jobs: dict[str, Any], later: Any = (), again: Any = (), **routes: Any) -> Api:
    """The old workflow with its jobs; later workflows; the jobs of the new one."""
    every = [workflow(), *later]
    usual: dict[str, Route] = {
        f"GET /api/v2/workflow/{OLD}/job": {
            "items": list(jobs) or [job()],
            "next_page_token": None,
        },
        f"GET /api/v2/workflow/{NEW}/job": {"items": list(again), "next_page_token": None},
        f"GET /api/v2/pipeline/{PIPELINE}/workflow": {
            "items": every[::-1],
            "next_page_token": None,
        },
        f"GET /api/v2/pipeline/{PIPELINE}": {"id": PIPELINE, **payloads.circleci_job()["pipeline"]},
        RERUN: httpx.Response(202, json={"workflow_id": NEW}),
        f"POST /api/v2/workflow/{NEW}/rerun": httpx.Response(202, json={"workflow_id": NEWER}),
    }
    return Api(usual | {f"GET /api/v2/workflow/{one['id']}": one for one in every} | routes)


def step(name: str, *, status: str = "success", url: str = STORE) -> dict[str, Any]:
    return {
        "name": name,
        "actions": [
            {
                "name": name,
                "status": status,
                "failed": status == "failed" or None,
                "output_url": url,
            }
        ],
    }


def fetch(api: Api, failed: Failed = JOB, settings: dict[str, str] = SETTINGS) -> str:
    return CircleCILogs(holding(CircleCISettings, settings), api.transport).fetch_log(failed)


def rerun(api: Api, **more: str) -> str:
    return CircleCIReruns(holding(CircleCISettings, SETTINGS), api.transport).rerun(
        {**EXECUTION, **more}
    )


def result(api: Api, handle: str = f"{NEW} {OLD} {UNIT}") -> Result | None:
    return ended(
        lambda: CircleCIReruns(holding(CircleCISettings, SETTINGS), api.transport).rerun_result(
            handle
        )
    )


def output(*messages: object) -> httpx.Response:
    return httpx.Response(
        200,
        content=json.dumps([{"type": "out", "message": message} for message in messages]).encode(),
    )


def test_the_log_is_the_output_of_all_steps() -> None:
    build = {
        "steps": [
            step("Checkout"),
            {"name": "no output", "actions": [{"name": "x", "output_url": None}]},
            step("pytest", status="failed"),
        ]
    }
    api = circle(**{SINGLE: build, "GET /1-0": lambda _: output("one\n", "\u0000two\n")})
    assert fetch(api) == "==> Checkout\none\n\u0000two\n\n==> pytest\none\n\u0000two\n\n"
    assert [request.headers.get("circle-token") for request in api.seen] == [
        "CCIPAT_x",
        "CCIPAT_x",
        None,
        None,
    ]


def test_of_very_many_steps_the_failed_ones_are_read() -> None:
    build = {
        "steps": [*(step(f"s{n}") for n in range(MAX_OUTPUTS)), step("pytest", status="failed")]
    }
    api = circle(**{SINGLE: build, "GET /1-0": lambda _: output("red\n")})
    assert fetch(api) == "==> pytest\nred\n\n"


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"plain", "plain"), (b"[1]", ""), (b"{}", ""), (b"[" * 100_000, "[" * 100_000)],
)
def test_output_that_is_no_list_of_messages(body: bytes, text: str) -> None:
    api = circle(**{SINGLE: {"steps": [step("a")]}, "GET /1-0": httpx.Response(200, content=body)})
    assert fetch(api) == f"==> a\n{text}\n"


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.5/out",
        "https://evil.example/out",
        "http://169.254.169.254/",
        "https://circleci.com@evil.example/",
    ],
)
def test_output_elsewhere_is_not_fetched(url: str) -> None:
    api = circle(**{SINGLE: {"steps": [step("a", url=url)]}})
    with pytest.raises(NoLog, match=r"\((?:address|host|url)\.[a-z_]+\)"):
        fetch(api)
    assert {request.url.host for request in api.seen} == {"circleci.com"}


def test_output_whose_address_has_expired_is_fetched_again() -> None:
    with pytest.raises(TransientError, match="log store"):
        fetch(circle(**{SINGLE: {"steps": [step("a")]}, "GET /1-0": httpx.Response(403)}))


def test_too_much_output_is_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outbound, "MAX_LOG", 10)
    with pytest.raises(NoLog, match="more than 10 bytes"):
        fetch(circle(**{SINGLE: {"steps": [step("a")]}, "GET /1-0": output("x" * 100)}))


@pytest.mark.parametrize("jobs", [[job("other")], [job(job_number=None)]])
def test_a_job_without_steps_has_no_log(jobs: list[dict[str, Any]]) -> None:
    with pytest.raises(NoLog, match="cihealing notify"):
        fetch(circle(*jobs))


def test_a_project_that_is_no_slug_is_not_asked_for() -> None:
    with pytest.raises(TransientError, match="project_slug"):
        fetch(circle(job(project_slug="gh/../../x")))


@pytest.mark.parametrize("status", STAYING)
def test_what_stays_away_names_the_setting(status: int) -> None:
    with pytest.raises(NoLog, match=r"CircleCI answered .*CI_HEALING_CIRCLECI_TOKEN"):
        fetch(circle(**{SINGLE: httpx.Response(status, json={"message": "no"})}))


@pytest.mark.parametrize(("answer", "seconds"), PASSING)
def test_what_passes_is_tried_again(answer: Route, seconds: float | None) -> None:
    with pytest.raises(TransientError) as busy:
        fetch(circle(**{SINGLE: answer}))
    assert busy.value.retry_after == seconds
    with pytest.raises(TransientError):
        rerun(circle(**{RERUN: answer}))


def test_a_workflow_stands_for_its_red_and_green_jobs() -> None:
    pages: dict[str, Route] = {
        "": {"items": [job()], "next_page_token": "two"},
        "two": {"items": [job(AGAIN, "success"), job("c", "blocked")]},
    }

    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=pages[request.url.params.get("page-token", "")])

    api = circle(**{f"GET /api/v2/workflow/{OLD}/job": page})
    red, green = CircleCILogs(holding(CircleCISettings, SETTINGS), api.transport).expand(
        replace(JOB, coarse=True)
    )
    assert isinstance(green, Passed)
    assert red.execution == JOB.execution  # type: ignore[union-attr]
    assert (type(red), green.job, green.coarse, green.commit) == (Failed, "unit", False, SHA)


def test_a_workflow_is_rerun_from_what_failed() -> None:
    api = circle()
    assert rerun(api) == f"{NEW} {OLD} {UNIT}"
    assert api.written == [f"POST /api/v2/workflow/{OLD}/rerun"]
    assert json.loads(api.seen[-1].read()) == {"from_failed": True}


def test_a_rerun_that_is_there_already_is_adopted() -> None:
    api = circle(later=(workflow(NEW, 5, "running"), workflow(NEWER, 5, name="nightly")))
    assert rerun(api) == f"{NEW} {OLD} {UNIT}"
    assert api.written == []


def test_a_second_rerun_is_one_of_the_rerun() -> None:
    api = circle(later=(workflow(NEW, 5),))
    assert rerun(api, rerun="r-0-2") == f"{NEWER} {OLD} {UNIT}"
    assert api.written == [f"POST /api/v2/workflow/{NEW}/rerun"]


def test_an_earlier_workflow_of_the_name_is_no_rerun() -> None:
    api = circle(later=(workflow(NEWER, 0, created_at="2026-05-04T11:00:00Z"),))
    rerun(api)
    assert len(api.written) == 1


def test_the_workflow_itself_can_be_rerun() -> None:
    assert rerun(circle(), jobRunId=f"workflow-{OLD}", pipelineUrl="") == f"{NEW} {OLD} -"
    assert rerun(circle(), pipelineUrl="", parentId=OLD) == f"{NEW} {OLD} {UNIT}"


@pytest.mark.parametrize(
    "page", ["", "https://app.circleci.com/pipelines/github/acme/shop/1", "https://x/workflows/zz"]
)
def test_a_job_whose_workflow_is_not_known_is_not_rerun(page: str) -> None:
    api = circle()
    with pytest.raises(PermanentError, match="workflow of this job is not known"):
        rerun(api, pipelineUrl=page)
    assert api.seen == []


@pytest.mark.parametrize("status", STAYING)
def test_a_refused_rerun_says_why(status: int) -> None:
    with pytest.raises(PermanentError, match=r"not rerunnable.*CI_HEALING_CIRCLECI_TOKEN"):
        rerun(circle(**{RERUN: httpx.Response(status, json={"message": "not rerunnable"})}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("queued", None),
        ("running", None),
        ("success", Passed),
        ("failed", Failed),
        ("timedout", Failed),
        ("canceled", Ignored),
    ],
)
def test_the_result_of_a_rerun_is_told_without_any_delivery(status: str, kind: type | None) -> None:
    found = result(
        circle(
            later=(workflow(NEW, 5),), again=(job("x", "success", name="lint"), job(AGAIN, status))
        )
    )
    assert type(found) is (kind or type(None))
    if isinstance(found, Passed):
        assert found.execution == ExecutionRef(
            provider="circleci", host="circleci.com", job_run_id=AGAIN
        )
        assert (found.repository, found.branch, found.commit, found.job, found.parent_id) == (
            "acme/shop",
            "fix-cart",
            SHA,
            "unit",
            NEW,
        )


@pytest.mark.parametrize(
    ("status", "kind"), [("running", None), ("success", Passed), ("failed", Failed)]
)
def test_the_result_of_a_rerun_workflow(status: str, kind: type | None) -> None:
    found = result(circle(later=(workflow(NEW, 5, status),)), f"{NEW} {OLD} -")
    assert type(found) is (kind or type(None))
    if isinstance(found, Passed):
        assert (found.execution.job_run_id, found.coarse) == (f"workflow-{NEW}", True)


def test_a_new_workflow_without_the_job_has_no_result_yet() -> None:
    assert result(circle(later=(workflow(NEW, 5),), again=())) is None
    with pytest.raises(PermanentError, match="cannot be looked up"):
        result(circle(), "x")
