"""Which of the findings is the root, and which lines show it: the root's own, then those of the other findings of its weight, with the least context."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cihealing.domain.values import Line
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.masks import normalise

MAX_LINES = 300
MAX_TEXT = 600
"""Characters of a line that is shown."""
NEAR = 26
"""How much lighter than the root another finding may be and still be shown."""
AFTERWARDS = 30
"""What a finding loses when it stands after the step had failed: clean-up and reports complain too."""
MAX_TALK = 3000
MAX_GREEN = 20_000

TALK_WORDS = ("error", "Error", "ERROR", "FATAL", "fatal", "Fatal", "failed", "Failed", "FAILED", "FAILURE", "ailure", "xception", "annot ", "nable to", "ould not", "ot found", "anic", "bort",
              "enied", "nvalid", "nexpected", "issing", "rong", "✖", "✗", "❌", "timed out", "SEVERE", "CRITICAL")  # fmt: skip
NOT_TALK = re.compile(
    r"(?i)\b(?:0|no|without) (?:errors?|failures?|failed)\b|(?:errors?|failures?|failed)['\"]?\s?[:=]\s?(?:0\b|false|none|null)|-Werror|error_?(?:handler|page|log|prone)|failfast|fail-fast"
    r"|continue-on-error|if-no-files-found|\bon[_-]?error\b|errorlevel|set -e|\|\| (?:true|exit)|warning:|^\s*(?:\[?(?:WARN(?:ING)?|INFO|DEBUG|TRACE|NOTE)\b)|^(?:\$|\+) |PASSED|\bok\b|✓|✔"
    r"|Download(?:ing|ed)|^Collecting |^Requirement |\.\.\. ok$|install(?:ing|ed)\b.*\berror"
)
LEVELS = (
    (52, re.compile(r"(?:##\[error\]|::error[ :]|\s{0,4}(?:FATAL|CRITICAL|SEVERE|fatal|Fatal)\b)")),
    (50, re.compile(r"\s{0,8}(?:\[?(?:ERROR|FATAL)\]?\b|[Ee]rrors?(?:\[\w+\])?: |Error \(\w{1,60}\) |\S{1,40}: (?:fatal )?error: |E: |ERR! )")),
    (46, re.compile(r"\s{0,8}(?:[A-Za-z_][\w.]{0,100}(?:Error|Exception)\b)")),
    (44, re.compile(r"(?:\S{1,60}: ){1,3}.{0,80}(?:[Nn]o such file|[Nn]ot found|[Cc]annot|[Cc]an't|[Uu]nable|[Ii]nvalid|[Ff]ailed|[Dd]enied)|Something went wrong")),
    (36, re.compile(r".{0,200}\b(?:FAILED|FAILURE|[Ff]ailed to|[Uu]nable to|[Cc]ould not|[Cc]annot)\b|.{0,20}[✖✗❌]")),
    (24, re.compile(r".{0,400}(?i:\b(?:error|failed|failure|fatal|exception|abort(?:ed|ing)?)\b)")),
)  # fmt: skip
EXIT = re.compile(
    r"(?:##\[error\])?(?:Error: )?(?:Process completed with exit code \d+|.{0,200}\bfailed with exit code \d+\.?$|The command .{0,400} (?:failed and )?exited with \d+.*$"
    r"|Done\. Your build exited|Finished: |Build step '.{1,80}' (?:marked|changed) build|script returned exit code|ERROR: Job failed|make(?:\[\d+\])?: \*\*\* .{0,300}(?:Error \d+|Stop\.)"
    r"|.{0,10}Command failed with exit code|npm (?:ERR!|error) (?:code (?:ELIFECYCLE|\d+)|errno|Exit status|Failed at|A complete log|This is probably not|Test failed)"
    r"|\[(?:cihealing|ci)\] exit code|Exited with code|exit status \d+\s*$|ERROR: InvocationError|.{0,4}Error: The command exited|Error: Process completed|FAILURE: Build failed with an exception"
    r"|Tests? failed\.|BUILD FAIL|\[INFO\] BUILD FAIL|BUILD FAILED|.{0,40}Node\.js \d+ actions are deprecated|error: test failed, to rerun|##\[error\]Error: .{0,80}exit code \d+\.?$)"
)
STEP_END = re.compile(
    r"##\[error\]Process completed with exit code [1-9]|Build step '.{1,80}' (?:marked|changed) build|The command .{1,400} exited with [1-9]|ERROR: Job failed"
)
STEP_WORDS = ("completed with exit code", "marked build as", "changed build", "exited with", "Job failed")


def talk(log: Log) -> list[Finding]:
    """Lines that sound like an error; a duplicate of a line says nothing new."""
    found: dict[str, Finding] = {}
    for number in log.having(*TALK_WORDS)[-MAX_TALK:]:
        text = log.line(number)
        if number in log.echoed:
            continue
        if EXIT.match(text):
            found[f"exit {number}"] = Finding(
                kind=Kind.EXIT, tool="ci", line=number, error_type="exit", message=text.removeprefix("##[error]")
            )
        elif weight := loudness(text):
            found[text.strip()] = Finding(kind=Kind.TALK, tool="log", line=number, error_type="error", message=text.strip(), weight=weight)
    return list(found.values())


def loudness(text: str) -> int:
    if len(text) > 2000 or NOT_TALK.search(text):
        return 0
    return next((weight for weight, pattern in LEVELS if pattern.match(text)), 0)


def step_end(log: Log) -> int:
    """The line with which CI ends the step that failed; beyond the log where it says nothing of the kind."""
    return next((n for n in reversed(log.having(*STEP_WORDS)[-50:]) if STEP_END.match(log.line(n))), len(log) + 1)


def green_lines(greens: Sequence[Log]) -> frozenset[str]:
    """Masked lines of green logs that sound like an error: they do not make a build red."""
    return frozenset(normalise(log.line(n)) for log in greens for n in log.having(*TALK_WORDS)[-MAX_GREEN:])


def ranked(log: Log, findings: Iterable[Finding], *, green: frozenset[str]) -> list[tuple[int, Finding]]:
    """Findings with their rank, best first; of equals the first test, lint or compile error and the last of anything else."""
    end = step_end(log)
    weighed = [(finding.rank - (AFTERWARDS if finding.line > end else 0), finding) for finding in findings]
    if green:
        weighed = [(rank, f) for rank, f in weighed if f.kind is Kind.TEST or normalise(log.line(f.line)) not in green] or weighed
    return sorted(weighed, key=lambda pair: (-pair[0], order(pair[1])))


def order(finding: Finding) -> int:
    return finding.line if finding.kind in (Kind.TEST, Kind.LINT, Kind.COMPILE) else -finding.line


def shown(weighed: Sequence[tuple[int, Finding]]) -> list[int]:
    """Line numbers of the excerpt, ascending; the root's come first where there is room for some only."""
    if not weighed:
        return []
    least = weighed[0][0] - NEAR
    numbers: dict[int, None] = {}
    for rank, finding in weighed:
        if rank < least or (finding.kind is Kind.EXIT and weighed[0][1].kind is not Kind.EXIT):
            continue
        for number in finding.shown:
            numbers[number] = None
        if len(numbers) >= MAX_LINES:
            break
    return sorted(list(numbers)[:MAX_LINES])


def excerpt(log: Log, numbers: Iterable[int]) -> tuple[Line, ...]:
    return tuple(Line(line=n, text=log.line(n)[:MAX_TEXT]) for n in numbers)
