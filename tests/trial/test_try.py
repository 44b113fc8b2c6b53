"""`cihealing try`: what is copied, what is run, and whole trials of real repositories as a person
starts them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from cihealing import trial
from cihealing.cli.shared.found import call_command
from cihealing.domain.policy import RepositoryPolicy
from cihealing.settings import SandboxSettings
from cihealing.workshop.runner import ProjectRunner
from cihealing.workshop.trees import GitTrees
from tests import forked
from tests.fakes.service import Bench

BASE = Path(__file__).resolve().parents[2]
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"))
}


@dataclass(frozen=True)
class Repo:
    """A real repository in a temporary directory."""

    root: Path

    def git(self, *args: str) -> str:
        environment = {
            **os.environ,
            **IDENTITY,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        ended = subprocess.run(
            ["git", "-C", str(self.root), *args],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return ended.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, **files: str) -> str:
        self.write(**files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", f"change {', '.join(files)}")
        return self.git("rev-parse", "HEAD")

    def digests(self) -> dict[str, str]:
        """Everything that lies there, git's own files included."""
        files = (p for p in sorted(self.root.rglob("*")) if p.is_file())
        return {
            str(p.relative_to(self.root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
        }


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    root = tmp_path / "shop"
    root.mkdir()
    made = Repo(root)
    made.git("init", "--quiet", "--initial-branch=main")
    return made


def copied(repo: Repo, tmp_path: Path, *, path: Path | None = None) -> tuple[trial.Copy, Repo]:
    into = tmp_path / "copy"
    into.mkdir()
    copy = trial.Copying(repository=trial.find(path or repo.root), into=into)()
    return copy, Repo(copy.origin)


@pytest.mark.parametrize("place", ["nowhere", "plain", "empty", "shop/.git/refs", "shop/a.txt"])
def test_what_cannot_be_tried_is_told_with_what_to_do(
    repo: Repo, tmp_path: Path, place: str
) -> None:
    repo.commit(a_DOT_txt="1")
    (tmp_path / "plain").mkdir()
    (tmp_path / "empty").mkdir()
    Repo(tmp_path / "empty").git("init", "--quiet")
    says = {
        "nowhere": "no directory",
        "plain": "no git repository",
        "empty": "no commit yet",
        "shop/.git/refs": "inside a .git",
        "shop/a.txt": "no directory",
    }
    with pytest.raises(trial.CannotTry, match=says[place]):
        trial.find(tmp_path / place)


def test_a_directory_in_a_repository_is_a_part_of_it(repo: Repo) -> None:
    repo.commit(services__pay__a_DOT_txt="1")
    found = trial.find(repo.root / "services" / "pay")
    assert (found.root.resolve(), found.prefix, found.name, found.bare) == (
        repo.root.resolve(),
        "services/pay",
        "local/shop",
        False,
    )


def test_a_bare_repository_has_no_working_tree(repo: Repo, tmp_path: Path) -> None:
    commit = repo.commit(a_DOT_txt="1")
    bare = tmp_path / "shop.git"
    repo.git("clone", "--quiet", "--bare", str(repo.root), str(bare))
    found = trial.find(bare)
    assert (found.bare, found.name) == (True, "local/shop")
    copy, _ = copied(repo, tmp_path, path=bare)
    assert (copy.commit, copy.changed) == (commit, ())
    with pytest.raises(trial.CannotApply, match="bare"):
        trial.apply(found, "")


def test_a_clean_repository_is_copied_at_its_commit(repo: Repo, tmp_path: Path) -> None:
    commit = repo.commit(a_DOT_txt="1")
    before = repo.digests()
    copy, origin = copied(repo, tmp_path)
    assert (copy.commit, copy.branch, copy.base, copy.changed) == (commit, "main", "main", ())
    assert origin.git("rev-parse", "main") == commit
    assert repo.digests() == before


def test_what_is_not_committed_becomes_one_commit_of_the_copy(repo: Repo, tmp_path: Path) -> None:
    head = repo.commit(
        kept_DOT_txt="1", changed_DOT_txt="1", removed_DOT_txt="1", _DOT_gitignore="*.log\n"
    )
    repo.write(
        changed_DOT_txt="2",
        new_DOT_txt="n",
        deep__new_DOT_txt="d",
        staged_DOT_txt="s",
        noise_DOT_log="ignored",
    )
    repo.git("add", "staged.txt")
    (repo.root / "removed.txt").unlink()
    before = repo.digests()
    copy, origin = copied(repo, tmp_path)
    assert set(copy.changed) == {
        "changed.txt",
        "removed.txt",
        "new.txt",
        "deep/new.txt",
        "staged.txt",
    }
    assert origin.git("rev-parse", f"{copy.commit}^", "main").split() == [head, copy.commit]
    files = {".gitignore", "kept.txt", "changed.txt", "new.txt", "deep/new.txt", "staged.txt"}
    assert set(origin.git("ls-tree", "-r", "--name-only", "main").split()) == files
    assert origin.git("show", "main:changed.txt") == "2"
    assert repo.digests() == before


def test_names_that_git_would_read_as_patterns_are_copied_as_they_are(
    repo: Repo, tmp_path: Path
) -> None:
    repo.commit(a_DOT_txt="1")
    for name in ("*.txt", "a b", ":(top)x", "-n", "ä"):
        (repo.root / name).write_text("x")
    copy, origin = copied(repo, tmp_path)
    assert set(copy.changed) == {"*.txt", "a b", ":(top)x", "-n", "ä"}
    assert set(
        origin.git("-c", "core.quotePath=false", "ls-tree", "--name-only", "main").split("\n")
    ) == {"a.txt", *copy.changed}


def test_a_large_file_that_is_not_committed_is_left_out_and_named(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial.repositories, "MAX_FILE", 100)
    repo.commit(a_DOT_txt="1")
    repo.write(small_DOT_bin="x" * 100, large_DOT_bin="x" * 101)
    copy, _ = copied(repo, tmp_path)
    assert (copy.changed, copy.left_out) == (("small.bin",), ("large.bin",))


def test_hooks_and_filters_of_the_repository_are_not_run_in_the_copy(
    repo: Repo, tmp_path: Path
) -> None:
    repo.commit(a_DOT_txt="1")
    mark = tmp_path / "ran"
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
        hook = repo.root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    repo.write(a_DOT_txt="2")
    copied(repo, tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("branch", "base", "ours"),
    [
        ("main", "main", "main"),
        ("feature/x", "main", "feature/x"),
        ("cihealing/run-1", "main", "run-1"),
        ("", "main", "detached"),
    ],
)
def test_a_branch_is_compared_with_the_one_it_would_be_merged_into(
    repo: Repo, tmp_path: Path, branch: str, base: str, ours: str
) -> None:
    first = repo.commit(a_DOT_txt="1")
    if branch != "main":
        repo.git("checkout", "--quiet", *(["-b", branch] if branch else ["--detach"]))
        repo.commit(a_DOT_txt="2")
    copy, origin = copied(repo, tmp_path)
    assert (copy.branch, copy.base) == (ours, base)
    assert origin.git("rev-parse", base) == first


def test_the_default_branch_of_the_origin_goes_before_a_local_name(
    repo: Repo, tmp_path: Path
) -> None:
    repo.git("checkout", "--quiet", "-b", "trunk")
    first = repo.commit(a_DOT_txt="1")
    clone = Repo(tmp_path / "clone")
    repo.git("clone", "--quiet", str(repo.root), str(clone.root))
    clone.git("checkout", "--quiet", "-b", "feature")
    clone.git("branch", "--quiet", "-D", "trunk")
    clone.git("branch", "main")
    clone.commit(a_DOT_txt="2")
    copy, origin = copied(clone, tmp_path)
    assert (copy.base, origin.git("rev-parse", "trunk")) == ("trunk", first)


def test_a_shallow_clone_and_a_linked_worktree_can_be_copied(repo: Repo, tmp_path: Path) -> None:
    repo.commit(a_DOT_txt="1")
    repo.commit(a_DOT_txt="2")
    shallow = Repo(tmp_path / "shallow")
    repo.git("clone", "--quiet", "--depth", "1", repo.root.as_uri(), str(shallow.root))
    copy, origin = copied(shallow, tmp_path)
    assert origin.git("log", "--format=%ae", "main") == "ann@example.org"
    trees = GitTrees(tmp_path / "mirrors")
    policy = RepositoryPolicy(match="x", clone_url=str(copy.origin))
    assert trees.read_file("x", copy.commit, "a.txt", policy=policy) == "2"
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "a.txt").write_text("3")
    assert uncommitted_in(tmp_path / "side") == ("a.txt",)


def uncommitted_in(path: Path) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as into:
        return trial.Copying(repository=trial.find(path), into=Path(into))().changed


@dataclass
class Quiet:
    def doing(self, what: str) -> None: ...

    def progress(self, stage: str, what: str) -> None: ...


def commands(
    repo: Repo, tmp_path: Path, *, prefix: str = ".", order: trial.TrialOrder | None = None
) -> list[tuple[str, str, str, str]]:
    copy, _ = copied(repo, tmp_path)
    trees = GitTrees(tmp_path / "mirrors")
    tools = replace(
        Bench().tools, trees=trees, runner=ProjectRunner(trees, settings=SandboxSettings())
    )
    one = trial.Trial(
        repository=trial.find(repo.root / prefix), copy=copy, tools=tools, teller=Quiet()
    )
    return [
        (job, p.path, p.command, p.setup) for job, p in one.candidates(order or trial.TrialOrder())
    ]


OWN = """\
version: 1
projects:
  - {path: pay, jobs: ["pay-*"], command: ./check pay}
  - {path: ship, jobs: [ship], setup: ./get}
"""
FILES = {
    "pay__test_a_DOT_py": "import unittest\n",
    "ship__test_b_DOT_py": "import unittest\n",
    "ruff_DOT_toml": "",
}


@pytest.mark.parametrize(
    ("files", "prefix", "order", "expected"),
    [
        ({}, ".", trial.TrialOrder(), []),
        (
            {},
            ".",
            trial.TrialOrder(command="make", setup="./get"),
            [("command", ".", "make", "./get")],
        ),
        (FILES, "pay", trial.TrialOrder(command="make"), [("command", "pay", "make", "")]),
        (
            FILES,
            ".",
            trial.TrialOrder(),
            [("test", ".", "python -m unittest discover", ""), ("lint", ".", "ruff check .", "")],
        ),
        (
            FILES,
            "pay",
            trial.TrialOrder(setup="./get"),
            [("test", "pay", "python -m unittest discover", "./get")],
        ),
        (
            {**FILES, "_DOT_cihealing_DOT_yml": OWN},
            ".",
            trial.TrialOrder(),
            [
                ("pay-", "pay", "./check pay", ""),
                ("ship", "ship", "python -m unittest discover", "./get"),
            ],
        ),
        (
            {**FILES, "_DOT_cihealing_DOT_yml": OWN},
            "pay",
            trial.TrialOrder(),
            [("pay-", "pay", "./check pay", "")],
        ),
        (
            {**FILES, "_DOT_cihealing_DOT_yml": OWN},
            ".",
            trial.TrialOrder(command="make"),
            [("command", ".", "make", "")],
        ),
    ],
)
def test_what_is_run_is_what_was_asked_else_what_the_repository_says_else_what_is_usual(
    repo: Repo,
    tmp_path: Path,
    files: dict[str, str],
    prefix: str,
    order: trial.TrialOrder,
    expected: list[tuple[str, str, str, str]],
) -> None:
    repo.commit(a_DOT_txt="1", **files)
    assert commands(repo, tmp_path, prefix=prefix, order=order) == expected


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Somebody's shell, with its own directory for what is temporary."""

    temporary: Path

    def environment(self, **variables: str) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not re.match(r"CI_HEALING_|DATABASE_URL|REDIS_URL|GIT_", name)
        }
        # What an installed service is set to is not for a trial: it would refuse to start with
        # these.
        foreign = {
            "CI_HEALING_ENV": "production",
            "DATABASE_URL": "postgresql://nowhere.invalid/x",
            "CI_HEALING_ENABLED": "false",
        }
        return {**clean, **foreign, "TMPDIR": str(self.temporary), **variables}

    def run(self, *arguments: str, **variables: str) -> Said:
        ended = forked.run(
            "cihealing", "try", *arguments, environment=self.environment(**variables)
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Said(code=ended.returncode, out=ended.stdout, err=ended.stderr)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    yield Terminal(temporary)
    assert list(temporary.iterdir()) == []


LINTED = {
    "ruff_DOT_toml": '[lint]\nselect = ["E", "F", "I"]\n',
    "shop_DOT_py": "import sys\n\nprint(sys.argv)\n",
}
TESTED = {
    "pytest_DOT_ini": "[pytest]\npythonpath = .\n",
    "shop_DOT_py": "import json\n\n\ndef load(text):\n    return json.loads(text)\n",
    "tests__test_shop_DOT_py": (
        'from shop import load\n\n\ndef test_load():\n    assert load("[1]") == [1]\n'
    ),
}
COUNTED = {
    "shop_DOT_py": "def total(prices):\n    return sum(prices)\n",
    "test_shop_DOT_py": (
        "import unittest\n\nfrom shop import total\n\n\nclass Totals(unittest.TestCase):\n"
        "    def test_total(self):\n        self.assertEqual(total([1, 2]), 3)\n"
    ),
}


def test_a_lint_failure_is_healed_in_the_copy_alone(repo: Repo, terminal: Terminal) -> None:
    repo.commit(**LINTED)
    repo.write(shop_DOT_py="import os\nimport sys\n\nprint(sys.argv)\n")
    before = repo.digests()
    said = terminal.run(str(repo.root), "--json")
    told = said.json
    assert said.code == 0, said.err
    assert (told["verdict"], told["status"], told["evidence"], told["applied"]) == (
        "proven",
        "fixed",
        "proven",
        False,
    )
    assert (told["repository"], told["blame"], told["attempts"][0]["status"]) == (
        "local/shop",
        "change",
        "succeeded",
    )
    assert [one["command"] for one in told["commands"]] == ["ruff check ."]
    assert repo.digests() == before
    (terminal.temporary.parent / "patch").write_text(told["patch"])
    repo.git("apply", str(terminal.temporary.parent / "patch"))
    assert (repo.root / "shop.py").read_text() == "import sys\n\nprint(sys.argv)\n"


@pytest.mark.slow
def test_a_missing_import_is_shown_with_its_proof_and_applied_when_asked(
    repo: Repo, terminal: Terminal
) -> None:
    repo.commit(**TESTED)
    head = repo.commit(shop_DOT_py="def load(text):\n    return json.loads(text)\n")
    said = terminal.run(str(repo.root), "--apply")
    assert said.code == 0, said.err
    assert "A proven patch" in said.out
    assert "applied to" in said.out
    for words in (
        "blame    change",
        "owner    ann@example.org",
        "+import json",
        "NameError: name 'json' is not defined",
    ):
        assert words in said.out
    purposes = re.findall(
        r"^  (red before|green \(patched\)|red after|canary \(patched\)) ", said.out, re.MULTILINE
    )
    assert purposes == ["red before"] * 2 + ["green (patched)"] * 3 + [
        "red after",
        "canary (patched)",
    ]
    assert (repo.root / "shop.py").read_text().startswith("import json\n")
    assert repo.git("status", "--short", "--untracked-files=all") == "M shop.py"
    assert repo.git("rev-parse", "HEAD") == head


def test_a_logic_bug_goes_to_its_author_and_changes_nothing(
    repo: Repo, terminal: Terminal, tmp_path: Path
) -> None:
    repo.commit(**COUNTED)
    repo.commit(shop_DOT_py="def total(prices):\n    return sum(prices) + 1\n")
    before = repo.digests()
    said = terminal.run(
        str(repo.root), "--json", "--apply", "--report", str(tmp_path / "report.md")
    )
    told = said.json
    assert said.code == 1
    assert (told["verdict"], told["status"], told["blame"], told["owner"]) == (
        "escalated",
        "escalated",
        "change",
        "ann@example.org",
    )
    assert (told["patch"], told["applied"]) == ("", False)
    assert [s["seen"]["colour"] for s in told["observations"] if s["purpose"] == "base"] == [
        "green"
    ]
    assert repo.digests() == before
    report = (tmp_path / "report.md").read_text()
    assert report == told["report"]
    assert "ann@example.org" in report


def test_a_green_repository_has_nothing_to_heal(repo: Repo, terminal: Terminal) -> None:
    repo.commit(**COUNTED, _DOT_gitignore="test_ignored.py\n")
    repo.write(test_ignored_DOT_py="import unittest\nraise SystemExit(1)\n")
    said = terminal.run(str(repo.root))
    assert (said.code, said.err) == (0, "")
    assert "`python -m unittest discover` passes: nothing to heal" in said.out


def test_what_is_not_committed_is_tried_too(repo: Repo, terminal: Terminal) -> None:
    repo.commit(a_DOT_txt="1")
    repo.write(a_DOT_txt="2", b_DOT_txt="new")
    said = terminal.run(
        str(repo.root), "--json", "--command", "grep -q 2 a.txt && grep -q new b.txt"
    )
    assert (said.code, said.json["verdict"]) == (0, "green")


def test_a_command_that_is_not_there_is_no_failure_to_heal(repo: Repo, terminal: Terminal) -> None:
    repo.commit(a_DOT_txt="1")
    said = terminal.run(str(repo.root), "--command", "no-such-tool --now")
    assert said.code == 1
    assert "could not be run" in said.out
    assert "no-such-tool" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name one with --command"),
        (["--apply", "--no-apply"], "not allowed with"),
        (["--nonsense"], "unrecognized"),
    ],
)
def test_a_wrong_use_exits_with_2(
    repo: Repo, terminal: Terminal, arguments: list[str], says: str
) -> None:
    repo.commit(a_DOT_txt="1")
    said = terminal.run(str(repo.root), *arguments)
    assert (said.code, says in said.err) == (2, True)


