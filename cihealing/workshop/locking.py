"""One writer a mirror, across threads and processes."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from cihealing.ports import TransientError
from cihealing.workshop.process import check_cancelled

LOCK_TIMEOUT = 300.0


@contextlib.contextmanager
def locked(mirror: Path) -> Iterator[None]:
    """One writer a mirror, across threads and processes. Raises TransientError after five
    minutes.
    """
    mirror.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_TIMEOUT
    with mirror.with_suffix(".lock").open("w") as file:
        while not _taken(file.fileno()):
            check_cancelled()
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{mirror.name} is being fetched by another worker for over five minutes"
                )
            time.sleep(0.05)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
