"""Ports that answer from memory, around the real database."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import msgspec

from cihealing import registry, service
from cihealing.domain.policy import Project, RepositoryPolicy
from cihealing.domain.values import (
    Colour,
    ExecutionRef,
    Failed,
    Observation,
    Owner,
    Passed,
    Purpose,
    Result,
)
from cihealing.models import Outbox
from cihealing.ports import (
    Call,
    FixContext,
    Forge,
    HeadMovedError,
    NoLog,
    PatchRefused,
    Proposal,
    Published,
    Tools,
    Tree,
)
from cihealing.store.job_history import JobHistory, StoredArtifacts
from cihealing.tree import MAX_READ
from tests.domain.world import BASE, COMMIT, seen

LOG = """\
============================= test session starts ==============================
collected 2 items

tests/test_a.py .F                                                       [100%]

=================================== FAILURES ===================================
____________________________________ test_x ____________________________________

    def test_x():
>       assert total([1, 2]) == 3
E       assert 4 == 3
E        +  where 4 = total([1, 2])

tests/test_a.py:5: AssertionError
=========================== short test summary info ============================
FAILED tests/test_a.py::test_x - assert 4 == 3
========================= 1 failed, 1 passed in 0.03s ==========================
"""
OTHER_LOG = LOG.replace("test_x", "test_z").replace("assert 4 == 3", "assert 7 == 8")
PATCH = "--- a/shop.py\n+++ b/shop.py\n@@ -1 +1 @@\n-bad = 1\n+good = 1\n"
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def failed(number: int = 1, **fields: Any) -> Failed:
    facts: dict[str, Any] = {
        "execution": ExecutionRef(provider="generic", host="", job_run_id=f"red-{number}"),
        "repository": "acme/shop",
        "branch": "main",
        "commit": COMMIT,
        "job": "test",
        "log": LOG,
    }
    return Failed(**{**facts, **fields})


def passed(number: int = 1, **fields: Any) -> Passed:
    facts: dict[str, Any] = {
        "execution": ExecutionRef(provider="generic", host="", job_run_id=f"green-{number}"),
        "repository": "acme/shop",
        "branch": "main",
        "commit": COMMIT,
        "job": "test",
    }
    return Passed(**{**facts, **fields})


def receive(*results: Result, key: str, now: datetime = NOW) -> service.Receipt:
    return service.receive(
        hook="default", provider="generic", delivery_id=key, results=results, now=now
    )


@dataclass
class FakeRunner:
    """Red without a patch, green with one, as a deterministic failure is; `answer` overrides."""

    answer: Any = None
    hash: str = ""
    ran: list[str] = field(default_factory=list)

    def project(self, repository: str, commit: str, **_: Any) -> Project | None:
        return Project(command="pytest")

    def observe(
        self,
        repository: str,
        commit: str,
        *,
        project: Project,
        policy: RepositoryPolicy,
        patch: str = "",
        canary: bool = False,
        variant: str = "",
        tests: Sequence[str] = (),
    ) -> tuple[Observation, str]:
        purpose = (
            Purpose.CANARY
            if canary
            else Purpose.GREEN
            if patch or commit == BASE
            else Purpose.REPRODUCE
        )
        self.ran.append(purpose)
        found = (
            self.answer(purpose, len(self.ran))
            if self.answer
            else seen(purpose, Colour.GREEN if purpose is Purpose.GREEN else Colour.RED)
        )
        return msgspec.structs.replace(
            found, commit=commit, error_hash=self.hash if found.colour is Colour.RED else ""
        ), "output"


class FakeStored:
    """The files of a directory."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        files = [e.path for e in tree.walk() if e.is_file] if tree.root.is_dir() else []
        self.modes = dict.fromkeys(files, "100644")

    def read(self, path: str, *, limit: int = MAX_READ) -> bytes | None:
        return self.tree.read(path, limit=limit)


