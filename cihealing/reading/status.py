"""Did the job fail, pass, or was it cancelled? CI's own last word first, then the tools'."""

from __future__ import annotations

import re

from cihealing.reading.log import Log
from cihealing.reading.parsers import sayings

FAILED, PASSED, CANCELLED, UNKNOWN = "failed", "passed", "cancelled", "unknown"

LAST_WORD = (
    (re.compile(r"Finished: (?:FAILURE|UNSTABLE)\b"), FAILED),
    (re.compile(r"Finished: SUCCESS\b"), PASSED),
    (re.compile(r"Finished: (?:ABORTED|NOT_BUILT)\b"), CANCELLED),
    (re.compile(r"Done\. Your build exited with 0\."), PASSED),
    (re.compile(r"Done\. Your build exited with \d+\."), FAILED),
    (re.compile(r"Done: Job Cancelled"), CANCELLED),
    (
        re.compile(
            r"Your build has been stopped\.|The build has been terminated|The job exceeded the"
            r" maximum time limit"
        ),
        FAILED,
    ),
    (re.compile(r"Job succeeded$"), PASSED),
    (re.compile(r"ERROR: Job failed"), FAILED),
    (re.compile(r"(?:WARNING|ERROR): (?:Job was )?cancell?ed|Build was cancell?ed"), CANCELLED),
    (re.compile(r"\[(?:cihealing|ci)\] exit code 0$"), PASSED),
    (
        re.compile(
            r"(?:\[(?:cihealing|ci)\] exit code|Process completed with exit code|Exited with"
            r" code|exit status:?|Exited with code exit status) [1-9]\d*"
        ),
        FAILED,
    ),
    (re.compile(r".{0,4}Error: The command exited with status [1-9]\d*"), FAILED),
)
WORDS = (
    "Finished: ",
    "Done. Your build",
    "Done: Job",
    "has been stopped",
    "has been terminated",
    "exceeded the maximum time",
    "Job succeeded",
    "Job failed",
    "ancelled",
    "anceled",
    "exit code ",
    "Exited with code",
    "exited with status",
    "exit status",
)
ANNOTATION = "##[error]"
COMPLETE = ("Post job cleanup.", "Cleaning up orphan processes")
"""What GitHub's runner writes after the last step."""
GROUP = "##[group]"
TIMED_OUT = re.compile(
    r"has timed out after|exceeded the maximum execution time|received a shutdown signal|lost"
    r" communication"
)
FATAL = re.compile(r"(?:fatal|FATAL)(?: error)?: ")
TOOL_PASSED = re.compile(
    r"(?:=+ )?\d+ passed\b(?!.*\b(?:failed|error))|OK(?: \(.*\))?$|\[INFO\] BUILD SUCCESS|BUILD"
    r" SUCCESSFUL|All checks passed!|test result: ok\.|ok  \t|PASS$"
    r"|\d+ files? already formatted|Success: no issues found|Tests: +(?:\d+ skipped, )?\d+ passed,"
    r" \d+ total|\s+Tests +\d+ passed|\d+ examples?, 0 failures|\s+\d+ passing\b"
)
TOOL_FAILED = re.compile(
    r"=+ (?:\d+ \w+, ){0,8}[1-9]\d* (?:failed|errors?)\b|(?:Tests|Test Suites|Test Files):?"
    r" +[1-9]\d* failed|\d+ examples?, [1-9]\d* failures?"
)
TOOL_WORDS = (
    " passed",
    "OK",
    "BUILD SUCCESS",
    "All checks",
    "test result: ok",
    "ok  \t",
    "PASS",
    "already formatted",
    "no issues",
    "0 failures",
    " passing",
)


COUNTED = (" failed", " error")
MARKS = (*WORDS, *COMPLETE, *TOOL_WORDS, *COUNTED, ANNOTATION, GROUP)


def last_word(log: Log) -> str:
    """What CI itself says at the end; empty where it says nothing."""
    for number in reversed(log.having(*WORDS)[-400:]):
        if number in log.echoed:
            continue
        for pattern, status in LAST_WORD:
            if pattern.match(log.line(number).removeprefix("##[error]")):
                return status
    return ""


def github_status(log: Log) -> str:
    """GitHub writes no verdict: an error annotation fails a job, a complete log without one is
    green.
    """
    errors = [log.line(n) for n in log.having(ANNOTATION) if n not in log.echoed]
    if not errors:
        return PASSED if log.having(*COMPLETE) and not died(log) else ""
    if any("The operation was canceled" in e for e in errors) and not any(
        TIMED_OUT.search(e) or "exit code" in e for e in errors
    ):
        return CANCELLED
    return FAILED


def died(log: Log) -> bool:
    """Whether the last step's last lines are a tool's dying words: an action in a container may
    fail without an annotation.
    """
    cleanup = next(iter(log.having(*COMPLETE)), 0)
    return any(FATAL.match(log.line(n)) for n in range(max(1, cleanup - 8), cleanup))


def ci_status(log: Log) -> str:
    if any(log.has(mark) for mark in (ANNOTATION, GROUP, COMPLETE[1])):
        return github_status(log) or last_word(log)
    return last_word(log)


def tools_failed(log: Log) -> bool:
    """Whether a test runner's last line counts failures."""
    return any(TOOL_FAILED.match(log.line(n)) for n in log.having(*COUNTED)[-400:]) or says(
        log, "FAILED"
    )


def tools_passed(log: Log) -> bool:
    return any(TOOL_PASSED.match(log.line(n)) for n in log.having(*TOOL_WORDS)[-200:]) or says(
        log, "PASSED"
    )


def says(log: Log, verdict: str) -> bool:
    return any(
        saying.on(log.line(n))
        for saying in sayings(verdict)
        for n in log.having(*saying.marks)[-200:]
    )
