"""Running a repository's own tool over its tree: which tool its configuration names, over which
files, in its version's own options, and what it changed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files
from cihealing.ports import CouldNotRun, FixContext, Ran
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


@dataclass(frozen=True, kw_only=True)
class ToolOptions:
    """Options of a tool's call. Kept is what says what is checked, and how."""

    valued: frozenset[str]
    """Kept, each with its value."""
    dropped: frozenset[str] = frozenset()
    """Left out, each with its value: how the tool reports."""
    switches: frozenset[str] = frozenset()
    """Kept, without a value."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """How a tool is asked to correct files, and whether all is well."""

    start: tuple[str, ...]
    """Up to its subcommand."""
    write: tuple[str, ...]
    ask: tuple[str, ...]
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """What the configured command names; empty where there is no such call."""
    named: tuple[str, ...] = ()
    """Further words for files the failure names."""
    newer: frozenset[str] = frozenset()
    """Those of these options that older versions of the tool do not know."""


UNKNOWN_OPTION = re.compile(
    r"(?:unexpected argument '|Found argument '|unrecognized arguments: |[Nn]o such option:? )"
    r"(?P<option>--?[\w-]{1,60})"
)
"""Sources: clap 4 and 3, argparse, click."""


def corrected(context: FixContext, how: Correction) -> Ran | None:
    """Named files first; the command's own paths where that was not enough for the command. None
    where no file is named and the command says none.
    """
    named = named_files(context)
    ran = (
        run_known(context, how, (*how.write, *how.options, *how.named, "--", *named))
        if named
        else None
    )
    if how.paths and (
        ran is None or run_known(context, how, (*how.ask, *how.options, "--", *how.paths)).exit_code
    ):
        ran = run_known(context, how, (*how.write, *how.options, "--", *how.paths))
    return ran


def run_known(context: FixContext, how: Correction, words: Sequence[str]) -> Ran:
    """As `run`, without those of our options that this version of the tool does not know."""
    ran = run(context, [*how.start, *words])
    while ran.exit_code and (unknown := UNKNOWN_OPTION.search(ran.output)):
        if unknown["option"] not in how.newer.intersection(words):
            break
        words = [word for word in words if word != unknown["option"]]
        ran = run(context, [*how.start, *words])
    return ran


def require_ran(tool: str, ran: Ran, *, well: Container[int | None]) -> None:
    """Raises CouldNotRun where the exit code is none of a tool that did its work."""
    if ran.exit_code in well:
        return
    lines = [line.strip() for line in ran.output.splitlines() if line.strip()]
    how = "did not end in time" if ran.timed_out else f"ended with exit code {ran.exit_code}"
    raise CouldNotRun(f"`{tool}` {how}" + (f" ({lines[-1][:200]})" if lines else ""))


def split_call(args: Sequence[str], known: ToolOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a call's words the options to keep, and the paths."""
    options: list[str] = []
    paths: list[str] = []
    words = iter(args)
    for word in words:
        option, _, value = word.partition("=")
        if option in known.valued:
            options += [word] if value else [word, next(words, "")]
        elif word in known.dropped:
            next(words, "")
        elif word in known.switches:
            options.append(word)
        elif not word.startswith("-"):
            paths.append(word)
    return tuple(options), tuple(paths)


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
