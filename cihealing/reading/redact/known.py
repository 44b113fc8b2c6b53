"""Values that are known to be secret, in every form a log writes them: as they are, encoded, escaped, wrapped over lines."""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from urllib.parse import quote, quote_plus

from cihealing.reading.redact.spans import MARKER, Span

MIN_KNOWN = 8
"""Known values shorter than this are not masked: they would blank half of a log."""
MAX_KNOWN = 1000


def known_spans(text: str, known: Sequence[str]) -> Iterator[Span]:
    """A line break may stand anywhere inside a value: it is looked for in the text without any."""
    values = {form for value in known[:MAX_KNOWN] for form in forms(value)}
    if not values:
        return
    flat = text.replace("\n", "")
    present = sorted((value for value in values if value in flat), key=lambda value: (-len(value), value))
    if not present:
        return
    starts = list(accumulate((len(line) for line in text.split("\n")), initial=0))[1:-1]
    for match in re.finditer("|".join(map(re.escape, present)), flat):
        yield match.start() + bisect_right(starts, match.start()), match.end() - 1 + bisect_right(starts, match.end() - 1) + 1, "known"


def forms(value: str) -> set[str]:
    """The ways a known value may stand in a text. What is left of a masked value is none."""
    plain = {value, value.strip(), *value.splitlines(), "".join(value.splitlines())}
    pieces = {form for one in plain for form in (one, *written(one), *encoded(one)) if len(one.strip()) >= MIN_KNOWN}
    return {piece for piece in pieces if len(piece.strip()) >= MIN_KNOWN and "\n" not in piece and not MARKER.search(piece)}


def written(value: str) -> set[str]:
    """Escaped for a URL (by either case of hex digits), JSON, a shell's and a program's quotes, XML."""
    urls = {quote(value, safe="", errors="replace"), quote(value, safe="/", errors="replace"), quote_plus(value, errors="replace")}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), url) for url in urls}
    escaped = json.dumps(value)[1:-1]
    quoted = {value.replace("'", escape) for escape in ("\\'", "'\\''", "'\"'\"'", "''")}
    return (
        urls
        | lower
        | quoted
        | {escaped, json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1], html.escape(value), repr(value)[1:-1]}
    )


def encoded(value: str) -> Iterator[str]:
    """Base64, of the value alone and of the value inside a longer text: the characters that do not depend on what surrounds it."""
    raw = value.encode("utf-8", "replace")
    for before in range(3):
        code = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        inner = code[-(-before * 8 // 6) : len(code) - (1 if (before + len(raw)) % 3 else 0)]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))
