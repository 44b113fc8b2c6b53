"""Makes a script of the repository executable that was called and may not be run."""

from __future__ import annotations

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, tools
from cihealing.ports import FixContext, Fixer
from cihealing.reading.denied import denied_scripts
from cihealing.tree import shown

ANY_X = 0o111


def fits(failure: Failure) -> bool:
    return any(True for _ in denied_scripts(tools.texts_of(failure)))


def fix(context: FixContext) -> str | None:
    named = denied_scripts(tools.texts_of(context.failure), workdir=context.project.path)
    made = [
        path
        for path in dict.fromkeys(named)
        if files.inside(context.tree, path) and make_executable(context, path)
    ]
    return f"Made {', '.join(map(shown, made))} executable" if made else None


def make_executable(context: FixContext, path: str) -> bool:
    """Only what says itself, in its first line, what it is to be run with."""
    entry, content = context.tree.entry(path), context.tree.read(path, limit=files.MAX_BYTES)
    if entry is None or content is None or not content.startswith(b"#!"):
        return False
    mode = entry.status.st_mode & 0o777
    if mode & ANY_X:
        return False
    context.tree.write(path, content, mode=mode | ANY_X)
    return True


FIXER = Fixer(name="executable", title="Make a script executable", order=5, fits=fits, fix=fix)
