"""The OpenAPI document is valid, and every GET answers as it says."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from cihealing.domain import events as e
from tests import factories as make
from tests.web.api.conftest import TOKEN

pytestmark = pytest.mark.django_db

load_all_checks()
DOCUMENT = SchemaGenerator().get_schema(request=None, public=True)
SCHEMA = (
    schemathesis.openapi.from_dict(DOCUMENT)
    .include(method="GET")
    .exclude(path_regex="/(events|stream)$")
)
APP = get_wsgi_application()
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
AS_DOCUMENTED = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def test_the_document_is_valid_and_names_every_path_of_the_contract() -> None:
    validate_schema(DOCUMENT)
    home = "/api/v1/ci-healing"
    paths = {
        "/deliveries/{id}",
        "/runs",
        "/runs/{id}",
        "/runs/{id}/patch",
        "/runs/{id}/report",
        "/runs/{id}/memory",
        "/runs/{id}/events",
        "/runs/{id}/actions/{action}",
        "/metrics/summary",
        "/metrics/repositories",
        "/stream",
    }
    assert set(DOCUMENT["paths"]) == {home + path for path in paths}


def answered(case: Any) -> Any:
    """The case's answer within the test's own transaction, which Django would roll back with the
    connection at the start of a request.
    """
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    try:
        return case.call(app=APP, headers=HEADERS)
    finally:
        signals.request_started.connect(close_old_connections)
        signals.request_finished.connect(close_old_connections)


@SCHEMA.parametrize()
@settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_is_answered_as_documented(case: Any) -> None:
    case.validate_response(answered(case), checks=AS_DOCUMENTED)


def ask(path: str, **values: Any) -> Any:
    return SCHEMA[f"/api/v1/ci-healing{path}"]["GET"].Case(path_parameters=values)


@pytest.mark.parametrize("facts", ["proven", "escalated", "classified", "candidate"])
@pytest.mark.parametrize(
    "path", ["/runs/{id}", "/runs/{id}/patch", "/runs/{id}/report", "/runs/{id}/memory", "/runs"]
)
def test_a_real_run_is_shown_as_documented(path: str, facts: str) -> None:
    run_id = make.make_run(history(facts))
    make.make_delivery(uuid4(), judged=[e.ResultJudged(position=0, run=run_id, status="queued")])
    case = ask(path, **({"id": str(run_id)} if "{id}" in path else {}))
    case.validate_response(answered(case), checks=AS_DOCUMENTED)


def history(facts: str) -> list[e.RunEvent]:
    if facts == "candidate":
        return make.proven()[:6]
    return {"proven": make.proven, "escalated": make.escalated, "classified": make.classified}[
        facts
    ]()


def test_every_documented_field_of_a_run_is_there_and_no_other(api: Client) -> None:
    run_id = make.make_run(make.proven())
    shapes = DOCUMENT["components"]["schemas"]
    body = api.get(f"/api/v1/ci-healing/runs/{run_id}").json()
    assert set(body) == set(shapes["RunDetail"]["properties"])
    assert set(body["attempts"][0]) == set(shapes["Attempt"]["properties"])
    assert set(body["events"][0]) == set(shapes["Event"]["properties"])
    assert set(api.get("/api/v1/ci-healing/runs").json()["data"][0]) == set(
        shapes["Run"]["properties"]
    )


def test_an_answer_of_another_shape_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cihealing.read.contract.run_page", lambda page: {"data": [], "total": "none"}
    )
    case = ask("/runs")
    with pytest.raises(FailureGroup):
        case.validate_response(answered(case), checks=AS_DOCUMENTED)


@pytest.mark.parametrize(
    ("query", "kind"),
    [("?format=json", "application/vnd.oai.openapi+json"), ("", "application/vnd.oai.openapi")],
)
def test_the_document_is_served_to_all(anyone: Client, query: str, kind: str) -> None:
    answer = anyone.get(f"/api/v1/schema{query}")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, kind)


def test_the_docs_page_lists_every_operation_and_asks_nobody_outside(anyone: Client) -> None:
    text = anyone.get("/api/v1/docs").content.decode()
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in text
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text
