"""What the project's own fixers heal from end to end, one failure of each kind."""

from __future__ import annotations

import pytest

from tests.trial.test_try import Repo, Terminal, repo, terminal  # noqa: F401 - fixtures

RULES = '[lint]\nselect = ["E", "F", "I"]\n'
CHAIN = "ruff check . && ruff format --check ."
USES_RE = 'WORD = re.compile("a+")\n'
PYTEST = (
    "import shop\n\n\ndef test_word():\n    assert shop.WORD.match('aa')\n\n\n"
    "def test_other():\n    assert not shop.WORD.match('b')\n"
)
UNITTEST = (
    "import unittest\n\nimport shop\n\n\nclass Words(unittest.TestCase):\n"
    "    def test_word(self):\n        self.assertTrue(shop.WORD.match('aa'))\n"
)
SCRIPT = "#!/bin/sh\necho checked\n"
CALLS = (
    "import subprocess\n\n\ndef test_script():\n"
    '    assert subprocess.check_output(["scripts/check.sh"]) == b"checked\\n"\n'
)
CASES = [
    pytest.param(
        {"ruff_DOT_toml": RULES, "shop_DOT_py": "import sys\nimport os\n\nprint( os,sys )\n"},
        CHAIN,
        ("-import sys\n", "+import sys\n", "+print(os, sys)"),
        id="a chain of tools",
    ),
    pytest.param(
        {
            "ruff_DOT_toml": RULES,
            "tests__test_shop_DOT_py": (
                "def test_total():\n"
                "    assert sum( [1,2] )==3, 'the sum of one and two, which is said at length'"
                " and 'more than fits'\n"
            ),
        },
        "ruff format --check .",
        ("+    assert sum([1, 2]) == 3",),
        id="layout alone in a test file",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        {"shop_DOT_py": USES_RE, "test_shop_DOT_py": PYTEST},
        "python -m pytest -q",
        ("+import re",),
        id="pytest, red at collection",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        {"shop_DOT_py": USES_RE, "tests____init___DOT_py": "", "tests__test_shop_DOT_py": UNITTEST},
        "python -m unittest",
        ("+import re",),
        id="unittest, red at import",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        {"scripts__check_DOT_sh": SCRIPT, "test_script_DOT_py": CALLS},
        "python -m pytest -q",
        ("new mode 100755",),
        id="a script that may not be run",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("files", "command", "changes"), CASES)
def test_it_is_healed_and_proven(
    repo: Repo,  # noqa: F811
    terminal: Terminal,  # noqa: F811
    files: dict[str, str],
    command: str,
    changes: tuple[str, ...],
) -> None:
    repo.commit(**{name: text for name, text in files.items() if "____init__" not in name})
    if any("____init__" in name for name in files):
        (repo.root / "tests/__init__.py").write_text("")
        repo.git("add", "--all")
        repo.git("commit", "--quiet", "-m", "package")
    told = terminal.run(str(repo.root), "--json", "--command", command).json
    assert told["verdict"] == "proven", [event["text"] for event in told["events"]]
    for change in changes:
        assert change in told["patch"]


def test_what_could_not_run_is_told_as_that(repo: Repo, terminal: Terminal) -> None:  # noqa: F811
    repo.commit(
        pyproject_DOT_toml="[tool.black]\n",
        a_DOT_py="x=1\n",
        check_DOT_sh='echo "would reformat a.py"; exit 1\n',
    )
    told = terminal.run(
        str(repo.root), "--json", "--command", "sh check.sh", CI_HEALING_TOOLCHAIN="/usr"
    ).json
    notes = " ".join(told["notes"])
    assert "formatter could not run: `black` ended with exit code 127" in notes
    assert "none fits" not in notes
