"""Git-shaped patches for tables."""

from __future__ import annotations

from difflib import unified_diff


def changed(path: str, before: str, after: str) -> str:
    """What `git diff` says of one modified text file; texts are given without their last
    newline.
    """
    lines = unified_diff(
        before.split("\n"), after.split("\n"), f"a/{path}", f"b/{path}", lineterm=""
    )
    return (
        f"diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n" + "\n".join(lines) + "\n"
    )


def created(path: str, text: str, mode: str = "100644") -> str:
    lines = text.split("\n")
    head = (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\nindex 0000000..2222222\n---"
        f" /dev/null\n+++ b/{path}\n"
    )
    return head + f"@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)


def deleted(path: str, text: str) -> str:
    lines = text.split("\n")
    head = (
        f"diff --git a/{path} b/{path}\ndeleted file mode 100644\nindex 1111111..0000000\n---"
        f" a/{path}\n+++ /dev/null\n"
    )
    return head + f"@@ -1,{len(lines)} +0,0 @@\n" + "".join(f"-{line}\n" for line in lines)


def renamed(old: str, new: str) -> str:
    return (
        f"diff --git a/{old} b/{new}\nsimilarity index 100%\nrename from {old}\nrename to {new}\n"
    )


def added(path: str, line: str) -> str:
    """One line more in a file that goes on."""
    return changed(path, "one\ntwo", f"one\n{line}\ntwo")
