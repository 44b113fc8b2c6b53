"""Whole logs: status, root line, excerpt, failed tests, class. The files in logs/ are real outputs
of the tools on a small project.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.domain.values import Failure
from cihealing.reading import read, weak_failure
from tests.tables import table

LOGS = Path(__file__).parent / "logs"


def log(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def failure_in(text: str) -> Failure:
    failure = read(text).failure
    assert failure is not None
    return failure


@pytest.mark.parametrize(
    ("name", "error_type", "failure_class", "root", "tests"),
    [
        ("ruff", "lint", "product", "F401 [*] `os` imported but unused", ()),
        ("ruff_format", "lint", "product", "unformatted: File would be reformatted", ()),
        (
            "pytest_cart",
            "NameError",
            "product",
            "E       NameError: name 'json' is not defined",
            ("tests/test_cart.py::test_total", "tests/test_cart.py::test_math"),
        ),
        (
            "pytest_short",
            "NameError",
            "product",
            "E   NameError: name 'json' is not defined",
            ("tests/test_cart.py::test_total", "tests/test_cart.py::test_math"),
        ),
        (
            "pytest_third",
            "ModuleNotFoundError",
            "env",
            "E   ModuleNotFoundError: No module named 'requests_x'",
            ("tests.test_third",),
        ),
        (
            "pytest_own",
            "ModuleNotFoundError",
            "product",
            "E   ModuleNotFoundError: No module named 'shop.nothere'",
            ("tests.test_own",),
        ),
        (
            "pytest_net",
            "ConnectionRefusedError",
            "infra",
            "ConnectionRefusedError: [Errno 111] Connection refused",
            ("tests/test_net.py::test_net",),
        ),
        (
            "unittest",
            "NameError",
            "product",
            "NameError: name 'foo' is not defined",
            ("__main__.TestX.test_b", "__main__.TestX.test_a"),
        ),
        ("traceback_network", "ConnectionRefusedError", "infra", "Connection refused", ()),
    ],
)
def test_real_outputs(
    name: str, error_type: str, failure_class: str, root: str, tests: tuple[str, ...]
) -> None:
    reading = read(log(name))
    failure = reading.failure
    assert failure is not None
    assert (reading.status, failure.error_type, failure.failure_class.value) == (
        "failed",
        error_type,
        failure_class,
    )
    assert failure.root_line is not None
    assert root in log(name).splitlines()[failure.root_line - 1]
    assert failure.failed_tests == reading.failed_tests == tests
    assert failure.confidence >= 0.6
    assert len(failure.summary) <= 300
    assert "\n" not in failure.summary


@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
def test_every_line_of_an_excerpt_is_the_line_it_cites(name: str) -> None:
    lines = log(name).splitlines()
    failure = failure_in(log(name))
    assert failure.root_line in [line.line for line in failure.excerpt]
    assert all(lines[line.line - 1].rstrip() == line.text for line in failure.excerpt)
    assert all(lines[sign.line - 1].strip() == sign.text for sign in failure.signs)


def test_frames_show_own_code_first_and_relative_to_the_checkout() -> None:
    assert [(f.file, f.line) for f in failure_in(log("traceback_network")).frames] == [
        ("net.py", 8),
        ("net.py", 5),
    ]
    assert ("shop/cart.py", 2) in [(f.file, f.line) for f in failure_in(log("pytest_cart")).frames]


STATUSES = [
    ("one\nFinished: SUCCESS\n", "passed"),
    ("one\nFinished: FAILURE\n", "failed"),
    ("one\nFinished: ABORTED\n", "cancelled"),
    ("Error: nothing real\nDone. Your build exited with 0.\n", "passed"),
    ("one\nDone. Your build exited with 1.\n", "failed"),
    ("one\nDone: Job Cancelled\n", "cancelled"),
    ("error: x\nJob succeeded", "passed"),
    ("one\nERROR: Job failed: exit code 1", "failed"),
    (
        (
            "2026-01-02T03:04:05.1234567Z ##[group]Run make\n2026-01-02T03:04:05.1234567Z"
            " ##[endgroup]\n2026-01-02T03:04:06.1234567Z Cleaning up orphan processes"
        ),
        "passed",
    ),
    ("one\n##[error]Process completed with exit code 1.", "failed"),
    ("one\n##[error]The operation was canceled.", "cancelled"),
    ("===== 3 passed in 0.1s =====", "passed"),
    ("===== 1 failed, 3 passed in 0.1s =====", "failed"),
    ("All checks passed!", "passed"),
    ("hello\nworld", "unknown"),
    ("", "unknown"),
]


@table(("text", "status"), STATUSES)
def test_status(text: str, status: str) -> None:
    reading = read(text)
    assert reading.status == status
    assert reading.failure is None or status in ("failed", "cancelled")


def test_an_exit_code_echo_is_the_root_only_where_there_is_nothing_else() -> None:
    alone = failure_in("one\n##[error]Process completed with exit code 3.")
    assert alone.root_line == 2
    other = failure_in("one\nfatal: bad revision 'x'\n##[error]Process completed with exit code 3.")
    assert other.root_line == 2
    assert [line.line for line in other.excerpt] == [2]


def test_a_script_that_is_only_repeated_is_no_failure() -> None:
    text = (
        '##[group]Run if x; then echo "ERROR: broken"; exit 1; fi\necho "fatal: never said"\nshell:'
        " bash\n##[endgroup]\nreal: cannot open y\n##[error]Process completed with exit code 1."
    )
    assert failure_in(text).root_line == 5


def test_lines_that_are_on_green_too_lose() -> None:
    red = (
        "ERROR: telemetry endpoint gone after 12 ms\ncannot open config.toml: no such"
        " file\n##[error]Process completed with exit code 1."
    )
    assert failure_in(red).root_line == 1
    failure = read(red, green=["ERROR: telemetry endpoint gone after 99 ms\nall fine"]).failure
    assert failure is not None
    assert failure.root_line == 2


def test_a_passing_log_has_failed_tests_but_no_failure() -> None:
    reading = read(
        "--- FAIL: TestA (0.0s)\nFAIL\texample.org/a\t0.1s\nDone. Your build exited with 0."
    )
    assert (reading.status, reading.failure, reading.failed_tests) == (
        "passed",
        None,
        ("example.org/a.TestA",),
    )


def test_secrets_reach_no_field() -> None:
    token, known = "gh" + "p_" + "a1B2" * 9, "rosebud-1941"
    text = (
        f"FAILED tests/a.py::test_x[{token}] - AssertionError: {known}\nE   AssertionError: {known}"
        f" {token}\n##[error]Process completed with exit code 1."
    )
    reading = read(text, known_secrets=[known])
    assert token not in repr(reading)
    assert known not in repr(reading)
    assert reading.failure is not None
    assert reading.failure.secrets_masked == 4


def test_a_weak_failure_says_what_is_missing() -> None:
    failure = weak_failure(
        job="test", step="pytest", conclusion="failure", reason="Set CI_HEALING_GITHUB_TOKEN."
    )
    assert (failure.strong, failure.summary, failure.log_missing) == (
        False,
        "test / pytest: failure",
        "Set CI_HEALING_GITHUB_TOKEN.",
    )


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "=== FAILURES ===",
            "___ x ___",
            "E   a",
            "Traceback (most recent call last):",
            '  File "a", line 1',
            "FAIL: x",
            "=" * 70,
            "● a",
            "  1 failing",
            "  1) a",
            "--- FAIL: T",
            "FAIL\tp\t0.1s",
            "[ERROR] a.B.c Time elapsed: 1 s <<< FAILURE!",
            "x > y FAILED",
            "* What went wrong:",
            "error: x",
            " --> a:1:1",
            "##[group]Run x",
            "##[error]y",
            "",
            "\tat a.b.C(D.java:1)",
            "test x ... FAILED",
            "Failure:",
            "not ok 1 - a",
            "\r",
            "MethodSource [className = 'a', methodName = 'b']",
        ]
    ),
    max_size=30,
)


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.text(max_size=400), FRAGMENTS.map("\n".join)))
def test_no_text_makes_it_raise(text: str) -> None:
    reading = read(text, green=[text[: len(text) // 2]], known_secrets=[text[:20]])
    lines = reading.redacted_log.count("\n") + 1
    assert reading.status in ("failed", "passed", "cancelled", "unknown")
    assert reading.failure is None or all(
        1 <= line.line <= lines for line in reading.failure.excerpt
    )


@table(
    "piece",
    [
        "a" * 10,
        "error: ",
        "/a",
        "1:",
        "FAILED ",
        "___ ",
        "\tat ",
        "(",
        "= ",
        "error\n",
        "Traceback (most recent call last):\n",
        "1) \n",
        "●\n",
        "--- FAIL: x\n",
    ],
)
def test_large_hostile_logs_are_read_in_bounded_time(piece: str) -> None:
    read(piece * (300_000 // len(piece)))
