"""Named places where a test may kill the process, to show that nothing is lost there.

`CI_HEALING_FAILPOINT=name` kills at the first pass, `name:3` at the third. Unset (always, outside
tests) a pass costs one dictionary look-up.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

NAMES = (
    "receive.before_commit",
    "receive.after_commit",
    "claim.after_commit",
    "capability.before",
    "handle.before_append",
    "handle.after_append",
    "handle.before_commit",
    "handle.after_commit",
    "sandbox.after_run",
    "capability.after",
    "publish.before_merge",
    "publish.after_merge",
)
"""In the order one healing by a fixer, merged into a local repository, can pass them."""

ASKING = ("spending.after_reserve", "model.after_call", "spending.before_settle")
"""Where a model is asked."""

OPENING = ("forge.after_ref", "forge.after_change", "forge.after_merge")
"""Where a forge opens and merges changes."""

_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Pass the place `name`."""
    wanted = os.environ.get("CI_HEALING_FAILPOINT")
    if wanted:
        _pass(name, wanted)


def _pass(name: str, wanted: str) -> None:
    target, _, count = wanted.partition(":")
    if name == target:
        _passes[name] += 1
        if _passes[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
