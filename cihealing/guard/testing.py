"""Checks on tests as such: deleted, renamed, emptied, weakened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from cihealing.domain.values import Objection
from cihealing.guard.change import DiffLine, FileChange, Hunk
from cihealing.guard.kinds import is_test
from cihealing.guard.objections import hard, soft

DEFINITION = re.compile(
    r"^\s*(?:async\s+)?def\s+(?P<py>test\w*)|^\s*class\s+(?P<cls>Test\w*)|^func\s+(?:\([^)]{0,100}\)\s*)?(?P<go>(?:Test|Benchmark|Fuzz|Example)\w*)"
    r"|^\s*(?:it|test|describe|context|specify|scenario)(?:\.\w+)?\s*[("
    r" ]\s*(?P<title>[\"'`].{0,200}?[\"'`])"
    r"|^\s*(?P<mark>@(?:Test|ParameterizedTest|RepeatedTest)\b|#\[(?:\w+::)?test\]|\[(?:Fact|Theory|Test|TestMethod)\b)"
    r"|^\s*(?:public\s+)?function\s+(?P<php>test\w*)|^\s*(?P<gtest>TEST(?:_F|_P)?\s*\([^)]{0,200}\))"
)
CLAIM = re.compile(
    r"^\s*assert\b|\bassert[A-Z_!.]\w*|\bassert\.\w+|\bassert(?:_\w+)?!|\bexpect\s*\(|\.should\b|\bshould\.|\brequire\.\w+\s*\(t|\bt\.(?:Error|Fatal|Fail)\w*|\bpytest\.(?:raises|warns)\b|\bself\.fail\b"
    r"|\bXCTAssert|\bexpect(?:ed)?Exception\w*|\bEXPECT_|\bASSERT_|\bverify\s*\(|\.toMatchSnapshot|\bAssert\.\w+"
)
EMPTY = re.compile(r"^\s*(?:pass|\.\.\.)\s*(?:#.*)?$")


def check(files: Sequence[FileChange], reformatted: Collection[str] = ()) -> list[Objection]:
    found = [
        o
        for f in files
        for o in (layout_alone(f) if set(f.paths) <= set(reformatted) else objections(f))
    ]
    return [*found, *only_expectations(files, found)]


def only_expectations(
    files: Sequence[FileChange], found: Iterable[Objection]
) -> Iterator[Objection]:
    """Whoever changes nothing but what tests expect makes them say what is, not what should be."""
    tests_alone = all(is_test(path) for file in files for path in file.paths)
    if tests_alone and any(o.rule == "changes-assert" for o in found):
        yield hard(
            "only-expectations", "it changes what tests expect and nothing of what they test"
        )


LITERALS = re.compile(
    r"""(?<![\w.])-?\d[\w.]*|"[^"\n]{0,200}"|'[^'\n]{0,200}'|`[^`\n]{0,200}`|\b(?:True|False|None|true|false|null|nil)\b"""
)
DATA = (
    ".snap",
    ".json",
    ".yaml",
    ".yml",
    ".txt",
    ".csv",
    ".xml",
    ".golden",
    ".out",
    ".expected",
    ".approved",
    ".html",
    ".ambr",
    ".toml",
)
BRINGS_IN = re.compile(r"^\s*(?:import|from|use|using|require|#include|package)\b|\brequire\(")


def other_values(file: FileChange) -> bool:
    """The same lines with other values in them; in files of data, any line that is another."""
    if file.old is None or file.new is None:
        return False
    if file.path.casefold().endswith(DATA):
        return bool(file.removed) and bool(file.added)
    gone, come = (
        Counter(e.plain.strip() for e in file.removed),
        Counter(e.plain.strip() for e in file.added),
    )
    return bool(skeletons(gone - come) & skeletons(come - gone))


def skeletons(lines: Iterable[str]) -> Counter[str]:
    """Lines that hold values, with a mark for each value."""
    texts = [line for line in lines if not BRINGS_IN.search(line) and not REMARK.match(line)]
    return Counter(LITERALS.sub("\N{BULLET}", text) for text in texts if LITERALS.search(text))


def objections(file: FileChange) -> Iterator[Objection]:
    yield from lost_tests(file)
    if not any(is_test(p) for p in file.paths):
        return
    if file.new is None:
        yield hard("deletes-test", f"{file.path} is a test file and would be deleted")
    elif file.old is not None and file.old != file.new:
        yield hard(
            "renames-test",
            f"{file.old} would become {file.new}: a renamed test may no longer be found",
        )
    yield from weaker_claims(file)
    yield soft("touches-tests", f"{file.path} belongs to the tests")


