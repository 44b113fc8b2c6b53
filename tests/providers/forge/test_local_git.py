"""The local repository as a forge: one merge a run, whatever happens in between."""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import HeadMovedError, PermanentError, Proposal, Published, TransientError
from cihealing.providers.local_git import publishing as local_git
from cihealing.providers.local_git import worktrees
from tests.forges.bound import Bound
from tests.guard.patches import changed, created

RUN = "5f0f5a52-6f3e-5d0e-9c3e-000000000001"
TEXT = "def total(items):\n    return sum(item for item in items)\n"
FIX = changed(
    "shop/cart.py", TEXT.rstrip("\n"), TEXT.rstrip("\n").replace("item for item in items", "items")
)


def git(path: Path, *args: str) -> str:
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "ann@example.com",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "ann@example.com",
    }
    return subprocess.run(
        ["git", "-C", str(path), *args], env=variables, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    path = tmp_path / "shop repo"
    (path / "shop").mkdir(parents=True)
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "shop/cart.py").write_text(TEXT)
    (path / "README").write_text("shop\n")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "-m", "first")
    return path


@pytest.fixture
def bare(worktree: Path) -> Path:
    path = worktree.parent / "shop.git"
    git(worktree, "clone", "--quiet", "--bare", str(worktree), str(path))
    return path


def publish(path: Path, **changes: Any) -> Published:
    call: dict[str, Any] = {
        "run_id": RUN,
        "repository": "acme/shop",
        "branch": "main",
        "head": changes.pop("head", None) or git(path, "rev-parse", "main"),
        "patch": FIX,
        "title": "Heal unit: sum the items",
        "body": "",
        "message": "Why.\n\nProof: 6 runs",
        "actor": "ann",
    }
    policy = changes.pop("policy", RepositoryPolicy(match="acme/*", clone_url=str(path)))
    return Bound("local_git", {}, policy=policy).publish(Proposal(**{**call, **changes}))


def commits(path: Path, ref: str = "main") -> int:
    return int(git(path, "rev-list", "--count", ref))


def test_a_patch_becomes_one_commit_with_its_trailers(bare: Path) -> None:
    head = git(bare, "rev-parse", "main")
    done = publish(bare)
    assert done == Published(url=f"file://{bare}#{done.commit}", commit=done.commit, merged=True)
    assert git(bare, "rev-parse", "main", "main^") == f"{done.commit}\n{head}"
    assert "sum(items)" in git(bare, "show", "main:shop/cart.py")
    assert (
        git(bare, "log", "-1", "--format=%an <%ae>|%cn <%ce>")
        == "cihealing <cihealing@localhost>|cihealing <cihealing@localhost>"
    )
    message = (
        "Heal unit: sum the items\n\nWhy.\n\nProof: 6 runs\n\nCihealing-Run:"
        f" {RUN}\nApproved-by: ann"
    )
    assert git(bare, "log", "-1", "--format=%B") == message


def test_a_checked_out_branch_brings_its_files_along(worktree: Path) -> None:
    (worktree / "notes.txt").write_text("mine")
    publish(worktree)
    assert (worktree / "shop/cart.py").read_text() == TEXT.replace(
        "item for item in items", "items"
    )
    assert git(worktree, "status", "--porcelain") == "?? notes.txt"


def test_other_worktrees_of_the_branch_come_along_too(bare: Path, tmp_path: Path) -> None:
    git(bare, "worktree", "add", "--quiet", str(tmp_path / "elsewhere"), "main")
    publish(bare)
    assert "sum(items)" in (tmp_path / "elsewhere/shop/cart.py").read_text()


def test_a_branch_that_is_not_checked_out_leaves_the_files_alone(worktree: Path) -> None:
    git(worktree, "branch", "feature/x")
    (worktree / "README").write_text("being edited\n")
    publish(worktree, branch="feature/x")
    assert commits(worktree) == 1
    assert commits(worktree, "feature/x") == 2
    assert (worktree / "README").read_text() == "being edited\n"
    assert (worktree / "shop/cart.py").read_text() == TEXT


def test_a_moved_head_is_refused(worktree: Path) -> None:
    head = git(worktree, "rev-parse", "main")
    git(worktree, "commit", "--quiet", "--allow-empty", "-m", "second")
    with pytest.raises(HeadMovedError) as caught:
        publish(worktree, head=head)
    assert (caught.value.expected, caught.value.found) == (head, git(worktree, "rev-parse", "main"))
    assert commits(worktree) == 2


def test_a_missing_branch_is_a_moved_head(bare: Path) -> None:
    with pytest.raises(HeadMovedError) as caught:
        publish(bare, branch="gone")
    assert caught.value.found is None


def test_a_repeated_call_finds_the_first_ones_commit(worktree: Path) -> None:
    head = git(worktree, "rev-parse", "main")
    first = publish(worktree, head=head)
    assert publish(worktree, head=head) == first
    git(worktree, "commit", "--quiet", "--allow-empty", "-m", "later")
    assert publish(worktree, head=head) == first
    assert commits(worktree) == 3


