"""Secrets out of a text before anybody stores, shows or sends it.

A secret becomes `[redacted:KIND:xxxx]`, the same marker for the same secret (the last part is the
start of its SHA-256), so that a reader sees which are equal and the fingerprint sees one token.
Lines keep their numbers. What is redacted stays as it is.

Five readers find secrets, each in its file: `known` values, private `keys`, `tokens` of a
well-known form, secrets known by their `places` (a URL, a header, an option of a command) and by
their `names` (`DB_PASSWORD=…`). `values` says what is no secret.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cihealing.reading.redact.keys import key_spans
from cihealing.reading.redact.known import absent, known_spans
from cihealing.reading.redact.names import named_spans
from cihealing.reading.redact.needles import hits
from cihealing.reading.redact.places import placed_spans
from cihealing.reading.redact.spans import MARKER, Span, chunks, disjoint, replaced
from cihealing.reading.redact.tokens import token_spans

__all__ = ["MARKER", "Redacted", "absent", "redact"]

OPENING = "[redacted:"
ROUNDS = 4
"""What a marker leaves of a line may itself look like a secret: changed lines are looked at again,
at most so often.
"""


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    count: int
    """How many places were masked."""


def redact(text: str, known: Sequence[str] = (), *, guess: bool = True) -> Redacted:
    """Mask the `known` values of at least 8 characters in every form; and, with `guess`, tokens,
    keys, secrets by their place or name.
    """
    count = 0
    for _ in range(ROUNDS):
        spans = found(text, known, guess=guess)
        if not spans:
            break
        text = replaced(text, spans)
        count += len(spans)
        if not found(
            "\n".join(line for line in text.split("\n") if OPENING in line), known, guess=guess
        ):
            break
    return Redacted(text, count)


def found(text: str, known: Sequence[str], *, guess: bool) -> list[Span]:
    """All secrets of the text, in order and disjoint; none where a marker stands already."""
    spans = disjoint(candidates(text, known) if guess else known_spans(text, known))
    if not spans or OPENING not in text:
        return spans
    markers = [match.span() for match in MARKER.finditer(text)]
    return [span for span in spans if not touches(span, markers)]


def touches(span: Span, markers: Sequence[tuple[int, int]]) -> bool:
    after = bisect_left(markers, (span[1], 0))
    return after > 0 and markers[after - 1][1] > span[0]


def candidates(text: str, known: Sequence[str]) -> Iterator[Span]:
    """What is surest comes first, for it names the marker."""
    yield from known_spans(text, known)
    yield from key_spans(text)
    seen: dict[bytes, bool] = {}
    for chunk in chunks(text):
        yield from token_spans(chunk, seen)
        stands = hits(chunk)
        yield from placed_spans(chunk, stands)
        yield from named_spans(text, stands)
