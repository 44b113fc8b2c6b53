"""Where something stands behind which a secret may stand: found in few passes over a text, for every other step is slow."""

from __future__ import annotations

import re

from cihealing.reading.redact.spans import Chunk

# A letter that is rare comes first and what stands before it is looked at only there: most of a text is passed over at once.
RARE = re.compile(
    rb"k(?:(?<=tok)en|ey|(?<=cook)ie|(?<=mask)::|(?<=hook))|w(?<=pw)d"
    rb"|=(?:(?<=sig=)|(?<=signature=)|(?<=session_id=)|(?<=sessionid=)|(?<=sessid=)|(?<=_session=)|(?<=.sid=)|(?<=_pat=))"
)
WORD_OF = {
    b"ken": ("token", 2),
    b"key": ("key", 0),
    b"kie": ("cookie", 3),
    b"k::": ("mask::", 3),
    b"k": ("hook", 3),
    b"wd": ("pwd", 1),
    b"=": ("=", 0),
}
PASS = re.compile(rb"pass(?:w|phr|code|_|[\"'=:|>]| [=:|]| (?:(?<=storepass )|(?<=keypass )))")
COMMON = ("secret", "cred", "auth", "bearer", "basic ", "login", "identified ")


def hits(chunk: Chunk) -> dict[str, list[int]]:
    """Places in the text by word, ascending."""
    found: dict[str, list[int]] = {word: [] for word, _ in WORD_OF.values()}
    for match in RARE.finditer(chunk.lower):
        word, offset = WORD_OF[match[0]]
        found[word].append(chunk.start + match.start() - offset)
    found["pass"] = list(chunk.matches(PASS))
    return found | {word: list(chunk.places(word.encode())) for word in COMMON}
