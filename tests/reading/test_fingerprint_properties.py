"""What may change between two runs of one failure, and what may not: each property over many
made-up runs.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.reading import fingerprint, read
from cihealing.reading.fingerprint import file_key
from cihealing.reading.fingerprint import test_key as key_of_test
from cihealing.reading.masks import MASK, normalise, template
from tests.tables import table

ROOTS = [
    "/home/runner/work/shop/shop",
    "/builds/acme/shop",
    "/home/ann/src/shop",
    "/var/jenkins_home/workspace/shop_main",
    "/Users/ann/shop",
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and when a job ran: nothing of it may reach the hash."""

    root: str = ROOTS[0]
    day: int = 1
    seed: int = 7
    port: int = 43211
    seconds: float = 1.25
    address: int = 0x7F3A2C1D9E50
    uuid: str = "5f2b6c1e-8d3a-4c55-9d0e-0a7c1f2b3d4e"
    style: str = "plain"
    shuffle: int = 0


@dataclass(frozen=True, kw_only=True)
class Bug:
    """What failed: each part of it is in the hash."""

    test: str = "test_reserve"
    type: str = "ConnectionError"
    symbol: str = "Store"
    code: int = 1
    file: str = "src/stock.c"


def pytest_log(bug: Bug, at: Place) -> str:
    failures = [
        (
            f"FAILED tests/test_stock.py::{bug.test} - {bug.type}: <{bug.symbol} object at"
            f" {at.address:#x}> refused 127.0.0.1:{at.port} for {at.uuid} after {at.seconds:.2f}s"
        ),
        (
            f"FAILED tests/test_stock.py::test_b - {bug.type}: seed={at.seed} in"
            f" {at.root}/stock/db.py:12 on 2026-03-{at.day:02} 10:11:12"
        ),
        "FAILED tests/test_stock.py::test_c - AssertionError: no",
    ]
    random.Random(at.shuffle).shuffle(failures)
    lines = [
        "= short test summary info =",
        *failures,
        f"= 3 failed, 10 passed in {at.seconds:.2f}s =",
    ]
    return in_style([*lines, f"##[error]Process completed with exit code {bug.code}."], at)


def compiler_log(bug: Bug, at: Place) -> str:
    error = f"{at.root}/{bug.file}:12:5: error: unknown type name '{bug.symbol}'"
    return in_style(
        [
            "$ make",
            f"cc -c {at.root}/{bug.file} -o /tmp/cc{at.seed}.o",
            error,
            "1 error generated.",
            f"exit code {bug.code}",
        ],
        at,
    )


def in_style(lines: list[str], at: Place) -> str:
    stamps = [
        f"2026-03-{at.day:02}T10:00:{i % 60:02}.{at.seed % 10**7:07}Z" for i in range(len(lines))
    ]
    match at.style:
        case "github":
            return "\r\n".join(f"{stamp} {line}" for stamp, line in zip(stamps, lines, strict=True))
        case "jenkins":
            return "\n".join(f"[{stamp}] {line}" for stamp, line in zip(stamps, lines, strict=True))
        case "colours":
            return "\n".join(f"\x1b[31m{line}\x1b[0m" for line in lines)
        case _:
            return "\n".join(lines)


def hash_of(log: str) -> str:
    failure = read(log).failure
    assert failure is not None
    return failure.error_hash


PLACES = st.builds(
    Place,
    root=st.sampled_from(ROOTS),
    day=st.integers(1, 31),
    seed=st.integers(0, 2**31),
    port=st.integers(1024, 65535),
    seconds=st.floats(0.01, 5000),
    address=st.integers(2**20, 2**47),
    uuid=st.uuids().map(str),
    style=st.sampled_from(["plain", "github", "jenkins", "colours"]),
    shuffle=st.integers(0, 100),
)


@pytest.mark.parametrize("log", [pytest_log, compiler_log])
def test_the_same_bug_has_one_hash_wherever_and_whenever_it_fails(log: object) -> None:
    assert callable(log)
    usual = hash_of(log(Bug(), Place()))

    @settings(max_examples=60, deadline=None)
    @given(PLACES)
    def check(place: Place) -> None:
        assert hash_of(log(Bug(), place)) == usual

    check()


