"""codespell over a tree: the words it named, in the files it named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cihealing.fixers import codespell
from cihealing.ports import CouldNotRun, Ran
from tests.fixers.trees import context, failure, read, write

SAID = ("doc/a.md:1: recieve ==> receive", "doc/gone.md:1: teh ==> the")


class Codespell:
    """Plays it: one correction is made, exit as told."""

    name = "codespell"

    def __init__(self, code: int) -> None:
        self.code = code
        self.commands: list[str] = []

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
    ) -> Ran:
        self.commands.append(command)
        (tree / "doc/a.md").write_text("We receive it.\n")
        return Ran(exit_code=self.code, output="FIXED: doc/a.md", seconds=0.1)


def test_the_files_it_named_are_corrected_with_the_command_s_own_words(tmp_path: Path) -> None:
    write(tmp_path, {"doc/a.md": "We recieve it.\n"})
    sandbox = Codespell(65)
    failed = failure(*SAID)
    assert codespell.fits(failed)
    command = "codespell -q 3 -L crate,ot --skip=./x doc"
    told = codespell.fix(context(tmp_path, failed, command=command, sandbox=sandbox))
    assert told == "Ran `codespell -w` on doc/a.md"
    assert sandbox.commands == ["codespell -w -L crate,ot --skip=./x -- doc/a.md"]
    assert read(tmp_path)["doc/a.md"] == "We receive it.\n"


def test_where_it_cannot_run_that_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"doc/a.md": "We recieve it.\n"})
    with pytest.raises(CouldNotRun, match="exit code 127"):
        codespell.fix(context(tmp_path, failure(*SAID), sandbox=Codespell(127)))


def test_nothing_is_run_where_no_file_of_the_tree_is_named(tmp_path: Path) -> None:
    sandbox = Codespell(0)
    assert codespell.fix(context(tmp_path, failure(SAID[1]), sandbox=sandbox)) is None
    assert sandbox.commands == []
    assert not codespell.fits(failure("assert a ==> b"))
