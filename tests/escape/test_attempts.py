"""Each attempt of the corpus against the real sandbox, as root and as an ordinary user: it is held;
and with its hole it is not.

An attempt that is held proves something only because the very same attempt gets through where the
wall is taken away.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import select
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from tests.escape.corpus import Attempt, read
from tests.escape.report import Report

pytestmark = pytest.mark.escape
CORPUS = read()
FIELD = Path(__file__).with_name("field.py")
UNUSED = 64_321
"""A user nobody is, and none the service gives to sandboxes."""
ROOT = os.getuid() == 0
USERS = ["root", "user"] if ROOT else ["user"]
ANSWER_WITHIN = 60.0


class Asked:
    """A field in a process of its own."""

    def __init__(self, who: str) -> None:
        arguments = [str(UNUSED)] if ROOT and who == "user" else []
        self.process = subprocess.Popen(
            [sys.executable, str(FIELD), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def __call__(self, attempt: Attempt, hole: bool) -> Report:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"id": attempt.id, "hole": hole}) + "\n")
        ready = select.select([self.process.stdout], [], [], ANSWER_WITHIN)[0]
        assert ready, f"no answer within {ANSWER_WITHIN:.0f} s"
        return Report(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def asked() -> Iterator[dict[str, Asked]]:
    trouble = Bubblewrap(toolchain=()).available()
    if trouble is not None:
        pytest.skip(f"no bubblewrap on this machine: {trouble}")
    opened: dict[str, Asked] = {}
    yield opened
    for one in opened.values():
        one.close()


def asked_as(who: str, asked: dict[str, Asked]) -> Asked:
    """The field of this user; a new one where the last died of an attempt."""
    if who not in asked or asked[who].process.poll() is not None:
        asked[who] = Asked(who)
    return asked[who]


def each(attempts: list[Attempt]) -> pytest.MarkDecorator:
    marked = [
        pytest.param(one, id=one.id, marks=[pytest.mark.slow] if one.slow else [])
        for one in attempts
    ]
    return pytest.mark.parametrize("attempt", marked)


def held() -> Iterator[object]:
    """Every attempt as every user. What a host does with a tree is nearly the same for both: the
    second is left to the slow run.
    """
    for attempt in CORPUS:
        for who in USERS:
            slow = attempt.slow or (attempt.kind == "repository" and who != USERS[0])
            yield pytest.param(
                attempt, who, id=f"{attempt.id}-{who}", marks=[pytest.mark.slow] if slow else []
            )


@pytest.mark.parametrize(("attempt", "who"), list(held()))
def test_held(attempt: Attempt, who: str, asked: dict[str, Asked]) -> None:
    for _ in range(attempt.tries):
        told = asked_as(who, asked)(attempt, False)
        assert told.trouble == "", told.trouble + told.said
        assert told.began, told.said
        if not told.signs:
            break
    assert list(told.signs) == [], f"{attempt.reaches}: {told.said}"
    assert re.search(attempt.exceeded, told.exceeded), told


@pytest.mark.slow
@each(list(CORPUS))
def test_hole_is_found(attempt: Attempt, asked: dict[str, Asked]) -> None:
    found_as(USERS[0], attempt, asked)


@pytest.mark.slow
@pytest.mark.skipif(not ROOT, reason="the same as above")
@each([one for one in CORPUS if not one.only])
def test_hole_is_found_as_an_ordinary_user_too(attempt: Attempt, asked: dict[str, Asked]) -> None:
    found_as("user", attempt, asked)


def found_as(who: str, attempt: Attempt, asked: dict[str, Asked]) -> None:
    if attempt.only and attempt.only != who:
        pytest.skip("the kernel itself refuses this to an ordinary user")
    if lacking := [what for what in attempt.needs if not has(what)]:
        pytest.skip(f"this machine has no {', '.join(lacking)}")
    # Some are races: those may be lost a few times.
    for _ in range(5):
        told = asked_as(who, asked)(attempt, True)
        assert told.trouble == "", told.trouble + told.said
        if attempt.sign in told.signs:
            return
    raise AssertionError(told)


def has(what: str) -> bool:
    if what.startswith("/"):
        return Path(what).exists()
    return {
        "ia32": has_ia32,
        "x32": has_x32,
        "vsock": has_vsock,
        "git": lambda: shutil.which("git") is not None,
    }[what]()


def has_vsock() -> bool:
    try:
        socket.socket(40, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def has_ia32() -> bool:
    """Tried in a process of its own: where there is no such entry it is killed."""
    if platform.machine() != "x86_64":
        return False
    # mov eax, 20 (getpid); int 0x80; ret
    code = (
        "import ctypes, mmap; m = mmap.mmap(-1, 4096, prot=7);"
        " m.write(bytes.fromhex('b814000000cd80c3'));"
        " code = ctypes.addressof(ctypes.c_char.from_buffer(m));"
        " raise SystemExit(ctypes.CFUNCTYPE(ctypes.c_int)(code)() <= 0)"
    )
    return (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
        == 0
    )


def has_x32() -> bool:
    return platform.machine() == "x86_64" and ctypes.CDLL(None).syscall(0x40000000 | 39) > 0


def test_there_are_enough_of_them_and_no_technique_is_ridden() -> None:
    assert len(CORPUS) >= 60
    assert len({one.id for one in CORPUS}) == len(CORPUS)
    assert max(Counter(one.technique for one in CORPUS).values()) <= 3


def test_every_attempt_says_what_it_would_reach_and_where_it_is_from() -> None:
    assert [one.id for one in CORPUS if not (one.technique and one.reaches and one.source)] == []
