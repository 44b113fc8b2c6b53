"""Whatever stands in a payload, an adapter answers with results or with BadPayload."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from cihealing.adapters.ci import buildkite, circleci, generic, github, gitlab, jenkins
from cihealing.domain.values import Failed, Ignored, Passed
from cihealing.ports import BadPayload, CIAdapter
from tests.adapters.ci import payloads
from tests.adapters.ci.payloads import raw

SAMPLES: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "workflow_job": (github, payloads.workflow_job()),
    "check_run": (github, payloads.check_run()),
    "workflow_run": (github, payloads.workflow_run()),
    "check_suite": (github, payloads.check_suite()),
    "status": (github, payloads.status()),
    "gitlab job": (gitlab, payloads.gitlab_job()),
    "gitlab pipeline": (gitlab, payloads.gitlab_pipeline()),
    "jenkins": (jenkins, payloads.jenkins()),
    "circleci": (circleci, payloads.circleci_job()),
    "buildkite": (buildkite, payloads.buildkite_job()),
    "generic": (generic, payloads.generic()),
}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**40,
    "",
    "x" * 100_000,
    "-x",
    "a\nb\x7f",
    "http://[",
    "::",
    [],
    [[]],
    [None],
    {},
    {"...": "..."},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(payload: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(payload)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def answered(event: str, payload: Any) -> str:
    """What came of it: "results", or what BadPayload said. Anything else fails the test."""
    try:
        results = SAMPLES[event][0].parse(raw({}, headers={"x-github-event": event}), payload)
    except BadPayload as error:
        return str(error)
    return "results" if results and all(isinstance(result, Failed | Passed | Ignored) for result in results) else "nothing"


@pytest.mark.parametrize("event", SAMPLES)
def test_any_value_in_any_place(event: str) -> None:
    payload = SAMPLES[event][1]
    answers = [answered(event, replaced(payload, path, value)) for path in list(places(payload))[1:] for value in ODD]
    assert "nothing" not in answers
    assert max(map(len, answers)) < 500
    assert len(set(answers)) > (1 if event == "check_suite" else 10)


@pytest.mark.parametrize("event", SAMPLES)
def test_an_abridged_payload(event: str) -> None:
    payload = SAMPLES[event][1]
    answers = [answered(event, {key: value for key, value in payload.items() if key != missing}) for missing in payload]
    assert "nothing" not in answers
    assert set(answers) != {"results"}


def test_the_modules_are_adapters() -> None:
    adapters: list[CIAdapter] = [buildkite, circleci, generic, github, gitlab, jenkins]
    assert [adapter.name for adapter in adapters] == ["buildkite", "circleci", "generic", "github", "gitlab", "jenkins"]
