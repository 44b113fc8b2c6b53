"""Running a repository's own tool over its tree: which tool its configuration names, over which
files, and what it changed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files
from cihealing.ports import FixContext, Ran
from cihealing.tree import shown

MAX_TEXT = 2_000
MAX_NAMED = 50
TIMEOUT = 120.0
QUIET = {"NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
STARTERS = (
    ("python", "-m"),
    ("python3", "-m"),
    ("uv", "run"),
    ("poetry", "run"),
    ("pdm", "run"),
    ("hatch", "run"),
    ("pipenv", "run"),
)
NAMED = re.compile(
    r"(?<![^\s:'\"()\[\]])(?P<file>[^\s:'\"()\[\]]{1,300}\.(?:pyi?|ipynb))(?=[:\s]|$)"
)


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One call of a tool in a configured command: how it is started, and with what."""

    start: tuple[str, ...]
    """E.g. `("python", "-m", "ruff")`."""
    args: tuple[str, ...]


def texts_of(failure: Failure) -> Iterator[str]:
    """What the failure says, each text bounded."""
    yield failure.summary[:MAX_TEXT]
    yield from (line.text[:MAX_TEXT] for line in failure.excerpt)


def calls(command: str, tool: str) -> list[ToolCall]:
    """The calls of `tool` in a configured shell command. Empty where it cannot be read plainly."""
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return []
    return [call for segment in segments(words) if (call := call_of(segment, tool)) is not None]


def segments(words: Sequence[str]) -> Iterator[list[str]]:
    current: list[str] = []
    for word in words:
        if word and set(word) <= set("&|;()<>"):
            yield current
            current = []
        else:
            current.append(word)
    yield current


def call_of(words: Sequence[str], tool: str) -> ToolCall | None:
    at = 2 if tuple(words[:2]) in STARTERS else 0
    if len(words) <= at or words[at].rpartition("/")[2] != tool:
        return None
    return ToolCall(start=tuple(words[: at + 1]), args=tuple(words[at + 1 :]))


def named_files(context: FixContext) -> list[str]:
    """Python files of the tree the failure names, as paths below the project."""
    said = [f.file for f in context.failure.frames]
    said += [m["file"] for text in texts_of(context.failure) for m in NAMED.finditer(text)]
    found = (
        files.named_in_tree(context.tree, s, workdir=context.project.path)
        for s in dict.fromkeys(said)
    )
    below = [
        p
        for path in found
        if path is not None and (p := below_project(path, context.project.path)) is not None
    ]
    return list(dict.fromkeys(below))[:MAX_NAMED]


def below_project(path: str, project: str) -> str | None:
    prefix = "" if project == "." else project.rstrip("/") + "/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def run(context: FixContext, words: Sequence[str]) -> Ran:
    """One call in the sandbox, each word quoted. Raises TransientError where the sandbox could not
    start.
    """
    environment = {**context.project.environment, **QUIET}
    return context.sandbox.run(
        shlex.join(words),
        tree=context.tree.root,
        workdir=context.project.path,
        environment=environment,
        timeout=TIMEOUT,
    )


def snapshot(context: FixContext) -> dict[str, str]:
    """Digest by path of every Python file: what a tool says it changed is not taken on trust."""
    texts = ((p, files.read(context.tree, p)) for p in files.python_files(context.tree))
    return {p: sha256(t.encode()).hexdigest() for p, t in texts if t is not None}


def changed_since(context: FixContext, before: dict[str, str]) -> list[str]:
    after = snapshot(context)
    return sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))


def render_fix(did: str, changed: Sequence[str]) -> str | None:
    """One sentence; None where nothing changed."""
    if not changed:
        return None
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"{did} on {', '.join(map(shown, changed[:3]))}{more}"
