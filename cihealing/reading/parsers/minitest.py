"""Minitest 4 and 5, also in Rails, and the reporters of minitest-reporters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = ("Failure:", "Error:", " FAIL ", " ERROR ", " FAIL", " ERROR")
COUNTS = r"\d+ (?:runs|tests), \d+ assertions, "
PASSED = Saying(
    (" assertions, 0 failures, 0 errors",), re.compile(rf"{COUNTS}0 failures, 0 errors")
)
FAILED = Saying(
    (" assertions, ",),
    re.compile(rf"{COUNTS}(?:[1-9]\d* failures, \d+ errors|0 failures, [1-9]\d* errors)"),
)
VERDICT = re.compile(r"\s{0,4}(?:\d+\) )?(?P<verdict>Failure|Error):$")
NAME = re.compile(r"\s{0,4}(?P<name>\S.*#test_.+?)(?: \[(?P<where>[^\]]+)\])?:?$")
OLD_NAME = re.compile(
    r"\s{0,4}(?P<test>test_.+?)\((?P<owner>[\w:]+(?: [^()]*)?)\)(?: \[[^\]]+\])?:?$"
)
REPORTER = re.compile(
    r"\s{0,4}(?P<verdict>FAIL|ERROR)(?:\[\"(?P<quoted>[^\"]+)\","
    r" (?P<quoted_owner>[^,\]]+|\"[^\"]+\"|#<.{1,200}>), [\d.e-]+\]|"
    r" +(?P<owner>[A-Z][\w:]*)#(?P<test>test_.+?) \([\d.]+s\))$"
)
REPORTER_END = re.compile(r"\s{1,8}(?P<test>test_\S.*?)\s+(?P<verdict>FAIL|ERROR) \([\d.]+s\)$")
SUITE = re.compile(r"(?P<owner>[A-Z][\w:]*(?:Test|Spec|::\w+)?)(?:: ?)?$")
RAISED = re.compile(r"\s*(?P<type>[A-Z]\w*(?:::[A-Z]\w*)*): ?(?P<message>.*)$")
WRAPPED = re.compile(r"\s*Minitest::(?:UnexpectedError|Assertion):\s+")
"""How minitest-reporters put a failure's own type or message behind that of the wrapper."""
NO_OWNER = "Minitest::Result#"
"""What their default reporter writes for every class."""
NOT_A_TYPE = ("Expected", "Actual", "Error", "Failure", "Diff", "Minitest")
STOP = re.compile(
    r"\s*$|\s{0,4}\d+\) (?:Failure|Error|Skipped):|(?:bin/|bundle exec )?rails test |Finished in "
)
MAX_SHOWN = 30


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having("Failure:", "Error:"):
        verdict = VERDICT.match(log.line(number))
        if verdict and (name := full_name(log.line(number + 1))):
            yield finding(
                log, number, name=name, below=number + 2, is_error=verdict["verdict"] == "Error"
            )
    yield from reporters(log)


def full_name(line: str) -> str:
    if match := NAME.match(line):
        return match["name"]
    old = OLD_NAME.match(line)
    return f"{old['owner']}#{old['test']}" if old else ""


def reporters(log: Log) -> Iterator[Finding]:
    for number in log.having(" FAIL", " ERROR"):
        text = log.line(number)
        if match := REPORTER.match(text):
            owner, test = (
                (match["quoted_owner"] or match["owner"]).strip('"'),
                match["quoted"] or match["test"],
            )
        elif match := REPORTER_END.match(text):
            suite = next(
                (
                    s["owner"]
                    for n in range(number - 1, max(0, number - 200), -1)
                    if (s := SUITE.match(log.line(n)))
                ),
                "",
            )
            owner, test = suite, match["test"]
        else:
            continue
        yield finding(
            log,
            number,
            name=f"{owner}#{test}".lstrip("#"),
            below=number + 1,
            is_error=match["verdict"] == "ERROR",
        )


def finding(log: Log, number: int, *, name: str, below: int, is_error: bool) -> Finding:
    root = below if log.line(below).strip() else min(below + 1, len(log))
    stated = WRAPPED.sub("", log.line(root), count=1)
    raised = RAISED.match(stated)
    known = (
        raised is not None
        and (is_error or raised["type"].endswith(("Error", "Exception")))
        and raised["type"] not in NOT_A_TYPE
    )
    error_type, message = (
        (raised["type"], raised["message"]) if raised and known else ("Assertion", stated.strip())
    )
    return Finding(
        kind=Kind.TEST,
        tool="minitest",
        line=root,
        error_type=error_type.rpartition("::")[2],
        message=message,
        test=name.removeprefix(NO_OWNER),
        cites=(*range(number, root), *log.block(root, until=STOP, limit=MAX_SHOWN)),
    )
