"""Checks on a patch as a text: its size, markers of masked values, characters that cannot be
seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cihealing.domain.policy import Policy
from cihealing.domain.values import Objection
from cihealing.guard.change import FileChange
from cihealing.guard.kinds import is_dependency, is_migration
from cihealing.guard.objections import hard, soft

MARKER = "[redacted:"
BOM = "\ufeff"
# Zero width and bidi characters ("Trojan Source", CVE-2021-42574), tags, fillers, half surrogates;
# all controls but tab, CR and form feed.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udc9f\udcad\udd00-\udfff\U000e0000-\U000e0fff]"
    # Some languages end a line at a lone CR (Python does): what follows is code in a line that
    # shows as a remark.
    "|\r(?=.)"
)


def check(files: Sequence[FileChange], *, policy: Policy) -> list[Objection]:
    return [*size_objections(files, policy=policy), *(o for f in files for o in file_objections(f))]


def size_objections(files: Sequence[FileChange], *, policy: Policy) -> Iterator[Objection]:
    lines = sum(len(f.added) + len(f.removed) for f in files)
    if not files:
        yield hard("empty", "the patch changes nothing")
    if len({p for f in files for p in f.paths}) > policy.max_patch_files:
        yield hard("too-many-files", f"{len(files)} files; policy allows {policy.max_patch_files}")
    if lines > policy.max_patch_lines:
        yield hard(
            "too-many-lines", f"{lines} changed lines; policy allows {policy.max_patch_lines}"
        )
    elif 2 * lines > policy.max_patch_lines:
        yield soft("many-lines", f"{lines} changed lines")
    if len({f.path for f in files}) != len(files):
        yield hard("file-twice", "one file is named twice")


def file_objections(file: FileChange) -> Iterator[Objection]:
    for edit in file.added:
        if MARKER in edit.text.casefold():
            yield hard(
                "redaction-marker",
                f"{file.path}:{edit.line} writes the marker of a masked value into the file",
            )
            break
    keeps_mark = any(e.line == 1 and e.text.startswith(BOM) for e in file.removed)
    for edit in file.added:
        if UNSEEN.search(edit.text.removeprefix(BOM if keeps_mark and edit.line == 1 else "")):
            yield hard(
                "unseen-characters", f"{file.path}:{edit.line} holds characters that cannot be seen"
            )
            break
    for edit in file.added:
        if edit.other_encoding:
            yield soft(
                "other-encoding",
                f"{file.path}:{edit.line} is not UTF-8: pages may show it otherwise",
            )
            break
    if is_dependency(file.path):
        yield soft("dependency", f"{file.path} names what is installed")
    if is_migration(file.path):
        yield soft("migration", f"{file.path} changes stored data")
    if file.new is None:
        yield soft("deletes-file", f"{file.path} would be deleted")
