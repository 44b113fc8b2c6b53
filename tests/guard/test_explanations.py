"""Every rule of the guard is explained to people, and nothing else is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import cihealing.guard
from cihealing.guard import LINE_RULES
from cihealing.guard.explanations import EXPLANATIONS
from tests.tables import table

ROOT = Path(cihealing.guard.__file__).parent
ELSEWHERE = {"refused-before"}
"""Asked where the history is at hand."""


def rules_in_code() -> Iterator[str]:
    """The first argument of every objection that the code can make."""
    for path in ROOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("hard", "soft")
                and node.args
            ):
                rule = node.args[0]
                if isinstance(rule, ast.Constant):
                    yield str(rule.value)
                elif path.name not in ("lines.py", "__init__.py", "paths.py"):
                    raise AssertionError(
                        f"{path.name}:{node.lineno} makes its rule up while running"
                    )


def test_every_rule_is_explained_and_every_explanation_has_its_rule() -> None:
    assert set(rules_in_code()) | {rule.name for rule in LINE_RULES} | ELSEWHERE == set(
        EXPLANATIONS
    )


@table("rule", sorted(EXPLANATIONS))
def test_an_explanation_is_a_sentence_that_says_more_than_the_rule(rule: str) -> None:
    text = EXPLANATIONS[rule]
    assert text[0].isupper()
    assert text.endswith(".")
    assert 30 < len(text) < 250
