"""What `cihealing try` does: a copy of a repository one already has goes through the whole service,
in this process.

The copy, the database and the policy lie in a private data directory that is gone afterwards.
Nothing is written into the repository itself before `apply`. Nothing here prints.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import yaml
from django.conf import settings

from cihealing import registry, service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy, Project, RepositoryPolicy
from cihealing.domain.values import Colour, ExecutionRef, Failed
from cihealing.models import Outbox
from cihealing.ports import PermanentError, Tools, TransientError
from cihealing.read import detail, feed, runs
from cihealing.read.access import SERVICE_VIEWER
from cihealing.trial.outcome import CannotApply, TrialOutcome, TrialRun, apply, verdict_of
from cihealing.trial.repositories import MAX_FILE, CannotTry, Copy, Copying, Repository, find
from cihealing.workshop.runner import projects

__all__ = [
    "MAX_FILE",
    "CannotApply",
    "CannotTry",
    "Copy",
    "Copying",
    "Repository",
    "Trial",
    "TrialOrder",
    "TrialOutcome",
    "TrialRun",
    "apply",
    "find",
]


TIMERS = f.names(lambda kind: issubclass(kind, f.Timer))
SILENCE = "(the command printed nothing)\n"
USUAL_JOBS = ("test", "lint")


class Teller(Protocol):
    """Whoever wants to know how far it is."""

    def doing(self, what: str) -> None:
        """This is begun now."""

    def progress(self, stage: str, what: str) -> None:
        """This has happened."""


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """What the person asked to be run; empty: what the repository says, else its type's usual
    command.
    """

    command: str = ""
    setup: str = ""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial of one copy, over the real tools of the service."""

    repository: Repository
    copy: Copy
    tools: Tools
    teller: Teller

    def __call__(self, order: TrialOrder) -> TrialOutcome:
        """Run what is to be run until something is red, and heal that. Raises CannotTry."""
        ran: list[TrialRun] = []
        try:
            for job, project in self.candidates(order):
                one, output = self._observed(job, project)
                ran.append(one)
                if one.seen.colour is Colour.RED:
                    return self._healed(ran, output)
        except (PermanentError, TransientError) as error:
            raise CannotTry(str(error)) from error
        if not ran:
            raise CannotTry(
                "no command is known for this repository: name one with --command, or in its"
                " .cihealing.yml"
            )
        green = all(one.seen.colour is Colour.GREEN for one in ran)
        return TrialOutcome(verdict="green" if green else "unavailable", ran=tuple(ran))

    def policy(self, *named: Project) -> RepositoryPolicy:
        """The person tries their own repository on their own machine: it is trusted."""
        return RepositoryPolicy(
            match=self.repository.name,
            clone_url=str(self.copy.origin),
            target_branch=self.copy.base,
            trusted=True,
            projects=named,
        )

    def candidates(self, order: TrialOrder) -> Iterator[tuple[str, Project]]:
        """(job, project), each command once. Raises PermanentError for a .cihealing.yml that is not
        valid.
        """
        seen = set[tuple[str, str]]()
        for job, named in [*self._configured(order)] or [
            (job, Project(path=self.repository.prefix)) for job in USUAL_JOBS
        ]:
            anywhere = named.model_copy(
                update={"jobs": ("*",), "setup": order.setup or named.setup}
            )
            found = self.tools.runner.project(
                self.repository.name,
                self.copy.commit,
                base=self.copy.commit,
                job=job,
                command_hint="",
                policy=self.policy(anywhere),
            )
            if found is not None and (found.path, found.command) not in seen:
                seen.add((found.path, found.command))
                yield job, found

    def _configured(self, order: TrialOrder) -> Iterator[tuple[str, Project]]:
        if order.command:
            yield "command", Project(path=self.repository.prefix, command=order.command)
            return
        text = self.tools.trees.read_file(
            self.repository.name, self.copy.commit, projects.FILE, policy=self.policy()
        )
        for project in projects.parse(text, where=projects.FILE) if text else ():
            if below(project.path, self.repository.prefix):
                yield (
                    re.sub(r"[^\w-]+", "", project.jobs[0] if project.jobs else "") or "test",
                    project,
                )

    def _observed(self, job: str, project: Project) -> tuple[TrialRun, str]:
        self.teller.doing(f"running {project.command}")
        seen, output = self.tools.runner.observe(
            self.repository.name, self.copy.commit, project=project, policy=self.policy()
        )
        self.teller.progress(
            "Command",
            f"`{project.command}` is {seen.colour.replace('_', ' ')} in {seen.seconds:.1f} s",
        )
        return TrialRun(job=job, project=project, seen=seen), output

    def _healed(self, ran: Sequence[TrialRun], output: str) -> TrialOutcome:
        self._write_policy(ran[-1].project)
        run_id = self._received(ran[-1], output)
        self._drain(run_id)
        shown = detail.run(SERVICE_VIEWER, run_id)
        assert shown is not None
        return TrialOutcome(verdict=verdict_of(shown), ran=tuple(ran), run=shown)

    def _write_policy(self, project: Project) -> None:
        """Where it goes on is pinned to the command that was red. There is no CI that could be
        asked for a rerun.
        """
        entry = self.policy(project.model_copy(update={"jobs": ("*",)}))
        policy = Policy(auto_rerun=False, repositories=(entry,))
        Path(settings.CI_HEALING["POLICY_FILE"]).write_text(
            yaml.safe_dump(policy.model_dump(mode="json"))
        )

    def _received(self, red: TrialRun, output: str) -> UUID:
        mark, now = uuid4().hex, datetime.now(UTC)
        failed = Failed(
            execution=ExecutionRef(provider="generic", host="", job_run_id=mark),
            repository=self.repository.name,
            branch=self.copy.branch,
            commit=self.copy.commit,
            job=red.job,
            base_branch=self.copy.base,
            command=red.project.command,
            finished_at=now,
            log=output if output.strip() else SILENCE,
        )
        outcome = service.receive(
            hook="try", provider="generic", delivery_id=mark, results=[failed], now=now
        ).outcomes[0]
        if outcome.run_id is None:
            raise CannotTry(outcome.ignored)
        return outcome.run_id

    def _drain(self, run_id: UUID) -> None:
        """Carry out what the run calls for until nothing but timers is left."""
        version = self._tell(run_id, 0)
        while (row := next_effect()) is not None:
            self.teller.doing(row.name.replace("_", " "))
            time.sleep(max(0.0, (row.not_before - datetime.now(UTC)).total_seconds()))
            taken = service.run_effect(
                row.id,
                tools=self.tools,
                capabilities=registry.CAPABILITIES,
                readers=registry.READERS,
            )
            time.sleep(0 if taken else 0.05)  # the database's clock may be some milliseconds behind
            version = self._tell(run_id, version)

    def _tell(self, run_id: UUID, version: int) -> int:
        entries = feed.events_after(SERVICE_VIEWER, run_id, version)
        row = runs.row(SERVICE_VIEWER, run_id)
        for entry in entries:
            self.teller.progress(row.stage if row else "", entry.text)
        return entries[-1].version if entries else version


def below(path: str, prefix: str) -> bool:
    return prefix == "." or Path(path).is_relative_to(prefix)


def next_effect() -> Outbox | None:
    waiting = Outbox.objects.filter(state="pending").exclude(name__in=TIMERS)
    return waiting.order_by("not_before", "created_at", "version").first()
