"""Where something stands behind which a secret may stand: found in few passes over a text, for
every other step is slow.
"""

from __future__ import annotations

import re

from cihealing.reading.redact.spans import Chunk

WORDS = ("pwd", "cred", "auth", "login", "identified ", "mask::")
# Several words in one pass: a pattern that begins with letters is searched for these first, which
# is nearly as fast as one word.
PATTERNS = (
    re.compile(rb"ke(?:y|n(?<=token))"),
    re.compile(rb"s(?:e(?:c(?:ret|urestring)|ss(?:ion_?|_)?id=)|ig(?:nature)?=)"),
    re.compile(
        rb"pa(?:ss(?:w|phr|code|_|[\"'=:|>]| [=:|]| (?:(?<=storepass )|(?<=keypass"
        rb" )|(?<=requirepass )))|t(?<=_pat))"
    ),
    re.compile(rb"b(?:earer|asic) "),
    re.compile(rb"ook(?:(?<=hook)|ie(?<=cookie))"),
)
# What a pattern matched -> the word it stands for, and how far before the match that begins. By the
# first three letters.
WORD_OF = {
    b"key": ("key", 0),
    b"ken": ("token", 2),
    b"sec": ("secret", 0),
    b"ses": ("sess", 0),
    b"sig": ("sig", 0),
    b"pas": ("pass", 0),
    b"pat": ("pat", 0),
    b"bea": ("bearer", 0),
    b"bas": ("basic ", 0),
    b"ook": ("hook", 1),
}
LONGER = {b"securestring": ("securestring", 0), b"ookie": ("cookie", 1)}


def hits(chunk: Chunk) -> dict[str, list[int]]:
    """Places in the text by word, ascending."""
    found: dict[str, list[int]] = {word: [] for word, _ in (*WORD_OF.values(), *LONGER.values())}
    for pattern in PATTERNS:
        for at, what in chunk.matches(pattern):
            word, before = LONGER.get(what) or WORD_OF[what[:3]]
            found[word].append(at - before)
    return found | {word: list(chunk.places(word.encode())) for word in WORDS}
