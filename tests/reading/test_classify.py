"""Every rule's samples are its test; the class of plain failures; how much a confidence is
worth.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cihealing.domain.values import FailureClass
from cihealing.reading import classify as module
from cihealing.reading import read
from cihealing.reading.classify import THRESHOLD, Rule, rule_hits, rules
from cihealing.reading.log import Log
from cihealing.reading.rulebook import problems
from tests.tables import table

SAMPLES = [(rule, sample) for rule in rules() for sample in rule.samples]
NEVER = [(rule, line) for rule in rules() for line in rule.never]
MARGIN = 0.05
BINS = (0.6, 0.7, 0.8, 0.9)


def lines_hit(rule: Rule, text: str) -> list[int]:
    return [number for _, number in rule_hits(Log(["first", text, "last"]), (rule,))]


@table(("rule", "sample"), SAMPLES, ids=[f"{rule.id}-{i}" for i, (rule, _) in enumerate(SAMPLES)])
def test_a_rule_finds_its_samples(rule: Rule, sample: str) -> None:
    assert lines_hit(rule, sample) == [2]


@table(("rule", "line"), NEVER, ids=[f"{rule.id}-{i}" for i, (rule, _) in enumerate(NEVER)])
def test_a_rule_leaves_other_lines_alone(rule: Rule, line: str) -> None:
    assert lines_hit(rule, line) == []


def test_rules_are_well_formed() -> None:
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
    assert all(
        0.5 <= rule.confidence <= 1 and 0 <= rule.root <= 100 and rule.samples and rule.any
        for rule in rules()
    )
    assert [str(problem) for problem in problems(rules())] == []


def test_every_class_has_rules() -> None:
    assert {rule.failure_class for rule in rules()} == set(FailureClass) - {FailureClass.UNKNOWN}


@pytest.mark.parametrize(
    "line",
    [
        "All tests passed",
        "Compiling shop v0.1.0",
        "collected 12 items",
        "Receiving objects: 100% (12/12), done.",
        "Downloading six-1.16.0.whl (11 kB)",
        "test_connection_refused (tests.Net) ... ok",
        "Requirement already satisfied: requests in ./venv",
        "0 errors, 0 failures",
    ],
)
def test_no_rule_speaks_about_a_quiet_line(line: str) -> None:
    assert [rule.id for rule in rules() if rule.on(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "+ echo 'No space left on device'",
        "$ grep 'command not found' log",
        '    raise OSError("No space left on device")',
    ],
)
def test_commands_and_source_code_are_no_signs(line: str) -> None:
    assert rule_hits(Log([line])) == []


@pytest.mark.parametrize(
    ("log", "failure_class", "error_type"),
    [
        (
            (
                "fatal: unable to access 'https://example.org/a.git/': Could not resolve host:"
                " example.org"
            ),
            "infra",
            "dns",
        ),
        ("E: Failed to fetch http://example.org/x.deb  502 Bad Gateway", "infra", "http-5xx"),
        ("OSError: [Errno 28] No space left on device", "infra", "disk-full"),
        (
            (
                "bash: line 3: poetry: command not found\n##[error]Process completed with exit code"
                " 127."
            ),
            "env",
            "command-not-found",
        ),
        (
            (
                "ERROR: No matching distribution found for frobnicate==9\n##[error]Process"
                " completed with exit code 1."
            ),
            "env",
            "dependency-missing",
        ),
        (
            (
                'Traceback (most recent call last):\n  File "a.py", line 1, in'
                " <module>\nsqlite3.OperationalError: no such table: orders"
            ),
            "data",
            "schema",
        ),
        (
            "##[error]Unable to resolve action `acme/none@v1`, unable to find version `v1`",
            "automation",
            "workflow",
        ),
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
    failure = read(
        "step one\nError: the frobnicator said no\n##[error]Process completed with exit code 1."
    ).failure
    assert failure is not None
    assert failure.failure_class is FailureClass.UNKNOWN
    assert failure.confidence < THRESHOLD


FAILING_TEST = """\
=================================== FAILURES ===================================
__________________________________ test_total __________________________________
tests/test_cart.py:9: in test_total
    {code}
