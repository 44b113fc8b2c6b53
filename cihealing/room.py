"""Whether there is room, and leave to write, wherever the service puts something.

Found out by writing: a figure of free bytes is no leave.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOM = 256 * 1024
"""Bytes that must find room."""


def require() -> None:
    """Raises OSError, naming the place, where something cannot be put."""
    for directory in directories():
        write_for_trial(directory)
    if connection.vendor == "sqlite":
        require_writable(Path(connection.settings_dict["NAME"]))


def directories() -> set[Path]:
    """Of bodies that are spooled, of SQLite's file, and of the work where this process does it
    too.
    """
    found = {Path(tempfile.gettempdir())}
    if connection.vendor == "sqlite":
        found.add(Path(connection.settings_dict["NAME"]).parent)
    return found | {Path(settings.CI_HEALING["DATA_DIR"])} if settings.EMBEDDED_BROKER else found


def write_for_trial(directory: Path) -> None:
    """Leaves nothing behind. Raises OSError where `ROOM` bytes cannot be written."""
    if not directory.is_dir():
        return
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            left = ROOM
            while left > 0:
                left -= file.write(bytes(left))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error


def require_writable(file: Path) -> None:
    """Asked of the kernel, without opening it: closing a second descriptor would drop SQLite's
    locks on it. Raises PermissionError.
    """
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written", str(file))
