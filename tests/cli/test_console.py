"""The console script as people start it: a process of its own, with nothing in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cihealing.cli.shared import start

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


def test_data_in_front_of_a_command_is_as_good_as_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up` makes the secrets of a new directory, wherever the option stands."""
    begun: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(start, "start", lambda name, rest: begun.append((name, rest)))
    monkeypatch.setenv("CI_HEALING_DATA_DIR", "elsewhere")
    start.run(["--data", str(tmp_path), "up", "--no-demo"])
    assert begun == [("up", ["--no-demo"])]
    assert os.environ["CI_HEALING_DATA_DIR"] == str(tmp_path)
