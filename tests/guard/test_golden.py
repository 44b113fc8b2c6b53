"""Word for word what the guard says of every patch of the corpora.

After a change on purpose: `python -m tests.guard.test_golden` writes the file anew; read its diff
before you believe it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cihealing.domain.policy import Policy
from cihealing.guard import check
from tests.guard.patches import changed, created, deleted, renamed
from tests.guard.test_corpora import BENIGN, CHEATING, HOSTILE

GOLDEN = Path(__file__).parent / "golden" / "corpora.txt"
POLICY = Policy()
CODE = (
    "import os\n\n\ndef total(items):\n    # adds\n    found = 0\n    for item in items:\n       "
    " found += item\n    return found"
)
TEST = (
    "import shop\n\n\ndef test_total():\n    assert shop.total([1, 2]) == 3\n    assert"
    " shop.total([]) == 0\n\n\ndef helper():\n    return 1"
)
TOML = (
    '[project]\nname = "shop"\ndependencies = [\n    "httpx>=0.27",\n]\n\n[project.scripts]\nshop ='
    ' "shop:main"\n\n[tool.x]\na = 1'
)
SHELL = "#!/bin/sh\nset -eu\nrun\nset -e\nend"


def more() -> Iterator[tuple[str, str]]:
    """Patches at the bounds of rules that need several lines."""
    yield (
        "blocks: one comparison",
        changed(
            "a.py",
            CODE,
            CODE.replace("    found = 0", "    if items == []:\n        return 0\n    found = 0"),
        ),
    )
    two = "    if items == [1] and len(items) == 1:\n        return 7\n    found = 0"
    yield "blocks: two comparisons", changed("a.py", CODE, CODE.replace("    found = 0", two))
    yield (
        "blocks: two comparisons in a test",
        changed("tests/test_a.py", CODE, CODE.replace("    found = 0", two)),
    )
    yield (
        "blocks: two comparisons in prose",
        changed("a.md", CODE, CODE.replace("    found = 0", two)),
    )
    yield (
        "blocks: comparisons without a condition",
        changed(
            "a.py", CODE, CODE.replace("    found = 0", "    x = a == 1 and b == 2\n    return 7")
        ),
    )
    yield (
        "blocks: the answer on the line",
        changed("a.js", "f();", "if (a === 1 && b === 2) return 7;\nf();"),
    )
    yield "blocks: a condition at the end", changed("a.py", "a = 1", "a = 1\nif a == 1 and b == 2:")
    yield (
        "blocks: a context that returns",
        changed("a.py", "x\n    return 7", "x\nif a == 1 and b == 2:\n    return 7"),
    )
    yield (
        "blocks: an answer that is moved",
        changed(
            "a.py",
            "if a == 1 and b == 2:\n    return 7\nx",
            "if a == 1 and b == 2:\n    return 7\ny",
        ),
    )
    yield (
        "blocks: one line gives way to nothing",
        changed("a.py", "def f():\n    return g()", "def f():\n    return None"),
    )
    yield (
        "blocks: two lines give way to nothing",
        changed("a.py", "def f():\n    a = g()\n    return a", "def f():\n    return None"),
    )
    yield (
        "blocks: remarks give way to nothing",
        changed("a.py", "def f():\n    # a\n    # b\n    return g()", "def f():\n    return None"),
    )
    yield (
        "blocks: a remark and nothing",
        changed(
            "a.py", "def f():\n    a = g()\n    return a", "def f():\n    # later\n    return None"
        ),
    )
    yield (
        "blocks: lines go and nothing comes",
        changed("a.py", CODE, CODE.replace("    for item in items:\n        found += item\n", "")),
    )
    yield (
        "blocks: one of two handlers is new",
        changed(
            "a.py", "try:\n    f()\nexcept A:\n    pass\nx", "try:\n    g()\nexcept A:\n    pass\nx"
        ),
    )
    yield (
        "blocks: a handler with a remark",
        changed("a.py", "f()", "try:\n    f()\nexcept A:\n    # why\n    pass"),
    )
    for before, after in (
        ("set -eu", "set -u"),
        ("set -eu", "set -e"),
        ("set -eu", "set -euo pipefail"),
        ("#!/bin/sh\nset -eu", "#!/bin/sh -e\nset -u"),
    ):
        yield (
            f"shell: {before!r} to {after!r}",
            changed("run.sh", SHELL, SHELL.replace(before, after)),
        )
    yield "shell: a line less of two", changed("run.sh", SHELL, SHELL.replace("\nset -e\n", "\n"))
    yield "shell: deleted", deleted("run.sh", SHELL)
    for line in (
        'scripts = {x = "y"}',
        "entry-points = 1",
        "[tool.y]",
        '"pydantic>=2",',
        "",
        'name = "x"',
        "]",
        '"x @ file:///x",',
        "version = 1",
    ):
        yield (
            f"manifest: {line!r} among dependencies",
            changed(
                "pyproject.toml",
                TOML,
                TOML.replace('    "httpx>=0.27",', f'    "httpx>=0.27",\n{line}'),
            ),
        )
        yield (
            f"manifest: {line!r} among tools",
            changed("Cargo.toml", TOML, TOML.replace("a = 1", f"a = 1\n{line}")),
        )
        yield (
            f"manifest: {line!r} without a table",
            changed("sub/pyproject.toml", "a\nb", f"a\n{line}\nb"),
        )
    for path in (
        "json.py",
        "json.pyi",
        "json.so",
        "json.pyd",
        "json.js",
        "src/json.py",
        "src",
        "src/shop/json.py",
        "test.py",
        "test/x.py",
        "a/_pytest/b.py",
        "src/mock.pyi",
        "JSON.py",
    ):
        yield f"shadow: {path}", created(path, "x = 1")
    yield "shadow: changed", changed("json.py", "x = 1", "x = 2")
    yield "shadow: deleted", deleted("json.py", "x = 1")
    for path in ("setup.py", "build.rs", "vite.config.ts", "CMakeLists.txt", "app.gradle"):
        yield f"build: new {path}", created(path, "x")
        yield f"build: changed {path}", changed(path, "x", "y")
    for path in (
        "a/auth/x.py",
        "author.py",
        "x_session.py",
        "sessions.py",
        "cors-x.py",
        "k8s/a.yml",
        "a/main.tf",
        "x.tfvars",
    ):
        yield f"person: {path}", changed(path, "x", "y")
    yield (
        "tests: under a condition",
        changed(
            "tests/test_a.py",
            TEST,
            TEST.replace(
                "    assert shop.total([])", "    if shop:\n        assert shop.total([])"
            ),
        ),
    )
    yield (
        "tests: out of a condition",
        changed(
            "tests/test_a.py",
            TEST.replace(
                "    assert shop.total([])", "    if shop:\n        assert shop.total([])"
            ),
            TEST,
        ),
    )
    yield (
        "tests: another claim under a condition",
        changed(
            "tests/test_a.py",
            TEST,
            TEST.replace("    assert shop.total([])", "    if shop:\n        assert shop.sum([])"),
        ),
    )
    yield (
        "tests: a condition beside",
        changed(
            "tests/test_a.py",
            TEST,
            TEST.replace("def helper():", "def helper():\n    if shop:\n        return 2"),
        ),
    )
    yield (
        "tests: shut in",
        changed(
            "tests/test_a.py",
            TEST,
            TEST.replace("def test_total", '"""\ndef test_total').replace("== 0", '== 0\n"""'),
        ),
    )
    yield (
        "tests: a docstring",
        changed(
            "tests/test_a.py",
            TEST,
            TEST.replace("test_total():", 'test_total():\n    """\n    Adds.\n    """'),
        ),
    )
    yield "tests: a docstring above", changed("tests/test_a.py", TEST, '"""\nTests.\n"""\n' + TEST)
    yield (
        "tests: a generator",
        changed(
            "tests/test_a.py",
            TEST,
            TEST.replace(
                "    assert shop.total([]) == 0", "    yield\n    assert shop.total([]) == 0"
            ),
        ),
    )
    yield (
        "tests: a helper that yields",
        changed("tests/test_a.py", TEST, TEST.replace("    return 1", "    yield 1")),
    )
    yield (
        "tests: a removed def above a yield",
        changed("tests/test_a.py", "def test_a():\n    x\n", "def helper():\n    yield x\n"),
    )
    yield (
        "tests: other values",
        changed("tests/test_a.py", TEST, TEST.replace("return 1", "return 2")),
    )
    yield (
        "tests: an import",
        changed("tests/test_a.py", 'from "a" import x\nx', 'from "b" import x\nx'),
    )
    yield "tests: a remark", changed("tests/test_a.py", "# 1\nx", "# 2\nx")
    yield "tests: data that grows", changed("tests/data/a.json", "{}", "{}\n1")
    yield "tests: data that shrinks", changed("tests/data/a.json", "{}\n1", "{}")
    yield "tests: data that is new", created("tests/data/a.json", "{}")
    yield (
        "tests: many are lost",
        changed(
            "tests/test_a.py", "\n".join(f"def test_{n}():\n    f()" for n in range(5)), "x = 1"
        ),
    )
    yield "lines: moved to the right", changed("a.sh", "x || exit 0\ny", "y\n  x || exit 0")
    yield (
        "lines: twice what went once",
        changed("a.sh", "x || exit 0\ny", "y\nx || exit 0\nz\nx || exit 0"),
    )
    yield (
        "lines: three times what went twice",
        changed(
            "a.sh", "x || exit 0\nx || exit 0\ny", "y\nx || exit 0\nz\nx || exit 0\nw\nx || exit 0"
        ),
    )
    for length in (599, 600, 601):
        yield f"lines: {length} characters", changed("a.py", "a", "b" * length)
    yield "lines: far to the right", changed("a.py", "a", "a = 1" + " " * 130 + "b = 2")
    yield "lines: unseen in a path", created("a\u200b.py", "x")
    for host in (
        "https://pypi.org/x",
        "http://pypi.org/x",
        "https://PYPI.ORG/x",
        "https://evil.example/x",
        "https://[::1/x",
        "https://",
    ):
        yield f"sources: {host}", changed("requirements.txt", "a==1", f"a==2 # {host}")
    yield (
        "sources: a host that was there",
        changed("poetry.lock", "u https://corp.example/1", "u https://corp.example/2"),
    )
    yield "paths: of a thousand characters", created("d/" * 499 + "ab", "x")
    yield "paths: of more", created("d/" * 499 + "abc", "x")
    yield "renamed", renamed("shop/a.py", "shop/b.py")
    yield "broken: letters", changed("a.py", "a", "b").replace("+b", "!b")
    yield "broken: longer", changed("a.py", "a", "b") + "+c\n"
    yield (
        "broken: a range that is too small",
        changed("a.py", "a\nb", "c\nd").replace("-1,2", "-1,1"),
    )
    yield (
        "no newline at the end",
        changed("a.py", "a", "b").rstrip("\n") + "\n\\ No newline at end of file\n",
    )
    yield (
        "no newline in the middle",
        (
            "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No"
            " newline at end of file\n"
        ),
    )
    head = "diff --git a/x b/x\nnew file mode 100644\n"
    yield (
        "broken: new and deleted",
        head + "deleted file mode 100644\n--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n",
    )
    yield (
        "broken: new by its mode alone",
        head + "index 0..1\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+x\n",
    )
    yield (
        "broken: new by its name alone",
        "diff --git a/x b/x\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n",
    )
    yield (
        "deleted by its name alone",
        "diff --git a/x b/x\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
    )
    yield "null with a tab", "diff --git a/x b/x\n--- /dev/null\t1970\n+++ b/x\n@@ -0,0 +1 @@\n+x\n"
    yield (
        "a mode in the index line",
        "diff --git a/x b/x\nindex 1..2 120000\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n",
    )
    yield (
        "an index line without a mode",
        "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n",
    )
    yield "copied", "diff --git a/x b/y\nsimilarity index 100%\ncopy from x\ncopy to y\n"
    for name in (
        '"a\\tb"',
        '"a\\\\b"',
        '"a\\"b"',
        '"\\303\\244"',
        '"',
        '""',
        '"a\\q"',
        '"a',
        '"\\"b"',
        '"\\141\\142"',
    ):
        quoted = name[:1] + "b/" + name[1:]
        yield (
            f"quoted: {name}",
            (
                f"diff --git {name[:1]}a/{name[1:]} {quoted}\nnew file mode 100644\n---"
                f" /dev/null\n+++ {quoted}\n@@ -0,0 +1 @@\n+x\n"
            ),
        )
    yield (
        "blanks in names",
        "diff --git a/a b/c b/a b/c\n--- a/a b/c\n+++ b/a b/c\n@@ -1 +1 @@\n-x\n+y\n",
    )
    yield (
        "blanks in names, modes alone",
        "diff --git a/a b/c b/a b/c\nold mode 100644\nnew mode 100755\n",
    )
    yield (
        "names that can be split in two ways",
        "diff --git a/x b/y b/x b/y\nold mode 100644\nnew mode 100755\n",
    )
    yield (
        "many ways to split",
        "diff --git a/"
        + " b/".join(["q"] * 60)
        + " b/"
        + " b/".join(["q"] * 60)
        + "\nold mode 100644\nnew mode 100755\n",
    )
    yield "blank lines at the end", changed("a.py", "a", "b") + "\n\n\n"
    yield "blank lines at the begin", "\n\n" + changed("a.py", "a", "b")
    yield "a carriage return in a line", changed("a.py", "a", "b\rc")
    yield "a form feed in a line", changed("a.py", "a", "b\x0cc")
    yield "a file separator in a line", changed("a.py", "a", "b\x1cc")
    yield (
        "two files, one of them binary",
        "diff --git a/a b/a\nindex 1..2 100644\nBinary files a/a and b/a differ\n"
        + changed("b.py", "a", "b")
        + changed("c.sh", "a", "x || exit 0"),
    )
    yield "what is removed", changed("a.py", "one\ntwo\nthree", "one\nthree")
    yield (
        "a binary file among others",
        "diff --git a/a b/a\nGIT binary patch\nliteral 1\nx\n\n" + changed("a.py", "a", "b"),
    )


def told() -> Iterator[str]:
    patches = [*((e["id"], e["patch"]) for e in (*CHEATING, *HOSTILE, *BENIGN)), *more()]
    for name, patch in patches:
        found = check(patch, policy=POLICY)
        yield (
            f"{name}\tnothing"
            if not found
            else "\n".join(
                f"{name}\t{'hard' if o.hard else 'soft'}\t{o.rule}\t{o.text}" for o in found
            )
        )


def test_every_patch_is_told_of_as_was_agreed() -> None:
    agreed = GOLDEN.read_text(encoding="utf-8").splitlines()
    now = "\n".join(told()).splitlines()
    wrong = [
        f"{mine}\n  agreed: {theirs}"
        for mine, theirs in zip(now, agreed, strict=False)
        if mine != theirs
    ]
    assert (wrong[:5], len(now)) == ([], len(agreed))


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(told()) + "\n", encoding="utf-8")
