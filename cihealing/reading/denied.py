"""Scripts that a failure says may not be run, as shells and Python's PermissionError put it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

FORMS = (
    re.compile(r"(?:^|: )(?:exec: )?(?P<file>[\w.][\w./+-]{0,300}): Permission denied$"),
    re.compile(
        r"PermissionError: \[Errno 13\] Permission denied: '(?P<file>[\w.][\w./+-]{0,300})'"
    ),
)


def denied_scripts(texts: Iterable[str], *, workdir: str = ".") -> Iterator[str]:
    """Paths below the root, as each may have been meant: from the project's directory, and from the
    root.
    """
    for text in texts:
        for form in FORMS:
            if (said := form.search(text)) is not None:
                yield posixpath.normpath(posixpath.join(workdir, said["file"]))
                yield posixpath.normpath(said["file"])