def layout_alone(file: FileChange) -> Iterator[Objection]:
    """What its lines seem to say about tests was said before: it is the same program."""
    if is_test(file.path):
        yield soft("touches-tests", f"{file.path} belongs to the tests")


def lost_tests(file: FileChange) -> Iterator[Objection]:
    """Tests are also written beside the code (Rust, doctests), so every file is asked."""
    lost = names(file.removed) - names(file.added)
    for name in sorted(lost)[:3]:
        yield hard("deletes-test", f"{file.path} no longer has the test {name}")


def names(edits: Iterable[DiffLine]) -> Counter[str]:
    found = (DEFINITION.search(e.plain) for e in edits)
    return Counter(next(g for g in m.groups() if g is not None) for m in found if m)


def weaker_claims(file: FileChange) -> Iterator[Objection]:
    before, after = claims(file.removed), claims(file.added)
    if before.total() > after.total():
        yield hard("weakens-assert", f"{file.path} would assert less than before")
    elif before - after or other_values(file):
        yield soft("changes-assert", f"{file.path} would expect something else than before")
    yield from unreached(file)
    if (
        file.old is not None
        and (empty := next((e for e in file.added if EMPTY.match(e.text)), None)) is not None
    ):
        yield hard("empties-test", f"{file.path}:{empty.line} empties the body of a test")


def claims(edits: Iterable[DiffLine]) -> Counter[str]:
    return Counter(
        e.text.strip() for e in edits if CLAIM.search(e.plain) and not REMARK.match(e.plain)
    )


# run

REMARK = re.compile(r"^\s*(?:#(?!\s*!?\[)|//|\*|--\s)")
GUARDED = re.compile(
    r"^\s*\}?\s*(?:if|elif|else|unless|while|for|with\s+(?:contextlib\.)?suppress|try|catch|except)\b"
)
TEST_FUNCTION = re.compile(r"^\s*(?:async\s+)?def\s+(?P<name>\w+)")
YIELDS = re.compile(r"^\s*(?:\w+\s*=\s*)?yield\b")
OPENS = re.compile(r"^\s*(?:[\"']{3}|/\*|=begin\b|#\s*if\s+0\b|if\s*\(?\s*(?:false|0)\b)")


def unreached(file: FileChange) -> Iterator[Objection]:
    """What was asserted stands under a new condition, in a comment, or in a function that only
    waits to be asked for its values.
    """
    for hunk in file.hunks:
        if (edit := next(conditional(hunk), None)) is not None:
            yield hard(
                "weakens-assert", f"{file.path}:{edit.line} would assert only under a condition"
            )
        if (edit := next(shut_in(hunk), None)) is not None:
            yield hard(
                "deletes-test",
                f"{file.path}:{edit.line} shuts tests into a comment or a branch that never runs",
            )
        if (edit := next(yielding(hunk), None)) is not None:
            yield hard(
                "skips-test", f"{file.path}:{edit.line} makes a test a generator: it is never run"
            )


def conditional(hunk: Hunk) -> Iterator[DiffLine]:
    """A claim moved to the right below an added condition."""
    depths = {
        e.text.strip(): indent(e.text)
        for e in hunk.edits
        if e.kind == "-" and CLAIM.search(e.plain)
    }
    condition: DiffLine | None = None
    for edit in hunk.edits:
        if edit.kind == "+" and GUARDED.match(edit.plain):
            condition = edit
        elif (
            edit.kind == "+"
            and condition is not None
            and indent(edit.text) > depths.get(edit.text.strip(), 10**6)
        ):
            yield condition


def shut_in(hunk: Hunk) -> Iterator[DiffLine]:
    """An added opening of a comment above lines of tests that stay as they are."""
    opened: DiffLine | None = None
    for edit in hunk.edits:
        if edit.kind == "+" and OPENS.match(edit.plain):
            opened = None if opened is not None else edit
        elif (
            edit.kind == " "
            and opened is not None
            and (CLAIM.search(edit.plain) or DEFINITION.search(edit.plain))
        ):
            yield opened


def yielding(hunk: Hunk) -> Iterator[DiffLine]:
    function = ""
    for edit in hunk.edits:
        if edit.kind == "-":
            continue
        if (found := TEST_FUNCTION.match(edit.plain)) is not None:
            function = found["name"]
        elif edit.kind == "+" and function.startswith("test") and YIELDS.match(edit.plain):
            yield edit


def indent(text: str) -> int:
    return len(text) - len(text.lstrip())
