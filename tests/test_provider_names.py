"""Who is a provider knows its own folder, its settings and its tests: elsewhere code asks what a
provider offers, never which one it is. Read from the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cihealing import discovery

ROOT = Path(__file__).parents[1]
NAMES = frozenset(discovery.names("cihealing.providers"))
WORDS = frozenset({"generic", "local"})
"""Of the names, those that mean other things too: only as a whole text they name a provider."""
EVERYWHERE = (
    "cihealing/providers",
    "cihealing/demo",
    "cihealing/trial",
    "cihealing/migrations",
    "config",
    # The formats of the world: logs, tokens, paths in repositories.
    "cihealing/reading",
    "cihealing/guard",
)
MAY_NAME = {
    "cihealing/domain/policy.py": "the forge of a repository whose policy names none",
    "cihealing/first_start.py": "makes secrets before anything can be found",
    "cihealing/web/secret_paths.py": "hides tokens in paths before anything can be found",
    "cihealing/web/chat_in.py": "the door for what people press in the one chat there is",
    "cihealing/cli/connect.py": "makes the App that only one forge has",
    "cihealing/cli/notify.py": "what each CI puts into the environment of its builds",
}

_NAMED = "|".join(sorted(NAMES))
_TOKEN = re.compile(rf"(?:^|_)(?:{'|'.join(sorted(NAMES - WORDS))})(?:_|$)", re.IGNORECASE)
_SETTING = re.compile(
    rf"CI_HEALING_(?:WEBHOOK_SECRET_)?(?:{_NAMED})(?:_|\b)|webhook(?:/|_secret_)(?:{_NAMED})\b"
    rf"|\b(?:{_NAMED})_(?:api_key|token)\b",
    re.IGNORECASE,
)


def files() -> Iterator[Path]:
    for room in ("cihealing", "dashboard"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if not path.relative_to(ROOT).as_posix().startswith(EVERYWHERE):
                yield path


def named_in(source: str) -> list[str]:
    """The providers' names in code, but in docstrings and sentences: `line: what`."""
    tree = ast.parse(source)
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        f"{getattr(node, 'lineno', 0)}: {found}"
        for node in ast.walk(tree)
        if id(node) not in said and (found := _name(node))
    ]


def _name(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text if text.lower() in NAMES or _SETTING.search(text) else ""
        case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text):
            return text if _TOKEN.search(text) else ""
        case ast.FunctionDef(name=text) | ast.ClassDef(name=text) | ast.keyword(arg=str(text)):
            return text if _TOKEN.search(text) else ""
        case _:
            return ""


def test_no_code_elsewhere_names_a_provider() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{named}"
        for path in files()
        if path.relative_to(ROOT).as_posix() not in MAY_NAME
        for named in named_in(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize("path", MAY_NAME)
def test_who_may_name_one_still_does(path: str) -> None:
    assert named_in((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "code",
    [
        'if provider == "github": pass',
        'FORGES = ("gitlab",)',
        "OLD_JENKINS = 1",
        "def slack_channel(): pass",
        'settings.get("CI_HEALING_SLACK_CHANNEL")',
        'path = "/api/webhook/jenkins/"',
        'told = "set ANTHROPIC_API_KEY"',
        'webhook(provider="generic")',
    ],
)
def test_a_name_in_code_is_seen(code: str) -> None:
    assert named_in(code)


@pytest.mark.parametrize(
    "code",
    [
        '"""As GitHub does."""',
        'told = "a log archive as GitHub makes it"',
        "local = Generic[T]",
        "place = dictionary.get('locale')",
    ],
)
def test_prose_and_plain_words_are_not(code: str) -> None:
    assert named_in(code) == []
