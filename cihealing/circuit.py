"""Whether it is worth asking another side at all: where it does not answer, callers are told at
once instead of each finding out anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two looks while the other side is away."""


class Circuit:
    """Closed while the other side answers. A suspicion is looked into by one thread; while its
    looks fail the circuit is open.

    `look` returns where the other side answers and raises where not, in bounded time. `opened` and
    `closed` are called by that thread;
    `closed` also after a suspicion that was none.
    """

    def __init__(self, name: str, *, every: float = EVERY) -> None:
        self.name, self.every = name, every
        self.why = ""
        """What the last look met; empty while the circuit is closed."""
        self._lock = threading.Lock()
        self._watched = False

    @property
    def open(self) -> bool:
        return bool(self.why)

    def suspect(
        self, look: Callable[[], None], *, opened: Callable[[], None], closed: Callable[[], None]
    ) -> None:
        """Look, beside the caller, whether the other side is there."""
        with self._lock:
            if self._watched:
                return
            self._watched = True
        threading.Thread(
            target=self._watch,
            args=(look, opened, closed),
            name=f"circuit-{self.name}",
            daemon=True,
        ).start()

    def _watch(
        self, look: Callable[[], None], opened: Callable[[], None], closed: Callable[[], None]
    ) -> None:
        began = time.monotonic()
        try:
            while why := failing(look):
                if not self.why:
                    self.why = why
                    opened()
                time.sleep(self.every)
            closed()
            if self.why:
                logger.warning(
                    "%s answers again, after %.0f s", self.name, time.monotonic() - began
                )
        finally:
            with self._lock:
                self.why, self._watched = "", False


def failing(look: Callable[[], None]) -> str:
    """Why the look failed, in one line; empty where it did not."""
    try:
        look()
    except Exception as error:
        return " ".join(str(error).split())[:300] or type(error).__name__
    return ""
