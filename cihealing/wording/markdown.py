"""Hostile text in Markdown: what a log or a model wrote can neither break out of its place, nor
link, mention or call anything.

Source: CommonMark 0.31, "Backslash escapes", "Code spans", "Fenced code blocks"; GitHub Flavored
Markdown, "Autolinks (extension)".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_INLINE = 1_000
MAX_FENCE_LINES = 400
SPECIAL = re.compile(
    r"([\\`*_\[\]#|~$])|(?<=www)\.|:(?=//)|^[-+=](?=\s|[-+=])|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d\d\d)[.)]",
    re.IGNORECASE,
)
"""What has a meaning anywhere, what makes an autolink, and what makes a list at the start of a
line.
"""
TICKS = re.compile(r"`+")
ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"


def visible(text: str) -> str:
    """One line without controls, bidi marks and other characters that cannot be seen; tabs and
    newlines become blanks.
    """
    return "".join(
        c if c.isprintable() else (" " if c in "\t\r\n\v\f" else "\N{REPLACEMENT CHARACTER}")
        for c in text
    )


def prose(text: str) -> str:
    """Text of somebody else as plain words in a paragraph or list item."""
    escaped = SPECIAL.sub(r"\\\g<0>", " ".join(visible(text[:MAX_INLINE]).split()))
    safe = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Mentions and issue numbers are looked for in the finished page, where escapes are gone
    # already: only another character stops them.
    return re.sub(r"@(?=\S)|\\#(?=\S)", rf"\g<0>{ZERO_WIDTH}", safe)


def code(text: str) -> str:
    """A code span that its own backticks cannot end."""
    line = visible(text[:MAX_INLINE]) or " "
    ticks = "`" * (longest_run(line) + 1)
    pad = " " if line[0] in "` " or line[-1] in "` " else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fence(lines: Iterable[str]) -> str:
    """A code block that none of its lines can end. At most MAX_FENCE_LINES lines; what is left out
    is said.
    """
    given = list(lines)
    left_out = len(given) - MAX_FENCE_LINES
    kept = [
        visible(line[:MAX_INLINE].replace("\t", "    ")).rstrip()
        for line in given[:MAX_FENCE_LINES]
    ]
    kept += [f"… {left_out} lines more"] if left_out > 0 else []
    ticks = "`" * max(3, longest_run("\n".join(kept)) + 1)
    return "\n".join([f"{ticks}text", *kept, ticks])


def longest_run(text: str) -> int:
    return max((len(run) for run in TICKS.findall(text)), default=0)
