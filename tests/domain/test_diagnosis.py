"""The offline diagnoser: what it says of known failures, that it cites only what is there, and that
it admits what it does not know.
"""

from __future__ import annotations

import time

import pytest

from cihealing.diagnosis import diagnose
from cihealing.diagnosis.known import PATTERNS
from cihealing.diagnosis.pattern import Pattern
from cihealing.domain.values import Failure, FailureClass, Frame, Line, Owner
from tests.tables import table

ANN = Owner(name="ann", source="codeowners")


def failed(
    *log: str,
    root: int | None = 1,
    cls: FailureClass = FailureClass.UNKNOWN,
    frames: tuple[Frame, ...] = (),
    tests: tuple[str, ...] = (),
    missing: str = "",
) -> Failure:
    return Failure(
        error_hash="v1:0",
        strong=True,
        error_type="x",
        summary=log[0][:300] if log else "",
        failure_class=cls,
        root_line=root if log else None,
        excerpt=tuple(Line(line=n, text=t) for n, t in enumerate(log, 1)),
        frames=frames,
        failed_tests=tests,
        log_missing=missing,
    )


@pytest.mark.parametrize(
    ("log", "rule", "cause", "fix", "cls"),
    [
        (
            ["E   NameError: name 'json' is not defined"],
            "undefined-name",
            "name json",
            "Import or define json",
            "product",
        ),
        (
            ["a.py:3:1: F821 Undefined name `json`"],
            "undefined-name",
            "name json",
            "Import or define json",
            "product",
        ),
        (
            ["E   ModuleNotFoundError: No module named 'yaml'"],
            "missing-module",
            "module yaml",
            "declare it",
            "env",
        ),
        (
            ["Error: Cannot find module '@acme/core'"],
            "missing-module",
            "@acme/core",
            "package.json",
            "env",
        ),
        (
            ["ImportError: cannot import name 'tax' from 'shop.util' (/x.py)"],
            "import-name",
            "shop.util has no tax",
            "Import tax",
            "product",
        ),
        (
            ["E       assert 3 == 4"],
            "assertion",
            "found 3 where it expects 4",
            "expectation",
            "product",
        ),
        (["AssertionError: 3 != 4 : total"], "assertion", "3 and 4", "expectation", "product"),
        (
            ["  Expected: 4", "  Received: 3"],
            "assertion",
            "found 3 where it expects 4",
            "expectation",
            "product",
        ),
        (
            ["  left: 3", " right: 4"],
            "assertion",
            "3 on the left and 4 on the right",
            "expectation",
            "product",
        ),
        (
            ["expected: <4> but was: <3>"],
            "assertion",
            "found 3 where it expects 4",
            "expectation",
            "product",
        ),
        (
            ["cart_test.go:9: got 3, want 4"],
            "assertion",
            "got 3 and wants 4",
            "expectation",
            "product",
        ),
        (
            ["SyntaxError: invalid syntax"],
            "syntax",
            "invalid syntax",
            "line named above",
            "product",
        ),
        (["<<<<<<< HEAD"], "merge-marks", "merge conflict", "Resolve", "product"),
        (["OSError: [Errno 28] No space left on device"], "disk-full", "disk", "Clear", "infra"),
        (
            ["curl: (7) Failed: Connection refused"],
            "connection-refused",
            "Nothing answered",
            "started and ready",
            "infra",
        ),
        (
            ["Error: connect ECONNREFUSED 127.0.0.1:5432"],
            "connection-refused",
            "127.0.0.1:5432",
            "started",
            "infra",
        ),
        (
            ["fatal: Could not resolve host: git.example.org"],
            "name-resolution",
            "git.example.org",
            "DNS",
            "infra",
        ),
        (
            ["requests.exceptions.ReadTimeout: Read timed out"],
            "waited",
            "did not come in time",
            "again",
            "infra",
        ),
        (
            ["thrown: Exceeded timeout of 5000 ms for a test"],
            "test-timeout",
            "did not end in time",
            "alone",
            "flaky",
        ),
        (["HTTP 429 Too Many Requests"], "rate-limit", "rate limit", "later", "infra"),
        (["503 Service Unavailable"], "server-error", "(503)", "again", "infra"),
        (
            ["x509: certificate signed by unknown authority"],
            "certificate",
            "certificate",
            "authority",
            "infra",
        ),
        (
            ["java.lang.OutOfMemoryError: Java heap space"],
            "out-of-memory",
            "memory",
            "larger",
            "infra",
        ),
        (["Process completed with exit code 137"], "killed", "killed", "memory", "infra"),
        (["bash: poetry: command not found"], "command-not-found", "(poetry)", "Install", "env"),
        (
            ["ERROR: No matching distribution found for nope==9"],
            "dependency-conflict",
            "dependencies",
            "versions",
            "env",
        ),
        (
            ["PermissionError: [Errno 13] Permission denied: '/x'"],
            "permission",
            "may not",
            "owner",
            "env",
        ),
        (
            ["sqlite3.OperationalError: no such table: shop_cart"],
            "missing-table",
            "migration",
            "migration",
            "data",
        ),
        (
            ["FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'"],
            "missing-file",
            "'a.csv'",
            "committed",
            "data",
        ),
        (
            ["shop/a.py:1:8: F401 `os` imported but unused"],
            "lint",
            "shop/a.py line 1: F401",
            "automatic",
            "product",
        ),
        (
            ["I001 [*] Import block is un-sorted", " --> shop/a.py:3:1"],
            "lint",
            "shop/a.py line 3: I001 Import",
            "automatic",
            "product",
        ),
        (["Would reformat: shop/a.py"], "format", "(shop/a.py)", "formatter", "product"),
        (
            ["shop/a.py:3: error: Incompatible types"],
            "types",
            "line 3: Incompatible types",
            "first error",
            "product",
        ),
        (
            ["src/a.ts(1,2): error TS2322: Type 'x' is bad"],
            "types",
            "TS2322",
            "first error",
            "product",
        ),
        (
            ["AttributeError: 'NoneType' object has no attribute 'x'"],
            "none-attribute",
            "missing",
            "Follow",
            "product",
        ),
        (["KeyError: 'price'"], "missing-key", "KeyError 'price'", "data", "product"),
        (
            ["OSError: [Errno 98] Address already in use"],
            "port-in-use",
            "port",
            "free port",
            "flaky",
        ),
        (["Segmentation fault (core dumped)"], "segfault", "crashed", "native", "product"),
    ],
)
def test_a_known_failure_is_explained_with_its_line(
    log: list[str], rule: str, cause: str, fix: str, cls: str
) -> None:
    found = diagnose(failed(*log))
    assert cause in found.root_cause
    assert fix in found.proposed_fix
    assert found.failure_class == cls
    first = found.hypotheses[0]
    assert first.text == found.root_cause
    assert [(s.rule, s.line, s.text) for s in first.signs] == [
        (f"diagnosis:{rule}", n, t.strip()) for n, t in enumerate(log, 1)
    ]


