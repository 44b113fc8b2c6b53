"""Rows of streams that have a few facts each: money, messages, silenced fingerprints."""

from __future__ import annotations

from uuid import UUID

from cihealing.domain import events as e
from cihealing.models import ChatMessage, IgnoredFingerprint, Spend

TAGS = ("fingerprint.", "spend.", "message.")
"""How the tag of the first fact begins."""


def project_fingerprint(envelope: e.Envelope) -> None:
    match envelope.event:
        case e.FingerprintIgnored(error_hash=error_hash, reason=reason):
            row = {"reason": reason[:500], "actor": envelope.actor.name[:150], "at": envelope.at}
            IgnoredFingerprint.objects.update_or_create(error_hash=error_hash, defaults=row)
        case e.FingerprintHeard(error_hash=error_hash):
            IgnoredFingerprint.objects.filter(error_hash=error_hash).delete()
        case _:
            pass


def project_small(stream: UUID, envelope: e.Envelope) -> None:
    """The rows of money and messages."""
    match envelope.event:
        case e.SpendReserved() as reserved:
            Spend.objects.create(
                id=stream,
                run_id=reserved.run,
                repository=reserved.repository,
                branch=reserved.branch,
                error_hash=reserved.error_hash,
                number=reserved.number,
                provider=reserved.provider,
                model=reserved.model,
                day=reserved.day,
                reserved_usd=reserved.usd,
                usd=reserved.usd,
                settled="",
                at=envelope.at,
            )
        case e.SpendSettled(usd=usd, how=how):
            Spend.objects.filter(id=stream).update(usd=usd, settled=how)
        case e.MessagePosted(run=run, chat=chat, kind=kind, handle=handle):
            row = {"kind": kind, "handle": handle, "at": envelope.at}
            ChatMessage.objects.update_or_create(run_id=run, chat=chat, defaults=row)
        case _:
            project_fingerprint(envelope)