@pytest.mark.parametrize(
    ("log", "changed"),
    [
        (pytest_log, {"test": "test_release"}),
        (pytest_log, {"type": "TimeoutError"}),
        (pytest_log, {"symbol": "Shelf"}),
        (pytest_log, {"code": 2}),
        (compiler_log, {"symbol": "Shelf"}),
        (compiler_log, {"file": "src/shelf.c"}),
        (compiler_log, {"code": 2}),
    ],
)
def test_another_bug_has_another_hash_in_the_same_place(
    log: object, changed: dict[str, object]
) -> None:
    assert callable(log)
    assert hash_of(log(Bug(), Place())) != hash_of(log(replace(Bug(), **changed), Place()))  # type: ignore[arg-type]


PARTS = (
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
    "  ",
    "\n",
    "@",
    "1.2.3.4",
    "MB",
    "/",
    "x",
    "\t",
    "2026-01-02",
    "=",
    "\\",
    "%",
    "code ",
    "error ",
    "HTTP/1.1 404",
    "Mon Jan 5",
    "May",
    "C:",
    "C:\\",
    "~",
    "~/",
    "//",
    "://",
    "a1:b2:c3:d4:",
    "B-5",
    "<id>",
    ">",
    "<",
    "+",
    "'",
    "(",
    "e5",
    "_",
    "T",
    "Z",
    "***",
    "[redacted:a:ab12]",
    "ABCDEF12",
    "tmpabcdefgh",
    "temp\\",
    "file:///a/b",
    "usr:pw@h",
    "123e4567-e89b-12d3-a456-426614174000",
    "<url:x.y>",
    "signal: ",
    "é",
    "٣",
    "\x1f",
    "status=",
    "ms",
    "Feb",
    "<secret>",
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_masking_is_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([p for p in PARTS if "\n" not in p]), max_size=6).map("".join),
        max_size=5,
    )
)
def test_lines_are_masked_alike_together_and_alone(lines: list[str]) -> None:
    assert normalise("\n".join(lines)).split("\n") == [
        normalise(line) for line in lines
    ] or not any(lines)


@table(
    ("line", "masked"),
    [
        ("Process exited with code -1073741819", "Process exited with code -1073741819"),
        ("child exited with 127", "child exited with 127"),
        ("make[2]: *** [all] Error 2", "make[<n>]: <secret> [all] Error 2"),
        ("Error 5 tests failed", "Error <n> tests failed"),
        ("(os error 2)", "(os error 2)"),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
        ("HTTP/1.1 404 Not Found", "HTTP/1.1 404 Not Found"),
        ("ORA-00942: table does not exist", "ORA-00942: table does not exist"),
        ("worker-3 died on signal 11", "worker-<n> died on signal 11"),
        ("decode 5", "decode <n>"),
        ("code=0x1 addr=0x18", "code=0x1 addr=<addr>"),
        ("HRESULT: 0x80070005", "HRESULT: 0x80070005"),
        ("C:\\Users\\ann\\AppData\\Local\\Temp\\ab12 is gone", "<tmp> is gone"),
        ("C:/a/b/c.py:3", "c.py:<n>"),
        ("at file:///home/ann/shop/src/a.mjs:12:5", "at file:/a.mjs:<n>:<n>"),
        ("/var/folders/x1/abc/T/tmpab12cd/x.py", "x.py"),
        ("Thu, 05 Mar 2026 10:11:12 GMT", "<time>"),
        ("Wed 4 Mar 2026 10:00:00 AM UTC x", "<time> x"),
        ("02/Jan/2026:10:11:12 +0000", "<time>"),
        ("20260102T030405Z", "<time>"),
        ("took 1h 2m 3.5s, then 1 hour 5 minutes", "took <dur>, then <dur>"),
        ("fe80::42:acff:fe11:2 is down", "<id> is down"),
        (
            "see https://[redacted:github-token:ab12]@github.com/a/b/12",
            "see https:<url:github.com>",
        ),
        ("image@sha256:9f86d081884c7d659a2feaa0c55ad015", "image@sha256:<hash>"),
        ("got -1, want +5", "got <n>, want <n>"),
        ("83% of 5 KiB/s", "<n>% of <size>"),
        ("a\t\tb   c ", "a b c"),
    ],
)
def test_what_is_masked(line: str, masked: str) -> None:
    assert normalise(line) == masked


