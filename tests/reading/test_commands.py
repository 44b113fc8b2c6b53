"""`cihealing explain` and `cihealing fingerprint`: the contract programs read, and a start without the service."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from cihealing.reading.fingerprint import line_hash

LOGS = Path(__file__).parent / "logs"
KEYS = {
    "file",
    "status",
    "errorType",
    "errorHash",
    "failureClass",
    "confidence",
    "signs",
    "rootLine",
    "excerpt",
    "failedTests",
    "frames",
    "command",
}


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_explain_gives_one_object_a_file_with_the_keys_of_the_contract(tmp_path: Path) -> None:
    green = tmp_path / "green.log"
    green.write_text("All checks passed!\n")
    rows = [json.loads(line) for line in run("explain", "--json", str(LOGS / "ruff.log"), str(green)).splitlines()]
    assert [set(row) for row in rows] == [KEYS, KEYS]
    assert [(row["file"], row["status"]) for row in rows] == [(str(LOGS / "ruff.log"), "failed"), (str(green), "passed")]
    assert rows[0]["excerpt"][0] == {"line": 1, "text": "F401 [*] `os` imported but unused"}
    assert rows[0]["rootLine"] == 1
    assert (rows[1]["excerpt"], rows[1]["rootLine"], rows[1]["errorHash"]) == ([], None, None)


def test_green_logs_are_taken(tmp_path: Path) -> None:
    red, green = tmp_path / "red.log", tmp_path / "green.log"
    red.write_text("ERROR: noise 1\ncannot open x.toml: no such file\nFinished: FAILURE\n")
    green.write_text("ERROR: noise 2\nFinished: SUCCESS\n")
    assert json.loads(run("explain", "--json", str(red)))["rootLine"] == 1
    assert json.loads(run("explain", "--json", "--green", str(green), str(red)))["rootLine"] == 2


def test_people_see_the_verdict_and_the_marked_root_line(capsys: pytest.CaptureFixture[str]) -> None:
    run("explain", "--no-color", str(LOGS / "pytest_cart.log"))
    shown = capsys.readouterr().out
    assert "failed — tests/test_cart.py::test_total (and 1 more): NameError: name 'json' is not defined" in shown
    assert "product (" in shown
    assert any(line.startswith("→") and "E       NameError" in line for line in shown.splitlines())


def test_one_hash_a_line(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(b"worker 1 died\r\nworker 2 died\n\nother")
    hashes = run("fingerprint", "--each-line", str(file)).splitlines()
    assert hashes == [line_hash("worker 1 died"), line_hash("worker 2 died"), line_hash(""), line_hash("other")]
    assert hashes[0] == hashes[1] != hashes[3]


def test_the_hash_of_a_log() -> None:
    assert run("fingerprint", str(LOGS / "ruff.log")).startswith("v2:")


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CommandError, match=r"Cannot read nowhere\.log"):
        run("explain", "nowhere.log")


def test_the_reader_needs_no_service() -> None:
    code = (
        "import sys, cihealing.reading; print([m for m in ('django', 'celery', 'rest_framework', 'pydantic', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
