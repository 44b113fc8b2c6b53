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
OPTIONS = tools.ToolOptions(
    valued=frozenset(
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
    ),
    dropped=frozenset(
        {"--output-format", "--output-file", "-o", "--cache-dir", "--log-file", "--stdin-filename"}
    ),
    switches=frozenset(
        {
            "--preview",
            "--no-preview",
            "--isolated",
            "--force-exclude",
            "--respect-gitignore",
            "--no-respect-gitignore",
        }
    ),
)
SUBCOMMANDS = frozenset(
    {"analyze", "check", "clean", "config", "format", "help", "linter", "rule", "server", "version"}
)
SAFE = "--no-unsafe-fixes"
"""Known since 0.1; before, ruff corrected by itself only what it took for right."""


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
    if not apply(context, own, "check", ("--fix", SAFE), "--no-fix"):
        return None
    return "Ran `ruff check --fix` (safe corrections, the repository's own rules)"


def reformat(context: FixContext, own: Sequence[ToolCall]) -> str | None:
    return "Ran `ruff format`" if apply(context, own, "format", (), "--check") else None


def apply(
    context: FixContext, own: Sequence[ToolCall], verb: str, write: Sequence[str], ask: str
) -> bool:
    """Whether something was run; not where no file is named and the command says none. Raises
    CouldNotRun.
    """
    call = next((c for c in own if verb_of(c) == verb), None)
    options, paths = tools.split_call(words_of(call), OPTIONS) if call else ((), ())
    ran = tools.corrected(
        context,
        tools.Correction(
            start=(*(call.start if call else ("ruff",)), verb),
            write=(*write, "--no-cache"),
            ask=(ask, "--no-cache"),
            options=options,
            paths=(paths or (".",)) if call else (),
            named=("--force-exclude",),
            newer=frozenset({SAFE}),
        ),
    )
    if ran is not None:
        # 1: something is left that has no safe correction.
        tools.require_ran(f"ruff {verb}", ran, well=(0, 1))
    return ran is not None


def verb_of(call: ToolCall) -> str:
    """Until 0.5, `ruff PATH` was `ruff check PATH`."""
    first = next(iter(call.args), "")
    return first if first in SUBCOMMANDS else "check"


def words_of(call: ToolCall) -> Sequence[str]:
    return call.args[1:] if call.args[:1] == (verb_of(call),) else call.args


FIXER = Fixer(name="ruff", title="Apply ruff's safe corrections", order=10, fits=fits, fix=fix)
