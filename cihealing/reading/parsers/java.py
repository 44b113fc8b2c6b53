"""Maven surefire, Gradle, Ant's junit task, the JUnit console; Maven's and Gradle's last words."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("<<< ", " FAILED", "[junit]", "[ERROR]", "What went wrong", "MethodSource", "Failed tests:", "Tests in error:")
ELAPSED = re.compile(
    r"(?:\[ERROR\]\s{1,3})?(?P<name>\S.*?)\s{1,3}(?:-- )?(?:Time elapsed: [\d.,]+ ?s(?:ec)?|\([\d.,]+ ?s(?:ec)?\))\s{0,3}<<< (?:FAILURE|ERROR)!"
)
OLD_NAME = re.compile(r"(?P<test>.+)\((?P<owner>[\w.$]+)\)$")
RAISED = re.compile(
    r"\s{0,12}(?:\[\w+\]\s{1,8})?(?P<type>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*|[A-Z]\w*(?:Error|Exception|Failure))(?:: (?P<message>.*)| at (?P<at>\S+\.\w+:\d+)|:?$)"
)
SUMMARY = re.compile(
    r"(?:\[ERROR\]\s{1,4}|\s{1,4})(?P<owner>[A-Z][\w$]*)\.(?P<test>[a-zA-Z_]\w*)(?:\[[^\]]*\]|\([^)]*\))?:\d+(?:->\S+)?(?: (?P<message>.*))?$"
)
GRADLE = re.compile(r"(?!> )(?P<owner>\S.*?) > (?P<test>\S.*) FAILED$")
DOTTED = re.compile(r"(?P<name>[a-z]\w*(?:\.\w+){2,}) FAILED$")
ANT = re.compile(
    r"\s{0,8}(?:\[junit(?:launcher)?\] )?\s{0,4}(?:Testcase: (?P<test>\S.*?) took [\d.]+ sec|Testsuite: (?P<suite>[\w.$]+)|Running (?P<running>[\w.$]+)$)"
)
ANT_VERDICT = re.compile(r"\s{0,8}(?:\[junit(?:launcher)?\] )?\s*(?:FAILED|Caused an ERROR)$")
SOURCE = re.compile(r"\s*(?:\[\w+\]\s+)?MethodSource \[className = '(?P<owner>[\w.$]+)', methodName = '(?P<test>\w+)'")
CONSOLE = re.compile(r"\s*(?:\[\w+\]\s+)?=> (?P<type>[\w.$]+)(?:: (?P<message>.*))?$")
TRACE = re.compile(r"\s+at |\s*Caused by: |\s+\.\.\. \d+ |\s*Suppressed: ")
MAX_TRACE = 400


def parse(log: Log) -> Iterator[Finding]:
    found = [*surefire(log), *gradle(log), *ant(log), *console(log)]
    yield from found
    if not found:
        yield from summary(log)
    yield from goals(log)
    yield from went_wrong(log)


def simple(name: str) -> str:
    return name.rpartition(".")[2].rpartition("$")[2]


def trace(log: Log, start: int) -> range:
    """The stack trace that begins at an exception's line."""
    stop = start + 1
    while (
        stop <= len(log)
        and stop - start < MAX_TRACE
        and (TRACE.match(log.line(stop)) or (not log.line(stop).strip() and TRACE.match(log.line(stop + 1))))
    ):
        stop += 1
    return range(start, stop)


def failed(log: Log, *, tool: str, at: int, below: int, test: str) -> Finding:
    """A test whose verdict stands at line `at`; its exception is one of the first lines from `below` on."""
    root = next((n for n in range(below, min(below + 4, len(log) + 1)) if RAISED.match(log.line(n)) and not ELAPSED.match(log.line(n))), 0)
    raised = RAISED.match(log.line(root)) if root else None
    shown = trace(log, root) if root else range(at, at + 1)
    if raised and not raised["message"] and shown.stop - shown.start == 1:
        shown = range(shown.start, extend(log, shown.stop))
    return Finding(
        kind=Kind.TEST, tool=tool, line=root or at, error_type=simple(raised["type"]) if raised else "TestFailed", message=(raised["message"] or "") if raised else "",
        test=test, cites=tuple(dict.fromkeys((at, *range(below, root), *shown))),
    )  # fmt: skip


def extend(log: Log, number: int) -> int:
    """A message of several lines, then the trace."""
    for n in range(number, min(number + 12, len(log) + 1)):
        if TRACE.match(log.line(n)):
            return trace(log, n).stop
        if not log.line(n).strip():
            break
    return number