REPEATED = (
    "1",
    "1.",
    "1:",
    "1,",
    "1m",
    "a1:",
    "a",
    "f",
    "0x",
    "/",
    "/a",
    "/a/",
    "\\",
    "\\n",
    "~/",
    "://",
    "://a@",
    "://<secret>",
    "-",
    "+1",
    "- 1",
    "Mon ",
    "Jan 1 ",
    "exit code ",
    "code 1 ",
    "1-",
    "1_",
    "1e1",
    "@a",
    "@1",
    "HTTP/1",
    "A-1",
    "<",
    "<n>",
    "*",
    "[redacted:a:",
    " ",
    "\t",
    "\n",
    '"',
    '"GET ',
    "=",
    "a=",
    "={",
    "=[",
    "a.",
    "a-",
    "a.b:1 ",
    "user ",
    "null ",
    "blk_",
    "k=v ",
    "(",
    "[",
    "{",
    "'",
)


@table("unit", REPEATED)
@table("work", [normalise, template])
def test_no_repeat_of_anything_is_slow(work: object, unit: str) -> None:
    assert callable(work)
    text = (unit * (65_536 // len(unit) + 1))[:65_536]
    begun = time.process_time()
    work(text), work(text + "!x")
    assert time.process_time() - begun < 1


def test_every_alternative_has_a_line_that_needs_it() -> None:
    """So that an alternative that stops matching is seen here by name."""
    lines = {
        "named": "exit code 3",
        "id": "123e4567-e89b-12d3-a456-426614174000",
        "keep": "ORA-00942",
        "time": "2026-01-02",
        "addr": "at 0x1f",
        "ip": "10.0.0.1",
        "dur": "5 ms",
        "size": "5 MB",
        "n": "5",
        "at": "x@ab12cd",
        "hash": "3f786850e387",
        "url": "https://a.b",
        "path": "/a/b/c",
        "date": "Jan 5 10:00:00",
        "signed": "-5",
    }
    assert set(lines) == set(MASK.groupindex)
    assert {
        name: found.lastgroup for name, line in lines.items() if (found := MASK.search(line))
    } == {name: name for name in lines}


@pytest.mark.parametrize(
    "line",
    ["'/-s/C:\\", "/a/s/C:\\q\\z", "a1:b2:/x/c3:d4", "/tmp/a://h", "~HTTP/1.1 404", "://code 0x1f"],
)
def test_what_once_was_not_idempotent(line: str) -> None:
    assert normalise(normalise(line)) == normalise(line)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("/srv/agent7/ws/src/a.c", "a.c"),
        ("C:\\agent\\ws\\a.c", "a.c"),
        ("/home/ann/src/shop/src/a.c", "src/a.c"),
        ("/home/runner/work/shop/shop/src/a.c", "src/a.c"),
        ("D:\\a\\shop\\shop\\src\\a.c", "src/a.c"),
        ("./src/a.c", "src/a.c"),
        ("target/debug/build/x-0f1e2d3c4b5a6978/out/b.rs", "target/debug/build/x-<hash>/out/b.rs"),
        ("day-1/a.py", "day-1/a.py"),
    ],
)
def test_the_file_in_a_hash(file: str, key: str) -> None:
    assert file_key(file) == key


def test_the_test_in_a_hash_is_below_the_checkout_and_its_parameters_have_no_order() -> None:
    assert key_of_test("/srv/agent7/ws/a.spec.js > adds") == "a.spec.js > adds"
    assert key_of_test("t.py::test_a[{x, y} 0x7f3a2c]") == key_of_test(
        "t.py::test_a[{y, x} 0x7f3a99]"
    )
    assert key_of_test("t.py::test_a[1]") != key_of_test("t.py::test_a[2]")


def test_the_parts_of_a_hash_are_sorted_and_the_type_of_one_test_counts_with_that_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(fingerprint, "hash_of", lambda parts: seen.append(list(parts)) or "v0:")
    first = [
        "FAILED t.py::test_a - KeyError: 'a'",
        "FAILED t.py::test_b - ValueError: b",
        *(f"FAILED t.py::test_{c} - E{c}Error: {c}" for c in "cdefgh"),
    ]
    for failures in (first, first[::-1]):
        read("\n".join(["= short test summary info =", *failures, "= 8 failed in 1s ="]))
    assert seen[0] == seen[1]
    assert seen[0][2:] == sorted(seen[0][2:])
    assert len(seen[0]) == 10