@table(
    ("failure", "changed", "confidence"),
    [
        (failed("KeyError: 'a'"), (), 0.6),
        (failed("KeyError: 'a'", cls=FailureClass.PRODUCT), (), 0.7),
        (failed("KeyError: 'a'", cls=FailureClass.INFRA), (), 0.4),
        (failed("KeyError: 'a'", root=None), (), 0.42),
        (failed("KeyError: 'a'", frames=(Frame(file="a.py", line=1),)), ("a.py",), 0.7),
        (failed("KeyError: 'a'", frames=(Frame(file="/build/a.py", line=1),)), ("a.py",), 0.7),
        (failed("KeyError: 'a'", frames=(Frame(file="aa.py", line=1),)), ("a.py",), 0.6),
        (failed("Would reformat: a.py", cls=FailureClass.PRODUCT), (), 0.9),
        (failed("something odd"), (), 0.2),
        (failed("something odd", root=None), (), 0.1),
        (failed(), (), 0.0),
    ],
)
def test_confidence_is_what_the_evidence_is_worth(
    failure: Failure, changed: tuple[str, ...], confidence: float
) -> None:
    assert diagnose(failure, changed_files=changed).confidence == confidence


@table("pattern", PATTERNS, ids=lambda p: p.name)
def test_no_pattern_is_surer_than_0_9_or_names_what_it_does_not_find(pattern: Pattern) -> None:
    groups = set(pattern.first.groupindex) | set(
        pattern.second.groupindex if pattern.second else ()
    )
    wanted = {
        part.partition("}")[0]
        for text in (pattern.cause, pattern.fix)
        for part in text.split("{")[1:]
    }
    assert wanted <= groups
    assert 0 < pattern.confidence <= 0.9


