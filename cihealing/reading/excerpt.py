"""Which of the findings is the root, and which lines show it: the root's own, then those of the
other findings of its weight, with the least context.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from cihealing.domain.values import FailureClass, Line
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.masks import normalise
from cihealing.reading.structure import LogStep, innocent, step_at

CODE = (Kind.TEST, Kind.LINT, Kind.COMPILE)
MAX_LINES = 300
MAX_TEXT = 600
"""Characters of a line that is shown."""
NEAR = 26
"""How much lighter than the root another finding may be and still be shown, where it stands close
to one that is not.
"""
EQUAL = 10
"""So much lighter it is still one of the root's equals."""
CLOSE = 60
"""Lines."""
AFTERWARDS = 30
"""What a finding loses when it stands after the step had failed: clean-up and reports complain
too.
"""
ELSEWHERE = 60
"""What it loses in a step that did not fail."""
MAX_TALK = 3000
MAX_GREEN = 20_000

TALK_WORDS = (
    "error",
    "Error",
    "ERROR",
    "FATAL",
    "fatal",
    "Fatal",
    "failed",
    "Failed",
    "FAILED",
    "FAILURE",
    "ailure",
    "xception",
    "annot ",
    "nable to",
    "ould not",
    "ot found",
    "anic",
    "bort",
    "enied",
    "nvalid",
    "nexpected",
    "issing",
    "rong",
    "✖",
    "✗",
    "❌",
    "timed out",
    "SEVERE",
    "CRITICAL",
)
NOT_TALK = re.compile(
    r"(?i)\b(?:0|no|without)"
    r" (?:errors?|failures?|failed)\b|(?:errors?|failures?|failed)['\"]?\s?[:=]\s?(?:0\b|false"
    r"|none|null)|-Werror|error_?(?:handler|page|log|prone)|failfast|fail-fast"
    r"|continue-on-error|if-no-files-found|\bon[_-]?error\b|errorlevel|set -e|\|\|"
    r" (?:true|exit)|warning:|^\s*(?:\[?(?:WARN(?:ING)?|INFO|DEBUG|TRACE|NOTE)\b)|^(?:\$|\+)"
    r" |PASSED|\bok\b|✓|✔"
    r"|Download(?:ing|ed)|^Collecting |^Requirement |\.\.\. ok$|install(?:ing|ed)\b.*\berror|pip's"
    r" dependency resolver does not currently take into account"
)
LEVELS = (
    (52, re.compile(r"(?:##\[error\]|::error[ :]|\s{0,4}(?:FATAL|CRITICAL|SEVERE|fatal|Fatal)\b)")),
    (
        50,
        re.compile(
            r"\s{0,8}(?:\[?(?:ERROR|FATAL)\]?\b|[Ee]rrors?(?:\[\w+\])?: |Error \(\w{1,60}\)"
            r" |\S{1,40}: (?:fatal )?error: |E: |ERR! )"
        ),
    ),
    (46, re.compile(r"\s{0,8}(?:[A-Za-z_][\w.]{0,100}(?:Error|Exception)\b)")),
    (
        44,
        re.compile(
            r"(?:\S{1,60}: ){1,3}.{0,80}(?:[Nn]o such file|[Nn]ot"
            r" found|[Cc]annot|[Cc]an't|[Uu]nable|[Ii]nvalid|[Ff]ailed|[Dd]enied)|Something went"
            r" wrong"
        ),
    ),
    (
        36,
        re.compile(
            r".{0,200}\b(?:FAILED|FAILURE|[Ff]ailed to|[Uu]nable to|[Cc]ould"
            r" not|[Cc]annot)\b|.{0,20}[✖✗❌]"
        ),
    ),
    (24, re.compile(r".{0,400}(?i:\b(?:error|failed|failure|fatal|exception|abort(?:ed|ing)?)\b)")),
)
EXIT = re.compile(
    r"(?:##\[error\])?(?:Error: )?(?:Process completed with exit code \d+|.{0,200}\bfailed with"
    r" exit code \d+\.?$|The command .{0,400} (?:failed and )?exited with \d+.*$"
    r"|Done\. Your build exited|Finished: |Build step '.{1,80}' (?:marked|changed) build|script"
    r" returned exit code|ERROR: Job failed|make(?:\[\d+\])?: \*\*\* .{0,300}(?:Error \d+|Stop\.)"
    r"|.{0,10}Command failed with exit code|npm (?:ERR!|error) (?:code"
    r" (?:ELIFECYCLE|\d+)|errno|Exit status|Failed at|A complete log|This is probably not|Test"
    r" failed)"
    r"|\[(?:cihealing|ci)\] exit code|Exited with code|exit status \d+\s*$|ERROR:"
    r" InvocationError|.{0,4}Error: The command exited|Error: Process completed|FAILURE: Build"
    r" failed with an exception"
    r"|.{0,160}\b(?:exited|completed|terminated|finished|ended|failed) with (?:a )?(?:non-?zero"
    r" )?(?:exit |return |error )?(?:code|status)\b|Tests? failed\.|BUILD FAIL|\[INFO\] BUILD"
    r" FAIL|BUILD FAILED|.{0,40}Node\.js \d+ actions are deprecated|error: (?:doc)?test failed, to"
    r" rerun|error: \d+ targets? failed|error: could not compile |collect2: error: ld returned"
    r" \d+|clang.{0,20}: error: linker command failed|ninja: build stopped: |Errors while running"
    r" CTest|\s{0,4}evaluation failed :\(|ERROR: {2,4}\S{1,80}: commands"
    r" failed$|\s{0,2}[\w.-]{1,80}: FAIL (?:code \d+|✖ in)|[\w.-]{1,80}: exit -?\d+ \([\d.]+"
    r" seconds\)|nox > (?:Command .{1,400} failed with exit code|Session \S{1,100} failed\.|\*"
    r" \S{1,100}: failed)|➤ YN0000: .{0,100}Failed with errors|\s?ELIFECYCLE|##\[error\]Error:"
    r" .{0,80}exit code \d+\.?$)"
)
STEP_END = re.compile(
    r"##\[error\]Process completed with exit code [1-9]|Build step '.{1,80}' (?:marked|changed)"
    r" build|The command .{1,400} exited with [1-9]|ERROR: Job failed"
)
STEP_WORDS = (
    "completed with exit code",
    "marked build as",
    "changed build",
    "exited with",
    "Job failed",
)


