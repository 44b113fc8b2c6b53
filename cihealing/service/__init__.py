"""The only write side: receive deliveries, handle commands, claim and finish effects, each in one
transaction.
"""

from cihealing.service.fingerprints import hear_fingerprint, ignore_fingerprint
from cihealing.service.following import release_followers
from cihealing.service.handling import (
    Cause,
    Irrevocable,
    NoSuchRun,
    NotAllowed,
    get,
    handle,
    perform,
)
from cihealing.service.judging import hurry
from cihealing.service.logs import never_started, read_log, read_waiting, weak_failure
from cihealing.service.messages import handle_of, record_message
from cihealing.service.outbox import claim, claim_next, due, poke_due, reclaim
from cihealing.service.policies import current as current_policy
from cihealing.service.receiving import (
    Receipt,
    ResultOutcome,
    receive,
    record_expanded,
    record_read,
)
from cihealing.service.rehashing import Rehashed, outdated, rehash
from cihealing.service.running import run_effect, run_next
from cihealing.service.spending import Hold, OverBudget, reserve, settle
from cihealing.service.spending import sweep as sweep_spending
from cihealing.service.waiting import NoRoom

__all__ = [
    "Cause",
    "Hold",
    "Irrevocable",
    "NoRoom",
    "NoSuchRun",
    "NotAllowed",
    "OverBudget",
    "Receipt",
    "Rehashed",
    "ResultOutcome",
    "claim",
    "claim_next",
    "current_policy",
    "due",
    "get",
    "handle",
    "handle_of",
    "hear_fingerprint",
    "hurry",
    "ignore_fingerprint",
    "never_started",
    "outdated",
    "perform",
    "poke_due",
    "read_log",
    "read_waiting",
    "receive",
    "reclaim",
    "record_expanded",
    "record_message",
    "record_read",
    "rehash",
    "release_followers",
    "reserve",
    "run_effect",
    "run_next",
    "settle",
    "sweep_spending",
    "weak_failure",
]
