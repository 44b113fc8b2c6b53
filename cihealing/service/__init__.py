"""The only write side: receive deliveries, handle commands, claim and finish effects, each in one transaction."""

from cihealing.service.fingerprints import hear_fingerprint, ignore_fingerprint
from cihealing.service.handling import ACTIONS, Cause, Irrevocable, NoSuchRun, get, handle, perform
from cihealing.service.outbox import claim, due, poke_due, reclaim
from cihealing.service.receiving import Outcome, Receipt, read_log, receive, record_expanded, record_read, weak_failure
from cihealing.service.rehashing import Rehashed, outdated, rehash
from cihealing.service.running import run_effect
from cihealing.service.secrets import masked

__all__ = [
    "ACTIONS",
    "Cause",
    "Irrevocable",
    "NoSuchRun",
    "Outcome",
    "Receipt",
    "Rehashed",
    "claim",
    "due",
    "get",
    "handle",
    "hear_fingerprint",
    "ignore_fingerprint",
    "masked",
    "outdated",
    "perform",
    "poke_due",
    "read_log",
    "receive",
    "reclaim",
    "record_expanded",
    "record_read",
    "rehash",
    "run_effect",
    "weak_failure",
]
