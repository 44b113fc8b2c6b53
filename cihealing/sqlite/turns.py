"""Whose turn it is to write: SQLite lets one write at a time, and has who waits look again now and
then. Beside writers that never pause one of them was overlooked for 20 s; within a process they
come first who came first.
"""

from __future__ import annotations

import os
from collections import deque
from threading import Lock


class Turns:
    """A lock that is handed on in the order in which it was asked for."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As if nobody had it: in a fork its parent's threads are not there."""
        self._lock = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    def take(self, *, patience: float) -> bool:
        """Whether it was had within `patience` seconds."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            called = Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=patience):
            return True
        with self._lock:
            if called not in self._waiting:
                return True  # handed on just now
            self._waiting.remove(called)
            return False

    def give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


turns = Turns()
os.register_at_fork(after_in_child=turns.reset)