def test_another_run_on_the_same_head_finds_it_moved(bare: Path) -> None:
    head = git(bare, "rev-parse", "main")
    publish(bare, head=head)
    with pytest.raises(HeadMovedError):
        publish(bare, head=head, run_id="another")


@pytest.mark.parametrize(
    "forged",
    [f"Cihealing-Run: {RUN}", f"x\n\nCihealing-Run: {RUN}", f"x\n---\nCihealing-Run: {RUN}\n---"],
)
def test_a_body_or_title_cannot_forge_a_trailer(bare: Path, forged: str) -> None:
    head = git(bare, "rev-parse", "main")
    publish(
        bare,
        head=head,
        run_id="another",
        message=forged,
        title=f"a\n\n{forged}",
        actor=f"eve\nCihealing-Run: {RUN}",
    )
    with pytest.raises(HeadMovedError):
        publish(bare, head=head)


def test_a_persons_commit_with_the_trailer_elsewhere_on_the_branch_is_no_merge(
    worktree: Path,
) -> None:
    head = git(worktree, "rev-parse", "main")
    git(worktree, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(worktree, "commit", "--quiet", "--allow-empty", "-m", f"third\n\nCihealing-Run: {RUN}")
    with pytest.raises(HeadMovedError):
        publish(worktree, head=head)


def test_of_two_at_the_same_time_one_merges(worktree: Path) -> None:
    head = git(worktree, "rev-parse", "main")
    start = threading.Barrier(4)

    def one(_: int) -> Published:
        start.wait()
        return publish(worktree, head=head)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(one, range(4)))
    assert len({d.commit for d in done}) == 1
    assert commits(worktree) == 2
    assert git(worktree, "status", "--porcelain") == ""


