"""swiftc, xcodebuild and XCTest. Sources: Swift's diagnostics, swift-corelibs-xctest's printer
(Linux) and Xcode's (`-[Suite test]`), xcpretty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, stated
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

COMPILED = (": error: ", "<unknown>:0: error", "xcodebuild: error: ", "❌  ")
TESTED = ("Test Case '",)
MARKS = (*COMPILED, *TESTED)
NO_TEST = r"(?!(?:-\[[\w.]+ \w+\]|[\w.]+\.\w+) : )(?!.{1,80} Violation: )"
FORMS = (
    Form(
        "swift",
        re.compile(
            rf"(?P<file>{PATH}\.swift):\d{{1,9}}:(?:\d{{1,9}}:)? error: {NO_TEST}(?P<message>.+)$"
        ),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "swift",
        re.compile(r"(?P<file>)<unknown>:0: error: (?P<message>.+)$"),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "xcodebuild",
        re.compile(r"(?P<file>)xcodebuild: error: (?P<message>.+)$"),
        "build",
        Kind.ERROR,
        70,
    ),
    Form(
        "xcpretty",
        re.compile(r"❌  (?P<file>/[^\s:]{1,300}):\d{1,9}:\d{1,9}: (?P<message>.+)$"),
        "compile",
        Kind.COMPILE,
    ),
)
FAILED_TEST = re.compile(r"Test Case '(?P<name>.+)' failed \([\d.]+ seconds\)")
ASSERTION = re.compile(
    rf"(?P<file>{PATH}\.swift):\d{{1,9}}: error: (?:-\[[\w.]+ \w+\]|[\w.]+\.\w+) : (?P<message>.+)$"
)
OBJC = re.compile(r"-\[(?P<suite>\S+) (?P<test>\S+)\]$")
STARTED = re.compile(r"Test Case '.+' started")
FAR = 60
FAILED = Saying(
    ("Executed ",),
    re.compile(r"\s*Executed \d+ tests?, with (?:\d+ tests? skipped and )?[1-9]\d* failures?"),
)
PASSED = Saying(
    ("Executed ",),
    re.compile(r"\s*Executed [1-9]\d* tests?, with (?:\d+ tests? skipped and )?0 failures"),
)


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, COMPILED)
    yield from (found for n in log.having(*TESTED) if (found := failed_test(log, n)))


def failed_test(log: Log, number: int) -> Finding | None:
    if not (match := FAILED_TEST.match(log.line(number))):
        return None
    name = OBJC.match(match["name"])
    said = assertion_before(log, number)
    failure = ASSERTION.match(log.line(said))
    return Finding(
        kind=Kind.TEST,
        tool="xctest",
        line=said or number,
        error_type="TestFailed",
        message=failure["message"] if failure else "",
        test=f"{name['suite']}.{name['test']}" if name else match["name"],
        cites=tuple(sorted({said or number, number})),
    )


def assertion_before(log: Log, number: int) -> int:
    """The first assertion of a test that ends at a line; 0 where it made none."""
    said = 0
    for n in range(number - 1, max(0, number - FAR), -1):
        if STARTED.match(log.line(n)):
            break
        said = n if ASSERTION.match(log.line(n)) else said
    return said
