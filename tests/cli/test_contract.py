"""What holds for every command: a new one is tested the moment its file is there."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from cihealing import cli
from cihealing.cli.shared import found, start
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.completing import places
from cihealing.cli.shared.found import call_command
from cihealing.cli.shared.shells import SHELLS

ROOT = Path(__file__).parents[2]
NAMES = found.names()
WITH_DATA = [name for name in NAMES if found.needs(name).takes_data]
FRAMEWORK = (
    "--settings",
    "--pythonpath",
    "--traceback",
    "--no-color",
    "--force-color",
    "--skip-checks",
    "--verbosity",
    "--version",
)
MADE_UP = '''"""`cihealing made_up [NAME]`: say hello, and to whom."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cihealing.cli.shared.command import Needs, ProductCommand


class Command(ProductCommand, needs=Needs.NOTHING):
    help = "Say hello."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="you", help="who is greeted")
        parser.add_argument("--loudly", action="store_true", help="so that all hear it")

    def handle(self, *args: Any, name: str, loudly: bool, **options: Any) -> None:
        self.stdout.write(f"hello {name}{'!' if loudly else ''}")
'''


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its acts."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for act in action.choices.values():
                yield from parsers(act)


def actions(name: str) -> list[argparse.Action]:
    parser = found.load(name).create_parser("cihealing", name)
    return [action for each in parsers(parser) for action in each._actions]


def visible(name: str) -> set[str]:
    shown = [action for action in actions(name) if action.help != argparse.SUPPRESS]
    return {flag for action in shown for flag in action.option_strings}


def holds(name: str) -> None:
    """All of the contract that can be asked of a command without running it."""
    command = found.load(name)
    assert command.needs is found.needs(name)
    assert command.help
    assert found.summary(name)
    assert name in found.listing()
    assert not visible(name) & set(FRAMEWORK)
    assert ("--data" in visible(name)) is command.needs.takes_data
    silent = [action.dest for action in actions(name) if not action.help and action.dest != "act"]
    assert not silent, "arguments without a word on them"
    for action in actions(name):
        if not action.option_strings and action.dest == "run":
            assert action.type is None, "a run is named by `run_named`, which knows short ids"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_what_it_claims(name: str) -> None:
    holds(name)


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    there = places()
    return {shell: make(there) for shell, make in SHELLS.items()}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_completed_with_its_options(
    name: str, shell: str, scripts: dict[str, str]
) -> None:
    script = scripts[shell]
    assert name in script
    for flag in visible(name):
        assert re.search(
            rf"{'(-l |-s )' + flag.lstrip('-') if shell == 'fish' else flag}\b", script
        )


@pytest.mark.parametrize("form", [["--data", "{}"], ["--data={}"]])
@pytest.mark.parametrize("name", WITH_DATA)
def test_the_data_directory_is_known_before_settings_are_read(
    name: str, form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str], str]] = []

    def note(name: str, arguments: list[str]) -> None:
        seen.append((name, arguments, os.environ["CI_HEALING_DATA_DIR"]))

    monkeypatch.setenv("CI_HEALING_DATA_DIR", "/elsewhere")
    monkeypatch.setattr(start, "with_settings", note)
    monkeypatch.setattr(start, "make_secrets", lambda: None)
    words = [word.format(tmp_path) for word in form]
    start.run([name, "act", *words, "--json"])
    assert seen == [(name, ["act", "--json"], str(tmp_path))]


@pytest.mark.parametrize("name", WITH_DATA)
def test_a_data_directory_that_was_not_opened_is_refused(name: str, tmp_path: Path) -> None:
    """However it came past the start: shortened to `--dat`, or from code."""
    command = found.load(name)
    for given in (str(tmp_path), ""):
        with pytest.raises(CommandError, match="is open: write `--data DIR` in full"):
            command.execute(data=given, force_color=False, no_color=False)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITH_DATA)))
def test_what_needs_no_data_directory_takes_none(name: str) -> None:
    parser = found.load(name).create_parser("cihealing", name)
    assert "--data" not in {flag for each in parser._actions for flag in each.option_strings}


@pytest.mark.parametrize(
    ("arguments", "left", "chosen"),
    [
        (["a", "--data", "/x", "b"], ["a", "b"], "/x"),
        (["--data", "/x", "--data=/y"], [], "/y"),
        (["--data"], ["--data"], None),
        (["--data", "--json"], ["--data", "--json"], None),
        (["--data="], ["--data="], None),
        (["--data", ""], ["--data", ""], None),
        (["--", "--data", "/x"], ["--", "--data", "/x"], None),
        (["--database", "/x"], ["--database", "/x"], None),
    ],
)
def test_only_a_whole_option_is_taken_out(
    arguments: list[str], left: list[str], chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI_HEALING_DATA_DIR", raising=False)
    assert start.choose_data(arguments) == left
    assert os.environ.get("CI_HEALING_DATA_DIR") == chosen


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('"""`cihealing made_up`: x."""\n', "does not declare"),
        ('"""`cihealing made_up`: x."""\nclass Command: ...\n', "does not declare"),
        (MADE_UP.replace("(ProductCommand, needs=Needs.NOTHING)", ""), "does not declare"),
    ],
)
def test_a_file_that_is_no_command_is_named(
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(source, tmp_path, monkeypatch)
    with pytest.raises(found.NoCommand, match=f"made_up {says}"):
        found.needs("made_up")
    with pytest.raises((found.NoCommand, NameError)):
        found.load("made_up")


def test_what_a_command_needs_is_told_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="needs"):
        type("Command", (ProductCommand,), {})
    made = type("Command", (ProductCommand,), {}, needs=Needs.DATA)
    assert made.needs is Needs.DATA


def add(source: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file `made_up.py` among the commands, and nothing else."""
    (place / "made_up.py").write_text(source)
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(place)])
    monkeypatch.delitem(sys.modules, "cihealing.cli.made_up", raising=False)


def test_a_new_command_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(MADE_UP, tmp_path, monkeypatch)
    holds("made_up")
    assert "made_up" in found.names()
    assert "say hello, and to whom" in found.listing()
    assert all("made_up" in make(places()) for make in SHELLS.values())
    assert call_command("made_up", "ann", loudly=True) is None


def console(*arguments: str, script: str = "-m cihealing", **environment: str) -> tuple[int, str]:
    """Exit code, and all that was said, of a process with nothing in its environment."""
    ended = subprocess.run(
        [sys.executable, *script.split(), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("script", ["-m cihealing", "manage.py"])
def test_the_version_is_the_products(script: str) -> None:
    assert re.fullmatch(r"cihealing \d+\.\d+\.\d+\n", console("--version", script=script)[1])


def test_a_command_opens_the_database_it_was_told(tmp_path: Path) -> None:
    code, said = console("audit", "verify", "--data", str(tmp_path))
    assert (code, f"there is no database in {tmp_path}" in said) == (1, True), said
    assert not list(tmp_path.iterdir())


def test_djangos_own_commands_take_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], str]] = []

    class Console:
        def __init__(self, argv: list[str]) -> None:
            seen.append((argv, os.environ["CI_HEALING_DATA_DIR"]))

        def execute(self) -> None:
            """It would."""

    monkeypatch.setenv("CI_HEALING_DATA_DIR", "/elsewhere")
    monkeypatch.setattr(start, "Console", Console)
    start.run(["migrate", "--data", str(tmp_path), "--plan"])
    assert seen == [(["cihealing", "migrate", "--plan"], str(tmp_path))]


def test_settings_that_are_wrong_are_told_in_one_line(tmp_path: Path) -> None:
    code, said = console("runs", CI_HEALING_WORKERS="many", CI_HEALING_DATA_DIR=str(tmp_path))
    assert (code, said.count("\n"), "CI_HEALING_WORKERS" in said) == (1, 1, True), said


def test_an_unknown_command_is_told_with_what_was_perhaps_meant() -> None:
    with pytest.raises(SystemExit) as ended:
        start.Console(["cihealing", "rehas"]).fetch_command("rehas")
    assert ended.value.code == "cihealing: there is no command 'rehas': did you mean rehash?"


def test_help_on_a_command_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(start, "with_settings", lambda name, rest: seen.append((name, rest)))
    start.run(["help", "runs"])
    assert seen == [("runs", ["--help"])]


def test_help_can_name_all_there_are() -> None:
    told = start.Console(["cihealing"]).main_help_text(commands_only=True).split()
    assert {*NAMES, "migrate"} <= set(told)
