"""Linters of what stands around the code: YAML, shell, Dockerfiles, workflows, Markdown, SQL,
Protocol Buffers, Ansible, spelling. Sources: the default and parseable reports of yamllint,
shellcheck, hadolint, actionlint, markdownlint, mdl, ansible-lint, sqlfluff, codespell, typos,
cspell, buf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, place, stated
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

LINES = (
    ".yml:",
    ".yaml:",
    ".sh:",
    ".bash:",
    ".md:",
    ".mdx:",
    ".proto:",
    ".rst:",
    ".txt:",
    "ockerfile:",
    " DL3",
    " DL4",
    " SC1",
    " SC2",
    " ==> ",
    "Unknown word (",
)
SQL = ("== [",)
SHELL = ("-- SC", "^ SC")
MARKS = (*LINES, *SQL, *SHELL, "error: `")
AT = r":\d{1,9}(?::\d{1,6})?"
FORMS = (
    Form(
        "yamllint",
        re.compile(rf"(?P<file>{PATH}){AT}: \[error\] (?P<message>.+?)(?: \((?P<rule>[\w-]+)\))?$"),
    ),
    Form(
        "hadolint",
        re.compile(
            rf"(?P<file>{PATH}){AT} (?P<rule>(?:DL|SC)\d{{4}}) (?!info|style)(?:(?:error|warning):"
            r" )?(?P<message>.+)$"
        ),
    ),
    Form(
        "shellcheck",
        re.compile(
            rf"(?P<file>{PATH}){AT}: (?:error|warning|note|info|style): (?P<message>.+)"
            r" \[(?P<rule>SC\d{4})\]$"
        ),
    ),
    Form(
        "markdownlint",
        re.compile(
            rf"(?P<file>{PATH}){AT}:? (?:error )?(?P<rule>MD\d{{3}})(?:/[\w/-]+)? (?P<message>.+)$"
        ),
    ),
    Form(
        "ansible-lint",
        re.compile(
            rf"(?P<file>{PATH}\.ya?ml){AT}:"
            r" \[?(?!(?:warning|error|note|info)\b)(?P<rule>E?\d{3,4}"
            r"|[a-z]+(?:-[a-z]+)*(?:\[[\w.-]+\])?)\]?:?"
            r" (?P<message>[A-Z].+)$"
        ),
    ),
    Form(
        "actionlint",
        re.compile(rf"(?P<file>{PATH}\.ya?ml):\d+:\d+: (?P<message>.+) \[(?P<rule>[a-z-]+)\]$"),
    ),
    Form(
        "protolint", re.compile(r"\[(?P<file>[^\s:\[\]]{1,300}\.proto):\d+:\d+\] (?P<message>.+)$")
    ),
    Form("buf", re.compile(rf"(?P<file>{PATH}\.proto):\d+:\d+:(?! ?warning)(?P<message>.+)$")),
    Form(
        "codespell", re.compile(r"(?P<file>[^\s:]{1,300}):\d{1,9}: (?P<message>\S{1,80} ==> .+)$")
    ),
    Form("cspell", re.compile(rf"(?P<file>{PATH}){AT} - (?P<message>Unknown word \(.+\).*)$")),
)
SHELL_HEAD = re.compile(r"In (?P<file>\S{1,300}) line (?P<line>\d{1,9}):$")
SHELL_NOTE = re.compile(r"\s*\^-{0,200}\^? (?P<rule>SC\d{4})(?: \(\w+\))?: (?P<message>.+)$")
SQL_HEAD = re.compile(r"== \[(?P<file>[^\]]{1,300})\] FAIL$")
SQL_ROW = re.compile(
    r"L:\s{1,6}(?P<line>\d{1,9}) \| P:\s{1,6}\d{1,6} \| (?P<rule>[A-Z]{2,4}\d{0,3}|\w+) \|"
    r" (?P<message>.+)$"
)
TYPO = re.compile(r"error: (?P<message>`.{1,80}` should be .+)$")
TYPO_AT = re.compile(r"\s*(?:-->|╭▸) (?P<file>[^\s:]{1,300}):\d+:\d+$")
ENDED = re.compile(r"\s*$|== \[|All Finished")
FAILED = Saying(
    ("Linting Failed", "failure(s), "), re.compile(r"(?:Failed|Failure): [1-9]\d* failure\(s\)")
)
PASSED = Saying(("failure(s), ",), re.compile(r"Passed: 0 failure\(s\)"))


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, LINES)
    yield from (found for n in log.having(*SHELL) if (found := shellcheck(log, n)))
    yield from (found for n in log.having(*SQL) for found in sqlfluff(log, n))
    yield from (found for n in log.having("error: `") if (found := typo(log, n)))


def shellcheck(log: Log, number: int) -> Finding | None:
    """A head with file and line, the code, and below it a note for each fault."""
    note = SHELL_NOTE.match(log.line(number))
    head = next(
        (n for n in range(number - 1, max(0, number - 10), -1) if SHELL_HEAD.match(log.line(n))), 0
    )
    at = SHELL_HEAD.match(log.line(head))
    return (
        fault("shellcheck", number, note, at=at, file=at["file"], cites=range(head, number + 1))
        if note and at
        else None
    )


def sqlfluff(log: Log, number: int) -> Iterator[Finding]:
    if not (head := SQL_HEAD.match(log.line(number))):
        return
    for n in log.block(number + 1, until=ENDED, limit=200):
        if row := SQL_ROW.match(log.line(n)):
            yield fault("sqlfluff", n, row, at=row, file=head["file"], cites=range(n, n + 1))


def typo(log: Log, number: int) -> Finding | None:
    said, at = TYPO.match(log.line(number)), TYPO_AT.match(log.line(number + 1))
    return (
        fault("typos", number, said, at=at, file=at["file"], cites=range(number, number + 4))
        if said and at
        else None
    )


def fault(
    tool: str, number: int, match: re.Match[str], *, at: re.Match[str], file: str, cites: range
) -> Finding:
    """`at`: the match that holds the line number."""
    return Finding(
        kind=Kind.LINT,
        tool=tool,
        line=number,
        error_type="lint",
        message=match["message"],
        file=file,
        rule=match.groupdict().get("rule") or "",
        cites=tuple(cites),
        frames=place(at, file),
    )
