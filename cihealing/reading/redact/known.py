"""Values that are known to be secret, in every form a log writes them: as they are, encoded, escaped, wrapped over lines."""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from urllib.parse import quote, quote_plus

from cihealing.reading.redact.spans import MARKER, Span
from cihealing.reading.redact.values import prose

MIN_KNOWN = 8
"""Known values shorter than this are not masked: they would blank half of a log."""
KEPT_FORMS = 8
"""Lists of known values whose forms are remembered: a process has one, and makes a new one when it learns a secret."""
LEFT_OUT = re.compile(r"\[[a-z. ]{3,12}:? ?\d{1,18} bytes of [a-z ]{1,20}left out[^\]\n]{0,10}\]")
"""Where the middle of a long text was taken out, as those who do so say."""


def known_spans(text: str, known: Sequence[str]) -> Iterator[Span]:
    """A line break may stand anywhere inside a value: it is looked for in the text without any."""
    values = forms_of(tuple(known))
    if not values:
        return
    flat = text.replace("\n", "")
    present = [value for value in values if value in flat]
    spans = [match.span() for match in re.finditer("|".join(map(re.escape, present)), flat)] if present else []
    spans += cut_spans(flat, known)
    if not spans:
        return
    starts = list(accumulate((len(line) for line in text.split("\n")), initial=0))[1:-1]
    for start, end in spans:
        yield start + bisect_right(starts, start), end - 1 + bisect_right(starts, end - 1) + 1, "known"


@lru_cache(maxsize=KEPT_FORMS)
def forms_of(known: tuple[str, ...]) -> tuple[str, ...]:
    """Every form of every value, longest first."""
    return tuple(sorted({form for value in known for form in forms(value)}, key=lambda form: (-len(form), form)))


def cut_spans(flat: str, known: Sequence[str]) -> Iterator[tuple[int, int]]:
    """What a limit of length left of a value: its first characters at the end of the text, its last ones at the start."""
    gaps = [match.span() for match in LEFT_OUT.finditer(flat)] if "left out" in flat else []
    ends, starts = [len(flat), *(start for start, _ in gaps)], [0, *(end for _, end in gaps)]
    for value in ("".join(one.splitlines()) for one in known):
        # An address or a pair begins with what is no secret.
        if len(value) <= MIN_KNOWN or ":" in value or "/" in value:
            continue
        yield from ((end - size, end) for end in ends if (size := left_of(value, flat[max(0, end - len(value) + 1) : end])))
        back = value[::-1]
        yield from ((start, start + size) for start in starts if (size := left_of(back, flat[start : start + len(value) - 1][::-1])))


def left_of(value: str, before: str) -> int:
    """How many of the value's first characters `before` ends in; 0 where they are fewer than counts, or words."""
    at = before.find(value[:MIN_KNOWN])
    while at >= 0:
        piece = before[at:]
        if value.startswith(piece):
            return 0 if prose(piece) or prose(piece[::-1]) else len(piece)
        at = before.find(value[:MIN_KNOWN], at + 1)
    return 0


def forms(value: str) -> set[str]:
    """The ways a known value may stand in a text. What is left of a masked value is none."""
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    plain = {value, value.strip(), *lines, "".join(value.splitlines())}
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
