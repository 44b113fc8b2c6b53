"""Stand-alone: `python field.py [UID]` carries out attempts, one a line of standard input, as that
user; without one as who it is.

Everything is loaded before the user is given up, so that it runs from an installation that user
cannot read. One line in,
`{"id": …, "hole": bool}`; one line out, a `Report` as JSON.
"""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import encodings.aliases
import fcntl
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import termios
import traceback
import tty
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))

from cihealing.domain.policy import Limits
from cihealing.ports import PermanentError, Ran, TransientError
from cihealing.workshop import process
from cihealing.workshop.sandbox import Room, bubblewrap, users
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.plain import Plain
from cihealing.workshop.sandbox.walls import WALLS, Walls, without
from tests.escape import corpus, host
from tests.escape.corpus import Attempt
from tests.escape.outside import PYTHON, Outside
from tests.escape.report import Report, report

PROGRAMS = [Path(__file__).with_name(name) for name in ("inside.py", "rounds.py")]
OWN_SIGNS = ("said", "secret")
"""Signs in what an attempt printed, which is known for each of many."""
TIMEOUT = 12.0


@dataclass(kw_only=True)
class Field:
    """One user with everything that lies around the sandbox."""

    place: Path
    outside: Outside
    corpus: Sequence[Attempt] = ()
    repositories: Any = None
    """What attempts by repository share, made by `host` when there is a first one."""
    rounds: dict[tuple[str, ...], dict[str, Report]] = field(default_factory=dict)

    def tree(self) -> Path:
        root = Path(tempfile.mkdtemp(dir=self.place, prefix="tree-")) / "tree"
        root.mkdir()
        (root.parent / "beside").write_text(self.outside.secret)
        return root

    def prepared(self, *attempts: Attempt) -> Path:
        """A tree with the attempts in it."""
        tree = self.tree()
        for program in PROGRAMS:
            shutil.copyfile(program, tree / program.name)
        (tree / "outside.json").write_text(self.outside.known())
        for attempt in attempts:
            (tree / f"{attempt.id}.py").write_text(f"from inside import *\n\n{attempt.run}")
            exec(
                attempt.before,
                {"tree": tree, "outside": self.outside.folder, "directory": self.outside.directory},
            )
        return tree

    def command(self, attempt: Attempt, *, holes: Sequence[str]) -> Report:
        """One attempt in a sandbox of its own."""
        results = self.place / "results"
        results.mkdir(exist_ok=True)
        said, exceeded = "", ""
        with self.seen(self.prepared(attempt), results) as (tree, signs):
            try:
                for _ in range(2 if attempt.twice else 1):
                    ran = run(
                        self,
                        attempt,
                        holes,
                        tree=tree,
                        results=results if attempt.results else None,
                    )
                    said, exceeded = said + ran.output, ran.exceeded
            except PermanentError as error:
                said += f">>> began\n>>> refused by the service: {error}"
            except TransientError as error:
                if "was ended" not in str(error):
                    raise
                said, exceeded = f"{said}>>> began\n", str(error)
            signs += self.outside.signs(tree, said)
        return report(said, sorted(set(signs)), exceeded)

    def together(self, holes: tuple[str, ...]) -> dict[str, Report]:
        """All attempts that can share a sandbox with these holes, by id: those about which one run
        of all of them tells enough.
        """
        if holes not in self.rounds:
            attempts = [
                one
                for one in self.corpus
                if shares(one) and (not holes or (one.hole == holes and one.sign in OWN_SIGNS))
            ]
            self.rounds[holes] = self._together(attempts, holes) if len(attempts) > 1 else {}
        return self.rounds[holes]

    def _together(self, attempts: Sequence[Attempt], holes: tuple[str, ...]) -> dict[str, Report]:
        with self.seen(self.prepared(*attempts), self.place / "results") as (tree, signs):
            command = " ".join([PYTHON, PROGRAMS[1].name, *(one.id for one in attempts)])
            ran = room(Limits(), holes, self).run(
                command, tree=tree, workdir=".", environment={}, timeout=30
            )
            signs += self.outside.signs(tree, "")
        if signs and not holes:
            return {}
        parts = (part.partition("\n") for part in ran.output.split("=== ")[1:])
        return {name: report(said, list(self.outside.told(said))) for name, _, said in parts}

    @contextlib.contextmanager
    def seen(self, tree: Path, results: Path) -> Iterator[tuple[Path, list[str]]]:
        """The tree, and a list for the signs; nothing is left of the tree afterwards."""
        try:
            yield tree, []
        finally:
            for used in (tree.parent, results):
                subprocess.run(
                    ["/bin/sh", "-c", 'chmod -R u+rwX "$0"; rm -rf "$0"', str(used)],
                    check=False,
                    capture_output=True,
                )


