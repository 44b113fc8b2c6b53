"""Every answer of a forge or of Slack that we can think of has its right end, and nothing is made
twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from cihealing.ports import (
    FileEdit,
    HeadMovedError,
    Message,
    PermanentError,
    Proposal,
    TransientError,
)
from cihealing.providers.slack.chat import SlackChat
from cihealing.providers.slack.settings import SlackSettings
from tests.forges.bound import Bound
from tests.forges.gitea import FakeGitea
from tests.forges.github import FakeGitHub
from tests.forges.gitlab import FakeGitLab
from tests.forges.server import Reply
from tests.forges.slack import FakeSlack
from tests.forges.slack import Reply as Said
from tests.groups import holding

ENTRIES: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parents[1] / "corpora" / "replies" / "forge.yaml").read_text(), yaml.CSafeLoader
)
RUN = "5f0f5a52-6f3e-5d0e-9c3e-000000000001"
FAKES = {"github": FakeGitHub, "gitlab": FakeGitLab, "gitea": FakeGitea}


class Bench:
    """A forge that keeps state and what is asked of it, whichever it is."""

    def __init__(self, forge: str, fake: Any) -> None:
        self.name, self.fake, self.bound = forge, fake, Bound(forge, fake.settings)
        self.place = (
            fake.project("acme/shop") if forge == "gitlab" else fake.repository("acme/shop")
        )
        edits = (FileEdit(path="shop.py", content=b"good = 1\n"),)
        self.proposal = Proposal(
            run_id=RUN,
            repository="acme/shop",
            branch="main",
            head=self.place.heads["main"],
            patch="",
            title="t",
            body="b",
            message="m",
            files=edits,
            draft=False,
        )

    def act(self, kind: str, opened: Any) -> Any:
        match kind:
            case "publish":
                return self.bound.publish(self.proposal)
            case "merge":
                return self.bound.merge(opened.url, sha=opened.commit)
            case _:
                return self.bound.look(opened.url)

    @property
    def made(self) -> tuple[int, int, int]:
        """Branches, changes, merges."""
        branches = sum(name.startswith("cihealing/") for name in self.place.heads)
        if self.name != "gitlab":
            return branches, len(self.place.pulls), sum(pull["merged"] for pull in self.place.pulls)
        return (
            branches,
            len(self.place.requests),
            sum(request["state"] == "merged" for request in self.place.requests),
        )


def end_of(work: Callable[[], Any]) -> tuple[str, str]:
    try:
        work()
    except HeadMovedError as moved:
        return "moved", str(moved)
    except TransientError as problem:
        return "transient", str(problem)
    except PermanentError as problem:
        return "permanent", str(problem)
    return "works", ""


@contextmanager
def forge(name: str) -> Iterator[Bench]:
    with FAKES[name]() as fake:
        yield Bench(name, fake)


OF_FORGES = [entry for entry in ENTRIES if entry["forge"] in FAKES]
OF_SLACK = [entry for entry in ENTRIES if entry["forge"] == "slack"]


@pytest.mark.parametrize("entry", OF_FORGES, ids=lambda e: e["id"])
def test_a_forges_answer_has_its_right_end(entry: dict[str, Any]) -> None:
    with forge(entry["forge"]) as bench:
        opened = bench.act("publish", None) if entry["act"] != "publish" else None
        verb, path = entry["at"].split(" ", 1)
        bench.fake.script(verb, path, *[Reply(**entry["reply"])] * entry.get("times", 1))
        end, said = end_of(lambda: bench.act(entry["act"], opened))
        assert (end, bench.fake.scripted) == (entry["end"], []), said
        assert not any(secret in said for secret in ("ghp_", "glpat", "0123456789abcdef", "<html"))
        assert max(bench.made) <= 1
        if end == "transient":
            bench.act(entry["act"], opened)
        if end in ("transient", "works"):
            assert bench.made == (1, 1, int(entry["act"] == "merge"))


@pytest.mark.parametrize("entry", OF_SLACK, ids=lambda e: e["id"])
def test_slacks_answer_has_its_right_end(entry: dict[str, Any]) -> None:
    message = Message(run_id="r1", title="unit of acme/shop needs ann")
    with FakeSlack() as hub:
        handle = (
            SlackChat(holding(SlackSettings, hub.settings)).tell(message, handle="")
            if entry["act"] == "change"
            else ""
        )
        hub.scripted[entry["at"]] = [Said(**entry["reply"])]
        end, said = end_of(
            lambda: SlackChat(holding(SlackSettings, hub.settings)).tell(message, handle=handle)
        )
        assert end == entry["end"] or (
            entry["end"] == "failed" and end in ("transient", "permanent")
        ), said
        assert "xoxb" not in said
        if end == "transient":
            SlackChat(holding(SlackSettings, hub.settings)).tell(message, handle=handle)
            assert len(hub.posted) == 1


def test_the_corpus_is_as_large_and_as_mixed_as_it_says() -> None:
    assert len(ENTRIES) >= 120
    assert max(Counter(entry["technique"] for entry in ENTRIES).values()) <= 5
    assert len({entry["id"] for entry in ENTRIES}) == len(ENTRIES)
    assert all(entry["source"] for entry in ENTRIES)
