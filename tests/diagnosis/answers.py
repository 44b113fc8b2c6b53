"""Answers of a model, and what git makes of them in a repository of bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cihealing.diagnosis.prompting.answer import Answer
from cihealing.diagnosis.prompting.patching import to_patch


def said(*changes: tuple[str, str, str], diff: str = "") -> Answer:
    told: dict[str, Any] = {
        "known": True,
        "root_cause": "",
        "failure_class": "product",
        "confidence": 0.5,
        "citations": [],
        "proposed_fix": "",
        "diff": diff,
        "test_plan": "",
        "edits": [
            {"path": path, "search": search, "replace": replace}
            for path, search, replace in changes
        ],
    }
    return Answer.model_validate(told)


def edits(*changes: tuple[str, str, str]) -> Answer:
    return said(*changes)


def diff(text: str) -> Answer:
    return said(diff=text)


Before = Mapping[str, "bytes | tuple[str, str]"]
"""By path: the content, or (`link` or `executable`, text)."""


def git(place: Path, *args: str, data: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-C", str(place), "-c", "core.quotePath=false", *args],
        input=data,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stderr.decode(), data)
    return done.stdout


def entries(before: Before) -> dict[str, tuple[str, bytes]]:
    """(mode, content) by path."""
    modes = {"link": "120000", "executable": "100755"}
    return {
        path: ("100644", value)
        if isinstance(value, bytes)
        else (modes[value[0]], value[1].encode())
        for path, value in before.items()
    }


class Blobs:
    """`ports.Stored` of what is named."""

    def __init__(self, before: Before) -> None:
        self._entries = entries(before)
        self.modes = {path: mode for path, (mode, _) in self._entries.items()}

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        content = self._entries[path][1] if path in self._entries else None
        return content if content is not None and len(content) <= limit else None


def index(place: Path, before: Before) -> None:
    place.mkdir(parents=True, exist_ok=True)
    git(place, "init", "-q")
    for path, (mode, content) in entries(before).items():
        blob = git(place, "hash-object", "-w", "--stdin", data=content).decode().strip()
        git(place, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")


def staged(place: Path) -> dict[str, tuple[str, bytes]]:
    found = {}
    for line in git(place, "ls-files", "--stage", "-z").decode().split("\0")[:-1]:
        facts, _, path = line.partition("\t")
        mode, blob, _ = facts.split()
        found[path] = (mode, git(place, "cat-file", "blob", blob))
    return found


def patched(
    place: Path,
    before: Before,
    answer: Answer,
    *,
    said: list[str] | None = None,
    modes: dict[str, str] | None = None,
) -> dict[str, bytes]:
    """Every file as git leaves it after the patch that the answer became."""
    place.mkdir(parents=True, exist_ok=True)
    patch = to_patch(answer, Blobs(before))
    index(place, before)
    data = patch.text.encode("utf-8", "surrogateescape")
    git(place, "apply", "--cached", "--whitespace=nowarn", "-", data=data)
    after = staged(place)
    meant = {path: content for path, content in patch.after.items() if content is not None}
    assert meant.items() <= {path: content for path, (_, content) in after.items()}.items()
    if said is not None:
        said += patch.notes
    if modes is not None:
        modes.update({path: mode for path, (mode, _) in after.items()})
    return {path: content for path, (_, content) in after.items()}
