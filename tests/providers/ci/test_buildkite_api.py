"""What is asked of Buildkite. Samples after its REST documentation, 'Jobs API' and 'Builds API'."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed, Result
from cihealing.ports import NoLog, PermanentError, TransientError
from cihealing.providers.buildkite import hook as buildkite
from cihealing.providers.buildkite.logs import BuildkiteLogs
from cihealing.providers.buildkite.reruns import BuildkiteReruns
from cihealing.providers.buildkite.settings import BuildkiteSettings
from tests.groups import holding
from tests.providers.ci import payloads
from tests.providers.ci.api import PASSING, STAYING, Api, Route, ended
from tests.providers.ci.payloads import SHA

SETTINGS = {"CI_HEALING_BUILDKITE_TOKEN": "bkua_0123"}
BUILD = "/v2/organizations/acme/pipelines/shop/builds/5"
FIRST, SECOND, THIRD = (f"01890a5d-ac96-774b-bcce-b30209{n}a8057" for n in (9, 8, 7))
LOG = f"GET {BUILD}/jobs/{FIRST}/log.txt"
PAGE = f"https://buildkite.com/acme/shop/builds/5#{FIRST}"
JOB = Failed(
    execution=ExecutionRef(provider="buildkite", host="buildkite.com", job_run_id=FIRST),
    repository="acme/shop",
    branch="fix-cart",
    commit=SHA,
    job=":pytest: unit",
    pipeline_url=PAGE,
)
EXECUTION = {
    "repository": "acme/shop",
    "jobRunId": FIRST,
    "pipelineUrl": PAGE,
    "attempt": "1",
    "rerun": "r-0-1",
}


def job(
    name: str = FIRST, state: str = "failed", following: str | None = None, **more: Any
) -> dict[str, Any]:
    sample = payloads.buildkite_job()["job"]
    return {
        **sample,
        "id": name,
        "state": state,
        "retried_in_job_id": following,
        "retried": bool(following),
    } | more


def buildkite_of(*jobs: dict[str, Any], **routes: Any) -> Api:
    sample = payloads.buildkite_job()
    whole = {
        **sample["build"],
        "number": 5,
        "jobs": [*jobs, {"id": "w", "type": "waiter", "state": "passed"}],
        "pipeline": sample["pipeline"],
    }
    retried = {f"PUT {BUILD}/jobs/{one['id']}/retry": job(THIRD, "scheduled") for one in jobs}
    return Api({f"GET {BUILD}": whole} | retried | routes)


def fetch(api: Api, failed: Failed = JOB, settings: dict[str, str] = SETTINGS) -> str:
    return BuildkiteLogs(holding(BuildkiteSettings, settings), api.transport).fetch_log(failed)


def rerun(api: Api, **more: str) -> str:
    return BuildkiteReruns(holding(BuildkiteSettings, SETTINGS), api.transport).rerun(
        {**EXECUTION, **more}
    )


def result(api: Api, job_id: str = THIRD) -> Result | None:
    return ended(
        lambda: BuildkiteReruns(holding(BuildkiteSettings, SETTINGS), api.transport).rerun_result(
            f"acme/pipelines/shop/builds/5 {job_id}"
        )
    )


def test_the_log_is_fetched_as_text() -> None:
    api = Api({LOG: "~~~ Running commands\nE  assert\n"})
    assert fetch(api) == "~~~ Running commands\nE  assert\n"
    assert str(api.seen[0].url).startswith("https://api.buildkite.com/v2/")
    assert (api.seen[0].headers["authorization"], api.seen[0].headers["accept"]) == (
        "Bearer bkua_0123",
        "text/plain",
    )


@pytest.mark.parametrize("status", STAYING)
def test_what_stays_away_names_the_setting(status: int) -> None:
    with pytest.raises(
        NoLog, match=r"Buildkite answered .*CI_HEALING_BUILDKITE_TOKEN .*read_build_logs"
    ):
        fetch(Api({LOG: httpx.Response(status, json={"message": "no"})}))


@pytest.mark.parametrize(("answer", "seconds"), PASSING)
def test_what_passes_is_tried_again(answer: Route, seconds: float | None) -> None:
    with pytest.raises(TransientError) as busy:
        fetch(Api({LOG: answer}))
    assert busy.value.retry_after == seconds
    with pytest.raises(TransientError):
        rerun(buildkite_of(job(), **{f"PUT {BUILD}/jobs/{FIRST}/retry": answer}))


def test_a_redirect_to_a_private_place_is_no_log() -> None:
    with pytest.raises(NoLog, match=r"address\.loopback"):
        fetch(Api({LOG: httpx.Response(302, headers={"location": "https://127.0.0.1/log"})}))


@pytest.mark.parametrize(
    "page",
    [
        "",
        "https://buildkite.com/acme/shop",
        "https://buildkite.com/../x/builds/5",
        "https://buildkite.com/a/b/builds/x",
    ],
)
def test_a_page_that_names_no_build_is_not_asked_about(page: str) -> None:
    api = Api({})
    with pytest.raises(NoLog, match="cihealing notify"):
        fetch(api, replace(JOB, pipeline_url=page))
    with pytest.raises(PermanentError, match="no build of Buildkite"):
        rerun(api, pipelineUrl=page)
    assert api.seen == []


@pytest.mark.parametrize("job_id", ["", "../x", "a/b", "g"])
def test_what_is_no_job_is_not_asked_for(job_id: str) -> None:
    api = Api({})
    with pytest.raises(NoLog, match="no job of Buildkite"):
        fetch(api, replace(JOB, execution=replace(JOB.execution, job_run_id=job_id)))
    with pytest.raises(PermanentError, match="no job of Buildkite"):
        rerun(api, jobRunId=job_id)
    assert api.seen == []


def test_a_build_stands_for_its_red_and_green_jobs() -> None:
    api = buildkite_of(job(), job(SECOND, "passed"), job(THIRD, "running"), job("ab", "canceled"))
    red, green = BuildkiteLogs(holding(BuildkiteSettings, SETTINGS), api.transport).expand(JOB)
    assert isinstance(green, Passed)
    (told,) = buildkite.parse(payloads.raw({}), payloads.buildkite_job(id=FIRST))
    assert isinstance(red, Failed)
    assert isinstance(told, Failed)
    assert red.execution.job_run_id == FIRST
    assert replace(red, execution=told.execution) == told


def test_a_retry_is_asked_for_once() -> None:
    api = buildkite_of(job())
    assert rerun(api) == f"acme/pipelines/shop/builds/5 {THIRD}"
    assert api.written == [f"PUT {BUILD}/jobs/{FIRST}/retry"]
    assert api.seen[0].url.params["include_retried_jobs"] == "true"


def test_a_retry_that_is_there_already_is_adopted() -> None:
    api = buildkite_of(job(following=SECOND), job(SECOND, "running"))
    assert rerun(api) == f"acme/pipelines/shop/builds/5 {SECOND}"
    assert api.written == []


def test_a_second_rerun_retries_the_retry() -> None:
    api = buildkite_of(job(following=SECOND), job(SECOND))
    assert rerun(api, rerun="r-0-2") == f"acme/pipelines/shop/builds/5 {THIRD}"
    assert api.written == [f"PUT {BUILD}/jobs/{SECOND}/retry"]


def test_jobs_that_retry_one_another_in_a_ring_end() -> None:
    api = buildkite_of(job(following=SECOND), job(SECOND, following=FIRST))
    assert rerun(api) == f"acme/pipelines/shop/builds/5 {SECOND}"


@pytest.mark.parametrize("status", STAYING)
def test_a_refused_retry_says_why(status: int) -> None:
    answer = httpx.Response(
        status, json={"message": "Only failed or timed out jobs can be retried"}
    )
    with pytest.raises(PermanentError, match=r"Only failed .*CI_HEALING_BUILDKITE_TOKEN"):
        rerun(buildkite_of(job(), **{f"PUT {BUILD}/jobs/{FIRST}/retry": answer}))


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("scheduled", None),
        ("running", None),
        ("passed", Passed),
        ("failed", Failed),
        ("timed_out", Failed),
        ("canceled", Ignored),
    ],
)
def test_the_result_of_a_retry_is_told_without_any_delivery(state: str, kind: type | None) -> None:
    found = result(buildkite_of(job(following=THIRD), job(THIRD, state)))
    assert type(found) is (kind or type(None))
    if isinstance(found, Passed):
        assert (found.execution.job_run_id, found.repository, found.commit) == (
            THIRD,
            "acme/shop",
            SHA,
        )


def test_the_result_of_a_job_that_is_not_there_is_not_known() -> None:
    assert result(buildkite_of(job())) is None
    with pytest.raises(PermanentError, match="cannot be looked up"):
        BuildkiteReruns(holding(BuildkiteSettings, SETTINGS), Api({}).transport).rerun_result("x y")
