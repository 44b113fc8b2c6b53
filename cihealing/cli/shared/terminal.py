"""What commands print for people. Text from logs, branches and notes is data: it must not be able
to paint the terminal.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH = 160
"""Columns where output is no terminal: a file or a pipe has room."""

COLOURS = {
    "queued": "cyan",
    "running": "cyan",
    "fixed": "bold green",
    "resolved": "green",
    "escalated": "bold red",
    "aborted": "dim",
    "green": "green",
    "red": "red",
    "unavailable": "yellow",
    "timed_out": "yellow",
}
"""By status of a run or colour of a command."""


def console(file: Any, *, no_color: bool = False) -> Console:
    from rich.console import Console

    width = None if file.isatty() else max(WIDTH, shutil.get_terminal_size().columns)
    return Console(
        file=cast("IO[str]", file), highlight=False, no_color=no_color or None, width=width
    )


def printable(text: str) -> str:
    """`text` without what a terminal would obey; line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def plain(text: object, *, style: str = "") -> Text:
    """One cell or line, free of markup and control characters."""
    from rich.text import Text

    return Text(printable(str(text)), style=style)


def coloured(word: str) -> Text:
    return plain(word, style=COLOURS.get(word, ""))


def clock(when: datetime) -> str:
    """In the time zone of whoever looks."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
