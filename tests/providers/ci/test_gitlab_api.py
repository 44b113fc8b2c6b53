"""What is asked of GitLab. Samples after the Jobs API's documentation."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed, Result
from cihealing.ports import NoLog, PermanentError, TransientError
from cihealing.providers.gitlab.logs import GitLabLogs
from cihealing.providers.gitlab.reruns import GitLabReruns
from cihealing.providers.gitlab.settings import GitLabSettings
from tests.groups import holding
from tests.providers.ci.api import PASSING, STAYING, Api, Route, ended
from tests.providers.ci.payloads import SHA

TOKEN = "glpat-0123456789"
SETTINGS = {"CI_HEALING_GITLAB_TOKEN": TOKEN, "CI_HEALING_GITLAB_URL": "https://gitlab.example.com"}
PROJECT = "/api/v4/projects/acme%2Fweb%2Fshop"
TRACE = f"GET {PROJECT}/jobs/1136/trace"
JOB = Failed(
    execution=ExecutionRef(provider="gitlab", host="gitlab.example.com", job_run_id="1136"),
    repository="acme/web/shop",
    branch="fix-cart",
    commit=SHA,
    job="unit",
    parent_id="62",
)
EXECUTION = {
    "repository": "acme/web/shop",
    "host": "gitlab.example.com",
    "jobRunId": "1136",
    "attempt": "1",
    "rerun": "r-0-1",
}


def job(number: int = 1136, status: str = "failed", **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": "unit",
        "status": status,
        "stage": "test",
        "ref": "fix-cart",
        "allow_failure": False,
        "finished_at": "2026-05-04T11:59:30.733Z",
        "failure_reason": "script_failure",
        "commit": {"id": SHA, "short_id": SHA[:8]},
        "pipeline": {"id": 62, "project_id": 3, "ref": "fix-cart", "sha": SHA, "status": "failed"},
        "web_url": f"https://gitlab.example.com/acme/web/shop/-/jobs/{number}",
    } | more


def pipeline(*jobs: dict[str, Any], **routes: Any) -> Api:
    listed: dict[str, Route] = {f"GET {PROJECT}/pipelines/62/jobs": list(jobs)}
    single = {f"GET {PROJECT}/jobs/{one['id']}": one for one in jobs}
    retried = {
        f"POST {PROJECT}/jobs/{one['id']}/retry": httpx.Response(201, json=job(2000, "pending"))
        for one in jobs
    }
    return Api(listed | single | retried | routes)


def fetch(api: Api, failed: Failed = JOB, settings: dict[str, str] = SETTINGS) -> str:
    return GitLabLogs(holding(GitLabSettings, settings), api.transport).fetch_log(failed)


def rerun(api: Api, **more: str) -> str:
    return GitLabReruns(holding(GitLabSettings, SETTINGS), api.transport).rerun(
        {**EXECUTION, **more}
    )


def result(api: Api, handle: str = "acme/web/shop 2000") -> Result | None:
    return ended(
        lambda: GitLabReruns(holding(GitLabSettings, SETTINGS), api.transport).rerun_result(handle)
    )


def test_the_trace_is_fetched_with_the_token() -> None:
    api = Api({TRACE: "$ pytest\nE  assert\n"})
    assert fetch(api) == "$ pytest\nE  assert\n"
    assert api.seen[0].headers["private-token"] == TOKEN


def test_a_trace_in_a_store_is_fetched_without_the_token() -> None:
    store = "https://storage.googleapis.com/artifacts/job.log"
    api = Api(
        {
            TRACE: httpx.Response(302, headers={"location": f"{store}?sig=1"}),
            "GET /artifacts/job.log": "E  assert\n",
        }
    )
    assert fetch(api) == "E  assert\n"
    assert TOKEN not in str(api.seen[1].headers.multi_items())


def test_a_redirect_to_a_private_place_is_no_log() -> None:
    api = Api({TRACE: httpx.Response(302, headers={"location": "https://10.0.0.9/job.log"})})
    with pytest.raises(NoLog, match=r"address\.private"):
        fetch(api)
    assert len(api.seen) == 1


def test_an_erased_trace_is_no_log() -> None:
    with pytest.raises(NoLog, match="erased"):
        fetch(Api({TRACE: ""}))


@pytest.mark.parametrize("status", STAYING)
def test_what_stays_away_names_the_setting(status: int) -> None:
    with pytest.raises(
        NoLog, match=r"GitLab answered .*CI_HEALING_GITLAB_TOKEN .*read_api on acme/web/shop"
    ):
        fetch(Api({TRACE: httpx.Response(status, json={"message": f"{status} said"})}))


@pytest.mark.parametrize(("answer", "seconds"), PASSING)
def test_what_passes_is_tried_again(answer: Route, seconds: float | None) -> None:
    with pytest.raises(TransientError) as busy:
        fetch(Api({TRACE: answer}))
    assert busy.value.retry_after == seconds
    with pytest.raises(TransientError):
        rerun(pipeline(job(), **{f"POST {PROJECT}/jobs/1136/retry": answer}))


@pytest.mark.parametrize(
    ("settings", "host", "says"),
    [
        ({}, "gitlab.example.com", "set CI_HEALING_GITLAB_TOKEN"),
        (SETTINGS, "gitlab.com", "set CI_HEALING_GITLAB_URL"),
        (
            {**SETTINGS, "CI_HEALING_GITLAB_URL": "gitlab"},
            "gitlab.example.com",
            "CI_HEALING_GITLAB_URL: a whole URL",
        ),
        (
            {**SETTINGS, "CI_HEALING_GITLAB_TOKEN": "two words"},
            "gitlab.example.com",
            "no token has",
        ),
    ],
)
def test_the_token_of_one_gitlab_is_not_shown_to_another(
    settings: dict[str, str], host: str, says: str
) -> None:
    api = Api({TRACE: "log"})
    with pytest.raises(NoLog, match=says):
        fetch(api, replace(JOB, execution=replace(JOB.execution, host=host)), settings)
    assert api.seen == []


@pytest.mark.parametrize("run_id", ["", "../1", "1/2", "٤", "delivery:x"])
def test_what_is_no_job_is_not_asked_for(run_id: str) -> None:
    api = Api({})
    with pytest.raises(NoLog, match="no id of GitLab"):
        fetch(api, replace(JOB, execution=replace(JOB.execution, job_run_id=run_id)))
    with pytest.raises(PermanentError, match="no id of GitLab"):
        rerun(api, jobRunId=run_id)
    with pytest.raises(PermanentError, match="no project"):
        rerun(api, repository="../admin")
    assert api.seen == []


def test_a_pipeline_stands_for_its_red_and_green_jobs() -> None:
    api = pipeline(
        job(),
        job(2, "success", name="lint"),
        job(3, "running"),
        job(4, "failed", allow_failure=True),
        job(5, "canceled"),
    )
    red, green = GitLabLogs(holding(GitLabSettings, SETTINGS), api.transport).expand(
        replace(JOB, coarse=True, base_branch="main")
    )
    assert isinstance(red, Failed)
    assert isinstance(green, Passed)
    assert red.execution == JOB.execution
    assert (red.commit, red.branch, red.parent_id, red.base_branch, red.job) == (
        SHA,
        "fix-cart",
        "62",
        "main",
        "unit",
    )
    assert api.seen[0].url.params["include_retried"] == "false"


def test_all_pages_are_read() -> None:
    jobs = [job(number) for number in range(1, 151)]

    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        return httpx.Response(200, json=jobs[(number - 1) * 100 : number * 100])

    api = Api({f"GET {PROJECT}/pipelines/62/jobs": page})
    assert len(GitLabLogs(holding(GitLabSettings, SETTINGS), api.transport).expand(JOB)) == 150


@pytest.mark.parametrize("answer", ["<html>", '{"id": 1}', "[1]", '[{"id": 1}]'])
def test_an_unreadable_list_is_tried_again(answer: str) -> None:
    with pytest.raises(TransientError, match="could not be read"):
        GitLabLogs(
            holding(GitLabSettings, SETTINGS),
            Api({f"GET {PROJECT}/pipelines/62/jobs": answer}).transport,
        ).expand(JOB)


def test_a_retry_is_asked_for_once() -> None:
    api = pipeline(job(), job(9, "failed", name="lint"))
    assert rerun(api) == "acme/web/shop 2000"
    assert api.written == [f"POST {PROJECT}/jobs/1136/retry"]


@pytest.mark.parametrize("status", ["pending", "running", "failed", "success"])
def test_a_retry_that_is_there_already_is_adopted(status: str) -> None:
    api = pipeline(job(), job(1200, status), job(1100, "failed"))
    assert rerun(api) == "acme/web/shop 1200"
    assert api.written == []


def test_a_second_rerun_retries_the_retry() -> None:
    api = pipeline(job(), job(1200))
    assert rerun(api, rerun="r-0-2") == "acme/web/shop 2000"
    assert api.written == [f"POST {PROJECT}/jobs/1200/retry"]


def test_a_version_that_answers_with_the_old_job_is_looked_behind() -> None:
    api = pipeline(job())

    def retry(_request: httpx.Request) -> httpx.Response:
        api.routes[f"GET {PROJECT}/pipelines/62/jobs"] = [job(1300, "pending"), job()]
        return httpx.Response(201, json=job())

    api.routes[f"POST {PROJECT}/jobs/1136/retry"] = retry
    assert rerun(api) == "acme/web/shop 1300"


@pytest.mark.parametrize("status", STAYING)
def test_a_refused_retry_says_why(status: int) -> None:
    answer = httpx.Response(status, json={"message": "403 Forbidden  - Job is not retryable"})
    with pytest.raises(PermanentError, match=r"Job is not retryable.*CI_HEALING_GITLAB_TOKEN"):
        rerun(pipeline(job(), **{f"POST {PROJECT}/jobs/1136/retry": answer}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("pending", None),
        ("running", None),
        ("created", None),
        ("success", Passed),
        ("failed", Failed),
        ("canceled", Ignored),
    ],
)
def test_the_result_of_a_retry_is_told_without_any_delivery(status: str, kind: type | None) -> None:
    found = result(pipeline(job(2000, status)))
    assert type(found) is (kind or type(None))
    if isinstance(found, Passed):
        assert found.execution == ExecutionRef(
            provider="gitlab", host="gitlab.example.com", job_run_id="2000"
        )
        assert (found.repository, found.commit, found.job) == ("acme/web/shop", SHA, "unit")


def test_a_handle_is_of_200_characters_at_most() -> None:
    long = "a" * 100 + "/" + "b" * 100
    path = f"/api/v4/projects/{long.replace('/', '%2F')}"
    api = Api({f"GET {path}/jobs/1136": job(), f"GET {path}/pipelines/62/jobs": [job(1200)]})
    with pytest.raises(PermanentError, match="200 characters"):
        rerun(api, repository=long)
    with pytest.raises(PermanentError, match="cannot be looked up"):
        result(api, "acme/shop#1")
