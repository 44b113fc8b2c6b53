"""Runs as a table for people: as many columns as have room, and id and status never cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from cihealing.cli.shared import terminal
from cihealing.read.rows import RunRow

GAP = "  "
SHOWN = (
    "run",
    "updated",
    "status",
    "repository",
    "branch",
    "job",
    "class",
    "blame",
    "evidence",
    "tries",
    "failure",
)
WHOLE = ("run", "status")
ORDER = (
    *WHOLE,
    "repository",
    "failure",
    "updated",
    "job",
    "class",
    "evidence",
    "blame",
    "branch",
    "tries",
)
"""What is shown first where not all have room."""
LEAST = {"repository": 16, "branch": 12, "job": 12, "failure": 28}
"""Characters that still say something; no other column is ever cut."""
EVEN = 30
"""Characters each may have before one gets all that is left."""
NARROW = 120
"""Columns of a terminal below which the time is told shortly."""


def table(rows: Sequence[RunRow], *, room: int | None) -> Iterator[Text]:
    """A head and a line a run, of at most `room` columns (None: as long as they are)."""
    narrow = room is not None and room < NARROW
    cells = [{"updated": clock(row, narrow=narrow), **cells_of(row)} for row in rows]
    natural = {name: max(len(name), *(cell_len(row[name]) for row in cells)) for name in SHOWN}
    widths = fitted(natural, room=room)
    yield line({name: name for name in SHOWN}, widths, head=True)
    for row in cells:
        yield line(row, widths)


def cells_of(row: RunRow) -> dict[str, str]:
    """By column, free of control characters and line breaks."""
    told = {
        "run": str(row.id)[:8],
        "status": row.status,
        "repository": row.repository,
        "branch": row.branch,
        "job": row.job,
        "class": row.failure_class,
        "blame": row.blame or "-",
        "evidence": row.evidence,
        "tries": f"{row.attempt_count}/{row.max_attempts}",
        "failure": row.error_summary,
    }
    return {name: " ".join(terminal.printable(text).split()) for name, text in told.items()}


def clock(row: RunRow, *, narrow: bool) -> str:
    """Without year and seconds where there is little room."""
    when = terminal.clock(row.updated_at)
    return when[5:-3] if narrow else when


def fitted(natural: Mapping[str, int], *, room: int | None) -> dict[str, int]:
    """How wide each column is that has room. What is cut at all keeps `LEAST`; id and status are
    whole on any terminal.
    """
    if room is None:
        return dict(natural)
    widths: dict[str, int] = {}
    left = room + len(GAP)
    for name in ORDER:
        needed = min(natural[name], LEAST.get(name, natural[name])) + len(GAP)
        if name in WHOLE or needed <= left:
            widths[name] = needed - len(GAP)
            left -= needed
    for most in (EVEN, room):
        for name in widths:
            more = max(0, min(natural[name], most) - widths[name])
            widths[name] += min(more, max(0, left))
            left -= min(more, max(0, left))
    return widths


def line(cells: Mapping[str, str], widths: Mapping[str, int], *, head: bool = False) -> Text:
    parts = []
    for name in (name for name in SHOWN if name in widths):
        part = Text(cells[name], style="dim" if head else style_of(name, cells))
        part.truncate(widths[name], overflow="ellipsis", pad=True)
        parts.append(part)
    joined = Text(GAP).join(parts)
    joined.rstrip()
    return joined


def style_of(name: str, cells: Mapping[str, str]) -> str:
    return terminal.COLOURS.get(cells["status"], "") if name == "status" else ""
