"""What is tried for each failure class, in order: names of steps of `domain.plan`. Where nothing is
left the run escalates.
"""

from __future__ import annotations

from collections.abc import Mapping

from cihealing.domain.values import FailureClass

SHOWN = ("reproduce", "steady", "recheck", "blame", "fixers", "model")
"""What can be shown by running is shown, and it is said whose it is, before anything is mended."""

PLAYBOOKS: Mapping[FailureClass, tuple[str, ...]] = {
    # Not the code: the unchanged commit is run again, ever later.
    FailureClass.INFRA: ("rerun",),
    FailureClass.ENV: SHOWN,
    FailureClass.DATA: SHOWN,
    # Run alone until it is shown to be red and green, or shown to be wrong.
    FailureClass.FLAKY: ("reproduce", "isolate", "steady", "recheck", "blame", "fixers", "model"),
    FailureClass.PRODUCT: SHOWN,
    # Run so that it says more: that log goes with the report.
    FailureClass.AUTOMATION: (
        "reproduce",
        "debug",
        "steady",
        "recheck",
        "blame",
        "fixers",
        "model",
    ),
    FailureClass.UNKNOWN: SHOWN,
}
