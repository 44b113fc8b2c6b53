"""How the checks word an objection: one line, no control characters, never the whole of a hostile
value.
"""

from __future__ import annotations

from cihealing.domain.values import Objection

MAX_TEXT = 300


def hard(rule: str, text: str) -> Objection:
    return Objection(rule=rule, text=shown(text), hard=True)


def soft(rule: str, text: str) -> Objection:
    return Objection(rule=rule, text=shown(text), hard=False)


def shown(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MAX_TEXT])