E   {error}
{log}=========================== short test summary info ============================
FAILED tests/test_cart.py::test_total - {error}
========================= 1 failed, 3 passed in 0.12s =========================
##[error]Process completed with exit code 1.
"""


def class_of(log: str) -> tuple[str, float]:
    failure = read(log).failure
    assert failure is not None
    return failure.failure_class.value, failure.confidence


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [
        ("assert 1 == 2", "product"),
        ("AssertionError: assert 503 == 200, body: 503 Service Unavailable", "product"),
        ("ValueError: unknown currency", "product"),
        (
            (
                "requests.exceptions.ConnectionError: Failed to resolve 'example.org' ([Errno -3]"
                " Temporary failure in name resolution)"
            ),
            "infra",
        ),
        ("OSError: [Errno 28] No space left on device", "infra"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'tests/fixtures/a.csv'", "data"),
        ("OSError: [Errno 98] Address already in use", "flaky"),
    ],
)
def test_a_failing_test_is_the_codes_fault_unless_its_own_error_says_otherwise(
    error: str, failure_class: str
) -> None:
    assert class_of(FAILING_TEST.format(code="run()", error=error, log=""))[0] == failure_class


def test_what_a_failing_test_logged_does_not_outweigh_its_error() -> None:
    log = (
        "----- Captured log call -----\nERROR    shop:client.py:9 502 Bad Gateway\nERROR"
        " shop:client.py:9 Connection refused\n"
    )
    assert (
        class_of(FAILING_TEST.format(code="run()", error="assert 1 == 2", log=log))[0] == "product"
    )


def test_the_more_speaks_against_the_code_the_less_it_is_said() -> None:
    sure = class_of(FAILING_TEST.format(code="run()", error="ValueError: no", log=""))
    unsure = class_of(
        FAILING_TEST.format(
            code="run()", error="ConnectionError: connect ECONNREFUSED 127.0.0.1:80", log=""
        )
    )
    assert sure[0] == "product"
    assert unsure[1] < sure[1]


def test_a_warning_that_failed_nothing_does_not_win() -> None:
    warning = (
        "WARNING: Retrying after connection broken by 'ReadTimeoutError(Read timed out.)':"
        " /simple/six/\nSuccessfully installed six\n"
    )
    assert (
        class_of(warning + FAILING_TEST.format(code="run()", error="assert 1 == 2", log=""))[0]
        == "product"
    )
    assert (
        class_of(
            warning
            + "make: protoc: No such file or directory\n##[error]Process completed with exit"
            " code 2."
        )[0]
        == "env"
    )


def test_what_could_not_be_asked_for_was_not_missing() -> None:
    missing = (
        "ERROR: No matching distribution found for six==9\n##[error]Process completed with exit"
        " code 1."
    )
    cause = (
        "WARNING: Retrying after connection broken: [Errno -3] Temporary failure in name"
        " resolution: /simple/six/\n"
    )
    assert class_of(missing)[0] == "env"
    assert class_of(cause + missing)[0] == "infra"
    assert class_of(cause + "ok\n" * 200 + missing)[0] == "env"


def test_the_cited_lines_are_those_of_the_log() -> None:
    log = (
        "one\ntwo\nbash: line 3: poetry: command not found\n##[error]Process completed with exit"
        " code 127."
    )
    failure = read(log).failure
    assert failure is not None
    assert [(sign.rule, sign.line) for sign in failure.signs] == [("command-not-found", 3)]


# --- what a confidence is worth ---


def labelled() -> Iterator[dict[str, Any]]:
    path = Path(__file__).parent / "labelled.yaml"
    yield from (
        row
        for row in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        if not row.get("ambiguous")
    )


def judged() -> list[tuple[str, str, str, float]]:
    """Name, label, class said, confidence."""
    found = []
    for row in labelled():
        failure = read(row["log"]).failure
        found.append(
            (
                row["name"],
                row["class"],
                *(
                    (failure.failure_class.value, failure.confidence)
                    if failure
                    else ("unknown", 0.0)
                ),
            )
        )
    return found


def uncalibrated(rows: list[tuple[str, str, str, float]]) -> list[str]:
    """Bins of confidence of which fewer are right than they say, and classes said by less than they
    are worth.
    """
    said = [row for row in rows if row[2] != "unknown"]
    bad = []
    for low, high in zip(BINS, (*BINS[1:], 1.01), strict=True):
        held = [row for row in said if low <= row[3] < high]
        right = sum(row[1] == row[2] for row in held)
        if held and right / len(held) < low - MARGIN:
            bad.append(f"from {low}: {right} of {len(held)} right")
    mean = sum(row[3] for row in said) / len(said)
    right = sum(row[1] == row[2] for row in said) / len(said)
    return bad if abs(right - mean) < 0.15 else [*bad, f"mean {mean:.2f}, right {right:.2f}"]


def test_the_labelled_logs_are_many_and_of_every_class() -> None:
    rows = list(labelled())
    assert len(rows) >= 150
    assert {row["class"] for row in rows} == {each.value for each in FailureClass}
    assert len({row["name"] for row in rows}) == len(rows)


def test_classes_are_right_and_confidence_means_what_it_says() -> None:
    rows = judged()
    said = [row for row in rows if row[2] != "unknown"]
    assert sum(row[1] == row[2] for row in rows) / len(rows) >= 0.85
    assert sum(row[1] == row[2] for row in said) / len(said) >= 0.95
    assert uncalibrated(rows) == []


def test_the_bench_reads_a_directory_of_labelled_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "full.log").write_text(
        "cp: No space left on device\n##[error]Process completed with exit code 1.\n"
    )
    rows = [
        {"id": "full", "category": "infra"},
        {"id": "full", "category": "env"},
        {"id": "full", "category": "env", "ambiguous": True},
    ]
    (tmp_path / "category_labels.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    bench = Path(__file__).parents[2] / "bench" / "classes.py"
    done = subprocess.run(
        [sys.executable, str(bench), "--data", str(tmp_path), "--wrong"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        f"{tmp_path.name}: 2 logs\n  accuracy 0.500  precision when said 0.500  said 2\n"
        in done.stdout
    )
    assert "| from 0.9 | 2 | 0.96 | 0.50 |" in done.stdout
    assert "full: env, said infra 0.96 (disk-full: cp: No space left on device)" in done.stdout


def test_swapped_confidences_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    swapped = tuple(
        replace(
            rule, confidence=round(1.55 - rule.confidence, 2), in_test=round(1.55 - rule.in_test, 2)
        )
        for rule in rules()
    )
    monkeypatch.setattr(module, "in_force", lambda: swapped)
    assert uncalibrated(judged()) != []
