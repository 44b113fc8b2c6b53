"""Whether a regular expression can be slow. Python's `re` tracks back: what a pattern costs in the
worst case is counted on its parse tree.

A pattern is refused where a repeat stands within a repeat (`(a+)+`, exponential), where it refers
back to a group, where it is too long, and where the worst case takes too many steps on one line:
the places at which a search may begin (one after `^`, fewer the longer the literal it begins with)
times the widths of all repeats that follow one another. `error: .*` is cheap, `.*error.*: .*` is
cubic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAX_PATTERN = 1500
MAX_STEPS = 2_000_000
ONCE = 1
"""A repeat of at most this many times (`?`) is none."""

REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
VARIED = (*REPEATS, "BRANCH", "SUBPATTERN")
"""What a repeat may not hold: of parentheses not even plain ones, for what they hold is not looked
at again.
"""
REFUSED = {
    "GROUPREF": "refers back to a group",
    "GROUPREF_EXISTS": "depends on a group",
    "GROUPREF_IGNORE": "refers back to a group",
}


class NotLinear(Exception):
    pass


def objection(pattern: object, *, length: int) -> str:
    """Why this pattern is not taken, in words that follow "pattern"; empty where it is. `length`:
    of the longest line it is searched in.
    """
    if not isinstance(pattern, str) or not pattern:
        return "must be a regular expression"
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    try:
        re.compile(pattern)
        tree = list(re._parser.parse(pattern))  # type: ignore[attr-defined]
        steps = search_cost(tree, length)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    except NotLinear as error:
        return str(error)
    if steps > MAX_STEPS:
        return (
            "can be slow: bound its repeats (`.{0,80}` instead of `.*`), or begin it with a literal"
            " or `^`"
        )
    return ""


def search_cost(tree: list[Any], length: int) -> int:
    """Steps of a search over a line: alternatives are tried one after another; a repeat at the very
    end cannot fail.
    """
    if len(tree) == 1 and name_of(tree[0]) == "BRANCH":
        return sum(search_cost(list(branch), length) for branch in tree[0][1][1])
    if len(tree) == 1 and name_of(tree[0]) == "SUBPATTERN":
        return search_cost(list(tree[0][1][3]), length)
    body = tree[:-1] if tree and name_of(tree[-1]) in REPEATS and cost([tree[-1]], length) else tree
    return starts(tree, length) * cost(body, length)


def starts(tree: list[Any], length: int) -> int:
    """At how many places of a line the expensive part of a pattern may begin."""
    if tree and name_of(tree[0]) == "AT" and str(tree[0][1]).startswith("AT_BEGINNING"):
        return 1
    return length // max(1, prefix(tree))


def prefix(tree: Iterable[Any]) -> int:
    """How many characters a pattern begins with that are each one of few: so far from one another
    do matches begin.
    """
    count = 0
    for item in tree:
        name = name_of(item)
        if name == "AT":
            continue
        if name == "BRANCH":
            return count + min(prefix(branch) for branch in item[1][1])
        if name == "SUBPATTERN":
            return count + prefix(item[1][3])
        if name != "LITERAL" and not (
            name == "IN" and all(name_of(each) == "LITERAL" for each in item[1])
        ):
            break
        count += 1
    return count


def cost(tree: Iterable[Any], length: int) -> int:
    steps = 1
    for item in tree:
        steps *= cost_of(item, length)
    return steps


def cost_of(item: Any, length: int) -> int:
    name, value = name_of(item), item[1]
    if name in REFUSED:
        raise NotLinear(REFUSED[name])
    if name in REPEATS:
        return repeat_cost(value, length)
    if name == "BRANCH":
        return max(cost(branch, length) for branch in value[1])
    if name == "SUBPATTERN":
        return cost(value[3], length)
    if name in ("ASSERT", "ASSERT_NOT"):
        return cost(value[1], length)
    return cost(value, length) if name == "ATOMIC_GROUP" else 1


def repeat_cost(value: Any, length: int) -> int:
    low, high, body = int(value[0]), int(value[1]), list(value[2])
    inner = cost(body, length)
    if high > ONCE and (inner > 1 or any(name_of(item) in VARIED for item in body)):
        raise NotLinear(
            "has a repeat or alternatives within a repeat: `(a+)+` can take exponential time"
        )
    return max(1, min(high, length) - low) * inner if high > ONCE else inner


def name_of(item: Any) -> str:
    return str(item[0])
