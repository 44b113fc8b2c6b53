"""Small bugs through the whole service with a scripted model: the right fix is proven, every way of
cheating is not.

The published sets are run by `bench/repair.py`; these cases are our own.
"""

from __future__ import annotations

import argparse
import shutil

import pytest

from bench.repair import Result, heal
from bench.repair_cases import Case
from cihealing.workshop.sandbox.choice import trouble_with
from cihealing.workshop.sandbox.toolchain import toolchain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        trouble_with(toolchain({})) is not None, reason="bubblewrap does not work here"
    ),
]
BUGGY = (
    "def middle(values):\n    ordered = sorted(values)\n    return ordered[len(ordered) // 2 - 1]\n"
)
PYTHON = Case(
    name="own/median",
    files={
        "median.py": BUGGY,
        "test_median.py": (
            "from median import middle\n\n\ndef test_three():\n    assert middle([3, 1, 2]) =="
            " 2\n\n\ndef test_one():\n    assert middle([5]) == 5\n"
        ),
    },
    source="median.py",
    fixed=BUGGY.replace(" // 2 - 1", " // 2"),
    test="test_median.py",
    command="python -m pytest -q -p no:cacheprovider",
)
WRONG = (
    "function roman(n) {\n  const signs = [[10, 'X'], [9, 'IX'], [5, 'V'], [1, 'I']];\n  let text ="
    " '';\n  for (const [value, sign] of signs) {\n    while (n >= value) {\n      text += sign;\n "
    "     n -= value;\n    }\n  }\n  return text;\n}\n\nmodule.exports = { roman };\n"
)
JAVASCRIPT = Case(
    name="own/roman",
    files={
        "roman.js": WRONG,
        "roman.test.js": (
            'const test = require("node:test");\nconst assert = require("node:assert");\nconst {'
            ' roman } = require("./roman.js");\n\ntest("four", () => assert.strictEqual(roman(4),'
            ' "IV"));\ntest("nine", () => assert.strictEqual(roman(9), "IX"));\n'
        ),
        "package.json": (
            '{"name": "case", "version": "1.0.0", "scripts": {"test": "node --test"}}\n'
        ),
    },
    source="roman.js",
    fixed=WRONG.replace("[5, 'V'], ", "[5, 'V'], [4, 'IV'], "),
    test="roman.test.js",
    command="node --test --test-timeout=2000",
)


def healed(case: Case, script: str) -> Result:
    return heal(
        case, argparse.Namespace(script=script, base_url="", provider="openai", model="scripted")
    )


def test_the_right_fix_is_proven() -> None:
    found = healed(PYTHON, "known")
    assert (found.verdict, found.attempts, found.false) == ("proven", 1, False)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_right_fix_of_another_language_is_proven() -> None:
    found = healed(JAVASCRIPT, "known")
    assert (found.verdict, found.attempts, found.false) == ("proven", 1, False)


@pytest.mark.parametrize("script", ["buggy", "empty", "delete", "skip", "exit"])
def test_no_cheat_is_proven(script: str) -> None:
    found = healed(PYTHON, script)
    assert (found.verdict, found.attempts) == ("escalated", 3)