def test_the_root_line_speaks_first_and_the_rest_follow() -> None:
    found = diagnose(
        failed(
            "curl: (6) Could not resolve host: a.example", "noise", "E   KeyError: 'price'", root=3
        )
    )
    assert [h.signs[0].line for h in found.hypotheses] == [3, 1]
    assert found.failure_class is FailureClass.PRODUCT


def test_one_pattern_is_one_hypothesis() -> None:
    assert len(diagnose(failed(*["KeyError: 'a'"] * 50)).hypotheses) == 1


def test_a_class_that_was_read_is_kept() -> None:
    assert (
        diagnose(failed("KeyError: 'a'", cls=FailureClass.DATA)).failure_class is FailureClass.DATA
    )
    assert diagnose(failed("KeyError: 'a'", root=None)).failure_class is FailureClass.UNKNOWN


def test_a_changed_file_in_the_trace_is_a_hypothesis_where_the_log_names_it() -> None:
    frames = (Frame(file="shop/a.py", line=3), Frame(file="shop/b.py", line=9))
    found = diagnose(
        failed("shop/b.py:9: in total", "KeyError: 'a'", root=2, frames=frames),
        changed_files=["shop/b.py"],
        owner=ANN,
    )
    assert [(h.text, h.signs[0].line) for h in found.hypotheses[1:]] == [
        ("shop/b.py stands in the trace and was changed by this commit", 1)
    ]
    assert found.look_at == (
        "shop/b.py:9 (changed by this commit)",
        "shop/a.py:3",
        "ask ann (codeowners)",
    )
    assert (
        len(
            diagnose(failed("KeyError: 'a'", frames=frames), changed_files=["shop/b.py"]).hypotheses
        )
        == 1
    )


def test_what_is_not_known_is_said() -> None:
    found = diagnose(failed("the frobnicator declined", root=1), owner=ANN)
    assert found.root_cause == "I do not know this failure; the log says: the frobnicator declined"
    assert found.proposed_fix == ""
    assert [(h.signs[0].line, h.signs[0].text) for h in found.hypotheses] == [
        (1, "the frobnicator declined")
    ]
    assert found.look_at == ("line 1 of the log", "ask ann (codeowners)")


def test_without_a_log_nothing_is_claimed() -> None:
    found = diagnose(failed(missing="Set CI_HEALING_GITHUB_TOKEN"), owner=ANN)
    assert found.root_cause == "I do not know: Set CI_HEALING_GITHUB_TOKEN"
    assert (found.hypotheses, found.confidence, found.look_at) == (
        (),
        0.0,
        ("ask ann (codeowners)",),
    )


def test_failed_tests_are_looked_at() -> None:
    assert diagnose(
        failed("odd", tests=tuple(f"tests/test_a.py::test_{n}" for n in range(9)))
    ).look_at == (
        "the test tests/test_a.py::test_0",
        "the test tests/test_a.py::test_1",
        "the test tests/test_a.py::test_2",
    )


@pytest.mark.parametrize(
    ("tests", "places"),
    [((), ("a.py:1", "b.py:2")), (("test_x",), ("b.py:2", "a.py:1", "the test test_x"))],
)
def test_of_a_trace_the_deepest_frame_is_looked_at_first(
    tests: tuple[str, ...], places: tuple[str, ...]
) -> None:
    frames = (Frame(file="a.py", line=1), Frame(file="b.py", line=2))
    assert diagnose(failed("KeyError: 'a'", frames=frames, tests=tests)).look_at == places


@pytest.mark.parametrize(
    "line",
    [
        "assert " + "x" * 100_000,
        "assert " + "a == " * 20_000,
        "got " * 25_000,
        " " * 100_000,
        "error  " * 15_000,
        "expected: <" * 9_000,
        "a:1:1: " * 15_000,
        ":" * 100_000,
    ],
    ids=range(8),
)
def test_no_line_makes_the_diagnoser_slow(line: str) -> None:
    began = time.process_time()
    found = diagnose(failed(*[line] * 60))
    assert time.process_time() - began < 3
    assert len(found.root_cause) <= 1_000
