"""What `cihealing try` does: a copy of a repository one already has goes through the whole service,
in this process.

The copy, the database and the policy lie in a private data directory that is gone afterwards.
Nothing is written into the repository itself before `apply`. Nothing here prints.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, get_args
from uuid import UUID, uuid4

import yaml
from django.conf import settings

from cihealing import registry, service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy, Project, RepositoryPolicy
from cihealing.domain.values import Colour, ExecutionRef, Failed, Observation
from cihealing.models import Outbox
from cihealing.ports import PermanentError, Tools, TransientError
from cihealing.read import queries
from cihealing.read.queries import SERVICE_VIEWER, RunDetail
from cihealing.workshop.git import Git, GitFailed, prepare_home
from cihealing.workshop.runner import projects

MAX_FILE = 50 * 1024 * 1024
"""Bytes: a larger file that is not committed is left out of the copy."""
TIMERS = tuple(str(timer.__struct_config__.tag) for timer in get_args(f.Timer))
OWN_BRANCHES = "cihealing/"
SILENCE = "(the command printed nothing)\n"
USUAL_JOBS = ("test", "lint")


class CannotTry(Exception):
    """There is nothing to run or no way to run it; the message says what to do."""


class CannotApply(Exception):
    """The patch does not fit what lies in the working tree now."""


class Teller(Protocol):
    """Whoever wants to know how far it is."""

    def doing(self, what: str) -> None:
        """This is begun now."""

    def told(self, stage: str, what: str) -> None:
        """This has happened."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """`root` is its working tree (bare: its directory); `prefix` the part of it that was named, `.`
    for all.
    """

    root: Path
    prefix: str
    bare: bool

    @property
    def name(self) -> str:
        return "local/" + (
            re.sub(r"[^A-Za-z0-9._-]+", "-", self.root.name.removesuffix(".git")).strip("-.")
            or "repository"
        )


def git(place: Path, *args: str) -> str:
    """git with the person's own configuration, asked about their repository in ways that run
    nothing the repository names.

    Raises GitFailed.
    """
    theirs = {"HOME": str(Path.home()), "GIT_CONFIG_GLOBAL": str(Path.home() / ".gitconfig")}
    # No protocol: a repository's configuration may name a server for what it lacks. And git's own
    # refusal of other people's repositories stands, which the service's own mirrors lift.
    return Git(environment={**theirs, "GIT_ALLOW_PROTOCOL": "none"}, anybodys=False)(
        "-C", str(place), *args
    )


def quiet(place: Path, *args: str) -> str:
    """The stripped answer; empty where git says no."""
    try:
        return git(place, *args).strip()
    except GitFailed:
        return ""


def find(path: Path) -> Repository:
    """The repository `path` is, or lies in. Raises CannotTry."""
    place = path.expanduser().resolve()
    if not place.is_dir():
        raise CannotTry(f"{path} is no directory")
    bare, inside = asked(place)
    if not bare and not inside:
        raise CannotTry(f"{path} lies inside a .git directory: name the working tree")
    root = Path(
        git(place, "rev-parse", "--absolute-git-dir" if bare else "--show-toplevel").removesuffix(
            "\n"
        )
    )
    if not quiet(place, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        raise CannotTry(f"{path} has no commit yet: make one, then try again")
    return Repository(
        root=root, prefix="." if bare else os.path.relpath(place, root.resolve()), bare=bare
    )


def asked(place: Path) -> tuple[bool, bool]:
    """(bare, inside a working tree). Raises CannotTry where it is no repository, or git will not
    touch it.
    """
    try:
        bare, inside = git(
            place, "rev-parse", "--is-bare-repository", "--is-inside-work-tree"
        ).split()
    except GitFailed as error:
        if "not a git repository" in error.text:
            raise CannotTry(
                f"{place} is no git repository: `git init` it and commit, then try again"
            ) from None
        raise CannotTry(f"git says of {place}: {error.text}") from None
    return bare == "true", inside == "true"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A bare repository with HEAD's branch and the branch it would be merged into. `changed` are
    the uncommitted files in `commit`.
    """

    origin: Path
    branch: str
    base: str
    commit: str
    changed: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Copying:
    """`into` is a private directory; git runs there without hooks or this machine's
    configuration.
    """

    repository: Repository
    into: Path

    @property
    def origin(self) -> Path:
        return self.into / "origin.git"

    def __call__(self) -> Copy:
        """Raises CannotTry."""
        prepare_home(self.into / "home")
        try:
            return self._copied()
        except (GitFailed, TransientError) as error:
            raise CannotTry(f"{self.repository.root} could not be copied: {error}") from error

    @property
    def own(self) -> Git:
        return Git(
            home=self.into / "home",
            environment={"GIT_ALLOW_PROTOCOL": "file", "GIT_DIR": str(self.origin)},
        )

    def git(self, *args: str, data: str = "", **variables: str) -> str:
        return self.own(*args, variables=variables, data=data).strip()

    def _copied(self) -> Copy:
        branch = (
            quiet(self.repository.root, "symbolic-ref", "--quiet", "--short", "HEAD").removeprefix(
                OWN_BRANCHES
            )
            or "detached"
        )
        base, source = base_of(self.repository.root, branch)
        refs = [f"+HEAD:refs/heads/{branch}", *([f"+{source}:refs/heads/{base}"] if source else [])]
        self.git("init", "--bare", "--quiet", "--", str(self.origin))
        fetch = (
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--update-shallow",
            "--force",
        )
        self.git(*fetch, "--", str(self.repository.root), *refs)
        head = (
            self._rooted(branch)
            if (self.origin / "shallow").exists()
            else self.git("rev-parse", f"refs/heads/{branch}")
        )
        changed, left_out = self._uncommitted()
        commit = self._with(changed, branch=branch, head=head) if changed else head
        return Copy(
            origin=self.origin,
            branch=branch,
            base=base,
            commit=commit,
            changed=changed,
            left_out=left_out,
        )

    def _rooted(self, branch: str) -> str:
        """A shallow clone ends in commits whose parents are missing, and nobody fetches from such:
        one commit stands for its history.
        """
        tree = self.git("rev-parse", f"refs/heads/{branch}^{{tree}}")
        name, _, mail = self.git(
            "log", "-1", "--format=%an%n%ae", f"refs/heads/{branch}"
        ).partition("\n")
        for ref in self.git("for-each-ref", "--format=%(refname)").splitlines():
            self.git("update-ref", "-d", ref)
        (self.origin / "shallow").unlink()
        return self._commit(
            tree, "the newest commit of a shallow clone", branch=branch, author=(name, mail)
        )

    def _uncommitted(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(files that differ from HEAD or are new and not ignored, those of them that are too large
        to be copied).

        What differs is asked with the copy's configuration: a filter that theirs names would be run
        on every file.
        """
        root = self.repository.root
        if self.repository.bare:
            return (), ()
        own = {"GIT_INDEX_FILE": str(self.into / "seen"), "GIT_WORK_TREE": str(root)}
        self.git("read-tree", git(root, "rev-parse", "HEAD^{commit}").strip(), **own)
        # "No" says that some differ, which is the question.
        self.own.quiet(
            "-C",
            str(root),
            "update-index",
            "-q",
            "--really-refresh",
            "--ignore-missing",
            variables=own,
        )
        differing = self.git(
            "-C",
            str(root),
            "diff-files",
            "--name-only",
            "--no-renames",
            "--ignore-submodules=all",
            "-z",
            **own,
        )
        staged = git(
            root,
            "diff-index",
            "--cached",
            "--name-only",
            "--no-renames",
            "--ignore-submodules=all",
            "-z",
            "HEAD",
        )
        new = git(root, "ls-files", "--others", "--exclude-standard", "-z")
        paths = [
            p
            for p in dict.fromkeys((differing + "\0" + staged + new).split("\0"))
            if p and not p.endswith("/")
        ]
        large = tuple(p for p in paths if too_large(root / p))
        return tuple(p for p in paths if p not in large), large

    def _with(self, changed: Sequence[str], *, branch: str, head: str) -> str:
        """A commit on top of `head` with these files as they lie in the working tree; only the copy
        is written to.
        """
        variables = {
            "GIT_INDEX_FILE": str(self.into / "index"),
            "GIT_WORK_TREE": str(self.repository.root),
        }
        self.git("read-tree", head, **variables)
        paths = "".join(f"{path}\0" for path in changed)
        at_root = ("-C", str(self.repository.root))
        self.git(
            *at_root,
            "update-index",
            "--add",
            "--remove",
            "--replace",
            "-z",
            "--stdin",
            data=paths,
            **variables,
        )
        tree = self.git("write-tree", **variables)
        return self._commit(
            tree,
            "what is not committed yet",
            "-p",
            head,
            branch=branch,
            author=person(self.repository.root),
        )

    def _commit(
        self, tree: str, message: str, *parents: str, branch: str, author: tuple[str, str]
    ) -> str:
        names = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in zip(("NAME", "EMAIL"), author, strict=True)
        }
        commit = self.git("commit-tree", tree, *parents, "-m", message, **names)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit


def person(root: Path) -> tuple[str, str]:
    """Whoever works there: name and address as git knows them."""
    name, mail = quiet(root, "config", "user.name"), quiet(root, "config", "user.email")
    return name or "you", mail or "you@localhost"


def base_of(root: Path, branch: str) -> tuple[str, str]:
    """(the branch HEAD's would be merged into, the ref that has it); HEAD's own branch has no
    other.
    """
    remote = quiet(
        root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"
    ).removeprefix("origin/")
    for name in filter(None, (remote, "main", "master")):
        for ref in (f"refs/remotes/origin/{name}", f"refs/heads/{name}"):
            if name != branch and quiet(
                root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"
            ):
                return name, ref
        if name == branch:
            break
    return branch, ""


def too_large(path: Path) -> bool:
    try:
        return path.lstat().st_size > MAX_FILE
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the person asked to be run; empty: what the repository says, else its type's usual
    command.
    """

    command: str = ""
    setup: str = ""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One command over the copy as it is."""

    job: str
    project: Project
    seen: Observation


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`verdict`: green, proven, flake, unavailable (the command could not be run as meant), else
    the status the run ended in.
    """

    verdict: str
    ran: tuple[Ran, ...]
    run: RunDetail | None = None

    @property
    def patch(self) -> str:
        return self.run.patch if self.run and self.verdict == "proven" else ""

    @property
    def well(self) -> bool:
        return self.verdict in ("green", "proven", "flake")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial of one copy, over the real tools of the service."""

    repository: Repository
    copy: Copy
    tools: Tools
    teller: Teller

    def __call__(self, order: Order) -> Outcome:
        """Run what is to be run until something is red, and heal that. Raises CannotTry."""
        ran: list[Ran] = []
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
        return Outcome(verdict="green" if green else "unavailable", ran=tuple(ran))

    def policy(self, *named: Project) -> RepositoryPolicy:
        """The person tries their own repository on their own machine: it is trusted."""
        return RepositoryPolicy(
            match=self.repository.name,
            clone_url=str(self.copy.origin),
            target_branch=self.copy.base,
            trusted=True,
            projects=named,
        )

    def candidates(self, order: Order) -> Iterator[tuple[str, Project]]:
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

    def _configured(self, order: Order) -> Iterator[tuple[str, Project]]:
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

    def _observed(self, job: str, project: Project) -> tuple[Ran, str]:
        self.teller.doing(f"running {project.command}")
        seen, output = self.tools.runner.observe(
            self.repository.name, self.copy.commit, project=project, policy=self.policy()
        )
        self.teller.told(
            "Command",
            f"`{project.command}` is {seen.colour.replace('_', ' ')} in {seen.seconds:.1f} s",
        )
        return Ran(job=job, project=project, seen=seen), output

    def _healed(self, ran: Sequence[Ran], output: str) -> Outcome:
        self._write_policy(ran[-1].project)
        run_id = self._received(ran[-1], output)
        self._drain(run_id)
        detail = queries.run(SERVICE_VIEWER, run_id)
        assert detail is not None
        return Outcome(verdict=verdict_of(detail), ran=tuple(ran), run=detail)

    def _write_policy(self, project: Project) -> None:
        """Where it goes on is pinned to the command that was red. There is no CI that could be
        asked for a rerun.
        """
        entry = self.policy(project.model_copy(update={"jobs": ("*",)}))
        policy = Policy(auto_rerun=False, repositories=(entry,))
        Path(settings.CI_HEALING["POLICY_FILE"]).write_text(
            yaml.safe_dump(policy.model_dump(mode="json"))
        )

    def _received(self, red: Ran, output: str) -> UUID:
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
        entries = queries.events_after(SERVICE_VIEWER, run_id, version)
        row = queries.run_row(SERVICE_VIEWER, run_id)
        for entry in entries:
            self.teller.told(row.stage if row else "", entry.text)
        return entries[-1].version if entries else version


def below(path: str, prefix: str) -> bool:
    return prefix == "." or Path(path).is_relative_to(prefix)


def next_effect() -> Outbox | None:
    waiting = Outbox.objects.filter(state="pending").exclude(name__in=TIMERS)
    return waiting.order_by("not_before", "created_at", "version").first()


def verdict_of(run: RunDetail) -> str:
    if run.status == "fixed" and run.proven:
        return "proven"
    return "flake" if run.resolution == "flake" else run.status


def apply(repository: Repository, patch: str) -> None:
    """Change the files of the working tree as the patch says; all of it or nothing. Raises
    CannotApply.
    """
    if repository.bare:
        raise CannotApply(
            f"{repository.root} is bare: it has no working tree to apply the patch to"
        )
    # Away from the repository's own configuration, whose filters would be run on what is written.
    elsewhere = Git(environment={"GIT_DIR": "/nonexistent", "GIT_CEILING_DIRECTORIES": "/"})
    for check in (("--check",), ()):
        try:
            elsewhere(
                "-C", str(repository.root), "apply", *check, "--whitespace=nowarn", "-", data=patch
            )
        except GitFailed as error:
            raise CannotApply(
                f"the patch does not fit what lies in {repository.root} now: {error.text}"
            ) from error
