"""A database as an earlier version left it: it opens, is brought up to date, is what its events
say, and people read in it what they read before.

It holds every event that the service writes: the demo's first day without the repository whose log
names a place on a machine, and what the tests of the service write. `answers.json.xz` is what that
version answered; `python -m tests.golden.test_golden_database` writes it anew, which is right where
answers change on purpose: the database is never made anew.
"""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest

from cihealing.domain import events as e
from tests import forked

HERE = Path(__file__).parent
DATABASE, ANSWERS = HERE / "database.sqlite3.xz", HERE / "answers.json.xz"


def asked(place: Path) -> dict[str, Any]:
    """What `answers` says of a copy of the database in this directory."""
    (place / "cihealing.sqlite3").write_bytes(lzma.decompress(DATABASE.read_bytes()))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CI_HEALING_DATA_DIR": str(place),
        "CI_HEALING_WEBHOOK_SECRET": "of no use here",
    }
    done = forked.run("tests.golden.answers", environment=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return asked(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    return dict(json.loads(lzma.decompress(ANSWERS.read_bytes())))


def test_every_event_it_holds_is_known(found: dict[str, Any]) -> None:
    kinds = {kind.__struct_config__.tag for kind in all_kinds(e.Event)}
    assert set(found["tags"]) <= kinds
    assert len(found["tags"]) > 50


def all_kinds(kind: type) -> set[Any]:
    return {one for sub in kind.__subclasses__() for one in {sub, *all_kinds(sub)}}


def test_its_rows_are_what_its_events_say(found: dict[str, Any]) -> None:
    assert found["rebuild"]["differing"] == []
    assert found["rebuild"]["streams"]["runs"] == len(found["runs"])


def test_its_record_is_what_was_written(found: dict[str, Any], before: dict[str, Any]) -> None:
    assert found["audit"] == before["audit"]
    assert found["audit"]["clean"]


def test_the_list_of_its_runs_is_the_same(found: dict[str, Any], before: dict[str, Any]) -> None:
    assert as_far_as(before["list"], found["list"]) == before["list"]


def test_each_of_its_runs_is_told_as_before(found: dict[str, Any], before: dict[str, Any]) -> None:
    """Or with more: a client may rely on what was there."""
    assert found["runs"].keys() == before["runs"].keys()
    for run, told in before["runs"].items():
        for part, text in told.items():
            assert as_far_as(text, found["runs"][run][part]) == text, f"{part} of {run}"


def as_far_as(before: Any, found: Any) -> Any:
    """What was found without the names of objects that were not there before."""
    if isinstance(before, dict) and isinstance(found, dict):
        return {k: as_far_as(before[k], v) for k, v in found.items() if k in before}
    if isinstance(before, list) and isinstance(found, list) and len(before) == len(found):
        return [as_far_as(old, new) for old, new in zip(before, found, strict=True)]
    return found


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        text = json.dumps(asked(Path(place)), sort_keys=True).encode()
    ANSWERS.write_bytes(lzma.compress(text, preset=9))
