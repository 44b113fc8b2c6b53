"""What the shells themselves offer after the scripts of `cihealing completion` are read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cihealing.cli.shared import found
from cihealing.cli.shared.completing import places
from cihealing.cli.shared.found import call_command
from cihealing.cli.shared.shells import SHELLS

ASK: Mapping[str, str] = {
    "bash": """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _cihealing; printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compdef() { }
_describe() { print -rl -- ${(P)2%%:*} }
compadd() { shift; print -rl -- "$@" }
_files() { }
source "$1"; shift
words=("$@"); CURRENT=$#; _cihealing
""",
    "fish": "source $argv[1]; complete -C (string join -- ' ' $argv[2..-1])",
}
"""Reads the script that is its first argument; prints what may stand for the last one."""


@pytest.fixture(scope="module", params=ASK)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    name = str(request.param)
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    place = tmp_path_factory.mktemp("completion") / f"cihealing.{name}"
    place.write_text(SHELLS[name](places()))
    command = [name, "--norc", "-c", ASK[name], name] if name == "bash" else [name, "-c", ASK[name]]
    return [*command, *(["zsh"] if name == "zsh" else []), str(place)]


def offered(shell: list[str], *words: str) -> set[str]:
    """For the last of the words, which may be empty. Fish and bash leave out what does not fit; zsh
    does so later.
    """
    ended = subprocess.run([*shell, *words], capture_output=True, text=True, check=True)
    assert not ended.stderr
    told = [line.partition("\t")[0] for line in ended.stdout.splitlines()]
    return {word for word in told if word.startswith(words[-1])} - {""}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cihealing", "re"], {"rebuild", "rehash", "retry"}),
        (["cihealing", "help", "ru"], {"rules", "runs"}),
        (["cihealing", "audit", ""], {"verify", "export", "purge"}),
        (["cihealing", "audit", "verify", "--"], {"--help", "--json", "--run", "--data"}),
        (["cihealing", "heal", "hear", "--j"], {"--json"}),
        (["cihealing", "notify", "--status", ""], {"failed", "passed"}),
        (["cihealing", "connect", "--no-webhook", ""], {"github"}),
        (["cihealing", "completion", ""], set(SHELLS)),
        (["cihealing", "runs", "--set"], set()),
    ],
)
def test_a_shell_offers_what_the_command_takes(
    shell: list[str], words: list[str], expected: set[str]
) -> None:
    assert offered(shell, *words) == expected


def test_a_shell_offers_every_command(shell: list[str]) -> None:
    assert offered(shell, "cihealing", "") >= {*found.names(), "help"}


def test_an_option_with_an_equals_sign_is_completed_in_bash(shell: list[str]) -> None:
    if "bash" in shell[0]:
        assert offered(shell, "cihealing", "notify", "--status", "=", "f") == {"failed"}


@pytest.mark.parametrize("name", SHELLS)
def test_the_command_prints_the_script(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("completion", name)
    assert capsys.readouterr().out.strip() == SHELLS[name](places()).strip()


def test_signs_of_the_shells_are_only_text(
    monkeypatch: pytest.MonkeyPatch, shell: list[str]
) -> None:
    """A summary is anybody's prose."""
    monkeypatch.setattr(found, "summary", lambda name: 'it\'s `a` $(b) \\ "c": d')
    place = Path(shell[-1])
    kept = place.read_text()
    place.write_text(SHELLS[place.suffix[1:]](places()))
    try:
        assert offered(shell, "cihealing", "ru") == {"rules", "runs"}
    finally:
        place.write_text(kept)
