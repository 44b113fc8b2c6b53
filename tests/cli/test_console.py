"""The console script as people start it: a process of its own, with nothing in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["explain", "/nonexistent/build.log"], 1, "Cannot read /nonexistent/build.log"),
        (["explain"], 2, "the following arguments are required: FILE"),
        (["fingerprint", "/nonexistent/build.log"], 1, "Cannot read /nonexistent/build.log"),
        (["notify", "--status", "failed"], 2, "CI_HEALING_URL"),
    ],
)
def test_what_is_wrong_is_said_by_commands_that_need_no_settings(
    arguments: list[str], code: int, says: str
) -> None:
    command = [sys.executable, "-m", "cihealing", *arguments]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in ended.stderr, ended.stderr
    assert ended.returncode == code
