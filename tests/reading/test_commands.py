"""`cihealing explain` and `cihealing fingerprint`: the contract programs read, and a start without
the service.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError

from cihealing.cli.shared.found import call_command
from cihealing.reading import rulebook
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
    "summary",
    "step",
    "steps",
    "junit",
    "secretsMasked",
    "cut",
}


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_explain_gives_one_object_a_file_with_the_keys_of_the_contract(tmp_path: Path) -> None:
    green = tmp_path / "green.log"
    green.write_text("All checks passed!\n")
    rows = [
        json.loads(line)
        for line in run("explain", "--json", str(LOGS / "ruff.log"), str(green)).splitlines()
    ]
    assert [set(row) for row in rows] == [KEYS, KEYS]
    assert [(row["file"], row["status"]) for row in rows] == [
        (str(LOGS / "ruff.log"), "failed"),
        (str(green), "passed"),
    ]
    assert rows[0]["excerpt"][0] == {"line": 1, "text": "F401 [*] `os` imported but unused"}
    assert rows[0]["rootLine"] == 1
    assert (rows[1]["excerpt"], rows[1]["rootLine"], rows[1]["errorHash"]) == ([], None, None)


def test_green_logs_are_taken(tmp_path: Path) -> None:
    red, green = tmp_path / "red.log", tmp_path / "green.log"
    red.write_text("ERROR: noise 1\ncannot open x.toml: no such file\nFinished: FAILURE\n")
    green.write_text("ERROR: noise 2\nFinished: SUCCESS\n")
    assert json.loads(run("explain", "--json", str(red)))["rootLine"] == 1
    assert json.loads(run("explain", "--json", "--green", str(green), str(red)))["rootLine"] == 2


def test_people_see_the_verdict_and_the_marked_root_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("explain", "--no-color", str(LOGS / "pytest_cart.log"))
    shown = capsys.readouterr().out
    assert (
        "pytest_cart.log: failed\n  tests/test_cart.py::test_total (and 1 more): NameError: name"
        " 'json' is not defined" in shown
    )
    assert "product (" in shown
    assert any(line.startswith("→") and "E       NameError" in line for line in shown.splitlines())


def test_one_hash_a_line(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(b"worker 1 died\r\nworker 2 died\n\nother")
    hashes = run("fingerprint", "--each-line", str(file)).splitlines()
    assert hashes == [
        line_hash("worker 1 died"),
        line_hash("worker 2 died"),
        line_hash(""),
        line_hash("other"),
    ]
    assert hashes[0] == hashes[1] != hashes[3]


def test_the_hash_of_a_log() -> None:
    assert run("fingerprint", str(LOGS / "ruff.log")).startswith("v2:")


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CommandError, match=r"Cannot read nowhere\.log"):
        run("explain", "nowhere.log")


def test_the_others_are_read_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"Cannot read nowhere\.log: No such file"):
        call_command("explain", "--json", "nowhere.log", str(LOGS / "ruff.log"), stdout=out)
    assert json.loads(out.getvalue())["rootLine"] == 1


def test_gzip_is_read_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    packed = tmp_path / "build.log.gz"
    packed.write_bytes(gzip.compress((LOGS / "ruff.log").read_bytes()))
    assert json.loads(run("explain", "--json", str(packed)))["rootLine"] == 1
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(CommandError, match=r"Cannot read .*build\.log\.gz: Compressed file ended"):
        run("explain", "--json", str(packed))


def test_an_archive_of_github_is_one_log_a_job(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0_lint (3.12).txt", (LOGS / "ruff.log").read_bytes())
        archive.writestr("lint (3.12)/1_Set up job.txt", "nothing of note")
        archive.writestr("test/10_Clean up.txt", "done\n")
        archive.writestr("test/2_Run pytest.txt", (LOGS / "pytest_own.log").read_bytes())
        archive.writestr("test/system.txt", "runner")
    rows = {
        row["file"].removeprefix(f"{path}:"): row
        for row in map(json.loads, run("explain", "--json", str(path)).splitlines())
    }
    assert set(rows) == {"lint (3.12)", "test"}
    assert rows["lint (3.12)"]["rootLine"] == 1
    assert rows["test"]["failedTests"] == ["tests.test_own"]


def test_an_archive_without_a_log_says_so(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"")
    with pytest.raises(CommandError, match="there is no log in this archive"):
        run("explain", str(path))


REPORT = """<testsuites><testsuite name="s">\
<testcase classname="tests.test_cart" name="test_total" file="tests/test_cart.py" line="4">
<failure type="builtins.NameError" message="name 'json' is not defined">trace</failure></testcase>
<testcase classname="shop.CartTest" name="adds"><error type="Boom">it broke
more</error></testcase><testcase classname="a.B" name="fine"/></testsuite></testsuites>"""


def test_a_report_beside_the_log_adds_what_only_it_knows(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(REPORT)
    row = json.loads(
        run("explain", "--json", "--junit", str(report), str(LOGS / "pytest_cart.log"))
    )
    assert row["failedTests"] == [
        "tests/test_cart.py::test_total",
        "tests/test_cart.py::test_math",
        "shop.CartTest.adds",
    ]
    assert row["junit"][0] == {
        "test": "tests/test_cart.py::test_total",
        "type": "NameError",
        "message": "name 'json' is not defined",
        "file": "tests/test_cart.py",
        "line": 4,
    }
    assert row["junit"][1]["message"] == "it broke"
    alone = json.loads(run("explain", "--json", str(report)))
    assert (alone["status"], alone["failedTests"]) == (
        "failed",
        ["tests/test_cart.py::test_total", "shop.CartTest.adds"],
    )


@pytest.mark.parametrize(
    "content", ['<!DOCTYPE a [<!ENTITY x "y">]><testsuite/>', "<html/>", "no xml", "<testsuite>"]
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(content)
    with pytest.raises(CommandError, match="as a JUnit report"):
        run("explain", "--junit", str(report), str(LOGS / "ruff.log"))


def test_standard_input_is_read() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cihealing", "explain", "--json", "-"],
        input=(LOGS / "ruff.log").read_bytes(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["rootLine"] == 1


def test_a_log_cannot_paint_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "build.log"
    log.write_text(
        "ERROR: [bold]x[/bold] \x1b]0;title\x07 \x1b[2J \u202egnp.exe\nFinished: FAILURE\n"
    )
    run("explain", "--no-color", str(log))
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert "<U+202E>" in shown
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)


def test_the_reader_needs_no_service() -> None:
    code = (
        "import sys, cihealing.reading; print([m for m in ('django', 'celery', 'rest_framework',"
        " 'pydantic', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_local_rules_classify(tmp_path: Path) -> None:
    log, rules = tmp_path / "build.log", tmp_path / "rules"
    rules.mkdir()
    log.write_text("starting\nthe flux capacitor is empty\nFinished: FAILURE\n")
    (rules / "infra.yaml").write_text(
        "- id: flux\n  type: flux\n  confidence: 0.9\n  root: 70\n  any: [flux capacitor]\n "
        " samples: [the flux capacitor is empty]\n"
    )
    (rules / "data.yaml").write_text(
        "- id: bad\n  type: x\n  confidence: 0.9\n  any: [abcd]\n  samples: [nothing like it]\n"
    )
    err = io.StringIO()
    out = io.StringIO()
    try:
        call_command("explain", "--json", "--rules", str(rules), str(log), stdout=out, stderr=err)
    finally:
        rulebook.own_again()
    row = json.loads(out.getvalue())
    assert (row["failureClass"], row["errorType"], row["rootLine"]) == ("infra", "flux", 2)
    assert "bad" in err.getvalue()
    assert json.loads(run("explain", "--json", str(log)))["errorType"] != "flux"
