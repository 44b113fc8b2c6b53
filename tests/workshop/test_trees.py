from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from cihealing.domain.policy import RepositoryPolicy
from cihealing.domain.values import Owner
from cihealing.marks import mark
from cihealing.ports import Cancelled, PatchRefused, PermanentError, TransientError
from cihealing.scratch import sweep
from cihealing.settings import CloneSettings
from cihealing.workshop import trees as workshop_trees
from cihealing.workshop.git import Git
from cihealing.workshop.owners import matches, owner_of
from cihealing.workshop.process import cancelling
from cihealing.workshop.trees import GitTrees
from tests.workshop.repositories import Origin

REPOSITORY = "acme/shop"
PATCH = """\
--- a/app.py
+++ b/app.py
@@ -1 +1 @@
-x = 1
+x = 2
"""


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(
        tmp_path / "origin",
        {"app.py": "x = 1\n", "docs/guide.md": "read\n", "run.sh": "#!/bin/sh\n"},
    )


@pytest.fixture
def trees(tmp_path: Path) -> GitTrees:
    return GitTrees(tmp_path / "mirrors")


def test_a_tree_holds_exactly_the_commit_and_is_gone_afterwards(
    trees: GitTrees, origin: Origin
) -> None:
    origin.commit({"app.py": "x = 9\n"})
    with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
        assert (tree.root / "app.py").read_text() == "x = 1\n"
        assert tree.commit == origin.first
        assert tree.tree == origin.git("rev-parse", f"{origin.first}^{{tree}}")
        root = tree.root
    assert not root.exists()
    assert not root.parent.exists()


def test_a_patch_is_part_of_the_tree_hash(trees: GitTrees, origin: Origin) -> None:
    patched = origin.commit({"app.py": "x = 2\n"})
    with trees.at(REPOSITORY, origin.first, policy=origin.policy(), patch=PATCH) as tree:
        assert (tree.root / "app.py").read_text() == "x = 2\n"
        assert tree.tree == origin.git("rev-parse", f"{patched}^{{tree}}")


def test_the_tree_is_a_clean_repository_that_points_nowhere(
    trees: GitTrees, origin: Origin, tmp_path: Path
) -> None:
    with trees.at(REPOSITORY, origin.first, policy=origin.policy(), patch=PATCH) as tree:
        # The tree may be another user's than the test's.
        git = ["git", "-c", "safe.directory=*", "-C", str(tree.root)]

        def ask(*args: str) -> str:
            ran = subprocess.run([*git, *args], capture_output=True, text=True, check=True)
            return ran.stdout

        assert ask("status", "--porcelain") == ""
        assert ask("remote") == ""
        assert ask("rev-list", "--count", "HEAD") == "1\n"
        assert ask("ls-files").split() == ["app.py", "docs/guide.md", "run.sh"]
        own = b"".join(p.read_bytes() for p in (tree.root / ".git").rglob("*") if p.is_file())
        assert str(tmp_path).encode() not in own
        ask("fsck", "--full")


@pytest.mark.parametrize(
    "patch",
    [
        "no diff at all\n",
        PATCH.replace("-x = 1", "-x = 7"),
        PATCH.replace("app.py", "../outside.py"),
        PATCH.replace("a/app.py", "/dev/null").replace("b/app.py", "b/.git/hooks/pre-commit"),
        pytest.param("x" * (2 * 1024 * 1024 + 1), id="too large"),
    ],
)
def test_a_patch_that_does_not_apply_is_for_a_person(
    trees: GitTrees, origin: Origin, patch: str
) -> None:
    with (
        pytest.raises(PermanentError, match="patch"),
        trees.at(REPOSITORY, origin.first, policy=origin.policy(), patch=patch),
    ):
        pass


