"""Patches that cheat, patches that attack, and honest ones that look like them: what meets each of
them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from cihealing.domain.policy import Policy
from cihealing.guard import check
from tests.tables import table

CORPUS = Path(__file__).parents[1] / "corpora" / "patches"
POLICY = Policy()


def entries(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.load(
        (CORPUS / f"{name}.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return found


CHEATING, HOSTILE, BENIGN = entries("cheating"), entries("hostile"), entries("benign")


def rules(entry: dict[str, Any]) -> set[str]:
    return {entry["rule"]} if isinstance(entry["rule"], str) else set(entry["rule"])


@table("entry", [*CHEATING, *HOSTILE], ids=lambda e: e["id"])
def test_it_is_met_by_its_rule(entry: dict[str, Any]) -> None:
    found = check(entry["patch"], policy=POLICY)
    assert {o.rule for o in found} & rules(entry), entry["technique"]
    assert any(o.hard for o in found) or entry["must"] == "person", entry["technique"]


def test_at_most_one_honest_patch_in_a_hundred_is_refused() -> None:
    refused = {e["id"]: o.rule for e in BENIGN for o in check(e["patch"], policy=POLICY) if o.hard}
    assert len(refused) <= len(BENIGN) // 100, refused


def test_the_corpora_are_as_large_and_as_mixed_as_they_say() -> None:
    for corpus, size in ((CHEATING, 100), (HOSTILE, 300), (BENIGN, 200)):
        assert len(corpus) >= size
        assert len({e["id"] for e in corpus}) == len({e["patch"] for e in corpus}) == len(corpus)
        assert max(Counter(e["technique"] for e in corpus).values()) <= 5
