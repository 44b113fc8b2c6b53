"""The read half of the HTTP contract."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cihealing import models
from cihealing.domain import events as e
from tests import factories as make

pytestmark = pytest.mark.django_db

HOME = "/api/v1/ci-healing"
CONTRACT = {
    "id",
    "jobId",
    "provider",
    "repository",
    "branch",
    "commitSha",
    "pipelineUrl",
    "errorHash",
    "errorType",
    "errorSummary",
    "status",
    "stage",
    "failureClass",
    "confidence",
    "blame",
    "owner",
    "evidence",
    "attemptCount",
    "maxAttempts",
    "prUrl",
    "escalationReason",
    "attachedTo",
    "version",
    "patchHash",
    "createdAt",
    "updatedAt",
}
OF_AN_ATTEMPT = {
    "attemptNo",
    "status",
    "diagnosis",
    "proposedFix",
    "validationLog",
    "failureReason",
    "proof",
    "usage",
}
ODD_IDS = [
    "x",
    "1",
    "%00",
    "a" * 5000,
    "123e4567-e89b-12d3-a456-42661417400٣",
    "{123e4567-e89b-12d3-a456-426614174000}",
]

NOBODY = UUID(int=404)


def problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.content[:300]
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["type"]) == (status, f"urn:cihealing:problem:{kind}")
    return body


@pytest.mark.parametrize(
    "path",
    [
        "/runs",
        f"/runs/{NOBODY}",
        f"/runs/{NOBODY}/patch",
        f"/runs/{NOBODY}/report",
        f"/runs/{NOBODY}/memory",
        f"/runs/{NOBODY}/events",
        f"/deliveries/{NOBODY}",
        "/metrics/summary",
        "/metrics/repositories",
        "/stream",
    ],
)
def test_nobody_reads_without_credentials(anyone: Client, path: str) -> None:
    answer = anyone.get(HOME + path)
    problem(answer, 401, "not-authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="cihealing"'


@pytest.mark.parametrize(
    "token", ["", "wrong", "an-api-token-for-these-test", "ä", "an-api-token-for-these-tests x"]
)
def test_a_wrong_token_is_401(anyone: Client, token: str) -> None:
    problem(
        anyone.get(f"{HOME}/runs", HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "not-authenticated"
    )


def test_an_unset_token_lets_nobody_in(anyone: Client, settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "API_TOKEN": ""}
    problem(anyone.get(f"{HOME}/runs", HTTP_AUTHORIZATION="Bearer "), 401, "not-authenticated")


def test_token_and_session_both_read(api: Client, ann: Client) -> None:
    assert api.get(f"{HOME}/runs").status_code == ann.get(f"{HOME}/runs").status_code == 200


def test_the_list_speaks_the_contract(api: Client) -> None:
    run_id = make.make_run(make.proven(), job_id="job-7")
    body = api.get(f"{HOME}/runs?pageSize=5").json()
    assert {k: v for k, v in body.items() if k != "data"} == {
        "total": 1,
        "totalCapped": False,
        "page": 1,
        "pageSize": 5,
        "nextCursor": None,
    }
    (row,) = body["data"]
    assert set(row) >= CONTRACT
    assert (row["id"], row["jobId"], row["commitSha"], row["status"]) == (
        str(run_id),
        "job-7",
        make.COMMIT,
        "fixed",
    )
    assert row["createdAt"] == "2026-11-02T09:00:00Z"


def test_a_cursor_walks_the_list(api: Client) -> None:
    for n in range(5):
        make.make_run(commit=f"{n:040x}", begun=make.NOW + timedelta(minutes=n))
    found, cursor = [], ""
    while cursor is not None:
        body = api.get(f"{HOME}/runs", {"pageSize": 2, "cursor": cursor}).json()
        found += [row["commitSha"] for row in body["data"]]
        cursor = body["nextCursor"]
    assert found == [f"{n:040x}" for n in reversed(range(5))]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("page=0", "bad-page"),
        ("page=-1", "bad-page"),
        ("page=one", "bad-page"),
        ("page=", "bad-page"),
        ("page=1.5", "bad-page"),
        ("page=٣", "bad-page"),
        ("page=" + "9" * 5000, "bad-page"),
        ("page=101&pageSize=100", "bad-page"),
        ("pageSize=10001", "bad-page"),
        ("status=green", "bad-query"),
        ("status=fixed,", "bad-query"),
        ("q=%00", "bad-query"),
        ("q=" + "x" * 201, "bad-query"),
        ("repository=%00", "bad-query"),
        ("cursor=x", "bad-query"),
        ("cursor=%ff", "bad-query"),
    ],
)
def test_what_cannot_be_asked_is_400(api: Client, query: str, kind: str) -> None:
    problem(api.get(f"{HOME}/runs?{query}"), 400, kind)


def test_page_times_page_size_may_be_10_000(api: Client) -> None:
    assert api.get(f"{HOME}/runs?page=100&pageSize=100").json()["data"] == []


def test_a_run_shows_everything(api: Client) -> None:
    run_id = make.make_run(make.proven())
    make.make_delivery(uuid4(), judged=[e.ResultJudged(position=0, run=run_id, status="queued")])
    body = api.get(f"{HOME}/runs/{run_id}").json()
    assert set(body) >= CONTRACT | {"executions", "attempts", "events"}
    (attempt,) = body["attempts"]
    assert set(attempt) >= OF_AN_ATTEMPT
    assert (attempt["attemptNo"], attempt["status"], attempt["proof"]) == (
        1,
        "succeeded",
        {"verdict": "proven"},
    )
    assert attempt["observations"][0]["seen"]["exitCode"] == 0
    assert [event["version"] for event in body["events"]] == list(range(1, 13))
    assert body["events"][0]["type"] == "run.queued.v1"
    assert body["events"][0]["data"]["errorType"] == "NameError"
    assert body["executions"][0]["outcome"] == "failed"
    assert body["excerpt"][1] == {
        "line": 41,
        "text": "NameError: name 'math' is not defined",
        "root": True,
        "cited": True,
    }
    assert "_" not in "".join(keys(body))


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys(item) for item in value.values()))
    return set().union(*(keys(item) for item in value)) if isinstance(value, list) else set()


def test_the_patch_is_a_diff(api: Client) -> None:
    answer = api.get(f"{HOME}/runs/{make.make_run(make.proven())}/patch", HTTP_ACCEPT="text/x-diff")
    assert answer["Content-Type"] == "text/x-diff; charset=utf-8"
    assert answer.content.decode() == make.DIFF


def test_a_run_without_a_patch_has_none(api: Client) -> None:
    problem(api.get(f"{HOME}/runs/{make.make_run()}/patch"), 404, "not-found")


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "text/markdown", "text/markdown; charset=utf-8"),
        ("?format=md", "*/*", "text/markdown; charset=utf-8"),
        ("?format=json", "text/markdown", "application/json"),
    ],
)
def test_the_report_comes_as_json_or_markdown(
    api: Client, query: str, accept: str, kind: str
) -> None:
    answer = api.get(
        f"{HOME}/runs/{make.make_run(make.escalated())}/report{query}", HTTP_ACCEPT=accept
    )
    assert answer["Content-Type"] == kind
    if kind == "application/json":
        assert answer.json()["escalationReason"] == "no fixer could help"
    else:
        assert answer.content == b"# test failed on main\n"


def test_memory_tells_how_the_fingerprint_ended_elsewhere(api: Client) -> None:
    run_id = make.make_run()
    make.make_run([e.RunStarted(), e.RunResolved(how="flake")], commit="d" * 40)
    models.IgnoredFingerprint.objects.create(
        error_hash="v1:" + "ab" * 32, reason="known", actor="ann", at=make.NOW
    )
    body = api.get(f"{HOME}/runs/{run_id}/memory").json()
    assert (body["ended"], body["ignored"]["reason"], len(body["others"])) == (
        {"flake": 1},
        "known",
        1,
    )


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "1",
        "%00",
        pytest.param("a" * 5000, id="long"),
        "123e4567-e89b-12d3-a456-42661417400٣",
        "{123e4567-e89b-12d3-a456-426614174000}",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/runs/{}",
        "/runs/{}/patch",
        "/runs/{}/report",
        "/runs/{}/memory",
        "/runs/{}/events",
        "/deliveries/{}",
    ],
)
def test_what_is_no_id_names_nothing(api: Client, path: str, name: str) -> None:
    problem(api.get(HOME + path.format(name)), 404, "not-found")


@pytest.mark.parametrize(
    "path",
    [
        "/runs/{}",
        "/runs/{}/patch",
        "/runs/{}/report",
        "/runs/{}/memory",
        "/runs/{}/events",
        "/deliveries/{}",
    ],
)
def test_an_unknown_id_is_404(api: Client, path: str) -> None:
    problem(api.get(HOME + path.format(uuid4())), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["/nothing", "/runs/", f"/runs/{NOBODY}/actions/explode", "/runs/x/actions/approve/"]
)
def test_an_unknown_path_is_a_problem_too(api: Client, path: str) -> None:
    problem(api.post(HOME + path), 404, "not-found")


def test_a_wrong_method_is_405(api: Client) -> None:
    answer = api.delete(f"{HOME}/runs")
    problem(answer, 405, "method-not-allowed")
    assert "GET" in answer["Allow"]


def test_a_delivery_tells_its_runs(api: Client) -> None:
    run_id, delivered = make.make_run(), uuid4()
    make.make_delivery(delivered, judged=[e.ResultJudged(position=0, run=run_id, status="queued")])
    body = api.get(f"{HOME}/deliveries/{delivered}").json()
    assert (body["status"], body["runIds"], body["ignored"]) == ("done", [str(run_id)], [])


def test_summary_and_repositories(api: Client) -> None:
    make.make_run(make.proven())
    summary = api.get(f"{HOME}/metrics/summary").json()
    assert (
        summary["total"],
        summary["proven"],
        summary["byStatus"]["fixed"],
        summary["medianSecondsToFixed"],
    ) == (1, 1, 1, 660.0)
    (row,) = api.get(f"{HOME}/metrics/repositories").json()["data"]
    assert (row["repository"], row["open"], row["lastRunAt"]) == (
        "acme/shop",
        1,
        "2026-11-02T09:00:00Z",
    )
