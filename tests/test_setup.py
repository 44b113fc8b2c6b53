"""`scripts/setup` does its work once, with a Python that only notes what is asked of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
echo "$*" >>"{notes}"
case "$1 $2" in
"-m venv")
    for place; do :; done
    mkdir -p "$place/bin" && cp "$0" "$place/bin/python"
    ;;
"-c import"*) exec "{real}" -c 'import collections, sys
sys.version_info = collections.namedtuple("V", "major minor")({version}); exec(sys.argv[1])' "$2" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bwrap").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "bwrap").chmod(0o755)
    return tmp_path


def set_up(checkout: Path, *, place: str, version: str) -> str:
    """What was asked of the Python at `place`, and of the one it made."""
    python, notes = checkout / place / "python3", checkout / "notes"
    python.parent.mkdir(exist_ok=True)
    python.write_text(PYTHON.format(notes=notes, real=sys.executable, version=version))
    python.chmod(0o755)
    notes.write_text("")
    environment = {"PATH": f"{python.parent}:{checkout}/bin:{os.environ['PATH']}", "HOME": "/"}
    subprocess.run([checkout / "scripts" / "setup"], env=environment, check=True)
    return notes.read_text()


def test_another_python_of_the_same_version_does_nothing_anew(checkout: Path) -> None:
    assert "-m pip install" in set_up(checkout, place="one", version="3, 12")
    assert "-m" not in set_up(checkout, place="one", version="3, 12").split()
    assert "-m" not in set_up(checkout, place="two", version="3, 12").split()


def test_another_version_makes_it_anew(checkout: Path) -> None:
    set_up(checkout, place="one", version="3, 12")
    assert "-m pip install" in set_up(checkout, place="one", version="3, 13")
