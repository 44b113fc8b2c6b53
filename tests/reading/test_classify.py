"""Every rule's samples are its test."""

from __future__ import annotations

import pytest

from cihealing.domain.values import FailureClass
from cihealing.reading import read
from cihealing.reading.classify import THRESHOLD, Rule, matching, rules
from cihealing.reading.log import Log

SAMPLES = [(rule, sample) for rule in rules() for sample in rule.samples]


@pytest.mark.parametrize(("rule", "sample"), SAMPLES, ids=[f"{rule.id}-{i}" for i, (rule, _) in enumerate(SAMPLES)])
def test_a_rule_finds_its_samples(rule: Rule, sample: str) -> None:
    assert list(matching(Log(["first", sample, "last"]), rule)) == [2]


def test_rules_are_well_formed() -> None:
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
    assert all(0.5 <= rule.confidence <= 1 and 0 <= rule.root <= 100 and rule.samples and rule.any for rule in rules())


@pytest.mark.parametrize(
    "line",
    [
        "All tests passed",
        "Compiling shop v0.1.0",
        "collected 12 items",
        "Receiving objects: 100% (12/12), done.",
        "Downloading six-1.16.0.whl (11 kB)",
    ],
)
def test_no_rule_speaks_about_a_quiet_line(line: str) -> None:
    assert [rule.id for rule in rules() if rule.pattern.search(line)] == []


@pytest.mark.parametrize(
    ("log", "failure_class", "error_type"),
    [
        ("fatal: unable to access 'https://example.org/a.git/': Could not resolve host: example.org", "infra", "dns"),
        ("E: Failed to fetch http://example.org/x.deb  502 Bad Gateway", "infra", "http-5xx"),
        ("OSError: [Errno 28] No space left on device", "infra", "disk-full"),
        ("bash: line 3: poetry: command not found\n##[error]Process completed with exit code 127.", "env", "command-not-found"),
        (
            "ERROR: No matching distribution found for frobnicate==9\n##[error]Process completed with exit code 1.",
            "env",
            "dependency-missing",
        ),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nsqlite3.OperationalError: no such table: orders',
            "data",
            "schema",
        ),
        ("##[error]Unable to resolve action `acme/none@v1`, unable to find version `v1`", "automation", "workflow"),
        ("src/a.c:3:5: error: use of undeclared identifier 'x'", "product", "compile"),
    ],
)
def test_the_class_of_plain_failures(log: str, failure_class: str, error_type: str) -> None:
    failure = read(log).failure
    assert failure is not None
    assert (failure.failure_class, failure.error_type) == (FailureClass(failure_class), error_type)
    assert failure.confidence >= THRESHOLD
    assert all(sign.text and sign.text in log for sign in failure.signs)


def test_without_a_sign_the_class_is_unknown() -> None:
    failure = read("step one\nError: the frobnicator said no\n##[error]Process completed with exit code 1.").failure
    assert failure is not None
    assert failure.failure_class is FailureClass.UNKNOWN
    assert failure.confidence < THRESHOLD