def test_the_loser_of_the_swap_takes_the_winners_commit(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked and built before either moves the branch."""
    head = git(bare, "rev-parse", "main")
    swap = local_git.swap
    seen: list[str] = []

    def late(origin: local_git.Origin, change: local_git.Merge, commit: str) -> str:
        monkeypatch.setattr(local_git, "swap", swap)
        seen.append(publish(bare, head=head, actor="ben").commit)
        return swap(origin, change, commit)

    monkeypatch.setattr(local_git, "swap", late)
    assert publish(bare, head=head).commit == seen[0]
    assert commits(bare) == 2


def test_a_worktree_another_worker_is_about_to_refresh_is_not_dirty(
    worktree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, build = git(worktree, "rev-parse", "main"), local_git.build
    seen: list[str] = []

    def late(origin: local_git.Origin, change: local_git.Merge) -> str:
        monkeypatch.setattr(local_git, "build", build)
        with monkeypatch.context() as patched:
            patched.setattr(local_git, "refresh_worktrees", lambda *_: None)
            seen.append(publish(worktree, head=head, actor="ben").commit)
        local_git.require_clean(origin.at(worktree))
        raise AssertionError("the worktree should look dirty here")

    monkeypatch.setattr(local_git, "build", late)
    assert publish(worktree, head=head).commit == seen[0]
    assert git(worktree, "status", "--porcelain") == ""


def test_the_loser_to_another_change_finds_the_head_moved(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = local_git.swap

    def late(origin: local_git.Origin, change: local_git.Merge, commit: str) -> str:
        tree = git(bare, "rev-parse", "main^{tree}")
        git(
            bare,
            "update-ref",
            "refs/heads/main",
            git(bare, "commit-tree", tree, "-p", "main", "-m", "someone"),
        )
        return swap(origin, change, commit)

    monkeypatch.setattr(local_git, "swap", late)
    with pytest.raises(HeadMovedError):
        publish(bare)


def test_a_locked_branch_is_tried_again_later(bare: Path) -> None:
    (bare / "refs/heads/main.lock").write_text("")
    with pytest.raises(TransientError):
        publish(bare)


class Crash(BaseException):
    pass


@pytest.mark.parametrize(
    ("step", "before"),
    [
        ("build", True),
        ("build", False),
        ("swap", True),
        ("swap", False),
        ("refresh_worktrees", True),
        ("refresh", True),
        ("url_of", True),
    ],
)
def test_a_crash_at_any_step_ends_in_one_merge(
    worktree: Path, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
) -> None:
    place = worktrees if step == "refresh" else local_git
    head, original = git(worktree, "rev-parse", "main"), getattr(place, step)

    def crash(*args: Any) -> None:
        if not before:
            original(*args)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(place, step, crash)
        with pytest.raises(Crash):
            publish(worktree, head=head)
    done = publish(worktree, head=head)
    assert git(worktree, "rev-parse", "main") == done.commit
    assert commits(worktree) == 2
    assert git(worktree, "status", "--porcelain") == ""


def test_unfinished_work_is_not_touched(worktree: Path) -> None:
    (worktree / "README").write_text("being edited\n")
    with pytest.raises(PermanentError, match="commit or stash them"):
        publish(worktree)
    assert commits(worktree) == 1
    assert (worktree / "README").read_text() == "being edited\n"


def test_an_untracked_file_in_the_way_is_not_overwritten(worktree: Path) -> None:
    (worktree / "new.py").write_text("mine")
    with pytest.raises(PermanentError, match=r"(?s)cannot take the change.*new\.py"):
        publish(worktree, patch=created("new.py", "theirs"))
    assert commits(worktree) == 1
    assert (worktree / "new.py").read_text() == "mine"


def test_work_begun_after_a_crash_is_kept(worktree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(worktree, "rev-parse", "main")
    with monkeypatch.context() as patched:
        patched.setattr(local_git, "refresh_worktrees", lambda *_: None)
        publish(worktree, head=head)
    (worktree / "shop/cart.py").write_text("mine\n")
    assert publish(worktree, head=head).merged
    assert (worktree / "shop/cart.py").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        (FIX.replace("-    return sum(item", "-    return max(item"), "does not apply"),
        (FIX.replace("shop/cart.py", "shop/gone.py"), "does not apply"),
        ("", "does not apply"),
        ("nonsense", "does not apply"),
        (FIX.replace("shop/cart.py", "../cart.py"), "does not apply"),
        (created("link", "/etc/passwd", mode="120000"), "symbolic link"),
        (created(".github/workflows/ci.yml", "on: push"), "protected"),
        (created("conftest.py", "x = 1"), "configures the test runner"),
        (created("run.sh", "echo", mode="100755"), "executable"),
        ("diff --git a/README b/README\nold mode 100644\nnew mode 100755\n", "executable"),
        (
            (
                "diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n@@ -0,0"
                f" +1 @@\n+Subproject commit {'1' * 40}\n"
            ),
            "submodule",
        ),
    ],
)
def test_a_patch_that_is_not_plain_changes_nothing(bare: Path, patch: str, says: str) -> None:
    with pytest.raises(PermanentError, match=says):
        publish(bare, patch=patch)
    assert commits(bare) == 1


@pytest.mark.parametrize(
    "branch",
    [
        "",
        "../main",
        "-d",
        "a..b",
        "x y",
        "main\n",
        "main\0",
        "a.lock",
        "@{-1}",
        "main^",
        "x" * 600,
        "a//b",
        "/main",
    ],
)
def test_a_hostile_branch_name_is_refused(bare: Path, branch: str) -> None:
    with pytest.raises((PermanentError, HeadMovedError)):
        publish(bare, branch=branch)
    assert git(bare, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.parametrize(
    "branch", ["--upload-pack=x", "feature/$(touch)", "grün/ä", "a;b", "'quoted'"]
)
def test_an_odd_but_lawful_branch_name_works(bare: Path, branch: str) -> None:
    git(bare, "update-ref", f"refs/heads/{branch}", git(bare, "rev-parse", "main"))
    publish(bare, branch=branch)
    assert commits(bare, f"refs/heads/{branch}") == 2


@pytest.mark.parametrize("change", [{"head": "main"}, {"head": "--all"}, {"head": "1" * 39}])
def test_what_is_no_commit_is_refused(bare: Path, change: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="full commit id"):
        publish(bare, **change)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.git",
        "https://example.org/shop.git",
        "file://elsewhere/shop.git",
        "ext::sh -c date",
    ],
)
def test_only_a_path_of_this_machine_is_local(bare: Path, url: str) -> None:
    with pytest.raises(PermanentError, match="absolute path"):
        publish(bare, policy=RepositoryPolicy(match="acme/*", clone_url=url))


def test_a_path_without_a_repository_is_told(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no git repository"):
        publish(bare, policy=RepositoryPolicy(match="acme/*", clone_url=str(tmp_path)))


def test_a_file_url_is_a_path(worktree: Path) -> None:
    url = f"file://{str(worktree).replace(' ', '%20')}"
    done = publish(worktree, policy=RepositoryPolicy(match="acme/*", clone_url=url))
    assert done.url == f"{url}#{done.commit}"


def test_no_hook_and_no_configured_program_runs(worktree: Path) -> None:
    mark = worktree.parent / "ran"
    for hook in (
        "post-checkout",
        "reference-transaction",
        "pre-commit",
        "commit-msg",
        "post-index-change",
        "update",
    ):
        path = worktree / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
        path.chmod(0o755)
    git(worktree, "config", "core.fsmonitor", f"touch '{mark}'; false")
    git(worktree, "config", "commit.gpgSign", "true")
    mark.unlink(missing_ok=True)
    publish(worktree)
    assert commits(worktree) == 2
    assert not mark.exists()
