"""How what is ours is known at a forge, whichever it is: branches, commits, comments, labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cihealing.ports import PermanentError, Proposal

BRANCHES = "cihealing/"
"""What the names of our branches begin with."""
OFF = "cihealing:off"
"""The label that keeps us from a change."""
CHECK = "cihealing"
"""The name of our check, which says nothing of a change's own CI."""
MARKER = "<!-- cihealing:"
TRAILER = "Cihealing-Run"


_INFORMATIONAL = re.compile(
    r"(?:dco|cla|easycla|cla[ /-]?assistant|cla[ /-]?bot|license/cla|cla/[\w-]+"
    r"|codecov(?:/.*)?|coverage(?:/.*)?|coveralls|coveralls/.*)",
    re.IGNORECASE,
)


def informational(check: str) -> bool:
    """Whether a check of another service speaks of signatures or coverage: it ran nothing that
    could be healed, and says nothing of whether a patch is right.
    """
    return bool(_INFORMATIONAL.fullmatch(check.strip()))


def marker(run_id: str) -> str:
    return f"{MARKER}{run_id} -->"


def marked(words: str, run_id: str) -> str:
    """The text of a comment that is found again."""
    return words if marker(run_id) in words else f"{words}\n\n{marker(run_id)}"


def message_of(proposal: Proposal) -> str:
    """The commit's message, which says whose it is."""
    trailers = [
        f"{TRAILER}: {proposal.run_id}",
        *proposal.trailers,
        *([f"Approved-by: {proposal.actor}"] if proposal.actor else []),
    ]
    return "\n\n".join(
        part for part in (proposal.title, proposal.message, "\n".join(trailers)) if part
    )


def require_ours(proposal: Proposal, *, message: str, parents: Sequence[object]) -> None:
    """Only what carries the run's own trailer and stands on the proven commit is ours. Raises
    PermanentError.
    """
    if f"{TRAILER}: {proposal.run_id}" not in message.splitlines() or parents != [proposal.head]:
        raise PermanentError(
            f"the branch {proposal.source} exists and is not this run's: delete it, then approve"
            " again"
        )


def plain(words: str) -> str:
    """Somebody's reason inside a comment: it calls nobody and closes nothing."""
    return "".join(c if c.isalnum() or c in " .,:;()'-" else " " for c in words)[:500]


def verdict(states: Iterable[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    """What checks say together, and the names of the red ones; of each its name and `green`,
    `pending` or `red`.
    """
    known = list(states)
    failing = tuple(name[:100] for name, state in known if state == "red")
    for word in ("red", "pending", "green"):
        if any(state == word for _, state in known):
            return word, failing
    return "none", ()
