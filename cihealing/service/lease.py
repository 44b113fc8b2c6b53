"""Holding an effect while it is carried out: the lease is renewed, and the work is called off where
it is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from django.db import DatabaseError, InterfaceError, connection

from cihealing import outages
from cihealing.models import Outbox
from cihealing.service import outbox, policies

logger = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between looks: an abort or the kill switch ends a running command within 5 s."""
RENEW = 20.0
LASTS = outbox.LEASE.total_seconds() - 5 * LOOK
"""Seconds after which a lease that could not be renewed counts as lost: before it is."""


class Lease:
    """Context manager over a claimed row. `lost` is set when the work must stop: lease lost, effect
    dropped, kill switch.
    """

    def __init__(self, row: Outbox) -> None:
        self.lost = threading.Event()
        self._row = row
        self._over = threading.Event()
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name=f"lease-{row.name}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            while not self._over.wait(LOOK):
                if not self._kept() or not policies.current().enabled:
                    self.lost.set()
                    return
        except Exception:
            logger.exception(
                "lease of %s %s could not be looked after", self._row.name, self._row.id
            )
            self.lost.set()
        finally:
            connection.close()

    def _kept(self) -> bool:
        """Without the database nobody else can have taken it, as long as it lasts; then it must be
        given up: another will do it again.
        """
        try:
            if time.monotonic() - self._renewed < RENEW:
                return outbox.held(self._row)
            begun = time.monotonic()
            kept = outbox.renew(self._row)
            self._renewed = begun
            return kept
        except (DatabaseError, InterfaceError) as error:
            if not outages.meet(error):
                raise
            connection.close()
            return time.monotonic() - self._renewed < LASTS
