"""Runs by a short id, and who is asking."""

from __future__ import annotations

import getpass
import re
from uuid import UUID

from django.core.management.base import CommandError

from cihealing.cli.shared.command import MISUSED
from cihealing.domain.values import Actor
from cihealing.models import Run

SHORTEST = 6
"""Hex digits of a run's id that may stand for it."""
WHOLE = 32


def run_named(text: str) -> UUID:
    """The run with this id, or with the one id that begins so. Raises CommandError."""
    digits = text.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},{WHOLE}}}", digits):
        raise CommandError(
            f"{text[:80]!r} is no id of a run: give it, or its first {SHORTEST} digits or more",
            returncode=MISUSED,
        )
    found = list(
        Run.objects.filter(id__gte=_padded(digits, "0"), id__lte=_padded(digits, "f")).values_list(
            "id", flat=True
        )[:2]
    )
    if not found:
        whole = len(digits) == WHOLE
        raise CommandError(
            f"there is no run {text}" if whole else f"no run's id begins with {text}"
        )
    if len(found) > 1:
        raise CommandError(f"several runs' ids begin with {text}: give more of it")
    return found[0]


def _padded(digits: str, filler: str) -> UUID:
    return UUID(digits.ljust(WHOLE, filler))


def person() -> Actor:
    """Who runs this command: their login on this machine."""
    try:
        return Actor(kind="person", name=getpass.getuser())
    except (KeyError, OSError):
        return Actor(kind="person", name="unknown")