def talk(log: Log) -> list[Finding]:
    """Lines that sound like an error; a duplicate of a line says nothing new."""
    found: dict[str, Finding] = {}
    for number in log.having(*TALK_WORDS)[-MAX_TALK:]:
        text = log.line(number)
        if number in log.echoed:
            continue
        if EXIT.match(text):
            found[f"exit {number}"] = Finding(
                kind=Kind.EXIT,
                tool="ci",
                line=number,
                error_type="exit",
                message=text.removeprefix("##[error]"),
            )
        elif weight := loudness(text):
            found[text.strip()] = Finding(
                kind=Kind.TALK,
                tool="log",
                line=number,
                error_type="error",
                message=text.strip(),
                weight=weight,
            )
    return list(found.values())


def loudness(text: str) -> int:
    if len(text) > 2000 or NOT_TALK.search(text):
        return 0
    return next((weight for weight, pattern in LEVELS if pattern.match(text)), 0)


def step_end(log: Log) -> int:
    """The line with which CI ends the step that failed; beyond the log where it says nothing of the
    kind.
    """
    return next(
        (n for n in reversed(log.having(*STEP_WORDS)[-50:]) if STEP_END.match(log.line(n))),
        len(log) + 1,
    )


def green_lines(greens: Sequence[Log]) -> frozenset[str]:
    """Masked lines of green logs that sound like an error: they do not make a build red."""
    return frozenset(
        normalise(log.line(n)) for log in greens for n in log.having(*TALK_WORDS)[-MAX_GREEN:]
    )


def ranked(
    log: Log, findings: Iterable[Finding], *, steps: Sequence[LogStep], green: frozenset[str]
) -> list[tuple[int, Finding]]:
    """Findings with their rank, best first; of equals the first test, lint or compile error and the
    last of anything else.
    """
    end = step_end(log)
    others = (
        innocent(steps, end=end) if end <= len(log) or any(step.failed for step in steps) else ()
    )
    found = list(findings)
    most = max((finding.rank for finding in found if finding.kind in CODE), default=0)
    weighed = [
        (weight(log, finding, most=most) - aside(finding.line, end=end, innocent=others), finding)
        for finding in found
    ]
    if green:
        weighed = [
            (rank, f)
            for rank, f in weighed
            if f.kind is Kind.TEST or normalise(log.line(f.line)) not in green
        ] or weighed
    return sorted(weighed, key=lambda pair: (-pair[0], order(pair[1])))


def weight(log: Log, finding: Finding, *, most: int) -> int:
    """What CI itself marked comes before what says the same elsewhere; a sum such as `3 tests
    failed` comes after the tests. `most`: of those.
    """
    if finding.kind is not Kind.RULE:
        return finding.rank
    marked = finding.rank + log.line(finding.line).startswith("##[error]")
    return min(marked, most - 1) if most and finding.tool == FailureClass.PRODUCT.value else marked


def aside(number: int, *, end: int, innocent: Sequence[LogStep]) -> int:
    """What a finding loses by the place it stands at."""
    if number > end:
        return AFTERWARDS
    return ELSEWHERE if step_at(innocent, number) else 0


def order(finding: Finding) -> int:
    return finding.line if finding.kind in CODE else -finding.line


def shown(weighed: Sequence[tuple[int, Finding]]) -> list[int]:
    """Line numbers of the excerpt, ascending; the root's come first where there is room for some
    only.
    """
    if not weighed:
        return []
    numbers: dict[int, None] = {}
    for finding in worth_showing(weighed):
        numbers.update(dict.fromkeys(finding.shown))
        if len(numbers) >= MAX_LINES:
            break
    return sorted(list(numbers)[:MAX_LINES])


def worth_showing(weighed: Sequence[tuple[int, Finding]]) -> Iterator[Finding]:
    """The root, its equals wherever they stand, and what is a little lighter where it stands next
    to one of them.
    """
    best, root = weighed[0]
    seen = [(rank, f) for rank, f in weighed if f.kind is not Kind.EXIT or root.kind is Kind.EXIT]
    equals = sorted(
        {number for rank, finding in seen if rank >= best - EQUAL for number in finding.shown}
    )
    for rank, finding in seen:
        if rank >= best - EQUAL or (rank >= best - NEAR and is_near(finding.line, equals)):
            yield finding


def is_near(number: int, numbers: Sequence[int]) -> bool:
    """`numbers` are ascending."""
    at = bisect_left(numbers, number - CLOSE)
    return at < len(numbers) and numbers[at] <= number + CLOSE


def excerpt(log: Log, numbers: Iterable[int]) -> tuple[Line, ...]:
    return tuple(Line(line=n, text=log.line(n)[:MAX_TEXT]) for n in numbers)
