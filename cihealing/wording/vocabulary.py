"""The words that people read for the words the core uses, each once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cihealing.domain.values import Evidence, FailureClass, Purpose


class Said(NamedTuple):
    """Two lengths of one thing."""

    short: str
    long: str


CLASSES: Mapping[str, str] = {
    FailureClass.INFRA: "infrastructure",
    FailureClass.ENV: "environment",
    FailureClass.DATA: "test data",
    FailureClass.FLAKY: "flaky test",
    FailureClass.PRODUCT: "product code",
    FailureClass.AUTOMATION: "test automation",
    FailureClass.UNKNOWN: "not known",
}
EVIDENCE: Mapping[str, str] = {
    Evidence.NONE: "nothing shown yet",
    Evidence.NOT_REPRODUCED: "could not be reproduced here",
    Evidence.REPRODUCED: "reproduced here",
    Evidence.PROVEN: "fix proven in the sandbox",
    Evidence.CI_PROVEN: "fix proven by its own CI",
}
PURPOSES: Mapping[str, Said] = {
    Purpose.REPRODUCE: Said("Failing commit", "Ran the failing commit"),
    Purpose.STEADY: Said("Failing commit again", "Ran the failing commit again"),
    Purpose.ISOLATE: Said("Failing tests alone", "Ran the failing tests alone"),
    Purpose.BASE: Said("Base commit", "Ran the base commit"),
    Purpose.DEBUG: Said("Verbose run", "Ran the verbose command"),
    Purpose.SCREEN: Said("With the patch, first look", "Tried the patch once"),
    Purpose.RED_BEFORE: Said("Without the patch", "Proof, without the patch"),
    Purpose.GREEN: Said("With the patch", "Proof, with the patch"),
    Purpose.RED_AFTER: Said("Without the patch again", "Proof, without the patch again"),
    Purpose.CANARY: Said(
        "With the patch and a planted failing test", "Proof, with a planted failing test"
    ),
}
RESOLUTIONS: Mapping[str, Said] = {
    "merged": Said("the fix was merged", "The proven fix was merged."),
    "rerun_green": Said(
        "the rerun was green",
        "CI ran the unchanged commit again and it was green: no patch was needed.",
    ),
    "flake": Said(
        "a proven flake, no patch needed",
        "Proven flake: the same tree was red and green in the same environment. No patch was made.",
    ),
    "base_healed": Said("the base branch is healed", "The base branch it failed on is healed."),
    "human_fix": Said("a person fixed it", "A person fixed it."),
    "green_later": Said(
        "the job is green on a later commit", "The job is green on a later commit of the branch."
    ),
}
ABORTS: Mapping[str, str] = {
    "person": "A person ended it.",
    "superseded": "The same failure came up on a newer commit, whose run goes on with it.",
    "leader": "The run it was attached to was ended.",
    "gone": "The branch that the patch belongs on is no more.",
    "allowed": "CI lets this job fail: what it is part of is green in spite of it.",
    "changed": "The rerun failed for another reason, which has a run of its own.",
}
DONE: Mapping[str, str] = {
    "approve": "Approved: it is being carried out.",
    "deny": "Denied. This patch will not be offered again.",
    "abort": "Aborted.",
    "human-fix": "Thank you. The run is resolved as fixed by a person.",
    "retry": "Retried with a fresh budget.",
}
"""What a person is told whose action was taken."""


def resolution(how: str) -> Said:
    return RESOLUTIONS.get(how, Said(how, "Resolved."))