@dataclass
class FakeTrees:
    heads: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    root: Path = Path("/nonexistent")
    refuses: bool = False
    """git takes no patch."""

    @contextmanager
    def at(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> Iterator[Tree]:
        yield Tree(root=self.root, commit=commit, tree="t" * 40)

    @contextmanager
    def stored(self, *args: Any, patch: str = "", **kwargs: Any) -> Iterator[FakeStored]:
        """A patch is left out where it does not fit: most tests have no files."""
        if patch and self.refuses:
            raise PatchRefused("the patch does not apply: error: shop.py:1")
        with TemporaryDirectory() as place:
            if self.root.is_dir():
                shutil.copytree(self.root, place, dirs_exist_ok=True)
            apply = ["git", "apply", "--whitespace=nowarn", "-"]
            if patch:
                subprocess.run(
                    apply, cwd=place, input=patch.encode(), check=False, capture_output=True
                )
            yield FakeStored(Tree(root=Path(place)))

    def merge_base(self, *args: Any, **kwargs: Any) -> str | None:
        return BASE

    def first_parent(self, *args: Any, **kwargs: Any) -> str | None:
        return BASE

    def head(self, repository: str, branch: str, *, policy: RepositoryPolicy) -> str | None:
        return self.heads.get(branch)

    def owner(self, *args: Any, **kwargs: Any) -> Owner | None:
        return Owner(name="ann@example.org", source="codeowners")

    def read_file(self, *args: Any, **kwargs: Any) -> str | None:
        return None

    def diff(self, tree: Tree) -> str:
        return PATCH

    def show(self, *args: Any, **kwargs: Any) -> str:
        return ""

    def between(self, *args: Any, **kwargs: Any) -> str:
        return PATCH


@dataclass
class FakeForge:
    """Merges once per run, as the real ones must; `heads` are the trees' own."""

    trees: FakeTrees
    merges: dict[str, str] = field(default_factory=dict)

    def offered(self) -> Forge:
        return Forge(publishing=lambda _site: self)

    def planned(self, proposal: Proposal) -> list[Call]:
        return []

    def publish(self, proposal: Proposal) -> Published:
        run_id, branch, head = proposal.run_id, proposal.branch, proposal.head
        if run_id not in self.merges:
            if self.trees.heads.get(branch) != head:
                raise HeadMovedError(head, self.trees.heads.get(branch))
            self.merges[run_id] = "5" * 40
            self.trees.heads[branch] = "5" * 40
        return Published(url="local", commit=self.merges[run_id], merged=True)


@dataclass
class FakeCI:
    name: str = "generic"
    result: Result | None = None
    asked: list[Mapping[str, str]] = field(default_factory=list)
    log: str | None = None

    def fetch_log(self, failed: Result) -> str:
        if self.log is None:
            raise NoLog("set CI_HEALING_GITHUB_TOKEN")
        return self.log

    def expand(self, coarse: Result) -> list[Result]:
        raise NoLog("set CI_HEALING_GITHUB_TOKEN")

    def rerun(self, execution: Mapping[str, str]) -> str:
        self.asked.append(execution)
        return execution["rerun"]

    def rerun_result(self, handle: str) -> Result | None:
        return self.result


def fix(context: FixContext) -> str | None:
    return "renames bad to good"


@dataclass
class Bench:
    """The service over the real database with every port faked."""

    runner: FakeRunner = field(default_factory=FakeRunner)
    trees: FakeTrees = field(default_factory=FakeTrees)
    ci: FakeCI = field(default_factory=FakeCI)
    identifying: Mapping[str, Any] = field(default_factory=dict)
    fixers: tuple[Any, ...] = (
        SimpleNamespace(name="fake", title="fake", fits=lambda failure: True, fix=fix),
    )

    def __post_init__(self) -> None:
        self.forge = FakeForge(self.trees)
        self.tools = Tools(
            logs={"generic": self.ci, "github": self.ci},
            expanding={"generic": self.ci, "github": self.ci},
            identifying=self.identifying,
            reruns={"generic": self.ci, "github": self.ci},
            runner=self.runner,
            trees=self.trees,
            sandbox=lambda policy: None,  # type: ignore[arg-type,return-value]
            forges={"local_git": self.forge.offered()},
            fixers=self.fixers,
            guard=lambda patch, **_: [],
            artifacts=StoredArtifacts(),
            history=JobHistory(),
        )

    def use(self, *, model: Any = None, forge: Any = None, chats: Any = ()) -> None:
        """With a model, a forge with open changes (it shares the heads of the trees), chats."""
        forges = {**self.tools.forges, **({"forge": forge.offered()} if forge else {})}
        self.tools = replace(
            self.tools,
            model=model or self.tools.model,
            forges=forges,
            chats=chats or self.tools.chats,
        )

    def step(self) -> bool:
        """Carry out one due effect; False where none is due."""
        row = (
            Outbox.objects.filter(state="pending", not_before__lte=datetime.now(UTC))
            .order_by("not_before", "created_at", "version")
            .first()
        )
        if row is None:
            return False
        return service.run_effect(
            row.id, tools=self.tools, capabilities=registry.CAPABILITIES, readers=registry.READERS
        )

    def drain(self, most: int = 100) -> int:
        """Carry out what is due until nothing is; returns how many."""
        done = 0
        while done < most and self.step():
            done += 1
        return done

    def ring(self, name: str) -> None:
        """Let the timers of a name be due."""
        Outbox.objects.filter(state="pending", name=name).update(
            not_before=datetime.now(UTC) - timedelta(seconds=1)
        )
