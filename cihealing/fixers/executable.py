"""Makes a script of the repository executable that was called and may not be run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, tools
from cihealing.ports import FixContext, Fixer
from cihealing.tree import shown

DENIED = (
    re.compile(r"(?:^|: )(?:exec: )?(?P<file>[\w.][\w./+-]{0,300}): Permission denied$"),
    re.compile(
        r"PermissionError: \[Errno 13\] Permission denied: '(?P<file>[\w.][\w./+-]{0,300})'"
    ),
)
ANY_X = 0o111


def fits(failure: Failure) -> bool:
    return any(True for _ in denied(failure))


def denied(failure: Failure) -> Iterator[str]:
    for text in tools.texts_of(failure):
        for pattern in DENIED:
            if (said := pattern.search(text)) is not None:
                yield said["file"]


def fix(context: FixContext) -> str | None:
    made = [
        path
        for said in dict.fromkeys(denied(context.failure))
        if (path := files.named_in_tree(context.tree, said, workdir=context.project.path))
        and make_executable(context, path)
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
