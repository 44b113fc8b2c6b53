"""Text of others inside a prompt: made harmless to read, and fenced so that it cannot end its own
fence.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

ROLES = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?(?:INST|SYS)\]|<</?SYS>>|</?(?:system|assistant|user|human|tool_result|function_results)\b[^>\n]{0,80}>"
    r"|^\s*(?:Human|Assistant|System|User|Developer)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
"""What chat templates mark turns with."""
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)?")
HIDDEN = ("Cf", "Co", "Cs")
"""Unicode categories that people do not see: format characters (bidi, zero width, tags), private
use, surrogates.
"""


def harmless(text: str) -> str:
    """Without escapes and hidden characters; marks of chat turns are broken visibly. Line count is
    kept.
    """
    plain = ESCAPES.sub("", text)
    seen = "".join(_shown(c) for c in plain)
    return ROLES.sub(lambda found: found.group(0).translate(BROKEN), seen)


BROKEN = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        "[": "\N{LEFT WHITE SQUARE BRACKET}",
        ":": "\N{RATIO}",
    }
)


def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    if unicodedata.category(character) in HIDDEN:
        return f"\\u{ord(character):04x}"
    return character if character.isprintable() or character == " " else " "


def fence(name: str, text: str) -> str:
    """`text` between two lines that it cannot contain: they name a digest of it."""
    body = harmless(text)
    mark = hashlib.sha256(f"{name}\n{body}".encode("utf-8", "replace")).hexdigest()[:16]
    return f"<<<DATA {name} {mark}\n{body}\nDATA {name} {mark}>>>"


def numbered(first: int, text: str) -> str:
    return "\n".join(
        f"{number:>5} | {line}" for number, line in enumerate(text.splitlines(), start=first)
    )
