"""Build systems that state in one line what they cannot do: Meson, autoconf's configure, SCons,
Bazel, pkg-config. Sources: their messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, stated
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

LINES = (
    "meson.build:",
    "configure: error: ",
    "scons: *** ",
    "BUILD:",
    "BUILD.bazel:",
    ".bzl:",
    "FAIL: //",
    "configure.ac:",
    "Makefile.am:",
)
MARKS = (*LINES, "  FAILED in ", "  TIMEOUT in ", "  FAILED TO BUILD")
FORMS = (
    Form(
        "meson",
        re.compile(r"(?P<file>[^\s:]{0,300}meson\.build):\d{1,9}:\d{1,9}: ERROR: (?P<message>.+)$"),
        "configure",
        Kind.ERROR,
        74,
    ),
    Form(
        "configure",
        re.compile(r"(?:\S{1,200}: )?configure: error: (?P<message>.+)$"),
        "configure",
        Kind.ERROR,
        74,
    ),
    Form(
        "autoconf",
        re.compile(
            r"(?P<file>[^\s:]{0,300}(?:configure\.ac|Makefile\.am)):\d{1,9}: error:"
            r" (?P<message>.+)$"
        ),
        "configure",
        Kind.ERROR,
        74,
    ),
    Form("scons", re.compile(r"scons: \*\*\* (?!\[)(?P<message>.+)$"), "build", Kind.ERROR, 70),
    Form(
        "bazel",
        re.compile(rf"ERROR: (?P<file>{PATH}):\d{{1,9}}:\d{{1,9}}: (?P<message>.+)$"),
        "build",
        Kind.ERROR,
        70,
    ),
)
TEST = re.compile(
    r"(?P<test>//\S{1,300})\s+(?P<how>FAILED|TIMEOUT|FAILED TO BUILD)(?: in (?P<runs>.+))?$"
)
FAILED = Saying(
    ("Build did NOT complete successfully", "Build completed, "),
    re.compile(
        r"(?:INFO: |FAILED: )?Build (?:did NOT complete successfully|completed, \d+ tests? FAILED)"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, LINES)
    yield from (
        found
        for n in log.having("  FAILED in ", "  TIMEOUT in ", "  FAILED TO BUILD")
        if (found := bazel_test(log, n))
    )


def bazel_test(log: Log, number: int) -> Finding | None:
    """Bazel's list of results: a target is a test; its own output is in a file or above
    (`--test_output=errors`).
    """
    if not (match := TEST.match(log.line(number))):
        return None
    return Finding(
        kind=Kind.TEST,
        tool="bazel",
        line=number,
        error_type="TestFailed",
        message=match["how"],
        test=match["test"],
        weight=68,
    )
