"""A script that was called and may not be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cihealing.fixers import executable
from tests.fixers.trees import context, failure, write


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("/bin/sh: 1: ./scripts/check.sh: Permission denied", "."),
        ("bash: line 3: ./check.sh: Permission denied", "scripts"),
        ("E   PermissionError: [Errno 13] Permission denied: 'scripts/check.sh'", "."),
        ("make: ./scripts/check.sh: Permission denied", "."),
    ],
)
def test_what_was_called_becomes_executable(tmp_path: Path, said: str, path: str) -> None:
    write(tmp_path, {"scripts/check.sh": "#!/bin/sh\n"})
    assert executable.fits(failure(said))
    told = executable.fix(context(tmp_path, failure(said), path=path))
    assert told == "Made scripts/check.sh executable"
    assert (tmp_path / "scripts/check.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("sh: 1: ./data.txt: Permission denied", "no script\n"),
        ("sh: 1: ./gone.sh: Permission denied", "#!/bin/sh\n"),
        ("PermissionError: [Errno 13] Permission denied: '/data.txt'", "#!/bin/sh\n"),
        ("sh: 1: ../data.txt: Permission denied", "#!/bin/sh\n"),
    ],
)
def test_nothing_else_does(tmp_path: Path, said: str, text: str) -> None:
    write(tmp_path, {"data.txt": text})
    before = (tmp_path / "data.txt").stat().st_mode
    assert executable.fix(context(tmp_path, failure(said))) is None
    assert (tmp_path / "data.txt").stat().st_mode == before


def test_what_is_executable_is_left(tmp_path: Path) -> None:
    write(tmp_path, {"a.sh": "#!/bin/sh\n"})
    (tmp_path / "a.sh").chmod(0o755)
    assert executable.fix(context(tmp_path, failure("sh: 1: ./a.sh: Permission denied"))) is None
