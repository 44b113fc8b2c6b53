"""What the log of a result says, redacted: read at once, or put by where that takes too long for a
request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import msgspec
from django.conf import settings

from cihealing import apart, reading, store
from cihealing.domain.values import Failed, Failure, FailureClass, Ignored, Passed, Result
from cihealing.reading import clean
from cihealing.secrecy import known, masked
from cihealing.service import earlier, waiting
from cihealing.service.earlier import Greens
from cihealing.store import Packed, projections

Told = TypeVar("Told", bound=msgspec.Struct)

NEVER_STARTED = 0.95
"""How sure it is that a job without steps is no matter of the code."""
LARGE = 1_000_000
"""Characters of logs in one body up to which they are read in the request, which then knows what
became of them.
"""


@dataclass(frozen=True, kw_only=True)
class ReadResult:
    """One result, redacted and read where it carries its log."""

    result: Result
    log: Packed | None = None
    """Redacted."""
    failure: Failure | None = None
    sealed: waiting.Sealed | None = None
    """A log that is read later."""


def large(results: Sequence[Result], greens: Greens) -> bool:
    """Whether reading the logs they carry takes longer than a request may: then it is an effect."""
    logs = [
        (result, result.log) for result in results if not isinstance(result, Ignored) and result.log
    ]
    if sum(len(log) for _, log in logs) > LARGE:
        return True
    return any(greens.large(r) for r, _ in logs if isinstance(r, Failed))


def put_by(result: Result, delivery: UUID, position: int) -> ReadResult:
    """A result whose log, where it carries one, is sealed and read later. Nothing unredacted and
    open leaves this function.
    """
    if isinstance(result, Ignored) or not result.log:
        return read_result(result, Greens())
    return ReadResult(result=redacted(result), sealed=waiting.seal(delivery, position, result.log))


def read_result(result: Result, greens: Greens) -> ReadResult:
    """Redact a result, and read its log where it carries one. Nothing unredacted leaves this
    function.
    """
    if isinstance(result, Ignored):
        return ReadResult(result=Ignored(reason=masked(result.reason)))
    if isinstance(result, Passed):
        return ReadResult(
            result=redacted(result),
            log=store.pack(masked(clean.plain(result.log))) if result.log else None,
        )
    if result.log is None:
        return ReadResult(result=redacted(result))
    failure, log = read_log(result, result.log, greens=greens)
    return ReadResult(result=redacted(result), log=log, failure=failure)


def read_log(
    failed: Failed, log: str, *, greens: Greens | None = None
) -> tuple[Failure, Packed | None]:
    """(failure, redacted log). A log that names no failure gives a weak one. Raises what
    `apart.read` raises, for a large log.
    """
    greens = greens or earlier.greens_of(failed)
    if len(log) > LARGE or greens.large(failed):
        failure, redacted_log = read_apart(failed, log.encode("utf-8", "replace"))
        assert failure is not None
        return failure, redacted_log
    found = reading.read(log, green=greens.logs(failed), known_secrets=known())
    kept = store.pack(found.redacted_log) if found.redacted_log else None
    return found.failure or _silent(failed, blank=not log.strip()), kept


def read_waiting(
    result: Failed | Passed, *, delivery: UUID, position: int
) -> tuple[Failure | None, Packed | None] | None:
    """What `read_apart` gives of the log that came with the delivery; None where none waits."""
    log = waiting.get(delivery, position)
    return None if log is None else read_apart(result, log)


def read_apart(result: Failed | Passed, log: bytes) -> tuple[Failure | None, Packed | None]:
    """(failure, redacted log), of a log in UTF-8; of a passing one there is no failure. Raises what
    `apart.read` raises.
    """
    failed = isinstance(result, Failed)
    green = projections.packed_green_logs(result.repository, result.job) if failed else []
    read = apart.read(
        log, green=green, known=known(), failed=failed, rules=settings.CI_HEALING["RULES_DIR"]
    )
    kept = Packed(digest=read.digest, size=read.size, content=read.log) if read.size else None
    return (read.failure or _silent(result, blank=read.blank)) if isinstance(
        result, Failed
    ) else None, kept


def _silent(failed: Failed, *, blank: bool) -> Failure:
    """The failure of a log that names none."""
    reason = (
        "No log was sent: `cihealing notify --log` sends it."
        if blank
        else "The log was sent, but no line of it says what failed."
    )
    return weak_failure(failed, reason)


def weak_failure(failed: Failed, reason: str) -> Failure:
    """What job, step and conclusion alone say."""
    return reading.weak_failure(
        job=failed.job, step=failed.step, conclusion=failed.conclusion, reason=masked(reason)
    )


def never_started(failed: Failed) -> Failure:
    """The failure of a job of which no step ran: the machines' or the account's, never the code's.
    It has no log that a setting would bring.
    """
    found = weak_failure(failed, "")
    return msgspec.structs.replace(
        found,
        error_type="JobNeverStarted",
        summary=f"{masked(failed.job)} never started: {failed.never_started}"[:300],
        failure_class=FailureClass.INFRA,
        confidence=NEVER_STARTED,
    )


def redacted(result: Failed | Passed) -> Result:
    """The result without its log and without secrets in any of its texts: a sender may write one
    wherever it writes anything.
    """
    bare = msgspec.structs.replace(result, log=None, execution=_without_secrets(result.execution))
    return _without_secrets(bare)


def _without_secrets(told: Told) -> Told:
    texts = {
        name: value
        for name in told.__struct_fields__
        if isinstance(value := getattr(told, name), str) and value
    }
    return msgspec.structs.replace(told, **{name: masked(text) for name, text in texts.items()})
