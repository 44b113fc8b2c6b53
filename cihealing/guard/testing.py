"""Checks on tests as such: deleted, renamed, emptied, weakened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cihealing.domain.values import Objection
from cihealing.guard.change import Edit, FileChange
from cihealing.guard.kinds import is_test
from cihealing.guard.objections import hard, soft

DEFINITION = re.compile(
    r"^\s*(?:async\s+)?def\s+(?P<py>test\w*)|^\s*class\s+(?P<cls>Test\w*)|^func\s+(?:\([^)]{0,100}\)\s*)?(?P<go>(?:Test|Benchmark|Fuzz|Example)\w*)"
    r"|^\s*(?:it|test|describe|context|specify|scenario)(?:\.\w+)?\s*[( ]\s*(?P<title>[\"'`].{0,200}?[\"'`])"
    r"|^\s*(?P<mark>@(?:Test|ParameterizedTest|RepeatedTest)\b|#\[(?:\w+::)?test\]|\[(?:Fact|Theory|Test|TestMethod)\b)"
    r"|^\s*(?:public\s+)?function\s+(?P<php>test\w*)|^\s*(?P<gtest>TEST(?:_F|_P)?\s*\([^)]{0,200}\))"
)
CLAIM = re.compile(
    r"^\s*assert\b|\bassert[A-Z_!.]\w*|\bassert\.\w+|\bassert(?:_\w+)?!|\bexpect\s*\(|\.should\b|\bshould\.|\brequire\.\w+\s*\(t|\bt\.(?:Error|Fatal|Fail)\w*|\bpytest\.(?:raises|warns)\b|\bself\.fail\b"
    r"|\bXCTAssert|\bEXPECT_|\bASSERT_|\bverify\s*\(|\.toMatchSnapshot|\bAssert\.\w+"
)
EMPTY = re.compile(r"^\s*(?:pass|\.\.\.)\s*(?:#.*)?$")


def check(files: Sequence[FileChange]) -> list[Objection]:
    found = [o for f in files for o in objections(f)]
    return [*found, *only_expectations(files, found)]


def only_expectations(files: Sequence[FileChange], found: Iterable[Objection]) -> Iterator[Objection]:
    """Whoever changes nothing but what tests expect makes them say what is, not what should be."""
    tests_alone = all(is_test(path) for file in files for path in file.paths)
    if tests_alone and any(o.rule == "changes-assert" for o in found):
        yield hard("only-expectations", "it changes what tests expect and nothing of what they test")


def objections(file: FileChange) -> Iterator[Objection]:
    yield from lost_tests(file)
    if not any(is_test(p) for p in file.paths):
        return
    if file.new is None:
        yield hard("deletes-test", f"{file.path} is a test file and would be deleted")
    elif file.old is not None and file.old != file.new:
        yield hard("renames-test", f"{file.old} would become {file.new}: a renamed test may no longer be found")
    yield from weaker_claims(file)
    yield soft("touches-tests", f"{file.path} belongs to the tests")


def lost_tests(file: FileChange) -> Iterator[Objection]:
    """Tests are also written beside the code (Rust, doctests), so every file is asked."""
    lost = names(file.removed) - names(file.added)
    for name in sorted(lost)[:3]:
        yield hard("deletes-test", f"{file.path} no longer has the test {name}")


def names(edits: Iterable[Edit]) -> Counter[str]:
    found = (DEFINITION.search(e.plain) for e in edits)
    return Counter(next(g for g in m.groups() if g is not None) for m in found if m)


def weaker_claims(file: FileChange) -> Iterator[Objection]:
    before, after = claims(file.removed), claims(file.added)
    if before.total() > after.total():
        yield hard("weakens-assert", f"{file.path} would assert less than before")
    elif before - after:
        yield soft("changes-assert", f"{file.path} would expect something else than before")
    if file.old is not None and (empty := next((e for e in file.added if EMPTY.match(e.text)), None)) is not None:
        yield hard("empties-test", f"{file.path}:{empty.line} empties the body of a test")


def claims(edits: Iterable[Edit]) -> Counter[str]:
    return Counter(e.text.strip() for e in edits if CLAIM.search(e.plain))