def surefire(log: Log) -> Iterator[Finding]:
    for number in log.having("<<< FAILURE!", "<<< ERROR!"):
        match = ELAPSED.match(log.line(number))
        if match and not match["name"].startswith("Tests run:"):
            yield failed(log, tool="surefire", at=number, below=number + 1, test=surefire_name(match["name"]))


def surefire_name(name: str) -> str:
    if old := OLD_NAME.match(name):
        return f"{old['owner']}.{old['test']}"
    return name


def summary(log: Log) -> Iterator[Finding]:
    """Surefire's list at the end, for logs that lost the rest."""
    for start in log.having("Failures:", "Errors:", "Failed tests:", "Tests in error:"):
        if not re.match(r"(?:\[ERROR\] )?(?:Failures|Errors|Failed tests|Tests in error):\s*$", log.line(start)):
            continue
        for number in range(start + 1, min(start + 500, len(log) + 1)):
            match = SUMMARY.match(log.line(number))
            if not match:
                break
            yield Finding(
                kind=Kind.TEST,
                tool="surefire",
                line=number,
                error_type="TestFailed",
                message=match["message"] or "",
                test=f"{match['owner']}.{match['test']}",
            )


def gradle(log: Log) -> Iterator[Finding]:
    for number in log.having(" FAILED"):
        text = log.line(number)
        if match := GRADLE.match(text):
            yield failed(log, tool="gradle", at=number, below=number + 1, test=gradle_name(match["owner"], match["test"]))
        elif match := DOTTED.match(text):
            yield failed(log, tool="gradle", at=number, below=number + 1, test=match["name"])


def gradle_name(owner: str, test: str) -> str:
    if owner.startswith(("Gradle suite", "Gradle Test Run", "Gradle Test Executor")):
        return test.rpartition(" > ")[2]
    return f"{owner.replace(' > ', '.')}.{test.replace(' > ', '.')}"


def ant(log: Log) -> Iterator[Finding]:
    suite = ""
    for number in log.having("Testcase: ", "Testsuite: ", "Running "):
        match = ANT.match(log.line(number))
        if not match:
            continue
        suite = match["suite"] or match["running"] or suite
        if match["test"] and ANT_VERDICT.match(log.line(number + 1)):
            yield failed(log, tool="ant", at=number, below=number + 2, test=f"{suite}.{match['test']}" if suite else match["test"])


def console(log: Log) -> Iterator[Finding]:
    for number in log.having("MethodSource ["):
        match = SOURCE.match(log.line(number))
        said = CONSOLE.match(log.line(number + 1))
        if match and said:
            yield Finding(
                kind=Kind.TEST, tool="junit", line=number + 1, error_type=simple(said["type"]), message=said["message"] or "",
                test=f"{match['owner']}.{match['test']}", cites=tuple(range(max(1, number - 1), trace(log, number + 1).stop)),
            )  # fmt: skip


def goals(log: Log) -> Iterator[Finding]:
    """Maven's last word: the goal that failed and the block of [ERROR] lines below it."""
    stop = 0
    for number in log.having(
        "[ERROR] Failed to execute goal",
        "[ERROR] Plugin ",
        "[ERROR] Some problems were encountered",
        "[ERROR] The build could not read",
        "[ERROR] Could not",
    ):
        text = log.line(number)
        if number < stop or not text.startswith("[ERROR]"):
            continue
        stop = number + 1
        while (
            stop <= len(log)
            and stop < number + MAX_TRACE
            and (log.line(stop).startswith("[ERROR]") or TRACE.match(log.line(stop)) or RAISED.match(log.line(stop)))
        ):
            stop += 1
        yield Finding(
            kind=Kind.ERROR,
            tool="maven",
            line=number,
            error_type="BuildFailure",
            message=text.removeprefix("[ERROR] ").partition(" -> [Help")[0],
            cites=tuple(range(number, stop)),
        )


def went_wrong(log: Log) -> Iterator[Finding]:
    for number in log.having("* What went wrong:"):
        lines = log.block(number + 1, until=re.compile(r"\* |\s*$"), limit=12)
        causes = [n for n in lines if log.line(n).lstrip().startswith(">")]
        root = causes[-1] if causes else lines.start
        yield Finding(
            kind=Kind.ERROR, tool="gradle", line=root, error_type="BuildFailure", message=log.line(root).strip(" >"), cites=(number, *lines)
        )
