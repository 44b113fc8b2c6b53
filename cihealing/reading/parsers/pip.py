"""pip, uv, poetry, pipenv and conda: requirements that cannot be met, hashes that differ, packages
that cannot be built. Source: pip 9 to 25, uv 0.1 to 0.9, poetry 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log


class PipForm(NamedTuple):
    tool: str
    error_type: str
    weight: int
    mark: str
    pattern: re.Pattern[str]
    """From the line's start; what it names `message` is said."""
    below: int = 0
    """How many lines below it belong to it at most; a blank line does not end them where they are
    indented.
    """


def form(
    tool: str, error_type: str, weight: int, mark: str, pattern: str, below: int = 0
) -> PipForm:
    return PipForm(
        tool,
        error_type,
        weight,
        mark,
        re.compile(rf"\s{{0,8}}(?:ERROR: )?(?P<message>{pattern}.*)$"),
        below,
    )


FORMS = (
    form(
        "pip",
        "dependency-missing",
        73,
        "Could not find a version that satisfies",
        "Could not find a version that satisfies the requirement ",
        1,
    ),
    form(
        "pip",
        "dependency-missing",
        72,
        "No matching distribution found",
        "No matching distribution found for ",
    ),
    form(
        "pip",
        "dependency-conflict",
        74,
        "conflicting dependencies",
        "Cannot install .{1,2000} because these package versions have conflicting dependencies",
        8,
    ),
    form(
        "pip",
        "HashMismatch",
        74,
        "DO NOT MATCH THE HASHES",
        "THESE PACKAGES DO NOT MATCH THE HASHES",
        6,
    ),
    form(
        "pip",
        "HashMismatch",
        74,
        "In --require-hashes mode",
        "In --require-hashes mode, all requirements must ",
        6,
    ),
    form(
        "pip",
        "RequiresPython",
        73,
        "requires a different Python",
        "Package '[^']{1,200}' requires a different Python: ",
    ),
    form(
        "pip",
        "RequirementsFile",
        73,
        "Could not open requirements file",
        "Could not open requirements file: ",
    ),
    form("pip", "InvalidRequirement", 73, "Invalid requirement", "Invalid requirement: "),
    form(
        "pip",
        "InstallError",
        71,
        "Could not install packages due to",
        "Could not install packages due to an? ",
    ),
    form(
        "pip",
        "BuildFailed",
        58,
        " did not run successfully.",
        "(?:× )?.{1,200} did not run successfully\\.",
        1,
    ),
    form("pip", "BuildFailed", 57, "Failed building wheel for ", "Failed building wheel for "),
    form(
        "uv",
        "dependency-conflict",
        74,
        "No solution found when resolving",
        "(?:× |error: )?No solution found when resolving ",
        10,
    ),
    form(
        "uv",
        "BuildFailed",
        58,
        "Failed to build ",
        "(?:× |error: )?Failed to build [`'].{1,300}[`']",
        3,
    ),
    form(
        "uv",
        "BuildFailed",
        58,
        "The build backend returned an error",
        "(?:× |error: |├─▶ |╰─▶ )?The build backend returned an error",
        3,
    ),
    form(
        "uv",
        "lockfile",
        74,
        "The lockfile at ",
        "(?:error: )?The lockfile at `.{1,200}` needs to be updated",
    ),
    form(
        "poetry",
        "dependency-conflict",
        74,
        "version solving failed",
        "(?:So, b|B|And b)ecause .{1,2000}version solving failed",
    ),
    form(
        "poetry",
        "dependency-conflict",
        73,
        "doesn't match any versions",
        "Because .{1,2000} doesn't match any versions",
    ),
    form(
        "poetry",
        "lockfile",
        74,
        "since poetry.lock was last generated",
        "(?:pyproject\\.toml changed significantly since poetry\\.lock|Error: pyproject\\.toml"
        " changed significantly since)",
    ),
    form(
        "poetry",
        "lockfile",
        73,
        "poetry.lock is not up to date",
        "(?:Error: |Warning: )?poetry\\.lock is not up to date",
    ),
    form(
        "poetry",
        "dependency-missing",
        73,
        "Unable to find installation candidates for",
        "(?:RuntimeError: )?Unable to find installation candidates for ",
        6,
    ),
    form(
        "pipenv",
        "lockfile",
        74,
        "is out of date. Expected:",
        "Your Pipfile\\.lock \\(\\w+\\) is out of date\\. Expected: ",
    ),
    form(
        "conda", "dependency-missing", 73, "PackagesNotFoundError: ", "PackagesNotFoundError: ", 5
    ),
    form(
        "conda",
        "dependency-conflict",
        73,
        "UnsatisfiableError: ",
        "(?:LibMamba)?UnsatisfiableError: ",
        10,
    ),
    form(
        "conda", "dependency-missing", 73, "ResolvePackageNotFound:", "ResolvePackageNotFound:", 6
    ),
)
ELSE = re.compile(r"(?!\s|The conflict|Because|And |So, |ERROR: No matching|$)")
MARKS = tuple(dict.fromkeys(form.mark for form in FORMS))


def parse(log: Log) -> Iterator[Finding]:
    for form in FORMS:
        for number in log.having(form.mark):
            if match := form.pattern.match(log.line(number)):
                yield Finding(
                    kind=Kind.ERROR,
                    tool=form.tool,
                    line=number,
                    error_type=form.error_type,
                    message=match["message"].strip(" ×"),
                    weight=form.weight,
                    cites=(number, *below(log, number, form.below)),
                )


def below(log: Log, number: int, limit: int) -> list[int]:
    lines = log.block(number + 1, until=ELSE, limit=limit + 2)
    return [n for n in lines if log.line(n).strip()][:limit]
