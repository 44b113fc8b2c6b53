"""Every rule of redaction at its bounds: 1,600 texts and what must be left of them.

After a change on purpose: `python -m tests.reading.test_redact_golden` writes the file anew; read
its diff before you believe it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cihealing.reading.redact import redact
from tests.reading.redact_cases import Case, cases

GOLDEN = Path(__file__).parent / "golden" / "redact.txt"
SHOWN = 3_000
ALL = list(cases())


def told(case: Case) -> str:
    name, text, known = case
    found = redact(text, known)
    whole = repr(found.text)
    left = (
        whole
        if len(whole) < SHOWN
        else f"{whole[:40]}… sha256 {hashlib.sha256(whole.encode()).hexdigest()[:12]}"
    )
    return f"{name}\t{found.count}\t{left}"


@pytest.fixture(scope="module")
def golden() -> dict[str, str]:
    return {
        line.partition("\t")[0]: line for line in GOLDEN.read_text(encoding="utf-8").splitlines()
    }


@pytest.mark.parametrize("part", ["key", "known", "named", "placed", "token", "bounds"])
def test_what_is_left_of_each_text_is_what_was_agreed(golden: dict[str, str], part: str) -> None:
    mine = [case for case in ALL if case[0].startswith(part)]
    assert mine
    wrong = [
        f"{told(case)}\n  agreed: {golden.get(case[0])}"
        for case in mine
        if told(case) != golden.get(case[0])
    ]
    assert not wrong, "\n".join(wrong[:20])


def test_every_case_has_a_name_of_its_own(golden: dict[str, str]) -> None:
    assert len(ALL) == len({name for name, _, _ in ALL}) == len(golden)


if __name__ == "__main__":
    GOLDEN.write_text("".join(told(case) + "\n" for case in ALL), encoding="utf-8")
