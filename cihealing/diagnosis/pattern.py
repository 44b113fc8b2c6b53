"""Failures everybody has seen, as data: what the line says, what it means, what usually helps.

Specific before general: of two patterns on one line the first counts. Every expression is linear
and reads one bounded line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cihealing.domain.values import FailureClass

VALUE = r"[^\n]{1,120}?"
WORD = r"[\w.$/@+-]{1,120}"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """`cause` and `fix` are filled with the named groups of both expressions. `second` has to match
    within the next three lines.
    """

    name: str
    failure_class: FailureClass
    first: re.Pattern[str]
    cause: str
    fix: str
    confidence: float = 0.7
    second: re.Pattern[str] | None = None


def pattern(
    name: str,
    failure_class: FailureClass,
    first: str,
    *,
    cause: str,
    fix: str,
    second: str = "",
    confidence: float = 0.7,
) -> Pattern:
    then = re.compile(second) if second else None
    return Pattern(
        name=name,
        failure_class=failure_class,
        first=re.compile(first),
        second=then,
        cause=cause,
        fix=fix,
        confidence=confidence,
    )


PRODUCT, ENV, INFRA, DATA, FLAKY = (
    FailureClass.PRODUCT,
    FailureClass.ENV,
    FailureClass.INFRA,
    FailureClass.DATA,
    FailureClass.FLAKY,
)
