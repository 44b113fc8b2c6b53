"""Whether a secret can be guessed: from its length, the variety of its characters and the words
everybody tries. Pure.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

LEAST_LENGTH = 20
LEAST_BITS = 64
"""Of a secret that others may try to guess offline: the body and its signature are all they
need.
"""
MAKE = "make one with `openssl rand -hex 32`"
KNOWN = frozenset(
    {
        "secret",
        "changeme",
        "change-me",
        "password",
        "webhook",
        "webhook-secret",
        "cihealing",
        "test",
        "mysecret",
        "admin",
    }
)
DJANGOS = "django-insecure-"
PLACEHOLDERS = (
    "changeme",
    "changethis",
    "changeit",
    "replaceme",
    "replacethis",
    "yoursecret",
    "yourtoken",
    "yourkey",
    "yourwebhook",
    "placeholder",
    "insecure",
    "example",
    "mysecret",
    "supersecret",
    "topsecret",
    "secretkey",
    "secrethere",
    "tokenhere",
    "donotuse",
    "letmein",
    "qwertyuiop",
    "password",
    "webhooksecret",
    "cihealing",
)
"""Found in documentation, samples and defaults, however they are separated."""


def weakness(secret: str) -> str:
    """What is wrong with it, as the end of a sentence; empty where nothing is."""
    if secret.strip().casefold() in KNOWN:
        return "is a word that is tried first"
    if secret.startswith(DJANGOS):
        return "is a key Django made for development"
    if len(secret) < LEAST_LENGTH:
        return f"has {len(secret)} characters; {LEAST_LENGTH} are needed"
    bits, rest = entropy(secret), _without_placeholders(secret)
    if bits >= LEAST_BITS > entropy(rest):
        return "looks like a placeholder"
    return (
        f"has about {bits:.0f} bits at most; {LEAST_BITS} are needed" if bits < LEAST_BITS else ""
    )


def _without_placeholders(secret: str) -> str:
    letters = re.sub(r"[\W_]", "", secret.casefold())
    return (
        re.sub("|".join(PLACEHOLDERS), "", letters)
        if any(word in letters for word in PLACEHOLDERS)
        else secret
    )


def own(webhook: Mapping[str, str], others: Mapping[str, str]) -> list[tuple[str, str]]:
    """(setting, secret) of each secret there is. `webhook` by provider, "" for all, with commas
    between several; `others` by setting.
    """
    hooks = {
        f"CI_HEALING_WEBHOOK_SECRET_{provider.upper()}".rstrip("_"): given
        for provider, given in webhook.items()
    }
    several = [(name, part.strip()) for name, given in hooks.items() for part in given.split(",")]
    return [(name, secret) for name, secret in (*several, *others.items()) if secret]


def entropy(secret: str) -> float:
    """An upper bound, in bits: what as many letters as are used could hold, were they drawn at
    random.

    What repeats itself counts once, and of a row of neighbours (abcd, 4321) only its beginning.
    """
    told = _without_rows(secret[: _period(secret)])
    counts = Counter(told)
    spread = (
        -sum(n / len(told) * math.log2(n / len(told)) for n in counts.values()) if told else 0.0
    )
    return abs(len(told) * spread)


def _period(text: str) -> int:
    return (text + text).find(text, 1) if text else 0


def _without_rows(text: str) -> str:
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    in_a_row = [one == two and abs(one) <= 1 for one, two in pairwise(steps)]
    return text[:2] + "".join(
        letter for letter, row in zip(text[2:], in_a_row, strict=True) if not row
    )


def shared(named: Iterable[tuple[str, str]]) -> str:
    """The names of two uses that have one secret, joined by `and`; empty where each has its own."""
    first: dict[str, str] = {}
    for name, secret in named:
        if first.setdefault(secret, name) != name:
            return f"{first[secret]} and {name}"
    return ""
