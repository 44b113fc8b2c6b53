"""A forge with open changes, in memory: it keeps state, refuses what a real one refuses, and
records every call.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from cihealing.ports import (
    Call,
    Change,
    Forge,
    HeadMovedError,
    PermanentError,
    Proposal,
    Published,
    Site,
)

URL = "https://forge.example/acme/shop/pull/1"


@dataclass
class OpenForge:
    """One change at most is open; `heads` are the branches."""

    heads: dict[str, str]
    calls: list[tuple[str, str]] = field(default_factory=list)
    states: dict[str, Change] = field(default_factory=dict)
    people: tuple[str, ...] = ("ann", "ben")
    fail: Any = None
    """Called before each call; may raise."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offered(self) -> Forge:
        """Itself, whichever repository it is asked for."""

        def at(_site: Site) -> OpenForge:
            return self

        return Forge(publishing=at, changes=at, voice=at, permissions=at, leaving=at)

    def made(self, name: str) -> int:
        return sum(call == name for call, _ in self.calls)

    def _call(self, name: str, what: str) -> None:
        self.calls.append((name, what))
        if self.fail:
            self.fail(name)

    def publish(self, proposal: Proposal) -> Published:
        with self.lock:
            self._call("publish", proposal.source)
            if self.heads.get(proposal.branch) != proposal.head:
                raise HeadMovedError(proposal.head, self.heads.get(proposal.branch))
            url = URL if not self.states else f"{URL}{len(self.states)}"
            known = next(
                (u for u, _ in self.states.items() if self.heads.get(proposal.source)), None
            )
            self.heads[proposal.source] = "9" * 40
            self.states.setdefault(
                known or url, Change(url=known or url, state="open", head="9" * 40)
            )
            return Published(url=known or url, commit="9" * 40, merged=False)

    def planned(self, proposal: Proposal) -> list[Call]:
        return [
            Call(method="POST", url="https://forge.example/pulls", body={"head": proposal.source})
        ]

    def merge(self, url: str, *, sha: str) -> Published:
        with self.lock:
            self._call("merge", sha)
            seen = self.states[url]
            if seen.state == "merged":
                return Published(url=url, commit=seen.merged_commit, merged=True)
            if seen.state != "open":
                raise PermanentError("the change is closed")
            if seen.head != sha:
                raise HeadMovedError(sha, seen.head)
            self.set(url, state="merged", merged_commit="8" * 40)
            return Published(url=url, commit="8" * 40, merged=True)

    def set(self, url: str, **fields: Any) -> None:
        known = self.states[url]
        self.states[url] = Change(
            **{**{name: getattr(known, name) for name in known.__dataclass_fields__}, **fields}
        )

    def look(self, url: str) -> Change:
        self._call("look", url)
        return self.states[url]

    def close(self, url: str, *, run_id: str, reason: str) -> None:
        self._call("close", reason)
        if self.states[url].state == "open":
            self.set(url, state="closed")

    def say(self, text: str, *, run_id: str, commit: str, how: str) -> str:
        self._call("say", text)
        return URL

    def opted_out(self, commit: str) -> bool:
        return False

    def may(self, login: str) -> bool:
        return login in self.people

    def leave(self) -> list[str]:
        return []
