"""Large logs that came in a body and wait to be read: sealed, for nothing unredacted may lie in the
store for whoever reads it.

Redacting such a log takes longer than its sender should wait, and so would packing it. So it is
encrypted with a key that is not in the store (it follows from the secret key) and dropped with the
fact that says what was read. All that waits is bounded.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db.models import Sum

from cihealing.models import WaitingLog

logger = logging.getLogger(__name__)

NONCE = 12
PURPOSE = b"cihealing: logs that wait to be read"


class NoRoom(Exception):
    """As many large logs wait as may: the sender must come again."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    position: int
    content: bytes = field(repr=False)


def seal(delivery: UUID, position: int, log: str) -> Sealed:
    nonce = os.urandom(NONCE)
    sealed = AESGCM(_key()).encrypt(
        nonce, log.encode("utf-8", "replace"), _about(delivery, position)
    )
    return Sealed(position=position, content=nonce + sealed)


def put(delivery: UUID, sealed: Iterable[Sealed], *, now: datetime) -> None:
    """Within the caller's transaction. Raises NoRoom."""
    rows = [
        WaitingLog(
            delivery=delivery, position=s.position, size=len(s.content), content=s.content, at=now
        )
        for s in sealed
    ]
    if not rows:
        return
    waiting: int = WaitingLog.objects.aggregate(all=Sum("size"))["all"] or 0
    most = settings.CI_HEALING["MAX_WAITING_LOGS"]
    if waiting + sum(row.size for row in rows) > most:
        raise NoRoom(
            f"logs of {waiting} bytes wait to be read, at most {most} may"
            " (CI_HEALING_MAX_WAITING_LOGS)"
        )
    WaitingLog.objects.bulk_create(rows)


def get(delivery: UUID, position: int) -> bytes | None:
    """The log in UTF-8, unredacted; None where there is none, or where it was sealed under another
    secret key.
    """
    content = (
        WaitingLog.objects.filter(delivery=delivery, position=position)
        .values_list("content", flat=True)
        .first()
    )
    if content is None:
        return None
    raw = bytes(content)
    try:
        return AESGCM(_key()).decrypt(raw[:NONCE], raw[NONCE:], _about(delivery, position))
    except InvalidTag:
        logger.warning(
            "the log of delivery %s was sealed under another CI_HEALING_SECRET_KEY: it cannot be"
            " read",
            delivery,
        )
        return None


def drop(delivery: UUID, position: int) -> None:
    WaitingLog.objects.filter(delivery=delivery, position=position).delete()


def _key() -> bytes:
    return hmac.digest(str(settings.SECRET_KEY).encode(), PURPOSE, "sha256")


def _about(delivery: UUID, position: int) -> bytes:
    """What a sealed log belongs to: under another name it does not open."""
    return f"{delivery}\n{position}".encode()
