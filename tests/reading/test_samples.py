"""Every parser over its samples: outputs of the real tool, in samples/NAME.yaml, one file a parser.

A sample: `name`; `made_with`, the tool, its version and the command; `log`; and what must be read
from it: `status` (failed),
`tests` (exactly these, in any order), `root` (part of the root line), `type`, `says` (part of the
summary), `class`, `frames` (each
`file:line`, all must be there), `command`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cihealing.reading import read
from cihealing.reading.clean import lines_of, plain
from cihealing.reading.log import Log
from cihealing.reading.parsers import parsers
from tests.tables import table

FOLDER = Path(__file__).parent / "samples"
KEYS = {
    "name",
    "made_with",
    "log",
    "status",
    "tests",
    "root",
    "type",
    "says",
    "class",
    "frames",
    "command",
}


def name_of(parser: object) -> str:
    return str(parser.__name__).rpartition(".")[2]  # type: ignore[attr-defined]


def samples() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for sample in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader):
            yield pytest.param(sample, id=f"{path.stem}: {sample['name']}")


SAMPLES = list(samples())


@table("sample", SAMPLES)
def test_a_sample_is_read_right(sample: dict[str, Any]) -> None:
    assert set(sample) <= KEYS
    assert sample["made_with"]
    reading = read(sample["log"])
    failure = reading.failure
    assert (reading.status, Counter(reading.failed_tests)) == (
        sample.get("status", "failed"),
        Counter(sample.get("tests", [])),
    )
    if sample.get("status") == "passed":
        assert failure is None
        return
    assert failure is not None
    assert failure.root_line is not None
    assert sample["root"] in plain(sample["log"]).split("\n")[failure.root_line - 1]
    assert failure.root_line in [line.line for line in failure.excerpt]
    assert sample.get("type", failure.error_type) == failure.error_type
    assert sample.get("says", "") in failure.summary
    assert sample.get("class", failure.failure_class.value) == failure.failure_class.value
    assert set(sample.get("frames", [])) <= {f"{f.file}:{f.line}" for f in failure.frames}
    assert sample.get("command", failure.command) == failure.command


@table("parser", parsers(), ids=name_of)
def test_every_parser_has_samples(parser: object) -> None:
    assert (FOLDER / f"{name_of(parser)}.yaml").exists()


@pytest.mark.parametrize("parser", parsers(), ids=name_of)
def test_a_parser_searches_for_its_marks_alone(
    parser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    search = Log.having
    monkeypatch.setattr(
        Log, "having", lambda log, *needles: asked.update(needles) or search(log, *needles)
    )
    for sample in yaml.load(
        (FOLDER / f"{name_of(parser)}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader
    ):
        list(parser.parse(Log(lines_of(plain(sample["log"])))))
    assert asked
    assert asked <= set(parser.MARKS)