def test_a_patch_cannot_write_through_a_link_of_the_repository(
    trees: GitTrees, origin: Origin, tmp_path: Path
) -> None:
    (origin.root / "way").symlink_to(tmp_path)
    commit = origin.commit({})
    patch = (
        "diff --git a/way/owned b/way/owned\nnew file mode 100644\n--- /dev/null\n+++"
        " b/way/owned\n@@ -0,0 +1 @@\n+x\n"
    )
    with (
        pytest.raises(PermanentError),
        trees.at(REPOSITORY, commit, policy=origin.policy(), patch=patch),
    ):
        pass
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "commit", ["main", "HEAD", "--upload-pack=touch /tmp/x", "abc", "A" * 40, "0" * 40, ""]
)
def test_what_is_no_commit_of_the_repository_never_becomes_a_tree(
    trees: GitTrees, origin: Origin, commit: str
) -> None:
    with (
        pytest.raises(PermanentError, match="commit"),
        trees.at(REPOSITORY, commit, policy=origin.policy()),
    ):
        pass


def test_filters_hooks_and_configuration_of_a_repository_run_nothing(
    trees: GitTrees, origin: Origin, tmp_path: Path
) -> None:
    witness = tmp_path / "ran"
    commit = origin.commit({".gitattributes": "* filter=evil\n", ".lfsconfig": "x\n"})
    origin.git("config", "filter.evil.smudge", f"touch {witness}")
    origin.git("config", "core.fsmonitor", f"touch {witness}")
    for hook in ("post-checkout", "post-update", "reference-transaction", "pre-commit"):
        (origin.root / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch {witness}\n")
        (origin.root / ".git/hooks" / hook).chmod(0o755)
    with trees.at(REPOSITORY, commit, policy=origin.policy()) as tree:
        assert (tree.root / "app.py").exists()
    assert not witness.exists()


def test_what_code_did_to_the_git_directory_of_its_tree_is_not_obeyed(
    trees: GitTrees, origin: Origin, tmp_path: Path
) -> None:
    witness = tmp_path / "ran"
    with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
        (tree.root / ".git/config").write_text(
            f'[core]\n\tfsmonitor = "touch {witness}"\n[diff]\n\texternal = "touch {witness}"\n'
        )
        (tree.root / ".gitattributes").write_text("* diff=evil filter=evil\n")
        (tree.root / "app.py").write_text("x = 3\n")
        assert "+x = 3" in trees.diff(tree)
    assert not witness.exists()


def test_a_diff_tells_what_was_changed_and_applies_again(trees: GitTrees, origin: Origin) -> None:
    policy = origin.policy()
    with trees.at(REPOSITORY, origin.first, policy=policy) as tree:
        assert trees.diff(tree) == ""
        (tree.root / "app.py").write_text("x = 2\ny = '\xe9'\n")
        (tree.root / "new.py").write_text("pass\n")
        (tree.root / "docs/guide.md").unlink()
        (tree.root / "__pycache__").mkdir()
        (tree.root / "__pycache__/app.pyc").write_bytes(b"\0\1")
        diff = trees.diff(tree)
        assert trees.changed(tree) == ("app.py", "docs/guide.md", "new.py")
    with trees.at(REPOSITORY, origin.first, policy=policy, patch=diff) as again:
        assert (again.root / "app.py").read_text() == "x = 2\ny = '\xe9'\n"
        assert (again.root / "new.py").read_text() == "pass\n"
        assert not (again.root / "docs/guide.md").exists()


def test_the_head_is_asked_of_the_origin_not_of_the_mirror(trees: GitTrees, origin: Origin) -> None:
    policy = origin.policy()
    assert trees.head(REPOSITORY, "main", policy=policy) == origin.first
    later = origin.commit({"app.py": "x = 5\n"})
    assert trees.head(REPOSITORY, "main", policy=policy) == later


@pytest.mark.parametrize(
    "branch",
    ["gone", "--exec=x", "a b", "ma*", "..", "x\0y", "a\nb", "@{-1}", "refs/heads/main", "\ud800"],
)
def test_a_branch_that_is_none_has_no_head(trees: GitTrees, origin: Origin, branch: str) -> None:
    assert trees.head(REPOSITORY, branch, policy=origin.policy()) is None


def test_parents_and_merge_bases(trees: GitTrees, origin: Origin) -> None:
    policy = origin.policy()
    origin.git("checkout", "--quiet", "-b", "feature")
    feature = origin.commit({"f.py": "1\n"})
    origin.git("checkout", "--quiet", "main")
    origin.commit({"g.py": "1\n"})
    assert trees.merge_base(REPOSITORY, feature, "main", policy=policy) == origin.first
    assert trees.merge_base(REPOSITORY, feature, "gone", policy=policy) is None
    assert trees.first_parent(REPOSITORY, feature, policy=policy) == origin.first
    assert trees.first_parent(REPOSITORY, origin.first, policy=policy) is None


def test_a_pull_request_is_its_head_merged_into_the_base(trees: GitTrees, origin: Origin) -> None:
    policy = origin.policy()
    origin.git("checkout", "--quiet", "-b", "feature")
    feature = origin.commit({"f.py": "1\n"})
    origin.git("checkout", "--quiet", "main")
    origin.commit({"g.py": "1\n"})
    with trees.at_merge(REPOSITORY, feature, "main", policy=policy) as tree:
        assert (tree.root / "f.py").exists()
        assert (tree.root / "g.py").exists()
    origin.commit({"f.py": "2\n"})
    with (
        pytest.raises(PermanentError, match="conflict"),
        trees.at_merge(REPOSITORY, feature, "main", policy=policy),
    ):
        pass


def test_a_commit_on_no_branch_is_fetched_by_its_id(trees: GitTrees, origin: Origin) -> None:
    origin.git("checkout", "--quiet", "--detach")
    loose = origin.commit({"app.py": "x = 8\n"})
    origin.git("checkout", "--quiet", "main")
    with trees.at(REPOSITORY, loose, policy=origin.policy()) as tree:
        assert (tree.root / "app.py").read_text() == "x = 8\n"


def test_files_are_read_at_a_commit_or_at_the_head_of_a_branch(
    trees: GitTrees, origin: Origin
) -> None:
    policy = origin.policy()
    (origin.root / "link").symlink_to("/etc/passwd")
    later = origin.commit({"app.py": "x = 5\n", "big": "x" * (1024 * 1024 + 1)})
    read = lambda commit, path: trees.read_file(REPOSITORY, commit, path, policy=policy)  # noqa: E731
    assert read(origin.first, "app.py") == "x = 1\n"
    assert read("main", "app.py") == read(later, "app.py") == "x = 5\n"
    assert [
        read(later, p)
        for p in ("link", "big", "docs", "none", "../x", "/etc/passwd", "", ":(glob)*")
    ] == [None] * 8
    assert read("no-branch", "app.py") is None
    assert trees.files(REPOSITORY, origin.first, policy=policy) == (
        "app.py",
        "docs/guide.md",
        "run.sh",
    )


@pytest.mark.parametrize(
    ("url", "forge", "error"),
    [
        ("", "local_git", "clone_url"),
        ("--upload-pack=touch x", "local_git", "clone_url"),
        ("ext::sh -c 'touch x'", "local_git", "not allowed"),
        ("ORIGIN", "github", "not allowed"),
        ("/nowhere/at/all", "local_git", "does not"),
    ],
)
def test_only_the_policys_kind_of_origin_is_fetched(
    trees: GitTrees, origin: Origin, url: str, forge: str, error: str
) -> None:
    policy = RepositoryPolicy(
        match="*", clone_url=url.replace("ORIGIN", str(origin.root)), forge=forge
    )
    with (
        pytest.raises(PermanentError, match=error),
        trees.at(REPOSITORY, origin.first, policy=policy),
    ):
        pass


def test_an_origin_that_does_not_answer_is_tried_again(trees: GitTrees, origin: Origin) -> None:
    policy = origin.policy(clone_url="https://127.0.0.1:9/shop.git", forge="github")
    with (
        pytest.raises(TransientError, match="fetched"),
        trees.at(REPOSITORY, origin.first, policy=policy),
    ):
        pass


class Issuing:
    """Gives a token for one host alone."""

    def clone_token(self, repository: str, url: str) -> str:
        return f"of-{repository}" if "//own.example/" in url else ""


def test_a_providers_own_token_goes_before_the_one_that_is_set(tmp_path: Path) -> None:
    settings = CloneSettings(git_token="set", git_user="me")
    trees = GitTrees(tmp_path / "mirrors", settings=settings, credentials=(Issuing(),))

    def answers(url: str) -> list[str]:
        policy = RepositoryPolicy(match="*", clone_url=url, forge="github")
        values = trees._remote("acme/shop", policy).values()
        return sorted(value for value in values if value in ("of-acme/shop", "set", "me"))

    assert answers("https://own.example/acme/shop.git") == ["of-acme/shop"]
    assert answers("https://other.example/acme/shop.git") == ["me", "set"]


def test_the_askpass_answers_only_for_the_host_of_the_clone_url(
    trees: GitTrees, origin: Origin
) -> None:
    trees.settings = CloneSettings(git_token="s3cret-token", git_user="x-access-token")
    values = trees._remote(
        "acme/shop",
        RepositoryPolicy(match="*", clone_url="https://git.example.org:8443/a.git", forge="github"),
    )
    trees._mirror(REPOSITORY, policy=origin.policy())

    def ask(prompt: str) -> str:
        command = [values["GIT_ASKPASS"], prompt]
        return subprocess.run(command, env=values, capture_output=True, text=True).stdout

    assert ask("Username for 'https://git.example.org:8443': ") == "x-access-token\n"
    assert ask("Password for 'https://x-access-token@git.example.org:8443': ") == "s3cret-token\n"
    assert ask("Password for 'https://x-access-token@evil.example.org': ") == ""
    assert ask("Password for 'https://git.example.org:8443.evil.org': ") == ""


def test_two_threads_share_one_mirror(trees: GitTrees, origin: Origin) -> None:
    seen: list[str] = []

    def look() -> None:
        with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
            seen.append((tree.root / "app.py").read_text())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == ["x = 1\n"] * 4


def test_a_cancelled_worker_starts_no_git(trees: GitTrees, origin: Origin) -> None:
    event = threading.Event()
    event.set()
    with (
        cancelling(event),
        pytest.raises(Cancelled),
        trees.at(REPOSITORY, origin.first, policy=origin.policy()),
    ):
        pass


def test_a_tree_without_permissions_is_removed_too(trees: GitTrees, origin: Origin) -> None:
    with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
        deep = tree.root / "a/b"
        deep.mkdir(parents=True)
        (tree.root / "a").chmod(0)
        place = tree.root.parent.parent
    assert not place.exists()


def test_what_a_killed_worker_left_is_swept_and_what_is_in_use_is_not(
    trees: GitTrees, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    left = (
        scratch / name for name in ("cihealing-tree-999999-1-abc", "cihealing-results-999999-1-abc")
    )
    kept = {
        "cihealing-tree-mine",
        "cihealing-users",
        f"cihealing-ai-{mark()}-abc",
        "cihealing-tree-999999-1-link",
    }
    for place in (*left, *(scratch / name for name in kept if not name.endswith("link"))):
        (place / "deep").mkdir(parents=True)
    (scratch / "cihealing-tree-999999-1-link").symlink_to(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
        assert sweep() == 2
        assert tree.root.parent.parent.parent == scratch
        assert (tree.root / "app.py").exists()
    assert {p.name for p in scratch.iterdir()} == kept
    assert origin.root.exists()


@pytest.mark.parametrize("name", [":!x", ":(bogus)y", ":^x", "*", "-x", "--", " "])
def test_names_are_names_and_no_patterns(trees: GitTrees, origin: Origin, name: str) -> None:
    with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
        (tree.root / name).write_text("x")
        assert trees.changed(tree) == (name,)
        assert name in trees.diff(tree)


def test_trees_that_name_each_other_do_not_unfold_without_end(
    trees: GitTrees, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven levels of ten entries each are ten million files in a few kilobytes."""
    assert workshop_trees.MAX_ENTRIES == 500_000
    # Reached sooner: git takes seconds to name half a million.
    monkeypatch.setattr(workshop_trees, "MAX_ENTRIES", 20_000)
    entry = f"100644 blob {origin.git('hash-object', '-w', 'app.py')}"
    for level in range(7):
        lines = "".join(f"{entry}\t{n}{'' if level else '.txt'}\n" for n in range(10))
        made = subprocess.run(
            ["git", "-C", str(origin.root), "mktree"],
            input=lines,
            capture_output=True,
            text=True,
            check=True,
        )
        entry = f"040000 tree {made.stdout.strip()}"
    commit = origin.git("commit-tree", "-m", "a bomb", made.stdout.strip())
    origin.git("update-ref", "refs/heads/bomb", commit)
    with (
        pytest.raises(PermanentError, match=r"the commit holds .* more than 20,000 entries"),
        trees.at(REPOSITORY, commit, policy=origin.policy()),
    ):
        pass


def test_many_files_that_were_only_touched_are_no_change(
    trees: GitTrees, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = origin.commit({f"many/{n}.txt": f"{n}\n" for n in range(300)})
    with trees.at(REPOSITORY, commit, policy=origin.policy()) as tree:
        for n in range(300):
            (tree.root / f"many/{n}.txt").touch()
        asked: list[tuple[str, ...]] = []
        git = Git.__call__
        monkeypatch.setattr(
            Git,
            "__call__",
            lambda self, *args, **options: asked.append(args) or git(self, *args, **options),
        )
        assert trees.changed(tree) == ()
        assert asked == []


def test_rules_that_are_links_are_no_rules(trees: GitTrees, origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (origin.root / ".gitignore").symlink_to(tmp_path / "outside")
    commit = origin.commit({"other": "x"})
    with trees.at(REPOSITORY, commit, policy=origin.policy()) as tree:
        (tree.root / ".gitignore").unlink()
        (tree.root / ".gitignore").mkdir()
        (tree.root / ".gitignore/test_x.py").write_text("x")
        assert trees.changed(tree) == (".gitignore", ".gitignore/test_x.py")


def test_the_environment_of_the_worker_does_not_steer_git(
    trees: GitTrees, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "nonsense")
    with trees.at(REPOSITORY, origin.first, policy=origin.policy()) as tree:
        assert (tree.root / "run.sh").exists()


def test_an_owner_is_the_code_owner_else_the_last_author_else_the_commits_author(
    trees: GitTrees, origin: Origin
) -> None:
    policy = origin.policy()
    bob = origin.commit({"app.py": "x = 2\n"}, author="12+bob@users.noreply.github.com")
    bot = origin.commit({"app.py": "x = 3\n"}, author="1+renovate[bot]@users.noreply.github.com")
    ask = lambda commit, *files: trees.owner(REPOSITORY, commit, files, policy=policy)  # noqa: E731
    assert ask(bob, "app.py") == Owner(name="bob", source="last author of app.py")
    assert ask(bot, "/home/runner/work/shop/app.py") == Owner(
        name="bob", source="last author of app.py"
    )
    assert ask(bob, "docs/guide.md") == Owner(
        name="ann@example.org", source="last author of docs/guide.md"
    )
    assert ask(bob, "elsewhere.py") == Owner(name="bob", source="commit author")
    owned = origin.commit(
        {".github/CODEOWNERS": "* @acme/all\n/docs/ @carol\n"}, author="dan@example.org"
    )
    assert ask(owned, "docs/guide.md") == Owner(name="@carol", source="codeowners")
    assert ask(owned, "gone.py", "app.py") == Owner(name="@acme/all", source="codeowners")


@pytest.mark.parametrize(
    ("pattern", "file", "fits"),
    [
        ("*", "a/b.py", True),
        ("*.py", "a/b.py", True),
        ("*.py", "a/b.js", False),
        ("/*.py", "a/b.py", False),
        ("/docs/", "docs/a/b.md", True),
        ("/docs/", "x/docs/b.md", False),
        ("docs/", "x/docs/b.md", True),
        ("docs/", "docs", False),
        ("docs/*", "docs/a.md", True),
        ("docs/*", "docs/a/b.md", False),
        ("apps/", "apps/x", True),
        ("/apps/github", "apps/github/x.py", True),
        ("**/logs", "build/logs/x", True),
        ("/a/**/z", "a/z", True),
        ("/a/**/z", "a/b/c/z", True),
        ("/a/**/z", "b/a/z", False),
        ("[ab].py", "a.py", False),
        ("[ab].py", "[ab].py", True),
        ("a/" + "*a" * 30, "a/" + "a" * 60, True),
        ("/" + "**/" * 100 + "q", "a/" * 100 + "b", False),
    ],
)
def test_code_owner_patterns(pattern: str, file: str, fits: bool) -> None:
    assert matches(file, pattern) is fits


def test_the_last_matching_line_wins_and_sections_have_defaults() -> None:
    text = (
        "* @all\n*.py @py @second\n# comment\n/gen/\n[Docs][2] @writers\n/docs/\n/docs/api/ @api #"
        " why\n"
    )
    ask = lambda file: owner_of(file, codeowners=text)  # noqa: E731
    assert [ask(f) for f in ("x.c", "x.py", "gen/x.py", "docs/x", "docs/api/x")] == [
        "@all",
        "@py",
        None,
        "@writers",
        "@api",
    ]


def test_git_gets_no_environment_of_the_worker(
    trees: GitTrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "ANTHROPIC_API_KEY", "k")
    from cihealing.workshop.git import base_environment

    assert "ANTHROPIC_API_KEY" not in base_environment(trees.mirrors)


def bytes_of(origin: Origin, files: Mapping[str, bytes]) -> str:
    """A commit of exactly these bytes, whatever attributes say."""
    for name, content in files.items():
        blob = subprocess.run(
            ["git", "-C", str(origin.root), "hash-object", "-w", "--stdin"],
            input=content,
            capture_output=True,
            check=True,
        ).stdout.decode()
        origin.git("update-index", "--add", "--cacheinfo", f"100644,{blob.strip()},{name}")
    origin.git("commit", "--quiet", "-m", "bytes")
    return origin.git("rev-parse", "HEAD")


LATIN = b"caf\xe9\r\nx = 1\n"


def test_what_is_stored_is_what_git_has_not_what_a_checkout_makes(
    trees: GitTrees, origin: Origin
) -> None:
    (origin.root / "link").symlink_to("app.py")
    origin.commit({".gitattributes": "*.py text eol=crlf\n"})
    commit = bytes_of(origin, {"latin.txt": LATIN, "a.bin": b"\0\1" * 600})
    with trees.stored(REPOSITORY, commit, policy=origin.policy()) as stored:
        assert stored.read("app.py") == b"x = 1\n"
        assert stored.read("latin.txt") == LATIN
        assert stored.modes["link"] == "120000"
        assert stored.read("link") == b"app.py"
        assert stored.read("a.bin", limit=100) is None
        assert stored.read("gone") is None


def test_what_is_stored_with_a_patch(trees: GitTrees, origin: Origin) -> None:
    policy = origin.policy()
    with trees.stored(REPOSITORY, origin.first, policy=policy, patch=PATCH) as stored:
        assert stored.read("app.py") == b"x = 2\n"
    refused = PATCH.replace("-x = 1", "-x = 7")
    with (
        pytest.raises(PatchRefused, match="does not apply"),
        trees.stored(REPOSITORY, origin.first, policy=policy, patch=refused),
    ):
        pass


@pytest.mark.parametrize(
    ("attributes", "stored", "old", "new", "meant"),
    [
        ("*.txt text eol=crlf\n", b"a\nb\n", b"b\r\n", b"c\r\n", b"a\nc\n"),
        ("*.txt text\n", b"a\r\nb\nc\n", b"b\n", b"B\n", b"a\r\nB\nc\n"),
        ("*.txt text eol=lf\n", b"a\r\nb\r\n", b"b", b"B", b"a\r\nB\r\n"),
        ("*.txt ident\n", b"$Id$\nb\n", b"b", b"B", b"$Id$\nB\n"),
        ("", LATIN, b"x = 1", b"x = 2", LATIN.replace(b"1", b"2")),
        ("*.txt text eol=crlf\n", b"a\r\nb\nc\n", b"c\r\n", b"C\r\n", b"a\r\nb\nC\n"),
    ],
    ids=["eol", "mixed", "crlf stored", "ident", "latin-1", "mixed and eol"],
)
def test_lines_that_a_fixer_left_alone_stay_as_stored(
    trees: GitTrees,
    origin: Origin,
    attributes: str,
    stored: bytes,
    old: bytes,
    new: bytes,
    meant: bytes,
) -> None:
    origin.commit({".gitattributes": attributes})
    commit = bytes_of(origin, {"a.txt": stored})
    with trees.at(REPOSITORY, commit, policy=origin.policy()) as tree:
        lying = tree.read("a.txt") or b""
        assert old in lying
        tree.write("a.txt", lying.replace(old, new))
        patch = trees.diff(tree)
    with trees.stored(REPOSITORY, commit, policy=origin.policy(), patch=patch) as made:
        assert made.read("a.txt") == meant
