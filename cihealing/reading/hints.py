"""Which lines of a log hold one of the literals of which rules.

Every literal searched costs a pass over the log, and there are many hundreds. So most are looked for only in the lines that hold their stem,
a part that many of them share; the words that sound like an error, which are searched in any case, are such stems too.
"""

# ruff: noqa: E501 - a table is read by its lines
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cihealing.reading.excerpt import TALK_WORDS
from cihealing.reading.log import Log
from cihealing.reading.rulebook import MAX_TEXT, Rule

STEMS = (
    *TALK_WORDS, "requir", "ersion", "match", "imeout", " such ", "onnect", "equest", "xceeded", "lock", "exist", "config", "server", "nknown", "lready", "igrati",
    "ndefined", "losed", "limit", "remote", "receiv", "etected", "emory", "ancel", "ackage", "ERR!", "iolat", "allowed", "TOKEN", "ERR_", "ECONN", "not valid", "orkflow", "SSL", "EOF", "etached", "able", "file", " not ", "code", "cate", "imed ", "oken", "roblem", "lease", "ould ", "gent ", "rror", "expect", "laky", "resol", "redential",
    "ateway", "ized", "equire",
)  # fmt: skip

Index = tuple[tuple[str, tuple[tuple[str, tuple[int, ...]], ...]], ...]
"""For each stem its literals, and for each of these the positions of the rules that have it."""


def stem_of(literal: str) -> str:
    """What is searched in the log for a literal: a part of it, or itself."""
    return next((stem for stem in STEMS if stem in literal), literal)


@lru_cache(maxsize=8)
def index(chosen: tuple[Rule, ...]) -> Index:
    found: dict[str, dict[str, list[int]]] = {}
    for position, rule in enumerate(chosen):
        for literal in rule.any:
            found.setdefault(stem_of(literal), {}).setdefault(literal, []).append(position)
    return tuple((stem, tuple((literal, tuple(at)) for literal, at in literals.items())) for stem, literals in found.items())


def marks(chosen: Sequence[Rule]) -> tuple[str, ...]:
    """All that is searched in a log for these rules."""
    return tuple(stem for stem, _ in index(tuple(chosen)))


def candidates(log: Log, chosen: Sequence[Rule]) -> list[tuple[Rule, list[int]]]:
    """For each rule the lines, ascending, that hold one of its literals."""
    found: list[set[int]] = [set() for _ in chosen]
    for stem, literals in index(tuple(chosen)):
        for number in log.having(stem):
            text = log.line(number)[:MAX_TEXT]
            for literal, positions in literals:
                if literal in text:
                    for position in positions:
                        found[position].add(number)
    return [(rule, sorted(numbers)) for rule, numbers in zip(chosen, found, strict=True) if numbers]
