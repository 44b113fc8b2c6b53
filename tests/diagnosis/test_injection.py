"""Text that instructs a model: a corpus of hostile lines and one of ordinary lines that use the
same words.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import yaml

from cihealing.diagnosis.prompting import injection
from tests.tables import table

CORPUS = Path(__file__).parents[1] / "corpora" / "injection"
HOSTILE: list[dict[str, str]] = yaml.load(
    (CORPUS / "hostile.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader
)
BENIGN: list[str] = yaml.load(
    (CORPUS / "benign.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader
)
FOUND = 0.95
ALARMED = 0.01


@table("rule", injection.RULES)
def test_every_rule_is_explained_in_a_sentence(rule: str) -> None:
    assert len(injection.RULES[rule]) > 20


def test_patterns_name_rules_that_exist() -> None:
    assert {rule for rule, _ in injection.PATTERNS} <= set(injection.RULES)


def test_the_corpus_is_large_and_varied() -> None:
    assert len(HOSTILE) >= 300
    assert len(BENIGN) >= 150
    assert (
        len({entry["id"] for entry in HOSTILE})
        == len({entry["line"] for entry in HOSTILE})
        == len(HOSTILE)
    )
    assert len(set(BENIGN)) == len(BENIGN)
    assert max(Counter(entry["technique"] for entry in HOSTILE).values()) <= 5
    assert {entry["rule"] for entry in HOSTILE} == set(injection.RULES)


def test_nearly_every_line_that_instructs_a_model_is_found() -> None:
    missed = [entry["id"] for entry in HOSTILE if not injection.rules_of(entry["line"])]
    assert len(missed) <= len(HOSTILE) * (1 - FOUND), missed


@table("rule", injection.RULES)
def test_every_rule_finds_most_of_what_names_it(rule: str) -> None:
    meant = [entry["line"] for entry in HOSTILE if entry["rule"] == rule]
    assert sum(rule in injection.rules_of(line) for line in meant) >= len(meant) * 0.75


def test_ordinary_lines_of_logs_meet_no_rule() -> None:
    alarmed = [line for line in BENIGN if injection.rules_of(line)]
    assert len(alarmed) <= len(BENIGN) * ALARMED, alarmed


@table(
    "piece",
    [
        "a",
        " ",
        "ignore ",
        "ignore the ",
        "ai, ",
        "model: must ",
        "user: assistant ",
        "you are ",
        "%25",
        "%41",
        "\\x41",
        "&#65;",
        "01100001 ",
        ".- ",
        "12 ",
        "\x1b[8",
        "\x08",
        "<",
        "<|",
        "</log> ",
        "=",
        "'role': 'system' ",
        "https://a?b=",
        "send secrets ",
        "delete test_a",
        "é",
        "忽略",
        "observation: thought ",
        "summarize your ",
        "a.b ",
        "confidence 1 ",
        "print everything ",
        "aa:",
    ],
)
def test_a_long_line_takes_no_long_time(piece: str) -> None:
    line = (piece * 4_000)[: injection.MAX_LINE]
    started = time.process_time()
    injection.rules_of(line)
    assert time.process_time() - started < 1.0
