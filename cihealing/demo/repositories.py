"""The demo's repositories: templates as package data, and the real git histories made of them.

A template is a directory with a `history.yml` (title, job, commits, builds) and one directory a
commit with the files it writes. Their names end in `.tmpl`, so that no tool takes a deliberately
broken file for one of this project's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from cihealing.domain.policy import Policy
from cihealing.workshop.git import Git

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".tmpl"
ORDER = ("invoices", "tickets", "catalog", "rates", "roster", "pricing")
PORT_MARK = "@MIRROR_PORT@"
POLICY_HEAD = """# What cihealing may do, and where. The first match counts.
# Written for the demo; change it as you like: it is read again when it changes.
"""


class Commit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    layer: str
    branch: str
    author: str
    """`Name <address>`."""
    hours_ago: float
    message: str
    start: str = msgspec.field(default="main", name="from")
    """Where `branch` begins, if this is its first commit."""


class DemoBuild(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    layer: str
    until_red: int = 1
    """Build up to so often, until it is red."""
    mirror: str = "up"
    """`down`: built before the artifact mirror is started."""


class DemoHistory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str
    job: str
    commits: tuple[Commit, ...]
    builds: tuple[DemoBuild, ...]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that exists: where it is, and which commit each layer became."""

    name: str
    path: Path
    history: DemoHistory
    commits: Mapping[str, str]

    @property
    def repository(self) -> str:
        return f"demo/{self.name}"

    def branch(self, layer: str) -> str:
        return next(commit.branch for commit in self.history.commits if commit.layer == layer)


def history_of(name: str) -> DemoHistory:
    return msgspec.convert(
        yaml.safe_load((TEMPLATES / name / "history.yml").read_text()), DemoHistory
    )


def make(name: str, *, root: Path, now: datetime, mirror_port: int) -> Made:
    """The bare repository `root/NAME.git`, made unless it is there; it appears whole or not at
    all.
    """
    path = root / f"{name}.git"
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as directory:
            work, bare = Path(directory) / "work", Path(directory) / "bare"
            commit_all(name, work=work, now=now, mirror_port=mirror_port)
            git("clone", "--quiet", "--bare", "--no-hardlinks", str(work), str(bare))
            git("-C", str(bare), "remote", "remove", "origin")
            bare.rename(path)
    return found(name, root=root)


def found(name: str, *, root: Path) -> Made:
    """What `make` made before: commits are known by their messages, which are unique in a
    template.
    """
    path, history = root / f"{name}.git", history_of(name)
    listed = git("-C", str(path), "log", "--all", "--format=%H %s").splitlines()
    by_message = {
        message: commit for commit, _, message in (line.partition(" ") for line in listed)
    }
    commits = {commit.layer: by_message[commit.message] for commit in history.commits}
    return Made(name=name, path=path, history=history, commits=commits)


def commit_all(name: str, *, work: Path, now: datetime, mirror_port: int) -> None:
    git("init", "--quiet", "--initial-branch=main", str(work))
    branches: set[str] = set()
    for commit in history_of(name).commits:
        if branches and commit.branch not in branches:
            git("-C", str(work), "checkout", "--quiet", "-b", commit.branch, commit.start)
        elif branches:
            git("-C", str(work), "checkout", "--quiet", commit.branch)
        branches.add(commit.branch)
        write_layer(TEMPLATES / name / commit.layer, work=work, mirror_port=mirror_port)
        git("-C", str(work), "add", "--all")
        git(
            "-C",
            str(work),
            "commit",
            "--quiet",
            "-m",
            commit.message,
            identity=identity(commit, now=now),
        )
    git("-C", str(work), "checkout", "--quiet", "main")


def write_layer(layer: Path, *, work: Path, mirror_port: int) -> None:
    for template in sorted(layer.rglob(f"*{SUFFIX}")):
        target = work / template.relative_to(layer).with_name(template.name.removesuffix(SUFFIX))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(template.read_text().replace(PORT_MARK, str(mirror_port)))


def identity(commit: Commit, *, now: datetime) -> dict[str, str]:
    name, _, address = commit.author.rstrip(">").partition(" <")
    at = (now - timedelta(hours=commit.hours_ago)).isoformat(timespec="seconds")
    person = {"NAME": name, "EMAIL": address, "DATE": at}
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in person.items()
    }


def git(*arguments: str, identity: Mapping[str, str] | None = None) -> str:
    """Git without this user's configuration: their hooks, signing and templates are not the demo's.
    Raises GitFailed.
    """
    return Git(environment={"GIT_ALLOW_PROTOCOL": "file"})(*arguments, variables=identity)


def policy_entries(repositories: Sequence[Made]) -> list[dict[str, Any]]:
    """What the policy file says of them. They are marked trusted: the service wrote every line in
    them.
    """
    return [
        {
            "match": made.repository,
            "mode": "propose",
            "forge": "local_git",
            "clone_url": str(made.path),
            "target_branch": "main",
            "trusted": True,
            "projects": [{"jobs": [made.history.job], **job_of(made), "timeout": 120}],
        }
        for made in repositories
    ]


def job_of(made: Made) -> dict[str, Any]:
    """Command and environment of the repository's own CI configuration, at the last commit that is
    built.
    """
    text = git(
        "-C", str(made.path), "show", f"{made.commits[made.history.builds[-1].layer]}:.local-ci.yml"
    )
    return dict(yaml.safe_load(text)["jobs"][made.history.job])


class Indented(yaml.SafeDumper):
    """Lists stand further in than their key, as README shows them: an entry can be pasted."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def write_policy(path: Path, *, repositories: Sequence[Made]) -> bool:
    """Write the policy file for the demo, unless there is one. True where the file in force covers
    the demo.
    """
    if path.exists():
        return "match: demo/" in path.read_text()
    entries = policy_entries(repositories)
    Policy.model_validate({"version": 1, "repositories": entries})
    text = yaml.dump(
        {"version": 1, "repositories": entries},
        Dumper=Indented,
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(POLICY_HEAD + text)
    unfinished.replace(path)
    return True
