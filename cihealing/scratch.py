"""Private directories that are gone after use, also after a kill."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cihealing.marks import lives, mark
from cihealing.tree import remove

SCRATCH = "cihealing-"
ABANDONED = re.compile(r"cihealing-[a-z]+-(?P<mark>\d+-\d+)-\w+")


@contextlib.contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """A directory in the one for temporary files; gone at the end whatever was left in it, or
    (`sweep`) once its process is.

    It lies in a private one: whatever it is given to, and whatever is put there (a set-uid
    program), nobody else gets to it.
    """
    place = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{kind}-{mark()}-")).resolve()
    try:
        inside = place / "in"
        inside.mkdir()
        yield inside
    finally:
        with contextlib.suppress(OSError):
            remove(place)


def sweep() -> int:
    """Remove what processes that are gone left in the directory for temporary files; how many. To
    be called at start.
    """
    found = [p for p in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*") if _abandoned(p)]
    for path in found:
        with contextlib.suppress(OSError):
            remove(path)
    return len(found)


def _abandoned(path: Path) -> bool:
    """True for a directory of this user's whose process is gone."""
    try:
        status = path.lstat()
    except OSError:
        return False
    named = ABANDONED.fullmatch(path.name)
    return (
        named is not None
        and stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.getuid()
        and not lives(named["mark"])
    )
