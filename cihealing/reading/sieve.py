"""Of a log too large to keep, the lines worth reading: what any parser or rule may ask for, with
its surroundings, the head and the tail.

One pass over chunks of whole lines. All lines are looked at; what is kept is bounded, whatever the
log holds.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from cihealing.reading import clean
from cihealing.reading.redact import redact
from cihealing.reading.scan import Hits, Scanner

CHUNK = 1 << 20
"""Bytes read at once."""
WHOLE = 8 << 20
"""Characters up to which a log is kept whole."""
BUDGET = 12 << 20
"""Characters kept of a larger one, beside its head and tail."""
HEAD, TAIL = 1000, 4000
BEFORE, AFTER = 40, 120
"""Lines kept around a line that a parser or rule asks for; around one that only sounds like an
error, an eighth of them.
"""
SAME = 20
"""Of lines that differ in digits only, so many are worth their surroundings."""
MAX_KEYS = 50_000
KEY = 100
KEY_BEGIN, KEY_END = "PRIVATE KEY", "-----END "
DIGITS = b"0123456789"


@dataclass(frozen=True, slots=True)
class KeptLines:
    lines: list[str]
    numbers: array[int] | None = None
    """None: all lines are there."""
    total: int | None = None


@dataclass(slots=True)
class Piece:
    """Lines that stood next to each other."""

    first: int
    lines: list[str]

    @property
    def size(self) -> int:
        return sum(map(len, self.lines)) + 60 * len(self.lines)


def sifted(raw: Iterable[bytes], scanner: Scanner, *, weak: frozenset[str]) -> KeptLines:
    """All lines of a log of up to WHOLE characters; of a larger one those a sieve keeps."""
    text = Keyless(chunks(raw))
    start, size = [], 0
    for chunk in text:
        start.append(chunk)
        size += len(chunk)
        if size > WHOLE:
            break
    else:
        return KeptLines(clean.lines_of("".join(start)))
    sieve = Sieve(scanner, weak=weak)
    for chunk in chain(start, text):
        sieve.add(chunk)
    return sieve.kept()


def chunks(raw: Iterable[bytes]) -> Iterator[str]:
    """Plain text in pieces that end at line ends; a line that goes on for ever keeps its head."""
    rest = ""
    for part in texts(raw):
        text = rest + part
        cut = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1  # a last CR may be half of a CRLF
        if not cut:
            rest = text[: clean.MAX_LINE] + text[-clean.MAX_LINE :] if len(text) > CHUNK else text
            continue
        yield clean.plain(text[:cut])
        rest = text[cut:]
    if rest:
        yield clean.plain(rest)


def texts(raw: Iterable[bytes]) -> Iterator[str]:
    """Decoded as the first bytes say; a character that a chunk cuts in two is not lost."""
    decoder = None
    for part in raw:
        decoder = decoder or clean.decoder_of(part)
        yield decoder.decode(part)
    if decoder:
        yield decoder.decode(b"", final=True)


class Keyless:
    """Chunks without private keys: a key that is cut in two, by a chunk's end or by what is kept,
    would no longer be seen as one.
    """

    def __init__(self, chunks: Iterator[str]) -> None:
        self.chunks = chunks
        self.inside = False

    def __iter__(self) -> Iterator[str]:
        for chunk in self.chunks:
            yield self.cut(chunk) if self.inside or KEY_BEGIN in chunk else chunk

    def cut(self, chunk: str) -> str:
        if self.inside:
            end = chunk.find(KEY_END)
            end = len(chunk) if end < 0 else end
            self.inside = end == len(chunk)
            chunk = "\n" * chunk.count("\n", 0, end) + chunk[end:]
        start = chunk.rfind(KEY_BEGIN)
        self.inside = self.inside or (start >= 0 and KEY_END not in chunk[start + len(KEY_BEGIN) :])
        return redact(chunk).text


class Sieve:
    """Chunks in, in order; `kept` gives what is worth reading. `weak`: needles that say little
    (words that sound like an error).
    """

    def __init__(self, scanner: Scanner, *, weak: frozenset[str]) -> None:
        self.scanner = scanner
        self.weak = weak
        self.total = 0
        self.seen: Counter[bytes] = Counter()
        self.pieces: dict[bool, deque[Piece]] = {True: deque(), False: deque()}
        self.size = 0
        self.next = 1
        """The first line that may still be kept."""
        self.owed = 0
        """Lines still wanted behind the last one that was kept."""
        self.head: list[str] = []
        self.before: list[str] = []
        self.tail: deque[str] = deque(maxlen=TAIL)

    def add(self, chunk: str) -> None:
        """`chunk`: plain text of whole lines."""
        lines = [clean.shorten(line) for line in chunk.removesuffix("\n").split("\n")]
        hits = self.scanner.hits("\n".join(lines).encode("utf-8", "surrogatepass"))
        spans = merged(self.spans(lines, hits))
        for start, stop, strong in spans:
            self.keep(lines, start, stop, strong=strong)
        self.owed = max((stop - len(lines) for _, stop, _ in spans), default=0)
        self.total += len(lines)
        self.head += lines[: HEAD - len(self.head)]
        self.before = (self.before + lines)[-BEFORE:]
        self.tail.extend(lines[-TAIL:])

    def spans(self, lines: Sequence[str], hits: Hits) -> Iterator[tuple[int, int, bool]]:
        if self.owed > 0:
            yield 0, self.owed, True
        strong = {i for needle, found in hits.items() if needle not in self.weak for i in found}
        for i in sorted({i for found in hits.values() for i in found}):
            if self.is_new(lines[i]):
                part = 1 if i in strong else 8
                yield i - BEFORE // part, i + AFTER // part + 1, part == 1

    def is_new(self, line: str) -> bool:
        key = line[:KEY].encode("utf-8", "surrogatepass").translate(None, DIGITS)
        if key not in self.seen and len(self.seen) >= MAX_KEYS:
            self.seen.clear()
        self.seen[key] += 1
        return self.seen[key] <= SAME

    def keep(self, lines: Sequence[str], start: int, stop: int, *, strong: bool) -> None:
        """Indexes are those of the chunk; what stands before it comes from the last one, unless it
        was kept there.
        """
        first = max(self.total + 1 + start, self.total + 1 - len(self.before), self.next)
        behind = first - self.total - 1
        wanted = [*(self.before[behind:] if behind < 0 else ()), *lines[max(behind, 0) : stop]]
        if not wanted:
            return
        piece = Piece(first, wanted)
        self.next = first + len(wanted)
        self.pieces[strong].append(piece)
        self.size += piece.size
        while self.size > BUDGET:
            self.drop()

    def drop(self) -> None:
        """The oldest that only sounds like an error, else the oldest: failures stand near the
        end.
        """
        self.size -= (self.pieces[False] or self.pieces[True]).popleft().size

    def kept(self) -> KeptLines:
        """The head, the pieces and the tail, each line once."""
        numbers, lines = array("q"), []
        last = Piece(self.total - len(self.tail) + 1, list(self.tail))
        for piece in [
            Piece(1, self.head),
            *sorted([*self.pieces[True], *self.pieces[False]], key=lambda piece: piece.first),
            last,
        ]:
            skip = max(0, (numbers[-1] + 1 if numbers else 1) - piece.first)
            lines += piece.lines[skip:]
            numbers.extend(range(piece.first + skip, piece.first + len(piece.lines)))
        return KeptLines(lines, numbers, self.total)


def merged(spans: Iterable[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Spans that overlap are one; it is strong if one of them is."""
    found: list[tuple[int, int, bool]] = []
    for span in sorted(spans):
        if found and span[0] <= found[-1][1]:
            start, stop, strong = found.pop()
            found.append((start, max(stop, span[1]), strong or span[2]))
        else:
            found.append(span)
    return found
