"""What one transaction adds, gathered so that each table gets one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.effects import Effect
from cihealing.domain.run import RunState
from cihealing.domain.values import Digest
from cihealing.failpoints import failpoint
from cihealing.models import StoredEvent
from cihealing.secrecy import masked_in
from cihealing.service import outbox
from cihealing.store import Packed, projections

Called = tuple[UUID, list[tuple[int, Effect]], UUID | None]
"""A stream, the (version, effect) pairs its facts call for, and its run."""


class Writing:
    """Within the caller's transaction. Nothing gathered is seen before `flush`, so whoever looks
    for a run settles what began first.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.at: datetime | None = None
        """Database time, where a statement of this transaction brought it."""
        self._contents: list[tuple[Packed, str]] = []
        self._facts: list[StoredEvent] = []
        self._runs: list[tuple[RunState, int]] = []
        self._called: list[Called] = []

    def keep(self, content: bytes | Packed, *, kind: str) -> Digest:
        """The digest of what will be stored; what is packed was masked by whoever packed it."""
        packed = content if isinstance(content, Packed) else store.pack(masked_in(content))
        self._contents.append((packed, kind))
        return packed.digest

    def begin(self, stream: UUID, envelopes: Sequence[e.Envelope]) -> list[e.Envelope]:
        """The first facts of a stream, as they will be stored: masked."""
        told = store.masked(envelopes)
        self._facts += store.chained(stream, told)
        return told

    def show(self, run: RunState, *, max_attempts: int) -> None:
        """The rows of a run that begins."""
        self._runs.append((run, max_attempts))

    def call(self, stream: UUID, called: list[tuple[int, Effect]], *, run_id: UUID | None) -> None:
        self._called.append((stream, called, run_id))

    def settle(self) -> None:
        """What began is seen from here on."""
        if self._runs:
            self.flush()

    def flush(self) -> None:
        """Raises StreamMoved and IntegrityError where another writer was faster."""
        if self._contents:
            store.put_all(self._contents, now=self.now)
        failpoint("handle.before_append")
        if self._facts:
            store.add(self._facts)
        failpoint("handle.after_append")
        for run, max_attempts in self._runs:
            projections.begin_run(run, max_attempts=max_attempts)
        outbox.enqueue_all(self._called, now=self.now, at=self.at)
        self._contents, self._facts, self._runs, self._called = [], [], [], []
