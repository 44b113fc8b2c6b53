"""ruff and black over a tree: the repository's own rules, safe corrections, named files. The tools
really run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cihealing.fixers import formatter, ruff
from cihealing.fixers.shared import tools
from cihealing.fixers.shared.tools import ToolCall
from cihealing.ports import CouldNotRun, Ran
from tests.fixers.trees import context, failure, plain, read, write

CONFIG = '[tool.ruff.lint]\nselect = ["E", "F", "I"]\n'
UNSORTED = "import sys\nimport os\n\nprint(sys.path, os.sep)\n"
SORTED = "import os\nimport sys\n\nprint(sys.path, os.sep)\n"
UNUSED = "import os\n\nx = 1\n"


def say(path: str) -> str:
    return f"{path}:1:1: I001 [*] Import block is un-sorted or un-formatted"


@pytest.mark.parametrize(
    ("log", "fits"),
    [
        (["shop/a.py:1:8: F401 [*] `os` imported but unused"], True),
        (["F401 [*] `os` imported but unused", " --> shop/a.py:1:8"], True),
        (["I001 [*] Import block is un-sorted or un-formatted", " --> a.py:3:1"], True),
        (["Would reformat: shop/a.py", "1 file would be reformatted"], True),
        (["[*] 3 fixable with the `--fix` option."], True),
        (["E   AssertionError: assert 1 == 2"], False),
        (["ERROR something", "E2E tests failed"], False),
        ([], False),
    ],
)
def test_what_ruff_says_fits(log: list[str], fits: bool) -> None:
    assert ruff.fits(failure(*log)) is fits


def test_named_files_are_corrected_and_others_left(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": CONFIG, "shop/a.py": UNSORTED, "shop/b.py": UNSORTED})
    told = ruff.fix(context(tmp_path, failure(say("shop/a.py")), sandbox=plain()))
    assert (
        told == "Ran `ruff check --fix` (safe corrections, the repository's own rules) on shop/a.py"
    )
    assert read(tmp_path) == {"pyproject.toml": CONFIG, "shop/a.py": SORTED, "shop/b.py": UNSORTED}


def test_the_configured_command_says_what_else_is_checked(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": CONFIG,
            "shop/a.py": UNSORTED,
            "shop/b.py": UNSORTED,
            "docs/c.py": UNSORTED,
        },
    )
    told = ruff.fix(
        context(
            tmp_path,
            failure(say("shop/a.py")),
            command="ruff check shop && echo done",
            sandbox=plain(),
        )
    )
    assert told is not None
    assert read(tmp_path) == {
        "pyproject.toml": CONFIG,
        "shop/a.py": SORTED,
        "shop/b.py": SORTED,
        "docs/c.py": UNSORTED,
    }


def test_the_command_s_rules_count_where_there_is_no_configuration(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": UNSORTED})
    assert (
        ruff.fix(
            context(
                tmp_path,
                failure(say("a.py")),
                command="python -m ruff check --select=I .",
                sandbox=plain(),
            )
        )
        is not None
    )
    assert read(tmp_path) == {"a.py": SORTED}


def test_a_repository_that_does_not_use_ruff_is_left(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": UNUSED, "setup.cfg": "[flake8]\n"})
    failed = failure("a.py:1:1: F401 'os' imported but unused")
    assert ruff.fits(failed)
    assert ruff.fix(context(tmp_path, failed, command="flake8 .")) is None


def test_unsafe_corrections_are_not_made(tmp_path: Path) -> None:
    text = "def f():\n    x = print(1)\n"
    write(tmp_path, {"ruff.toml": "unsafe-fixes = true\n[lint]\nselect = ['F']\n", "a.py": text})
    assert (
        ruff.fix(
            context(
                tmp_path,
                failure("a.py:2:5: F841 Local variable `x` is assigned to but never used"),
                command="ruff check .",
                sandbox=plain(),
            )
        )
        is None
    )
    assert read(tmp_path)["a.py"] == text


def test_a_format_check_is_met_by_formatting(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ruff.toml": "[format]\nquote-style = 'single'\n",
            "a.py": 'x = {  "a":1 }\n',
            "b.py": "y = {  }\n",
        },
    )
    failed = failure(
        "Would reformat: a.py", "1 file would be reformatted, 1 file already formatted"
    )
    assert ruff.fix(context(tmp_path, failed, sandbox=plain())) == "Ran `ruff format` on a.py"
    assert read(tmp_path)["a.py"] == "x = {'a': 1}\n"
    assert read(tmp_path)["b.py"] == "y = {  }\n"


def test_check_does_not_format(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": CONFIG, "a.py": UNSORTED + "y = {  }\n"})
    ruff.fix(
        context(
            tmp_path,
            failure(say("a.py")),
            command="ruff check . && ruff format --check .",
            sandbox=plain(),
        )
    )
    assert read(tmp_path)["a.py"] == SORTED + "y = {  }\n"


def test_a_project_below_the_root_is_corrected_from_its_own_directory(tmp_path: Path) -> None:
    write(
        tmp_path, {"web/ruff.toml": "lint.select = ['I']\n", "web/a.py": UNSORTED, "a.py": UNSORTED}
    )
    told = ruff.fix(
        context(tmp_path, failure(say("a.py")), command="ruff check .", path="web", sandbox=plain())
    )
    assert told is not None
    assert told.endswith("on web/a.py")
    assert read(tmp_path)["a.py"] == UNSORTED


def test_what_a_failing_ruff_left_behind_is_no_correction(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": CONFIG, "shop/a.py": UNSORTED})
    with pytest.raises(CouldNotRun, match="exit code 2"):
        ruff.fix(context(tmp_path, failure(say("shop/a.py")), sandbox=Black(2)))


@pytest.mark.parametrize("code", [2, 127, None])
def test_where_ruff_cannot_run_it_is_told_and_nothing_is_claimed(
    tmp_path: Path, code: int | None
) -> None:
    write(tmp_path, {"pyproject.toml": CONFIG, "a.py": UNSORTED})
    with pytest.raises(CouldNotRun, match=f"`ruff check` ended with exit code {code}"):
        ruff.fix(
            context(tmp_path, failure(say("a.py")), command="ruff check .", sandbox=Answers(code))
        )


class Answers:
    """A sandbox in which every command ends with one exit code; it remembers what was run."""

    name = "answers"

    def __init__(self, code: int | None) -> None:
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
        return Ran(
            exit_code=self.code, output="Found 3 errors (3 fixed, 0 remaining).", seconds=0.1
        )


def test_a_file_name_of_the_log_is_a_file_of_the_tree_and_never_shell(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": CONFIG, "a;touch x.py": "", "-c.py": "", "ok.py": ""})
    sandbox = Answers(0)
    ruff.fix(
        context(
            tmp_path,
            failure(
                say("a;touch"),
                say("-c.py"),
                say("gone.py"),
                say("../../etc/x.py"),
                say("$(touch\tx).py"),
                say("ok.py"),
            ),
            sandbox=sandbox,
        )
    )
    assert sandbox.commands == [
        "ruff check --fix --no-unsafe-fixes --no-cache --force-exclude -- -c.py ok.py"
    ]


def test_only_options_that_say_what_is_checked_are_kept(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": ""})
    sandbox = Answers(0)
    kept = "--select E,F --ignore=E501 --config 'x y.toml'"
    command = (
        f"ruff check --fix --unsafe-fixes --add-noqa {kept} --exit-zero --output-format github src"
        " '; rm -rf /'"
    )
    ruff.fix(context(tmp_path, failure("F401 [*] unused"), command=command, sandbox=sandbox))
    assert sandbox.commands == [
        f"ruff check --fix --no-unsafe-fixes --no-cache {kept} -- src '; rm -rf /'"
    ]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("ruff check .", [ToolCall(start=("ruff",), args=("check", "."))]),
        (
            "pytest && python -m ruff check a b; echo x",
            [ToolCall(start=("python", "-m", "ruff"), args=("check", "a", "b"))],
        ),
        (
            "uv run ruff format --check",
            [ToolCall(start=("uv", "run", "ruff"), args=("format", "--check"))],
        ),
        (".venv/bin/ruff check", [ToolCall(start=(".venv/bin/ruff",), args=("check",))]),
        ("echo ruff check", []),
        ("ruff 'check", []),
        ("", []),
    ],
)
def test_calls_of_a_tool_are_read_from_a_configured_command(
    command: str, found: list[ToolCall]
) -> None:
    assert tools.calls(command, "ruff") == found


BLACK = ["would reformat shop/a.py", "Oh no!", "1 file would be reformatted."]


class Black(Answers):
    """Plays black: rewrites the file it is given."""

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
    ) -> Ran:
        (tree / "shop/a.py").write_text("x = 1\n")
        return super().run(
            command, tree=tree, workdir=workdir, environment=environment, timeout=timeout
        )


@pytest.mark.parametrize(
    ("pyproject", "command", "ran"),
    [
        ("[tool.black]\n", "", ["black --quiet -- shop/a.py"]),
        (
            "",
            "python -m black --check -l 100 .",
            [
                "python -m black --quiet -l 100 -- shop/a.py",
                "python -m black --check --quiet -l 100 -- .",
            ],
        ),
        ("[tool.ruff]\n", "make lint", []),
    ],
)
def test_black_reformats_only_where_it_is_the_repositorys(
    tmp_path: Path, pyproject: str, command: str, ran: list[str]
) -> None:
    write(tmp_path, {"pyproject.toml": pyproject, "shop/a.py": "x=1\n"})
    sandbox = Black(0)
    assert formatter.fits(failure(*BLACK))
    told = formatter.fix(context(tmp_path, failure(*BLACK), command=command, sandbox=sandbox))
    assert sandbox.commands == ran
    assert told == ("Ran `black` on shop/a.py" if ran else None)


def test_a_formatter_that_changes_nothing_claims_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[tool.black]\n", "shop/a.py": "x=1\n"})
    assert formatter.fix(context(tmp_path, failure(*BLACK), sandbox=Answers(0))) is None
    with pytest.raises(CouldNotRun, match="`black` ended with exit code 127"):
        formatter.fix(context(tmp_path, failure(*BLACK), sandbox=Answers(127)))


@pytest.mark.parametrize(
    "log", [["Would reformat: a.py", "1 file would be reformatted"], ["assert 1 == 2"]]
)
def test_what_black_did_not_say_does_not_fit_it(log: list[str]) -> None:
    assert not formatter.fits(failure(*log))


class Old(Answers):
    """Plays ruff before 0.1: it does not know what is safe, and corrects."""

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
        if "--no-unsafe-fixes" in command:
            said = "error: unexpected argument '--no-unsafe-fixes' found\n\nUsage: ruff check"
            return Ran(exit_code=2, output=said, seconds=0.1)
        (tree / "a.py").write_text(SORTED)
        return Ran(exit_code=0, output="", seconds=0.1)


def test_an_old_ruff_is_spoken_to_in_its_own_options(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": UNSORTED})
    sandbox = Old(0)
    told = ruff.fix(
        context(tmp_path, failure(say("a.py")), command="ruff src tests", sandbox=sandbox)
    )
    assert told is not None
    assert sandbox.commands == [
        "ruff check --fix --no-unsafe-fixes --no-cache --force-exclude -- a.py",
        "ruff check --fix --no-cache --force-exclude -- a.py",
        "ruff check --no-fix --no-cache -- src tests",
    ]


YAPF = ["--- a.py\t(original)", "+++ a.py\t(reformatted)", "@@ -1,3 +1,2 @@"]


def test_yapf_reformats_what_its_diff_named(tmp_path: Path) -> None:
    write(tmp_path, {".style.yapf": "[style]\n", "a.py": "x=1\n"})
    sandbox = Answers(0)
    assert formatter.fits(failure(*YAPF))
    formatter.fix(context(tmp_path, failure(*YAPF), sandbox=sandbox))
    assert sandbox.commands == ["yapf --in-place -- a.py"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("setup.cfg", "[isort]\n"),
        (".isort.cfg", "[settings]\n"),
        (".pre-commit-config.yaml", "repos:\n- repo: x\n  hooks:\n  - id: isort\n"),
    ],
)
def test_a_tool_is_the_repositorys_where_any_of_its_files_says_so(
    tmp_path: Path, file: str, text: str
) -> None:
    write(tmp_path, {file: text, "a.py": UNSORTED})
    sandbox = Answers(0)
    said = failure("ERROR: /tree/a.py Imports are incorrectly sorted and/or formatted.")
    formatter.fix(context(tmp_path, said, sandbox=sandbox))
    assert sandbox.commands == ["isort --quiet -- a.py"]
