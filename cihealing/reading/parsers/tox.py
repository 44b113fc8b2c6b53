"""tox 2 to 4 and nox: which environment failed, which could not be made. What failed in it is told
above, by the tool that was run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (
    ": FAIL code ",
    ": FAIL ✖",
    ": exit ",
    "commands failed",
    "InvocationError for command",
    "InterpreterNotFound: ",
    "could not find python interpreter",
    "could not install deps",
    "unknown environment ",
    "provided environments not found",
    "nox > ",
)
ENV = r"(?P<env>[\w.{}\[\]-]{1,80})"
ECHO = re.compile(
    rf"\s{{0,2}}{ENV}: FAIL (?:code \d+ \(|✖ in )|{ENV.replace('env', 'env2')}: exit -?\d+ \([\d.]+"
    rf" seconds\) |ERROR: {{2,4}}{ENV.replace('env', 'env3')}: commands failed$|ERROR:"
    r" InvocationError for command "
    r"|nox > (?:Command .* failed with exit code \d+|Session \S+ failed\.$|\* \S+: failed$)"
)
REASONS = (
    (
        "InterpreterNotFound",
        re.compile(
            r"(?:ERROR: {1,4})?(?P<message>(?:[\w.-]{1,80}: )?(?:InterpreterNotFound: |(?:skipped"
            r" because|failed with) could not find python interpreter).*)$"
        ),
    ),
    (
        "InterpreterNotFound",
        re.compile(
            r"nox > (?P<message>Session \S+ (?:failed|skipped): Python interpreter .+ not"
            r" found\.?)$"
        ),
    ),
    (
        "DependenciesFailed",
        re.compile(r"(?:ERROR: {1,4})?(?P<message>(?:[\w.-]{1,80}: )?could not install deps .+)$"),
    ),
    (
        "UnknownEnvironment",
        re.compile(
            r"(?:ROOT: HandledError\| |ERROR: )(?P<message>(?:unknown environment |provided"
            r" environments not found).+)$"
        ),
    ),
    (
        "UnknownSession",
        re.compile(r"nox > (?P<message>Error while collecting sessions\.|Sessions not found: .+)$"),
    ),
)

PASSED = Saying(
    ("  congratulations :)", " was successful."),
    re.compile(r"  congratulations :\)|nox > Session \S+ was successful\."),
)
FAILED = Saying(
    ("  evaluation failed :(", "nox > ", ": commands failed"),
    re.compile(
        r"  evaluation failed :\(|nox > Session \S+ failed|ERROR: {2,4}\S+: commands failed"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        text = log.line(number)
        for error_type, form in REASONS:
            if match := form.match(text):
                yield Finding(
                    kind=Kind.ERROR,
                    tool="tox",
                    line=number,
                    error_type=error_type,
                    message=match["message"],
                    weight=62,
                )
                break
        else:
            if ECHO.match(text):
                yield Finding(
                    kind=Kind.EXIT,
                    tool="tox",
                    line=number,
                    error_type="exit",
                    message=text.strip(),
                    weight=8,
                )
