"""`dotnet build`, MSBuild and NuGet: errors of C#, F#, Visual Basic, analysers, projects and
packages. C and C++ are not of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (": error ", "error: ")
FAILED = Saying(("Build FAILED.",), re.compile(r"Build FAILED\.$"))
PASSED = Saying(("Build succeeded.",), re.compile(r"Build succeeded\.$"))
FORM = re.compile(
    r"\s{0,8}(?:\d{1,4}>)?(?P<file>[^\s(:][^(:]{0,400}|[A-Za-z]:[^(:]{1,400}|/[^(:]{1,400}|\\\\[^(:]{1,400})(?:\(\d{1,9}(?:,\d{1,9}){0,3}\))?"
    r" ?: error (?P<rule>(?!TS\d|LNK|RC\d|C\d|D\d)[A-Za-z]{1,12}\d{3,5}) ?: (?P<message>.+?)(?:"
    r" \[[^\[\]]{1,400}proj(?:::[^\]]{1,100})?\])?$"
)
NUGET = re.compile(r"\s{0,8}error: (?P<rule>NU\d{4}): (?P<message>.+)$")
ECHOES = ("MSB3073", "MSB4181", "MSB3077")
"""Only that a command or a task failed."""
BUILD = re.compile(r"MSB|NETSDK|NU\d")
COMPILER = re.compile(r"CS\d|FS\d|BC\d|RZ\d|XLS|AVLN|XA\d|MC\d")


def parse(log: Log) -> Iterator[Finding]:
    """MSBuild says every error twice, the second time in its summary; it counts once."""
    seen: set[str] = set()
    for number in log.having(*MARKS):
        text = log.line(number).strip()
        match = FORM.match(text) or NUGET.match(text)
        if match and text not in seen:
            seen.add(text)
            yield finding(number, match)


def finding(number: int, match: re.Match[str]) -> Finding:
    rule, message, file = match["rule"], match["message"], match.groupdict().get("file") or ""
    source = file.strip() if re.search(r"\.\w{1,8}$", file.strip()) else ""
    kind, tool, error_type, weight = kind_of(rule)
    return Finding(
        kind=kind,
        tool=tool,
        line=number,
        error_type=error_type,
        message=message,
        file=source,
        rule=rule,
        weight=weight,
    )


def kind_of(rule: str) -> tuple[Kind, str, str, int]:
    """Kind, tool, error type and weight (0: as its kind) of what this rule says."""
    if rule in ECHOES:
        return Kind.ERROR, "msbuild", "msbuild", 45
    if BUILD.match(rule):
        return Kind.ERROR, "msbuild", "msbuild", 74
    if COMPILER.match(rule):
        return Kind.COMPILE, "csc", "compile", 0
    return Kind.LINT, "analyzer", "lint", 0
