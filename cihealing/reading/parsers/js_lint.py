"""Linters, formatters and type checkers of JavaScript, TypeScript and CSS: eslint (stylish,
compact, unix) and what borrows its formats, tsc, stylelint, prettier, biome, standard, tslint,
Next.js. Sources: their formatters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, place, stated, under_headings
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

LINES = (
    "error TS",
    ", Error - ",
    "[Error/",
    "[warn] ",
    "[error] ",
    "ERROR: ",
    ".js:",
    ".ts:",
    ".jsx:",
    ".tsx:",
    ".ts[",
    ".tsx[",
    ".js[",
)
LISTED = ("  error  ", "✖ ", "  Error: ")
CRASH = ("Oops! Something went wrong",)
PRETTIER = ("rettier", "ode style issues")
BIOME = (" lint/", " format ━", " parse ━", " organizeImports ━")
MARKS = (*LINES, *LISTED, *BIOME, *PRETTIER, *CRASH)
SCRIPT = (
    rf"(?P<file>{PATH}\.(?:[cm]?[jt]sx?|vue|svelte|css|s[ac]ss|less|json[c5]?|html?|astro|graphql"
    rf"|md|mdx|ya?ml))"
)
FORMS = (
    Form(
        "tsc",
        re.compile(
            r"(?:Error: |##\[error\]|\s{2})?"
            + SCRIPT
            + r"(?:\(\d+,\d+\):|:\d+:\d+ -) error (?P<rule>TS\d+): (?P<message>.+)$"
        ),
        "types",
    ),
    Form("tsc", re.compile(r"(?P<file>)error (?P<rule>TS\d+): (?P<message>.+)$"), "types"),
    Form(
        "eslint",
        re.compile(
            SCRIPT
            + r": line \d+, col \d+, Error - (?P<message>.+?)(?: \((?P<rule>[@\w/-]+)\))?\.?$"
        ),
    ),
    Form(
        "eslint", re.compile(SCRIPT + r":\d+:\d+: (?P<message>.+?) \[Error/?(?P<rule>[@\w/-]*)\]$")
    ),
    Form(
        "standard",
        re.compile(r"\s{1,4}" + SCRIPT + r":\d+:\d+: (?P<message>.+?) \((?P<rule>[@\w/-]+)\)$"),
    ),
    Form(
        "prettier",
        re.compile(
            r"\[(?:warn|error)\] (?P<file>[\w./@\\-]{1,300}\.[A-Za-z]\w{0,5})(?::"
            r" (?P<message>.+))?$"
        ),
        says="not formatted",
    ),
    Form(
        "tslint",
        re.compile(
            r"ERROR: (?:\(\S{1,80}\) )?" + SCRIPT + r"(?::\d+:\d+ -|\[\d+, \d+\]:) (?P<message>.+)$"
        ),
    ),
    Form("tslint", re.compile(SCRIPT + r"\[\d+, \d+\]: (?P<message>.+)$")),
)
# eslint: `  2:10  error  message  rule`; stylelint and xo mark an error with ✖; yamllint and
# ansible-lint write the rule in brackets
STYLISH = (
    Form(
        "eslint",
        re.compile(
            r"\s{1,8}(?P<line>\d{1,9}):\d+\s{1,6}(?:error|✖)\s{1,6}(?P<message>\S.*?)(?:\s{2,}(?P<rule>[@\w/-]+|\([\w-]+\)))?$"
        ),
    ),
    Form(
        "eslint",
        re.compile(
            r"\s{1,8}✖\s{1,6}(?P<line>\d{1,9}):\d+\s{1,6}(?P<message>\S.*?)(?:\s{2,}(?P<rule>[@\w/-]+))?$"
        ),
    ),
    Form(
        "next",
        re.compile(
            r"(?P<line>\d{1,9}):\d+\s{2}Error: (?P<message>\S.*?)(?:\s{2,}(?P<rule>[@\w/-]+))?$"
        ),
    ),
)
BIOME_HEAD = re.compile(
    SCRIPT
    + r"(?::\d+:\d+)? (?P<rule>(?:lint|assist)/[\w/]+|format|parse|organizeImports)(?: .*)? ━{2,}$"
)
BIOME_SAID = re.compile(r"\s{2}× (?P<message>.+)$")
HEADING = re.compile(
    r"\s{0,2}(?P<file>(?:[A-Za-z]:)?[\w./\\@-][^:\s]{0,300}\.\w{1,8})(?:: lint ?:?)?$"
)
PASSED = Saying(
    ("Prettier code style", "(0 errors, "),
    re.compile(
        r"All matched files use Prettier code style!|✖ \d+ problems? \(0 errors, \d+ warnings?\)"
    ),
)
FAILED = Saying(
    ("problems (", "problem (", " error"),
    re.compile(
        r"✖ \d+ problems? \([1-9]\d* errors?|Found [1-9]\d* errors?(?: in (?:\d+ files|the same"
        r" file|\S+)|\.$)"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    prettier_ran = bool(log.having(*PRETTIER))  # other tools write `[warn] name` too
    yield from (
        found for found in stated(log, FORMS, LINES) if found.tool != "prettier" or prettier_ran
    )
    yield from under_headings(log, STYLISH, LISTED, HEADING)
    yield from (found for n in log.having(*CRASH) if (found := crash(log, n)))
    yield from (found for n in log.having(*BIOME) if (found := biome(log, n)))


def biome(log: Log, number: int) -> Finding | None:
    """A head with place and rule, below it the message, marked × where it is an error."""
    head, said = BIOME_HEAD.match(log.line(number)), BIOME_SAID.match(log.line(number + 2))
    if not head or not said:
        return None
    return Finding(
        kind=Kind.LINT,
        tool="biome",
        line=number,
        error_type="lint",
        message=said["message"],
        file=head["file"],
        rule=head["rule"],
        cites=tuple(n for n in range(number, number + 10) if log.line(n).strip()),
        frames=place(head, head["file"]),
    )


def crash(log: Log, number: int) -> Finding | None:
    """eslint that cannot run at all: a greeting, its version, then what is wrong (a plugin, its
    configuration, no files).
    """
    version = next(
        (n for n in range(number + 1, number + 6) if log.line(n).startswith("ESLint: ")), 0
    )
    said = (
        next((n for n in range(version + 1, version + 6) if log.line(n).strip()), 0)
        if version
        else 0
    )
    if not said:
        return None
    return Finding(
        kind=Kind.ERROR,
        tool="eslint",
        line=said,
        error_type="eslint",
        message=log.line(said).strip(),
        cites=(number, version, said),
        weight=70,
    )
