"""Chunks of a log up to a bound: what was packed to be small, or never ends, must not be read for
minutes. Pure: the clock is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

NO_END = float("inf")


@dataclass(slots=True)
class Bound:
    """What may still be read: `size` bytes as unpacked, and `seconds` by `clock` from the first
    chunk on, both over all that share it.

    `cut` says in words that something was left unread; empty where all was read.
    """

    size: float
    seconds: float = NO_END
    clock: Callable[[], float] = lambda: 0.0
    cut: str = ""
    read: int = 0
    _end: float = field(default=NO_END, repr=False)

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, the last one shortened where the bytes end in it."""
        self._end = self._end if self.read else self.clock() + self.seconds
        for chunk in chunks:
            if self.read >= self.size or self.clock() > self._end:
                self.cut = self.cut or self._why_cut()
                return
            part = chunk[: int(min(self.size - self.read, len(chunk)))]
            self.read += len(part)
            yield part
            if len(part) < len(chunk):
                self.cut = self._why_cut()
                return

    def _why_cut(self) -> str:
        why = (
            f"{self.size:,.0f} bytes"
            if self.read >= self.size
            else f"{self.seconds:g} seconds of reading"
        )
        return f"read to {why} and not further"
