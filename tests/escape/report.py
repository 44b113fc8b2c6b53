"""What is told of one attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Report:
    """`signs`: how it was seen to get through, none where it was held. `trouble`: why it proves
    nothing at all.
    """

    began: bool
    signs: Sequence[str] = ()
    exceeded: str = ""
    said: str = ""
    trouble: str = ""


def report(said: str, signs: Sequence[str], exceeded: str = "") -> Report:
    trouble = "" if ">>> broken" not in said else "the attempt itself is faulty"
    began = ">>> began" in said or "bwrap: execvp" in said
    return Report(
        began=began,
        signs=signs,
        exceeded=exceeded,
        said=said[:2000] + said[-2000:] if len(said) > 4000 else said,
        trouble=trouble,
    )
