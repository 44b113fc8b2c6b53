"""Whatever stands in a payload, an adapter answers with results or with BadPayload."""

from __future__ import annotations

from typing import Any

import msgspec

from cihealing import registry
from cihealing.domain.values import Failed, Ignored, Passed
from cihealing.ports import BadPayload
from tests.providers.ci import mutations
from tests.providers.ci.mutations import GONE, VALUES, changed, places
from tests.providers.ci.payloads import raw
from tests.tables import table

ADAPTERS = registry.offered(lambda one: one.hook)

SAMPLES = {
    event: (ADAPTERS[provider], payload) for event, (provider, payload) in mutations.SAMPLES.items()
}


def answered(event: str, payload: Any) -> str:
    """What came of it: "results" that can be kept and read again, or what BadPayload said. Anything
    else fails the test.
    """
    try:
        results = SAMPLES[event][0].parse(
            raw({}, headers={"x-github-event": event.split()[0]}), payload
        )
    except BadPayload as error:
        return str(error)
    for result in results:
        assert (
            msgspec.json.decode(msgspec.json.encode(result), type=Failed | Passed | Ignored)
            == result
        )
    return "results" if results else "nothing"


PLAIN = [
    value
    for value in (*VALUES, GONE)
    if not any(mark in repr(value) for mark in ("\\ud8", "\\udf", "nan", "inf"))
]
"""What is left of the values once strict JSON has refused its own."""


@table("event", SAMPLES)
def test_any_value_in_any_place(event: str) -> None:
    payload = SAMPLES[event][1]
    answers = [
        answered(event, changed(payload, path, value))
        for path in list(places(payload))[1:]
        for value in PLAIN
    ]
    assert "nothing" not in answers
    assert max(map(len, answers)) < 500
    assert len(set(answers)) > (
        0 if event in ("check_suite", "pull_request", "gitlab merge request") else 10
    )