def broken_bubblewrap(tmp_path: Path) -> str:
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho namespaces are forbidden >&2\nexit 1\n")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_without_bubblewrap_it_says_what_is_used_instead(
    repo: Repo, terminal: Terminal, tmp_path: Path
) -> None:
    repo.commit(a_DOT_txt="1")
    path = broken_bubblewrap(tmp_path)
    said = terminal.run(str(repo.root), "--command", "test -f a.txt", PATH=path)
    assert said.code == 0, said.err
    assert "plain runner" in said.out
    assert "nothing to heal" in said.out
    insisted = terminal.run(
        str(repo.root), "--command", "test -f a.txt", PATH=path, CI_HEALING_SANDBOX="bubblewrap"
    )
    assert (insisted.code, "no sandbox" in insisted.err) == (2, True)


def test_called_off_it_leaves_nothing_behind(repo: Repo, terminal: Terminal) -> None:
    repo.commit(a_DOT_txt="1")
    endless = "i=0; while :; do i=$((i+1)); mkdir -p d$i; echo $i > d$i/f; done"
    command = [sys.executable, "-u", "-m", "cihealing", "try", str(repo.root), "--command", endless]
    started = subprocess.Popen(
        command, cwd=BASE, env=terminal.environment(), stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while (
        not list(terminal.temporary.glob("cihealing-tree-*/in/tree/.git"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    time.sleep(0.5)
    started.send_signal(signal.SIGINT)
    assert started.wait(20) == 128 + signal.SIGINT


def test_it_does_not_run_over_the_database_of_the_service(repo: Repo, tmp_path: Path) -> None:
    repo.commit(a_DOT_txt="1")
    environment = {**os.environ, "CI_HEALING_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "manage.py", "try", str(repo.root), "--command", "true"]
    said = subprocess.run(
        command, cwd=BASE, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert not (tmp_path / "data").exists()


def test_what_has_no_directory_of_its_own_refuses(repo: Repo) -> None:
    with pytest.raises(CommandError, match="a command of its own"):
        call_command("try", str(repo.root), "--command", "true")


def test_a_repository_that_lacks_objects_makes_nobody_connect(repo: Repo, tmp_path: Path) -> None:
    """Its configuration may name a server for them, and a file of this machine for that server's
    cookies.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.git"
        for name, value in {
            "core.repositoryFormatVersion": "1",
            "extensions.partialClone": "origin",
            "remote.origin.promisor": "true",
            "remote.origin.url": url,
            "http.cookieFile": str(tmp_path / "cookies"),
            "http.saveCookies": "true",
        }.items():
            repo.git("config", name, value)
        (repo.root / ".git/refs/heads/main").write_text("1" * 40 + "\n")
        with pytest.raises(trial.CannotTry):
            copied(repo, tmp_path)
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
