"""Attempts by repository: a hostile commit, a command that goes wild in the sandbox, and what the
service does with the tree then.

The hole of each is a shell command that does the same in the tree as a host would that thinks no
evil.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cihealing.domain.policy import Project, RepositoryPolicy
from cihealing.domain.values import Failure, Line
from cihealing.effects.shared import gathering
from cihealing.fixers import ruff
from cihealing.ports import FixContext, PermanentError, Ran, TransientError
from cihealing.settings import SandboxSettings
from cihealing.tree import Tree
from cihealing.workshop import process
from cihealing.workshop.git import GitFailed
from cihealing.workshop.runner import ProjectRunner
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.trees import GitTrees
from tests.escape.corpus import Attempt
from tests.escape.outside import PYTHON
from tests.escape.report import Report, report
from tests.workshop.repositories import Origin

if TYPE_CHECKING:
    from tests.escape.field import Field

REPOSITORY = "acme/shop"
INSIDE = Path(__file__).with_name("inside.py")
PATIENCE = 20.0
"""Seconds for whatever the service does; what takes longer hangs."""
NAIVE_PATIENCE = {"hang": 1.0}
FAULTY = 99
"""Exit code by which a naive command says that a program of the host failed over the tree."""
RENAME_EXCHANGE, AT_FDCWD, RENAMEAT2 = 2, -100, 316


class Hostile(Origin):
    """An origin with commits no git client would make."""

    def copied(self, root: Path) -> Hostile:
        shutil.copytree(self.root, root, symlinks=True)
        copy = object.__new__(Hostile)
        copy.root, copy.first = root, self.first
        return copy

    def blob(self, content: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), "hash-object", "-w", "--stdin"],
            input=content,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree object of (mode, name, object id), whatever the names."""
        content = b"".join(
            f"{mode} {name}".encode() + b"\0" + bytes.fromhex(object_id)
            for mode, name, object_id in entries
        )
        done = subprocess.run(
            [
                "git",
                "-C",
                str(self.root),
                "hash-object",
                "-w",
                "-t",
                "tree",
                "--literally",
                "--stdin",
            ],
            input=content,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def head_is(self, tree: str) -> str:
        """Make this tree the branch's commit."""
        commit = self.git("commit-tree", "-m", "change", "-p", "HEAD", tree)
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def gitlink(self, path: str, commit: str) -> None:
        self.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        self.git("commit", "--quiet", "-m", "a submodule")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Everything an act needs."""

    attempt: Attempt
    field: Field
    origin: Hostile
    commit: str
    trees: GitTrees
    scratch: Path

    @property
    def policy(self) -> RepositoryPolicy:
        return self.origin.policy()

    @property
    def sandbox(self) -> Bubblewrap:
        return Bubblewrap(toolchain=(), program=str(self.field.outside.program))

    @property
    def given(self) -> dict[str, str]:
        names = {
            "outside": self.field.outside.folder,
            "python": PYTHON,
            "attempt": script(self.attempt),
        }
        return {name: value.format(**names) for name, value in self.attempt.given.items()}

    @property
    def project(self) -> Project:
        fields = {
            name: value for name, value in self.given.items() if name in ("junit", "setup", "path")
        }
        return Project(
            command=self.given.get("command", f"{PYTHON} {script(self.attempt)}"),
            timeout=30,
            **fields,
        )

    def ran(self, tree: Tree, *, results: Path | None = None) -> str:
        """The attempt's own part, in the sandbox, over the tree."""
        if not self.attempt.run:
            return ">>> began\n"
        command = f"{PYTHON} {script(self.attempt)}"
        return self.sandbox.run(
            command, tree=tree.root, workdir=".", environment={}, timeout=15, results=results
        ).output

    def naively(self, place: Path) -> str:
        """The hole: no service, but a host's own tools."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.scratch),
            "ORIGIN": str(self.origin.root),
            "COMMIT": self.commit,
            "PYTHON": PYTHON,
            "OUTSIDE": str(self.field.outside.folder),
            "RESULTS": str(self.scratch / "results"),
            "SCRATCH": str(self.scratch),
            "MIRROR": str(self.trees.mirror_path(REPOSITORY)),
            **{f"GIVEN_{name.upper()}": value for name, value in self.given.items()},
        }
        (self.scratch / ".gitconfig").write_text(
            "[safe]\n\tdirectory = *\n[user]\n\tname = x\n\temail = x@localhost\n"
        )
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen(
                ["/bin/sh", "-c", self.attempt.naive],
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                if child.wait(NAIVE_PATIENCE.get(self.attempt.sign, 10.0)) == FAULTY:
                    raise ValueError("a program of the host failed over it")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                output.seek(0)
                said = output.read(200_000).decode(errors="replace")
        return said


Act = Callable[[Visit, bool], str]
ACTS: dict[str, Act] = {}


def act(function: Callable[[Visit, bool], str]) -> Act:
    ACTS[function.__name__] = function
    return function


@act
def make(visit: Visit, naive: bool) -> str:
    """A tree of the commit, and what lies in it. `never`: what no path may look like."""
    if naive:
        return ">>> began\n" + visit.naively(visit.scratch) + seen(visit.scratch, visit)
    with visit.trees.at(
        REPOSITORY, visit.commit, policy=visit.policy, patch=visit.given.get("patch", "")
    ) as tree:
        return ">>> began\n" + seen(tree.root, visit)


def seen(root: Path, visit: Visit) -> str:
    """Every path below, and a word where one of them is what it must never be."""
    paths = [
        repr(os.fsencode(p.relative_to(root)))[2:-1] + (" ->" if p.is_symlink() else "")
        for p in sorted(root.rglob("*"))
    ]
    own = [p for p in paths if not re.match(r"\.git(/|$)", p)]
    bad = [p for p in own if re.search(visit.given.get("never") or r"\Z.", p)]
    return "\n".join([*own[:100], *(f">>> escaped {p}" for p in bad)])


@act
def merge(visit: Visit, naive: bool) -> str:
    if naive:
        return ">>> began\n" + visit.naively(visit.scratch)
    with visit.trees.at_merge(
        REPOSITORY, visit.commit, visit.given["base"], policy=visit.policy
    ) as tree:
        return ">>> began\n" + seen(tree.root, visit)


@act
def changed(visit: Visit, naive: bool) -> str:
    """What the command changed, asked for twice, as text and as names."""
    with visit.trees.at(REPOSITORY, visit.commit, policy=visit.policy) as tree:
        said = visit.ran(tree)
        if naive:
            return said + visit.naively(tree.root)
        for _ in range(2):
            said += "\n".join(visit.trees.changed(tree)) + visit.trees.diff(tree)
        return said


@act
def observe(visit: Visit, naive: bool) -> str:
    """One run of the project's command as the service makes it, to the last byte it would store."""
    if naive:
        results = visit.scratch / "results"
        results.mkdir()
        with visit.trees.at(REPOSITORY, visit.commit, policy=visit.policy) as tree:
            return visit.ran(tree, results=results) + visit.naively(tree.root)
    runner = ProjectRunner(
        visit.trees, settings=SandboxSettings(), sandbox_for=lambda _trusted: visit.sandbox
    )
    canary = bool(visit.given.get("canary"))
    seen, log = runner.observe(
        REPOSITORY, visit.commit, project=visit.project, policy=visit.policy, canary=canary
    )
    stored = msgspec.json.encode(seen).decode() + log.encode().decode()
    bad = re.search(visit.given.get("never") or r"\Z.", stored)
    set_up = "setup" in visit.given and "the setup" not in stored
    return (
        (">>> began\n" if set_up or not visit.attempt.run else "")
        + stored
        + log
        + (f"\n>>> escaped {bad[0]}" if bad else "")
    )


@act
def look(visit: Visit, naive: bool) -> str:
    """A file of the tree is read by the service's one reader, after the command, while somebody
    exchanges it (`race`).
    """
    with visit.trees.at(REPOSITORY, visit.commit, policy=visit.policy) as tree:
        said = visit.ran(tree)
        if naive and "race" not in visit.given:
            return said + visit.naively(tree.root)
        path, read = visit.given["path"], careless(tree.root) if naive else tree.read
        with exchanging(tree.root, visit.given.get("race", ""), visit.field.outside.folder):
            for _ in range(3000 if "race" in visit.given else 1):
                content = read(path)
                if content and visit.field.outside.secret.encode() in content:
                    return said + content.decode()
        return said + repr(content)[:300]


def careless(root: Path) -> Callable[[str], bytes | None]:
    """Looks first and reads then, as everybody writes it first."""

    def read(path: str) -> bytes | None:
        place = root / path
        with contextlib.suppress(OSError):
            if not place.is_symlink() and place.resolve().is_relative_to(root):
                return place.read_bytes()
        return None

    return read


@contextlib.contextmanager
def exchanging(root: Path, what: str, elsewhere: Path) -> Iterator[None]:
    """`what` and a link to a place outside change places all the while, as a process that lived on
    could do it.
    """
    if not what:
        yield
        return
    over = threading.Event()
    libc = ctypes.CDLL(None)
    (root / "link").symlink_to(elsewhere / "secret" if (root / what).is_file() else elsewhere)
    names = [os.fsencode(root / what), os.fsencode(root / "link")]

    def exchange() -> None:
        while not over.is_set():
            libc.syscall(RENAMEAT2, AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)

    thread = threading.Thread(target=exchange, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@act
def fix(visit: Visit, naive: bool) -> str:
    """A fixer runs the repository's own tool, which is the attempt; the patch that comes of it is
    the answer.
    """
    with visit.trees.at(REPOSITORY, visit.commit, policy=visit.policy) as tree:
        if naive:
            return visit.ran(tree) + visit.naively(tree.root)
        text = "app.py:1:1: F401 [*] `os` imported but unused"
        failure = Failure(
            error_hash="v2:0",
            strong=True,
            error_type="F401",
            summary=text,
            excerpt=(Line(line=1, text=text),),
        )
        context = FixContext(
            failure=failure,
            repository=REPOSITORY,
            commit=visit.commit,
            project=visit.project,
            sandbox=Recording(visit),
            tree=tree,
        )
        told = ruff.fix(context)
        return (
            f"{Recording.said}\n{told}\n"
            + "\n".join(visit.trees.changed(tree))
            + visit.trees.diff(tree)
        )


class Recording:
    """The sandbox, keeping what the commands said."""

    name = "bubblewrap"
    said = ""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        Recording.said = ""

    def run(self, command: str, **given: Any) -> Ran:
        ran = self.visit.sandbox.run(command, **given)
        Recording.said += ran.output
        return ran


@act
def project(visit: Visit, naive: bool) -> str:
    """Which command a job stands for. `never`: what it must not be."""
    if naive:
        return ">>> began\n" + visit.naively(visit.origin.root)
    runner = ProjectRunner(
        visit.trees, settings=SandboxSettings(), sandbox_for=lambda _trusted: visit.sandbox
    )
    found = runner.project(
        REPOSITORY,
        visit.commit,
        base="main",
        job="test",
        command_hint=visit.given.get("hint", ""),
        policy=visit.policy,
    )
    said = found.model_dump_json() if found else ""
    bad = re.search(visit.given["never"], said)
    return f">>> began\n{said}" + (f"\n>>> escaped {bad[0]}" if bad else "")


@act
def file(visit: Visit, naive: bool) -> str:
    """A file of the mirror."""
    if naive:
        return ">>> began\n" + visit.naively(visit.scratch)
    return ">>> began\n" + str(
        visit.trees.read_file(REPOSITORY, visit.commit, visit.given["path"], policy=visit.policy)
    )


@act
def ask(visit: Visit, naive: bool) -> str:
    """The head of a branch whose name comes from outside, and a tree of such a commit."""
    if naive:
        return ">>> began\n" + visit.naively(visit.scratch)
    said = f">>> began\n{visit.trees.head(REPOSITORY, visit.given['branch'], policy=visit.policy)}"
    with (
        contextlib.suppress(PermanentError),
        visit.trees.at(REPOSITORY, visit.given["branch"], policy=visit.policy),
    ):
        said += "\na tree"
    return said


@act
def notes(visit: Visit, naive: bool) -> str:
    """What a model is shown of the repository besides the failure."""
    if naive:
        with visit.trees.at(REPOSITORY, visit.commit, policy=visit.policy) as tree:
            return ">>> began\n" + visit.naively(tree.root)
    with visit.trees.stored(REPOSITORY, visit.commit, policy=visit.policy) as stored:
        text = "app.py:1: error"
        failure = Failure(
            error_hash="v2:0",
            strong=True,
            error_type="E",
            summary=text,
            failed_tests=("linked/secret", "linked.py::test"),
        )
        return (
            f">>> began\n{gathering._notes(stored)}\n{list(gathering._snippets(failure, stored))}"
        )


@act
def helper(visit: Visit, naive: bool) -> str:
    """A program of the service starts with the tree as its directory, as below the plain runner."""
    with visit.trees.at(REPOSITORY, visit.commit, policy=visit.policy) as tree:
        if naive:
            return ">>> began\n" + visit.naively(tree.root)
        ran = process.run(
            ["/bin/true"], cwd=tree.root, environment={"PATH": "/usr/bin:/bin"}, timeout=10
        )
        return f">>> began\n{ran.output}"


class Hangs(Exception):
    pass


def carry_out(field: Field, attempt: Attempt, *, hole: bool) -> Report:
    scratch = Path(tempfile.mkdtemp(dir=field.place, prefix="scratch-"))
    said, signs = "", set[str]()
    try:
        visit = prepared(field, attempt, scratch)
        with bounded():
            said = ACTS[attempt.then](visit, hole)
    except (PermanentError, TransientError) as error:
        said += f">>> began\n>>> refused by the service: {error}"
    except (Hangs, subprocess.TimeoutExpired):
        said, signs = said + ">>> began\n", {"hang"}
    except (GitFailed, RecursionError, UnicodeError, MemoryError, ValueError, OSError) as error:
        said, signs = f">>> began\n>>> {type(error).__name__}: {error}", {"crash"}
    finally:
        signs |= set(field.outside.signs(scratch / "none", said))
        subprocess.run(
            ["/bin/sh", "-c", 'chmod -R u+rwX "$0"; rm -rf "$0"', str(scratch)],
            check=False,
            capture_output=True,
        )
    return report(said, sorted(signs))


HEAD = (
    "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\nfrom inside"
    " import *\n\n"
)


def script(attempt: Attempt) -> str:
    return f"attempts/{attempt.id}.py"


@dataclass(frozen=True, kw_only=True)
class Repositories:
    """An origin that holds every attempt's command, and a mirror of it, for all that need no commit
    of their own.
    """

    origin: Hostile
    trees: GitTrees


def repositories(field: Field) -> Repositories:
    if field.repositories is None:
        scripts = {
            script(one): f"{HEAD}{one.run}" for one in field.corpus if one.kind == "repository"
        }
        files = {
            "attempts/inside.py": INSIDE.read_text(),
            "attempts/outside.json": field.outside.known(),
            **scripts,
        }
        origin = Hostile(
            field.place / "origin",
            {**files, "app.py": "import os\n", "tests/test_app.py": "def test():\n    pass\n"},
        )
        origin.git("repack", "--quiet", "-a", "-d")
        field.repositories = Repositories(origin=origin, trees=GitTrees(field.place / "mirrors"))
    return field.repositories  # type: ignore[no-any-return]


def prepared(field: Field, attempt: Attempt, scratch: Path) -> Visit:
    """The origin with the attempt committed, and whatever `make` does to it."""
    shared = repositories(field)
    origin, trees = shared.origin, shared.trees
    if attempt.make:
        origin, trees = origin.copied(scratch / "origin"), GitTrees(scratch / "mirrors")
        exec(attempt.make, {"origin": origin, "outside": field.outside, "python": PYTHON})
    commit = origin.git("rev-parse", attempt.given.get("at", "main"))
    (scratch / "host").mkdir()
    return Visit(
        attempt=attempt,
        field=field,
        origin=origin,
        commit=commit,
        trees=trees,
        scratch=scratch / "host",
    )


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raises Hangs where it takes longer than anybody waits."""

    def late(_signal: int, _frame: object) -> None:
        raise Hangs

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def load() -> None:
    """What the acts import late."""
    from cihealing.reading import read, redact

    read("one\nE   AssertionError: two\n", known_secrets=[])
    redact("three", [])