def shares(attempt: Attempt) -> bool:
    """Whether it wants nothing of its sandbox that others would not."""
    plain = Attempt(id="", technique="", reaches="", source="", sign="said", hole=("everything",))
    wants = (
        "before",
        "workdir",
        "environment",
        "limits",
        "results",
        "terminal",
        "twice",
        "slow",
        "kind",
    )
    return all(getattr(attempt, name) == getattr(plain, name) for name in wants)


class Holed(Bubblewrap):
    """With more taken away than any operator can."""

    holes: frozenset[str] = frozenset()
    place = ""

    def _limits(self, timeout: float, *, own: bool) -> dict[str, int]:
        limits = super()._limits(timeout, own=own)
        return {**limits, "RLIMIT_CORE": 0} if "core" in self.holes else limits

    def options(self, *args: Any, **keywords: Any) -> list[str]:
        words = super().options(*args, **keywords)
        own = ("/usr", "/proc", "/dev")
        if "readonly" in self.holes:
            words = [
                "--bind" if w == "--ro-bind" and not words[n + 1].startswith(own) else w
                for n, w in enumerate(words)
            ]
        if "readonly" in self.holes or {"files", "device-nodes"} & self.holes:
            words = [
                w
                for n, w in enumerate(words)
                if not (w == "--remount-ro" or words[n - 1] == "--remount-ro")
            ]
        if "files" in self.holes:
            words[(at := words.index("--chdir")) : at] = ["--dev-bind", self.place, self.place]
        if "device-nodes" in self.holes:
            words[(at := words.index("--chdir")) : at] = [
                "--dev-bind",
                "/dev",
                "/dev",
                "--tmpfs",
                "/dev/shm",
            ]
        if "capabilities" in self.holes:
            words[(at := words.index("--cap-drop")) : at + 2] = ["--cap-add", "ALL"]
        return words


def run(
    field: Field, attempt: Attempt, holes: Sequence[str], *, tree: Path, results: Path | None
) -> Ran:
    """The attempt where these are taken away; with none, in the sandbox as it is."""
    given = {
        name: value.format(tree=tree, outside=field.outside.folder)
        for name, value in attempt.environment.items()
    }
    program = f"{attempt.id}.py" if attempt.workdir == "." else f"/tree/{attempt.id}.py"
    sandbox = room(Limits(**attempt.limits), holes, field)
    anywhere = (
        mock.patch.object(process, "require_workdir")
        if "workdir" in holes
        else contextlib.nullcontext()
    )
    # What outlives its namespace would still end with its user's lease.
    lasting = (
        mock.patch.object(users, "end_all_of") if "processes" in holes else contextlib.nullcontext()
    )
    with leaky(holes, given), anywhere, lasting:
        return sandbox.run(
            f"{PYTHON} {program}",
            tree=tree,
            workdir=attempt.workdir,
            environment=given,
            timeout=TIMEOUT,
            results=results,
        )


def room(limits: Limits, holes: Sequence[str], field: Field) -> Room:
    if "everything" in holes:
        return Plain(trusted=True, toolchain=(), limits=limits)
    walls = without(Walls(), [name for name in holes if name in WALLS and name != "files"])
    made = Holed(
        toolchain=(field.outside.tools,),
        program=str(field.outside.program),
        walls=walls,
        limits=limits,
    )
    made.holes, made.place = frozenset(holes), str(field.place)
    return made


@contextlib.contextmanager
def leaky(holes: Sequence[str], given: dict[str, str]) -> Iterator[None]:
    """What is handed to the first process outside, of descriptors, terminal and environment."""
    changes: dict[str, Any] = {}
    if "descriptors" in holes:
        changes |= {"close_fds": False, "pass_fds": ()}
    if "session" in holes:
        changes |= {"start_new_session": False}
    if "environment" in holes:
        changes |= {"env": {**os.environ, **given}}
    popen = subprocess.Popen

    class Leaky(popen):  # type: ignore[type-arg,misc,valid-type]
        def __init__(self, argv: Any, **keywords: Any) -> None:
            if "pass_fds" in changes:
                for number in keywords.get("pass_fds", ()):
                    os.set_inheritable(number, True)
            super().__init__(argv, **{**keywords, **changes})

    with mock.patch.object(subprocess, "Popen", Leaky), launcher(holes):
        yield


