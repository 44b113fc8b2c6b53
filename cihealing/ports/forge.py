"""What a forge may offer, each bound to one repository.

Everything is idempotent by `run_id`: a repeated call finds what the first one did. A change is
named by its URL. Every call raises TransientError (5xx, secondary limits with `retry_after`,
time-outs) and PermanentError (401, 403, 404, 409, 422 that mean it; the message says what to do).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cihealing.domain.policy import RepositoryPolicy


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of a patch at the forge."""

    url: str
    commit: str
    merged: bool


@dataclass(frozen=True, kw_only=True)
class FileEdit:
    """One file as the patch leaves it; `content` None: deleted. `mode` is git's (100644 or
    100755).
    """

    path: str
    content: bytes | None
    mode: str = "100644"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What is to be brought to the branch `branch`, which must still be at `head`. `patch` and
    `files` say the same.
    """

    run_id: str
    repository: str
    branch: str
    head: str
    patch: str
    files: tuple[FileEdit, ...] = ()
    title: str
    body: str
    """Markdown in which text of others neither mentions, links, closes nor formats."""
    message: str = ""
    """Plain text for the commit, without title and trailers."""
    trailers: tuple[str, ...] = ()
    """`Key: value` lines of the commit message besides the run's own."""
    draft: bool = True
    actor: str = ""
    """The person who approved it."""

    @property
    def source(self) -> str:
        """The branch the change is made on."""
        return f"cihealing/{self.run_id}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change (pull request, merge request) as the forge has it now."""

    url: str
    state: str
    """`open`, `merged` or `closed`."""
    head: str
    """The commit its branch is at."""
    target_head: str = ""
    merged_commit: str = ""
    checks: str = "none"
    """`none`, `pending`, `green` or `red`: what its own CI says of `head`."""
    failing: tuple[str, ...] = ()
    """Names of the red checks."""
    opted_out: bool = False
    """It carries the label `cihealing:off`."""
    by: str = ""
    """Who merged or closed it, where the forge says."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to a forge as it would be sent; `body` without secrets."""

    method: str
    url: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Site:
    """The one repository that what a forge offers is bound to."""

    repository: str
    policy: RepositoryPolicy
    url: str = ""
    """The service's own address, which its hooks begin with; empty where it does not know it."""


class Publishing(Protocol):
    def publish(self, proposal: Proposal) -> Published:
        """Open the change (or merge it, where none can be open). Adopts the branch and the change
        that exist. Raises HeadMovedError.
        """

    def planned(self, proposal: Proposal) -> list[Call]:
        """The calls `publish` would make, none sent; what only the forge can know stands as
        `<…>`.
        """


class Changes(Protocol):
    """Open changes of ours, and what others say on theirs."""

    def merge(self, url: str, *, sha: str) -> Published:
        """Merge the open change, bound to `sha` as its head; never around branch protection. Raises
        HeadMoved where the head is another.
        """

    def look(self, url: str) -> Change: ...

    def close(self, url: str, *, run_id: str, reason: str) -> None:
        """Close the change, say why in our comment, delete our branch. A change that is gone is
        closed.
        """

    def opted_out(self, commit: str) -> bool:
        """Whether the open change this commit is the head of carries the label `cihealing:off`."""


class Voice(Protocol):
    def say(self, text: str, *, run_id: str, commit: str, how: str) -> str:
        """One neutral check run on `commit` (`how` "check") or one comment (`how` "comment") on the
        open change whose head it is; edited when said again. Its URL, empty where there is no place
        to say it.
        """


class Permissions(Protocol):
    def may(self, login: str) -> bool:
        """Whether this person (a login at the forge) may themself push to the repository. Unknown
        people may not.
        """


class Leaving(Protocol):
    def leave(self) -> list[str]:
        """Close our changes, delete our branches and comments, revoke our hooks; what was done, in
        words.
        """


@dataclass(frozen=True, kw_only=True)
class Forge:
    """What one forge offers. What is None it does not: the caller goes without.

    Without `changes`, publishing merges at once; without `permissions`, whoever may act in the
    service may; without `leaving`, nothing of the service stays behind.
    """

    publishing: Callable[[Site], Publishing]
    changes: Callable[[Site], Changes] | None = None
    voice: Callable[[Site], Voice] | None = None
    permissions: Callable[[Site], Permissions] | None = None
    leaving: Callable[[Site], Leaving] | None = None
    usual_base: str = ""
    """The branch changes usually go to."""
