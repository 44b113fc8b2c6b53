"""Same failure, same hash; other test, type or exit code, other hash."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.reading import read
from cihealing.reading.fingerprint import line_hash, weak
from cihealing.reading.masks import normalise, template
from tests.tables import table

LOGS = Path(__file__).parent / "logs"
FORM = re.compile(r"v2:[0-9a-f]{64}")


def hash_of(log: str) -> str:
    failure = read(log).failure
    assert failure is not None
    assert FORM.fullmatch(failure.error_hash)
    return failure.error_hash


def log(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def on_github(text: str, *, day: int = 1, code: int = 1) -> str:
    lines = [
        f"2026-03-{day:02}T10:00:{i % 60:02}.{i:07}Z {line}"
        for i, line in enumerate(text.splitlines())
    ]
    return "\r\n".join(
        [
            *lines,
            f"2026-03-{day:02}T10:59:59.0000000Z ##[error]Process completed with exit code {code}.",
            "",
        ]
    )


NAMES = [
    "ruff",
    "ruff_format",
    "pytest_cart",
    "pytest_short",
    "pytest_third",
    "pytest_own",
    "pytest_net",
    "unittest",
    "traceback_network",
]


@pytest.mark.parametrize("name", NAMES)
def test_runner_day_and_checkout_do_not_matter(name: str) -> None:
    text = log(name)
    moved = text.replace("/home/runner/work/shop/shop", "/builds/acme/shop").replace(
        "/usr/lib", "/opt/python/lib"
    )
    assert hash_of(text) == hash_of(on_github(text)) == hash_of(on_github(moved, day=27))


@pytest.mark.parametrize("name", NAMES)
def test_another_exit_code_is_another_failure(name: str) -> None:
    assert hash_of(on_github(log(name), code=1)) != hash_of(on_github(log(name), code=2))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("pytest_cart", "test_total", "test_totals"),
        ("pytest_cart", "NameError", "AttributeError"),
        ("pytest_third", "requests_x", "requests_y"),
        ("unittest", "test_a", "test_c"),
        ("ruff", "F401", "F811"),
        ("ruff", "lint/a.py", "lint/c.py"),
        ("traceback_network", "Connection refused", "Connection reset by peer"),
    ],
)
def test_another_test_type_rule_or_file_is_another_failure(name: str, old: str, new: str) -> None:
    assert hash_of(log(name)) != hash_of(log(name).replace(old, new))


def test_both_traceback_styles_and_the_position_in_the_log_give_one_hash() -> None:
    assert (
        hash_of(log("pytest_cart"))
        == hash_of(log("pytest_short"))
        == hash_of("hello\n" * 50 + log("pytest_cart"))
    )


def test_the_order_of_parallel_failures_does_not_matter() -> None:
    tests = [
        f"--- FAIL: Test{name} (0.0{i}s)\n    a_test.go:1{i}: want 1, got {i}\n"
        for i, name in enumerate("ABCDE")
    ]
    hashes = set()
    for seed in range(5):
        random.Random(seed).shuffle(tests)
        hashes.add(hash_of("".join(tests) + "FAIL\nFAIL\texample.org/a\t0.1s\n"))
    assert len(hashes) == 1


def test_a_secret_is_one_token() -> None:
    texts = [f"fatal: login with gh{'p_'}{c * 36} failed" for c in "ab"]
    assert hash_of(texts[0]) == hash_of(texts[1])


def test_a_weak_hash_is_stable_and_unlike_any_strong_one() -> None:
    one = weak(job="test (3.11)", step="pytest", conclusion="failure")
    assert FORM.fullmatch(one)
    assert one == weak(job="test (3.11)", step="pytest", conclusion="FAILURE")
    assert one != weak(job="test (3.11)", step="lint", conclusion="failure")
    assert one != weak(job="test (3.11)", step="pytest", conclusion="timed_out")


@table(
    ("line", "masked"),
    [
        ("took 3.21s, 12 MB at 10.0.0.1:8080", "took <dur>, <size> at <ip>"),
        ("commit 3f786850e387550fdab836ed7e6dc881de23001b", "commit <hash>"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id <id>"),
        ("2026-01-02T03:04:05Z started", "<time> started"),
        ("<Foo object at 0x7f064e70d320>", "<Foo object at <addr>>"),
        ("java.lang.Object@643b5e4e", "java.lang.Object@<addr>"),
        ("/home/ann/src/shop/cart.py:12: boom", "cart.py:<n>: boom"),
        ("/tmp/tmpab12cd", "<tmp>"),
        ("seed=1234", "seed=<n>"),
        ("[redacted:github-token:ab12] and ***", "<secret> and <secret>"),
        ("Process completed with exit code 137.", "Process completed with exit code 137."),
        ("test_case2 raised E0308 in utf8_decode", "test_case2 raised E0308 in utf8_decode"),
        (
            "fatal: The requested URL returned error: 503",
            "fatal: The requested URL returned error: 503",
        ),
    ],
)
def test_what_varies_is_masked_and_what_names_the_failure_stays(line: str, masked: str) -> None:
    assert normalise(line) == masked


TEXTS = st.one_of(
    st.text(max_size=120),
    st.lists(
        st.sampled_from(
            [
                "/tmp/a",
                "12",
                ".5",
                "s",
                ":",
                "0x1f",
                "abc123def",
                "<n>",
                "-",
                "exit code 3",
                "10:11:12",
                " ",
                "@",
                "1.2.3.4",
                "MB",
                "/",
                "x",
                "2026-01-02",
                "=",
                "\\",
                "%",
            ]
        ),
        max_size=14,
    ).map("".join),
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_masking_is_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 1e6))
def test_numbers_do_not_reach_a_line_hash(a: int, b: int, seconds: float) -> None:
    assert line_hash(f"worker {a} failed after {seconds:.3f} seconds") == line_hash(
        f"worker {b} failed after 1.500 seconds"
    )


def test_a_template_keeps_what_the_program_says() -> None:
    assert template('10.1.2.3 "GET /a HTTP/1.1" status: 200') != template(
        '10.1.2.3 "POST /a HTTP/1.1" status: 200'
    )
    assert template("job a: exit code 1") != template("job a: exit code 2")
    assert template("lock=12, name=a.b") == template("lock=99, name=c")
