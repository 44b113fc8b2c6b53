"""Every word of the core has one for people, and the story and the timeline tell the same end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from cihealing.domain import events as e
from cihealing.domain.review import ACTIONS
from cihealing.domain.run import RunEnd, RunState
from cihealing.domain.values import Evidence, FailureClass, Purpose, RunStatus
from cihealing.wording import story, vocabulary
from cihealing.wording.plain import camel, plain
from cihealing.wording.timeline import describe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (vocabulary.CLASSES, FailureClass),
        (vocabulary.EVIDENCE, Evidence),
        (vocabulary.PURPOSES, Purpose),
        (vocabulary.DONE, ACTIONS),
    ],
)
def test_every_word_of_the_core_has_one_for_people(
    words: Mapping[str, object], of: Iterable[str]
) -> None:
    assert set(words) == set(of)


@pytest.mark.parametrize("how", [*vocabulary.RESOLUTIONS, "by a later release"])
def test_story_and_timeline_tell_the_same_end(how: str) -> None:
    end = RunEnd(resolution=how)
    ended = RunState(id=UUID(int=1), version=2, status=RunStatus.RESOLVED, end=end)
    said = vocabulary.resolution(how)
    assert story.sentence(ended, act="").endswith(said.long)
    assert describe(e.RunResolved(how=how)) == f"Resolved: {said.short}"


def test_times_are_written_one_way() -> None:
    at = datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    assert plain(at) == plain(at.astimezone(UTC)) == "2026-01-01T12:00:00Z"


def test_there_is_one_way_to_camel_case() -> None:
    written = [
        str(path.relative_to(ROOT))
        for room in ("cihealing", "dashboard", "config")
        for path in sorted((ROOT / room).rglob("*.py"))
        if re.search(r"^def (?:_?to_)?_?camel", path.read_text(), re.MULTILINE)
    ]
    assert written == ["cihealing/wording/plain.py"]
    assert [camel(name) for name in ("commit", "root_cause", "log_2")] == [
        "commit",
        "rootCause",
        "log2",
    ]
