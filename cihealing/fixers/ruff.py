"""Lets the repository's own ruff correct what it complained about: its configuration, its safe
corrections, nothing invented.

Source: docs.astral.sh/ruff, "The Ruff Linter" > "Fix safety".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, tools
from cihealing.fixers.shared.tools import ToolCall
from cihealing.ports import FixContext, Fixer

MISFORMATTED = re.compile(
    r"^(?:\S+ )?Would reformat: |\b\d{1,7} files? would be reformatted\b|^unformatted: |\bFile"
    r" would be reformatted\b"
)
FINDING = re.compile(
    r"\.pyi?:\d{1,7}:\d{1,6}: [A-Z]{1,4}\d{3,4}:? (?:\[\*\] )?|^[A-Z]{1,4}\d{3,4} (?:\[\*\] )?\S"
    r"|\bfixable with the `--fix` option|^invalid-syntax: "
)
CONFIGURED = re.compile(r"^\s*\[tool\.ruff[.\]]", re.MULTILINE)
KEPT = frozenset(
    {
        "--config",
        "--exclude",
        "--extend-exclude",
        "--extend-ignore",
        "--extend-select",
        "--extension",
        "--fixable",
        "--ignore",
        "--line-length",
        "--per-file-ignores",
        "--select",
        "--target-version",
        "--unfixable",
    }
)
"""Options of the configured command that say what is checked, each with a value."""
DROPPED = frozenset(
    {"--output-format", "--output-file", "-o", "--cache-dir", "--log-file", "--stdin-filename"}
)
"""Options with a value that say how ruff reports."""
SWITCHES = frozenset(
    {
        "--preview",
        "--no-preview",
        "--isolated",
        "--force-exclude",
        "--respect-gitignore",
        "--no-respect-gitignore",
    }
)


def fits(failure: Failure) -> bool:
    return any(MISFORMATTED.search(t) or FINDING.search(t) for t in tools.texts_of(failure))


def fix(context: FixContext) -> str | None:
    """Named files first; the command's own paths where that was not enough for the command."""
    own = tools.calls(context.project.command, "ruff")
    if not own and not is_configured(context):
        return None
    before = tools.snapshot(context)
    said_format = any(MISFORMATTED.search(t) for t in tools.texts_of(context.failure))
    said_check = any(
        FINDING.search(t) and not MISFORMATTED.search(t) for t in tools.texts_of(context.failure)
    )
    done = [
        told
        for wanted, step in ((said_check, correct), (said_format, reformat))
        if wanted and (told := step(context, own))
    ]
    return (
        tools.render_fix(" and ".join(done), tools.changed_since(context, before)) if done else None
    )


def is_configured(context: FixContext) -> bool:
    """The repository says itself that it uses ruff."""
    folders = dict.fromkeys((context.project.path.rstrip("/") + "/", ""))
    places = [folder.removeprefix("./") for folder in folders]
    if any(files.inside(context.tree, p + n) for p in places for n in ("ruff.toml", ".ruff.toml")):
        return True
    return any(
        CONFIGURED.search(files.read(context.tree, p + "pyproject.toml") or "") for p in places
    )


def correct(context: FixContext, own: Sequence[ToolCall]) -> str | None:
    return apply(
        context,
        own,
        "check",
        ("--fix", "--no-unsafe-fixes", "--no-cache"),
        ("--no-fix", "--no-cache"),
    )


def reformat(context: FixContext, own: Sequence[ToolCall]) -> str | None:
    return apply(context, own, "format", ("--no-cache",), ("--check", "--no-cache"))


def apply(
    context: FixContext,
    own: Sequence[ToolCall],
    verb: str,
    write: Sequence[str],
    ask: Sequence[str],
) -> str | None:
    """What was run, in words; None where ruff is not there, or no file is named and the command
    says none.
    """
    call = next((c for c in own if c.args[:1] == (verb,)), None)
    start, options, paths = call_parts(call)
    named = tools.named_files(context)
    ran = (
        tools.run(context, [*start, verb, *write, *options, "--force-exclude", "--", *named])
        if named
        else None
    )
    if call is not None and (
        ran is None or tools.run(context, [*start, verb, *ask, *options, "--", *paths]).exit_code
    ):
        ran = tools.run(context, [*start, verb, *write, *options, "--", *paths])
    # 0: all is well now; 1: something is left that has no safe correction; else ruff is not there
    # or dislikes its configuration.
    if ran is None or ran.exit_code not in (0, 1):
        return None
    return (
        "Ran `ruff check --fix` (safe corrections, the repository's own rules)"
        if verb == "check"
        else "Ran `ruff format`"
    )


def call_parts(call: ToolCall | None) -> tuple[tuple[str, ...], list[str], list[str]]:
    """How to start ruff, the options to keep, the paths the command names."""
    if call is None:
        return ("ruff",), [], []
    options: list[str] = []
    paths: list[str] = []
    words = iter(call.args[1:])
    for word in words:
        option, _, value = word.partition("=")
        if option in KEPT:
            options += [word] if value else [word, next(words, "")]
        elif word in DROPPED:
            next(words, "")
        elif word in SWITCHES:
            options.append(word)
        elif not word.startswith("-"):
            paths.append(word)
    return call.start, options, paths or ["."]


FIXER = Fixer(name="ruff", title="Apply ruff's safe corrections", order=10, fits=fits, fix=fix)
