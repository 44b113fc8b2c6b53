"""What was meant is what is applied: situations that users of comparable tools reported, each with
its right bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cihealing.diagnosis.prompting.patching import NotApplicable
from tests.diagnosis.answers import diff, edits, patched


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    before: dict[str, bytes]
    answer: object
    after: dict[str, bytes | None] = field(default_factory=dict)
    """Files that are not as before; None: gone."""
    says: str = ""
    """Of a refusal."""


def whole(path: str, *lines: str, head: str = "@@ -1 +1 @@") -> str:
    return f"--- a/{path}\n+++ b/{path}\n{head}\n" + "".join(f"{line}\n" for line in lines)


TWICE = b"def a():\n    x = 1\n    return 0\n\n\ndef b():\n    x = 2\n    return 0\n"
TWO = b"def a():\n    return 0\n\n\ndef b():\n    return 0\n"
MD = b"First line  \nsecond\nthird  \nfourth\n"
NFD = "cafe\u0301.py"
UTF16 = "NAME = 'x'\r\nSIZE = 1\r\nÄ\r\n"

CASES = [
    # encodings
    Case(
        name="latin-1, declared",
        before={"a.py": b'# -*- coding: latin-1 -*-\nN = "caf\xe9"\nx = 1\n'},
        answer=edits(("a.py", "x = 1", "x = 2")),
        after={"a.py": b'# -*- coding: latin-1 -*-\nN = "caf\xe9"\nx = 2\n'},
    ),
    Case(
        name="latin-1, the edit holds the letter",
        before={"a.py": b'# -*- coding: latin-1 -*-\nN = "caf\xe9"\n'},
        answer=edits(("a.py", 'N = "café"', 'N = "thé"')),
        after={"a.py": b'# -*- coding: latin-1 -*-\nN = "th\xe9"\n'},
    ),
    Case(
        name="latin-1, not declared",
        before={"a.txt": b"caf\xe9\nx = 1\n"},
        answer=edits(("a.txt", "x = 1", "x = 2")),
        after={"a.txt": b"caf\xe9\nx = 2\n"},
    ),
    Case(
        name="latin-1, a diff",
        before={"a.txt": b"caf\xe9\nx = 1\n"},
        answer=diff(whole("a.txt", " café", "-x = 1", "+x = 2", head="@@ -1,2 +1,2 @@")),
        after={"a.txt": b"caf\xe9\nx = 2\n"},
    ),
    Case(
        name="latin-1 cannot hold the answer",
        before={"a.py": b'# -*- coding: latin-1 -*-\nN = "caf\xe9"\n'},
        answer=edits(("a.py", 'N = "café"', 'N = "\u20ac"')),
        says="cannot be written in",
    ),
    Case(
        name="utf-8 with a stray byte",
        before={"a.txt": "größe\nnaïve\n".encode() + b"\xff\nx = 1\n"},
        answer=edits(("a.txt", "größe", "Größe")),
        after={"a.txt": "Größe\nnaïve\n".encode() + b"\xff\nx = 1\n"},
    ),
    Case(
        name="utf-16",
        before={"a.txt": UTF16.encode("utf-16")},
        answer=edits(("a.txt", "SIZE = 1", "SIZE = 2")),
        after={"a.txt": UTF16.replace("= 1", "= 2").encode("utf-16")},
    ),
    Case(
        name="utf-16, big end first",
        before={"a.txt": b"\xfe\xff" + UTF16.encode("utf-16-be")},
        answer=edits(("a.txt", "SIZE = 1\n", "SIZE = 2\nMORE = 3\n")),
        after={
            "a.txt": b"\xfe\xff"
            + UTF16.replace("= 1\r\n", "= 2\r\nMORE = 3\r\n").encode("utf-16-be")
        },
    ),
    Case(
        name="binary",
        before={"a.bin": b"\x00\x01\x02x = 1\xff\x00\x9c"},
        answer=edits(("a.bin", "x = 1", "x = 2")),
        says="binary",
    ),
    Case(
        name="byte order mark, first line changed by a diff",
        before={"a.py": b'\xef\xbb\xbfLIMIT = 1\r\nNAME = "x"\r\n'},
        answer=diff(
            whole("a.py", "-LIMIT = 1", "+LIMIT = 2", ' NAME = "x"', head="@@ -1,2 +1,2 @@")
        ),
        after={"a.py": b'\xef\xbb\xbfLIMIT = 2\r\nNAME = "x"\r\n'},
    ),
    Case(
        name="byte order mark, a line before the first",
        before={"a.py": b"\xef\xbb\xbfLIMIT = 1\n"},
        answer=diff(whole("a.py", "+import os", " LIMIT = 1", head="@@ -1 +1,2 @@")),
        after={"a.py": b"\xef\xbb\xbfimport os\nLIMIT = 1\n"},
    ),
    Case(
        name="byte order mark, whole file",
        before={"a.py": b"\xef\xbb\xbfLIMIT = 1\n"},
        answer=edits(("a.py", "", "LIMIT = 2\n")),
        after={"a.py": b"\xef\xbb\xbfLIMIT = 2\n"},
    ),
    Case(
        name="byte order mark, taken away on purpose",
        before={"a.py": b"\xef\xbb\xbfLIMIT = 1\n"},
        answer=edits(("a.py", "\ufeffLIMIT = 1", "LIMIT = 1")),
        after={"a.py": b"LIMIT = 1\n"},
    ),
    # line ends
    Case(
        name="mixed ends, a line of each kind",
        before={"a.txt": b"one\r\ntwo\nthree\r\nfour\n"},
        answer=edits(("a.txt", "one\ntwo\nthree\n", "one\n2\nthree\n")),
        after={"a.txt": b"one\r\n2\nthree\r\nfour\n"},
    ),
    Case(
        name="mixed ends, added lines end as their place does",
        before={"a.txt": b"one\r\ntwo\r\nthree\nfour\n"},
        answer=edits(("a.txt", "two", "two\nand more")),
        after={"a.txt": b"one\r\ntwo\r\nand more\r\nthree\nfour\n"},
    ),
    Case(
        name="mixed ends, a diff",
        before={"a.txt": b"one\r\ntwo\nthree\r\n"},
        answer=diff(whole("a.txt", " one", "-two", "+2", " three", head="@@ -1,3 +1,3 @@")),
        after={"a.txt": b"one\r\n2\nthree\r\n"},
    ),
    Case(
        name="mixed ends, another line changed",
        before={"a.txt": b"one\r\ntwo\nthree\r\n"},
        answer=diff(whole("a.txt", "-one", "+1", " two", head="@@ -1,2 +1,2 @@")),
        after={"a.txt": b"1\r\ntwo\nthree\r\n"},
    ),
    Case(
        name="ends changed on purpose",
        before={"a.sh": b"#!/bin/sh\r\necho\r\n"},
        answer=edits(("a.sh", "#!/bin/sh\r\n", "#!/bin/sh\n")),
        after={"a.sh": b"#!/bin/sh\necho\r\n"},
    ),
    Case(
        name="ends changed on purpose by a diff",
        before={"a.sh": b"#!/bin/sh\r\necho\r\n"},
        answer=diff(whole("a.sh", "-#!/bin/sh\r", "+#!/bin/sh", " echo\r", head="@@ -1,2 +1,2 @@")),
        after={"a.sh": b"#!/bin/sh\necho\r\n"},
    ),
    Case(
        name="a carriage return alone ends no line",
        before={"a.txt": b"50%\rdone\nx = 1\n"},
        answer=edits(("a.txt", "x = 1", "x = 2")),
        after={"a.txt": b"50%\rdone\nx = 2\n"},
    ),
    # the final newline
    Case(
        name="no final newline, git's own mark",
        before={"VERSION": b"1.2.3"},
        answer=diff(
            whole("VERSION", "-1.2.3", "\\ No newline at end of file", "+1.2.4")
            + "\\ No newline at end of file\n"
        ),
        after={"VERSION": b"1.2.4"},
    ),
    Case(
        name="a final newline is added by a diff",
        before={"VERSION": b"1.2.3"},
        answer=diff(whole("VERSION", "-1.2.3", "\\ No newline at end of file", "+1.2.3")),
        after={"VERSION": b"1.2.3\n"},
    ),
    Case(
        name="a final newline is taken away by a diff",
        before={"VERSION": b"1.2.3\n"},
        answer=diff(whole("VERSION", "-1.2.3", "+1.2.3", "\\ No newline at end of file")),
        after={"VERSION": b"1.2.3"},
    ),
    Case(
        name="a final newline is taken away by an edit",
        before={"VERSION": b"1.2.3\n"},
        answer=edits(("VERSION", "1.2.3\n", "1.2.4")),
        after={"VERSION": b"1.2.4"},
    ),
    Case(
        name="a final newline is added by an edit",
        before={"VERSION": b"1.2.3"},
        answer=edits(("VERSION", "1.2.3", "1.2.3\n")),
        after={"VERSION": b"1.2.3\n"},
    ),
    Case(
        name="the answer thinks there is a final newline",
        before={"VERSION": b"1.2.3"},
        answer=edits(("VERSION", "1.2.3\n", "1.2.4\n")),
        after={"VERSION": b"1.2.4"},
    ),
    Case(
        name="a whole file without a final newline",
        before={"VERSION": b"1.2.3"},
        answer=edits(("VERSION", "", "1.2.4")),
        after={"VERSION": b"1.2.4"},
    ),
    Case(
        name="a new file without a final newline",
        before={"a": b"a\n"},
        answer=diff("--- /dev/null\n+++ b/V\n@@ -0,0 +1 @@\n+1\n\\ No newline at end of file\n"),
        after={"V": b"1"},
    ),
    Case(
        name="a carriage return at the end of the file",
        before={"a.txt": b"a"},
        answer=diff(
            whole("a.txt", "-a", "\\ No newline at end of file", "+a\r")
            + "\\ No newline at end of file\n"
        ),
        after={"a.txt": b"a\r"},
    ),
    # hunks
    Case(
        name="an empty line between two files",
        before={"a.py": b"A = 1\n", "b.py": b"B = 1\n"},
        answer=diff(whole("a.py", "-A = 1", "+A = 2") + "\n" + whole("b.py", "-B = 1", "+B = 2")),
        after={"a.py": b"A = 2\n", "b.py": b"B = 2\n"},
    ),
    Case(
        name="an empty line between two hunks",
        before={"a.py": b"A\nB\nC\nD\nE\n"},
        answer=diff("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-A\n+a\n\n@@ -5 +5 @@\n-E\n+e\n"),
        after={"a.py": b"a\nB\nC\nD\ne\n"},
    ),
    Case(
        name="an empty context line without its blank",
        before={"a.py": b"A\n\nC\n"},
        answer=diff("--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n A\n\n-C\n+c\n"),
        after={"a.py": b"A\n\nc\n"},
    ),
    Case(
        name="removed `-- `, added `++ `",
        before={"q.sql": b"SELECT 1\n-- one\nFROM t;\n"},
        answer=diff(
            whole("q.sql", " SELECT 1", "--- one", "+++ two", " FROM t;", head="@@ -1,3 +1,3 @@")
        ),
        after={"q.sql": b"SELECT 1\n++ two\nFROM t;\n"},
    ),
    Case(
        name="removed `-- `, wrong counts",
        before={"q.sql": b"SELECT 1\n-- one\nFROM t;\n"},
        answer=diff(
            whole("q.sql", " SELECT 1", "--- one", "+++ two", " FROM t;", head="@@ -1,9 +1,9 @@")
        ),
        after={"q.sql": b"SELECT 1\n++ two\nFROM t;\n"},
    ),
    Case(
        name="a patch within a patch",
        before={"x.diff": b"--- a/y\n+++ b/y\n@@ -1 +1 @@\n-1\n+2\n"},
        answer=diff(
            whole(
                "x.diff",
                " --- a/y",
                " +++ b/y",
                " @@ -1 +1 @@",
                " -1",
                "-+2",
                "++3",
                head="@@ -1,5 +1,5 @@",
            )
        ),
        after={"x.diff": b"--- a/y\n+++ b/y\n@@ -1 +1 @@\n-1\n+3\n"},
    ),
    Case(
        name="the signature of a mail",
        before={"a.py": b"A = 1\n"},
        answer=diff(whole("a.py", "-A = 1", "+A = 2") + "-- \n2.39.2\n"),
        after={"a.py": b"A = 2\n"},
    ),
    Case(
        name="a line of a hunk without its sign",
        before={"a.py": b"A\nB\nC\n"},
        answer=diff("--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n A\n-B\n+b\nC\n"),
        says="no line of a hunk",
    ),
    # fences
    Case(
        name="a diff of Markdown in a fence",
        before={"a.md": b"```python\nx = 1\n```\nend\n"},
        answer=diff(
            "```diff\n"
            + whole(
                "a.md", " ```python", "-x = 1", "+x = 2", " ```", " end", head="@@ -1,4 +1,4 @@"
            )
            + "```\n"
        ),
        after={"a.md": b"```python\nx = 2\n```\nend\n"},
    ),
    Case(
        name="a diff that adds a fence",
        before={"a.md": b"x\n"},
        answer=diff(whole("a.md", " x", "+```", "+y", "+```", head="@@ -1 +1,4 @@")),
        after={"a.md": b"x\n```\ny\n```\n"},
    ),
    Case(
        name="search and replacement in fences",
        before={"a.py": b"x = 1\ny = 1\n"},
        answer=edits(("a.py", "```python\nx = 1\n```", "```python\nx = 2\n```")),
        after={"a.py": b"x = 2\ny = 1\n"},
    ),
    Case(
        name="a whole file in a fence",
        before={"a.py": b"x = 1\n"},
        answer=edits(("a.py", "", "```python\nx = 2\n```\n")),
        after={"a.py": b"x = 2\n"},
    ),
    Case(
        name="a whole file whose content is a fence",
        before={"a.md": b"x\n"},
        answer=edits(("a.md", "", "```\ny\n```\n")),
        after={"a.md": b"```\ny\n```\n"},
    ),
    # names, renames, modes
    Case(
        name="a name as git quotes it",
        before={"größe.py": b"A = 1\n"},
        answer=diff(
            'diff --git "a/gr\\303\\266\\303\\237e.py" "b/gr\\303\\266\\303\\237e.py"\n'
            '--- "a/gr\\303\\266\\303\\237e.py"\n+++ "b/gr\\303\\266\\303\\237e.py"\n'
            "@@ -1 +1 @@\n-A = 1\n+A = 2\n"
        ),
        after={"größe.py": b"A = 2\n"},
    ),
    Case(
        name="a name with a blank",
        before={"my file.py": b"A = 1\n"},
        answer=diff("--- a/my file.py\t\n+++ b/my file.py\t\n@@ -1 +1 @@\n-A = 1\n+A = 2\n"),
        after={"my file.py": b"A = 2\n"},
    ),
    Case(
        name="names without prefixes below a directory `a`",
        before={"a/x.py": b"A = 1\n"},
        answer=diff("--- a/x.py\n+++ a/x.py\n@@ -1 +1 @@\n-A = 1\n+A = 2\n"),
        after={"a/x.py": b"A = 2\n"},
    ),
    Case(
        name="a pure rename",
        before={"Calc.py": b"A = 1\n"},
        answer=diff(
            "diff --git a/Calc.py b/calc.py\nsimilarity index 100%\nrename from Calc.py\n"
            "rename to calc.py\n"
        ),
        after={"Calc.py": None, "calc.py": b"A = 1\n"},
    ),
    Case(
        name="a rename with a change",
        before={"a.py": b"A = 1\nB = 1\n"},
        answer=diff(
            "diff --git a/a.py b/c.py\nsimilarity index 50%\nrename from a.py\nrename to c.py\n"
            "--- a/a.py\n+++ b/c.py\n@@ -1,2 +1,2 @@\n-A = 1\n+A = 2\n B = 1\n"
        ),
        after={"a.py": None, "c.py": b"A = 2\nB = 1\n"},
    ),
    Case(
        name="two names and no word of a rename",
        before={"a.py": b"A = 1\n"},
        answer=diff("--- a/a.py\n+++ b/c.py\n@@ -1 +1 @@\n-A = 1\n+A = 2\n"),
        says="without a `rename from`",
    ),
    Case(
        name="a new file that is empty",
        before={"shop/core.py": b"A = 1\n"},
        answer=diff(
            "diff --git a/shop/__init__.py b/shop/__init__.py\nnew file mode 100644\n"
            "index 0000000..e69de29\n"
        ),
        after={"shop/__init__.py": b""},
    ),
    Case(
        name="a new file that is empty by an edit",
        before={"shop/core.py": b"A = 1\n"},
        answer=edits(("shop/__init__.py", "", "")),
        after={"shop/__init__.py": b""},
    ),
    Case(
        name="an empty file is deleted",
        before={"a.py": b"", "b.py": b"x\n"},
        answer=diff("diff --git a/a.py b/a.py\ndeleted file mode 100644\nindex e69de29..0000000\n"),
        after={"a.py": None},
    ),
    Case(
        name="a new file where there is one",
        before={"a.py": b"A = 1\n"},
        answer=diff("--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+A = 2\n"),
        says="is there already",
    ),
    # white space
    Case(
        name="trailing blanks within what is matched",
        before={"a.md": MD},
        answer=edits(("a.md", "First line\nsecond\nthird\n", "First line\n2nd\nthird\n")),
        after={"a.md": MD.replace(b"second", b"2nd")},
    ),
    Case(
        name="trailing blanks of the line that changes",
        before={"a.md": MD},
        answer=edits(("a.md", "First line\nsecond", "First row\nsecond")),
        after={"a.md": MD.replace(b"First line", b"First row")},
    ),
    Case(
        name="trailing blanks beside a hunk",
        before={"a.md": MD},
        answer=diff(
            whole("a.md", " First line", "-second", "+2nd", " third", head="@@ -1,3 +1,3 @@")
        ),
        after={"a.md": MD.replace(b"second", b"2nd")},
    ),
    Case(
        name="trailing blanks are what is added",
        before={"a.md": b"First line\nsecond\n"},
        answer=edits(("a.md", "First line\n", "First line  \n")),
        after={"a.md": b"First line  \nsecond\n"},
    ),
    Case(
        name="indentation of lines that stay",
        before={"a.py": b"if x:\n        y = 1\n        z = 1\n"},
        answer=edits(("a.py", "    y = 1\n    z = 1\n", "    y = 1\n    z = 2\n")),
        after={"a.py": b"if x:\n        y = 1\n        z = 2\n"},
    ),
    Case(
        name="tabs, the answer with blanks",
        before={"a.py": b"def sign(n):\n\tif n < 0:\n\t\treturn 1\n\treturn 1\n"},
        answer=edits(
            ("a.py", "    if n < 0:\n        return 1\n", "    if n < 0:\n        return -1\n")
        ),
        after={"a.py": b"def sign(n):\n\tif n < 0:\n\t\treturn -1\n\treturn 1\n"},
    ),
    # text that stands twice
    Case(
        name="hunk numbers break the tie",
        before={"a.py": TWO},
        answer=diff(whole("a.py", "-    return 0", "+    return 1", head="@@ -6 +6 @@")),
        after={"a.py": b"def a():\n    return 0\n\n\ndef b():\n    return 1\n"},
    ),
    Case(
        name="hunk numbers count what earlier hunks added",
        before={"a.py": TWO},
        answer=diff(
            "--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n def a():\n+    y = 1\n"
            "@@ -6 +7 @@\n-    return 0\n+    return 1\n"
        ),
        after={"a.py": b"def a():\n    y = 1\n    return 0\n\n\ndef b():\n    return 1\n"},
    ),
    Case(
        name="the enclosing symbol breaks the tie",
        before={"a.py": TWO},
        answer=diff(whole("a.py", "-    return 0", "+    return 1", head="@@ -60 +60 @@ def b():")),
        after={"a.py": b"def a():\n    return 0\n\n\ndef b():\n    return 1\n"},
    ),
    Case(
        name="nothing breaks the tie: both places are said",
        before={"a.py": TWO},
        answer=edits(("a.py", "    return 0\n", "    return 1\n")),
        says=r"stands 2 times in a\.py \(lines 2 and 6\)",
    ),
    Case(
        name="overlaps count as twice",
        before={"a.py": b'P = [\n    "left",\n    "left",\n    "left",\n]\n'},
        answer=edits(("a.py", '    "left",\n    "left",\n', '    "right",\n    "up",\n')),
        says=r"stands 2 times in a\.py \(lines 2 and 3\)",
    ),
    Case(
        name="a word within a longer one is not meant",
        before={"a.py": b"read_timeout = 1\ntimeout = 1\n"},
        answer=edits(("a.py", "timeout = 1", "timeout = 2")),
        after={"a.py": b"read_timeout = 1\ntimeout = 2\n"},
    ),
    Case(
        name="only within a longer word",
        before={"a.py": b"read_timeout = 1\n"},
        answer=edits(("a.py", "timeout = 1", "timeout = 2")),
        says=r"only within a longer word \(line 1\)",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_was_meant_is_what_is_applied(tmp_path: Path, case: Case) -> None:
    if case.says:
        with pytest.raises(NotApplicable, match=case.says):
            patched(tmp_path, case.before, case.answer)
        return
    wanted = {**case.before, **case.after}
    assert patched(tmp_path, case.before, case.answer) == {
        path: content for path, content in wanted.items() if content is not None
    }


LINKED = {"real/a.py": b"A = 1\n", "v1/b.py": b"B = 1\n"}


@pytest.mark.parametrize(
    ("path", "links", "says"),
    [
        ("link.py", {"link.py": "real/a.py"}, ""),
        ("now/b.py", {"now": "v1"}, ""),
        ("x/now/b.py", {"x/now": "../v2", "v2": "v1"}, ""),
        ("out.py", {"out.py": "../../etc/passwd"}, "leads out"),
        ("out.py", {"out.py": "/etc/passwd"}, "leads out"),
        ("own.py", {"own.py": ".git/config"}, "inside the repository"),
        ("round.py", {"round.py": "round.py"}, "leads out of|in a circle"),
    ],
)
def test_a_link_means_the_tracked_file(
    tmp_path: Path, path: str, links: dict[str, str], says: str
) -> None:
    before = LINKED | {name: ("link", target) for name, target in links.items()}
    answer = edits((path, "= 1", "= 2"))
    if says:
        with pytest.raises(NotApplicable, match=says):
            patched(tmp_path, before, answer)
        return
    meant = "real/a.py" if path == "link.py" else "v1/b.py"
    after = patched(tmp_path, before, answer)
    assert after[meant] == LINKED[meant].replace(b"1", b"2")
    assert sorted(after) == sorted(before)


@pytest.mark.parametrize(
    ("tracked", "named"),
    [("README.md", "Readme.md"), (NFD, "caf\u00e9.py"), ("src/Shop/a.py", "src/shop/a.py")],
)
def test_another_spelling_of_a_name_is_found_and_said(
    tmp_path: Path, tracked: str, named: str
) -> None:
    said: list[str] = []
    after = patched(tmp_path, {tracked: b"A = 1\n"}, edits((named, "A = 1", "A = 2")), said=said)
    assert after == {tracked: b"A = 2\n"}
    assert len(said) == 1
    assert tracked in said[0]


def test_of_two_spellings_none_is_taken(tmp_path: Path) -> None:
    before = {"README.md": b"A = 1\n", "readme.MD": b"A = 1\n"}
    with pytest.raises(NotApplicable, match=r"README\.md.*readme\.MD"):
        patched(tmp_path, before, edits(("Readme.md", "A = 1", "A = 2")))


def test_a_mode_stays_and_may_be_named(tmp_path: Path) -> None:
    before = {"run.sh": ("executable", "echo 1\n")}
    modes: dict[str, str] = {}
    patched(tmp_path, before, edits(("run.sh", "echo 1", "echo 2")), modes=modes)
    assert modes == {"run.sh": "100755"}
    patched(
        tmp_path / "2",
        {"run.sh": b"echo 1\n"},
        diff("diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"),
        modes=modes,
    )
    assert modes == {"run.sh": "100755"}