@contextlib.contextmanager
def launcher(holes: Sequence[str]) -> Iterator[None]:
    """With what starts the sandbox as it is, but for these."""
    text = LAUNCH
    for name, (sound, rotten) in LAUNCHER_HOLES.items():
        assert sound in LAUNCH, f"the launcher is not what the hole {name!r} was made for"
        text = text.replace(sound, rotten) if name in holes else text
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(text)
        file.flush()
        with mock.patch.object(bubblewrap, "LAUNCH", Path(file.name)):
            yield


LAUNCHER_HOLES = {
    "environment": ('{"PATH": "/usr/bin:/bin", MARK', "{**os.environ, MARK"),
    "program": ("sealed(argv[0])", "argv[0]"),
}
LAUNCH = bubblewrap.LAUNCH.read_text()


def carry_out(field: Field, attempt: Attempt, *, hole: bool) -> Report:
    holes = attempt.hole if hole else ()
    try:
        if attempt.kind == "repository":
            return host.carry_out(field, attempt, hole=hole)
        if attempt.terminal:
            return on_a_terminal(lambda: field.command(attempt, holes=holes))
        told = field.together(holes).get(attempt.id) if shares(attempt) else None
        enough = (
            told is not None
            and told.began
            and not told.trouble
            and (attempt.sign in told.signs if hole else not told.signs)
        )
        return told if told is not None and enough else field.command(attempt, holes=holes)
    except Exception:
        return Report(began=False, trouble=traceback.format_exc()[-1500:])


def on_a_terminal(what: Any) -> Report:
    """In a process that has one; what is typed into it is a sign."""
    read, write = os.pipe()
    pid, master = pty.fork()
    if pid == 0:
        os.close(read)
        terminal = os.open("/dev/tty", os.O_RDWR)
        tty.setraw(terminal)
        try:
            told = what()
        except Exception:  # this process ends here, whatever happens: there must not be two fields
            told = Report(began=False, trouble=traceback.format_exc()[-1500:])
        if fcntl.ioctl(terminal, termios.FIONREAD, b"\0\0\0\0") != b"\0\0\0\0":
            told = dataclasses.replace(told, signs=[*told.signs, "terminal"])
        os.write(write, json.dumps(dataclasses.asdict(told)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        told = Report(**json.loads(answer.read()))
    os.close(master)
    os.waitpid(pid, 0)
    return told


def load() -> None:
    """What is imported late by what is used here: afterwards it may not be readable."""
    for name in {
        *encodings.aliases.aliases.values(),
        "idna",
        "raw_unicode_escape",
        "unicode_escape",
    }:
        with contextlib.suppress(LookupError):
            codecs.lookup(name)
    Bubblewrap(toolchain=()).available()
    host.load()


def give_up(uid: int) -> Path:
    """Become this user for good. What cannot be read any more is used through a copy, in the
    directory returned.
    """
    place = Path(tempfile.mkdtemp(prefix="escape-copy-"))
    place.chmod(0o755)
    process.REAPER, bubblewrap.LAUNCH = kept(process.REAPER, place), kept(bubblewrap.LAUNCH, place)
    PROGRAMS[:] = [kept(program, place) for program in PROGRAMS]
    host.INSIDE = PROGRAMS[0]
    os.chown(place, uid, uid)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    sys.executable = PYTHON
    return place


def kept(file: Path, place: Path) -> Path:
    copy = Path(shutil.copy(file, place / file.name))
    copy.chmod(0o644)
    return copy


def main(argv: Sequence[str]) -> None:
    attempts = {one.id: one for one in corpus.read()}
    load()
    copy = give_up(int(argv[0])) if argv else None
    os.environ["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    with tempfile.TemporaryDirectory(prefix="escape-", ignore_cleanup_errors=True) as name:
        place = Path(name).resolve()
        os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = name
        field = Field(place=place, outside=Outside(place), corpus=tuple(attempts.values()))
        try:
            for line in sys.stdin:
                asked = json.loads(line)
                told = carry_out(field, attempts[asked["id"]], hole=asked["hole"])
                print(json.dumps(dataclasses.asdict(told)), flush=True)
        finally:
            field.outside.close()
            if copy is not None:
                shutil.rmtree(copy)


if __name__ == "__main__":
    main(sys.argv[1:])
