"""Values that are known to be secret, in every form a log writes them: as they are, encoded,
escaped, wrapped over lines.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from urllib.parse import quote, quote_plus

from cihealing.reading.redact.spans import MARKER, Span
from cihealing.reading.redact.values import prose

MIN_KNOWN = 8
"""Known values shorter than this are not masked: they would blank half of a log."""
KEPT_FORMS = 8
"""Lists of known values whose forms are remembered: a process has one, and makes a new one when it
learns a secret.
"""
MAX_LEFT = 256
"""Characters of what a limit left of a value that are looked at; longer values are known by their
lines.
"""
LEFT_OUT = re.compile(r"\[[a-z. ]{3,12}:? ?\d{1,18} bytes of [a-z ]{1,20}left out[^\]\n]{0,10}\]")
"""Where the middle of a long text was taken out, as those who do so say."""


def known_spans(text: str, known: Sequence[str]) -> Iterator[Span]:
    """A line break may stand anywhere inside a value: it is looked for in the text without any."""
    values = forms_of(tuple(known))
    if not values:
        return
    flat = text.replace("\n", "")
    present = [value for value in values if value in flat]
    spans = (
        [match.span() for match in re.finditer("|".join(map(re.escape, present)), flat)]
        if present
        else []
    )
    spans += cut_spans(flat, tuple(known))
    if not spans:
        return
    starts = list(accumulate((len(line) for line in text.split("\n")), initial=0))[1:-1]
    for start, end in spans:
        yield (
            start + bisect_right(starts, start),
            end - 1 + bisect_right(starts, end - 1) + 1,
            "known",
        )


def absent(text: str, known: tuple[str, ...]) -> bool:
    """Whether no known value can be in the text, nor what a limit left of one: there are neither
    the first characters nor the last ones of any. Quick for short texts.
    """
    flat = text.replace("\n", "")
    return not any(part in flat for part in ends(known))


@lru_cache(maxsize=KEPT_FORMS)
def ends(known: tuple[str, ...]) -> tuple[str, ...]:
    """The first and last characters that count, of every form."""
    first, last = beginnings(known)
    return tuple({*first, *(part[::-1] for part in last)})


@lru_cache(maxsize=KEPT_FORMS)
def forms_of(known: tuple[str, ...]) -> tuple[str, ...]:
    """Every form of every value, longest first."""
    return tuple(
        sorted(
            {form for value in known for form in forms(value)}, key=lambda form: (-len(form), form)
        )
    )


def cut_spans(flat: str, known: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """What a limit of length left of a value: its first characters at the end of the text, its last
    ones at the start.
    """
    gaps = [match.span() for match in LEFT_OUT.finditer(flat)] if "left out" in flat else []
    first, last = beginnings(known)
    for end in (len(flat), *(start for start, _ in gaps)):
        if size := left_of(flat[max(0, end - MAX_LEFT) : end], first):
            yield end - size, end
    for start in (0, *(end for _, end in gaps)):
        if size := left_of(flat[start : start + MAX_LEFT][::-1], last):
            yield start, start + size


Beginnings = Mapping[str, Sequence[str]]
"""The first characters that count -> the forms that begin so."""


@lru_cache(maxsize=KEPT_FORMS)
def beginnings(known: tuple[str, ...]) -> tuple[Beginnings, Beginnings]:
    """Of the forms as they are, and of the forms read backwards."""
    found: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for form in forms_of(known):
        for begun, one in zip(found, (form, form[::-1]), strict=True):
            begun.setdefault(one[:MIN_KNOWN], []).append(one)
    return found


def left_of(before: str, begun: Beginnings) -> int:
    """How many characters at the end of `before` are the first ones of a form; 0 where they are
    fewer than count, or words.
    """
    if len(begun) < len(before) and not any(first in before for first in begun):
        return 0  # nearly always, and told faster than by a look at every place
    for at in range(len(before) - MIN_KNOWN + 1):
        for form in begun.get(before[at : at + MIN_KNOWN], ()):
            piece = before[at:]
            # Addresses and pairs of user and password begin with words that are no secret.
            if form.startswith(piece) and not prose(piece) and not prose(piece[::-1]):
                return len(piece)
    return 0


def forms(value: str) -> set[str]:
    """The ways a known value may stand in a text. What is left of a masked value is none."""
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    plain = {value, value.strip(), *lines, "".join(value.splitlines())}
    pieces = {
        form
        for one in plain
        for form in (one, *written(one), *encoded(one))
        if len(one.strip()) >= MIN_KNOWN
    }
    return {
        piece
        for piece in pieces
        if len(piece.strip()) >= MIN_KNOWN and "\n" not in piece and not MARKER.search(piece)
    }


def written(value: str) -> set[str]:
    """Escaped for a URL (by either case of hex digits), JSON, a shell's and a program's quotes,
    XML.
    """
    urls = {
        quote(value, safe="", errors="replace"),
        quote(value, safe="/", errors="replace"),
        quote_plus(value, errors="replace"),
    }
    lower = {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), url) for url in urls}
    escaped = json.dumps(value)[1:-1]
    quoted = {value.replace("'", escape) for escape in ("\\'", "'\\''", "'\"'\"'", "''")}
    return (
        urls
        | lower
        | quoted
        | {
            escaped,
            json.dumps(value, ensure_ascii=False)[1:-1],
            json.dumps(escaped)[1:-1],
            html.escape(value),
            repr(value)[1:-1],
        }
    )


def encoded(value: str) -> Iterator[str]:
    """Base64, of the value alone and of the value inside a longer text: the characters that do not
    depend on what surrounds it.
    """
    raw = value.encode("utf-8", "replace")
    for before in range(3):
        code = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        inner = code[-(-before * 8 // 6) : len(code) - (1 if (before + len(raw)) % 3 else 0)]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))
