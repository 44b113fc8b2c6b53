"""pytest: short summary, failure sections (all --tb styles), collection errors, verbose lines.
Sources: pytest's terminal reporter, versions 2 to 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.pytest_ids import SummaryLine, leaf, module_of, named, split_id, test_name
from cihealing.reading.raised import (
    DIRECT,
    LAST,
    Trace,
    chains,
    origin,
    parts,
    raised,
    repeats,
    within,
)

MARKS = (
    " FAILURES =",
    " ERRORS =",
    "FAILED ",
    "FAIL ",
    "ERROR ",
    " FAILED",
    " ERROR",
    "! KeyboardInterrupt !",
    "! _pytest.outcomes.Exit: ",
    "INTERNALERROR> ",
    "ImportError while loading conftest ",
    "Required test coverage of ",
    "no tests ran in ",
    "ERROR: file or directory not found",
    "ERROR: not found: ",
    ": error: unrecognized arguments",
    "+ Timeout +",
)
SECTION = re.compile(r"=+ (?:FAILURES|ERRORS) =+$")
RULE = re.compile(r"=+(?: .*)? =+$|=+$")
VERBOSE = re.compile(
    r"(?:\[gw\d+\] \[ *\d+%\] )?(?P<first>\S.{0,900}?)(?: <- \S+)?"
    r" (?P<second>FAILED|ERROR|\S+\.py::.+?)(?: +\[ *\d+%\])?$"
)
PLACE = re.compile(r"(?P<file>[^\s:()]{1,300}\.py[x]?):\d{1,9}: ?(?P<rest>.*)$")
SUMMARY = re.compile(
    r"(?:FAILED|ERROR|FAIL|SUBFAIL(?:ED)?(?:\(.{1,200}\)|\[.{1,200}\]){0,2}) (?P<rest>\S.*)$"
)
WIDE = re.compile(r" (?P<name>[A-Za-z_][\w.]{0,300}(?:\[.{1,2000}\])?)$")
"""A header as wide as the terminal has no rule left around its name."""
WORKER = re.compile(r"worker '\w+' crashed while running '(?P<test>.+)'$")
STRICT = re.compile(r"\[XPASS\(strict\)\] ?(?P<reason>.*)$")
PATH = (".py", ".pyx", ".txt", ".rst", ".md", ".yaml", ".yml", ".feature")
ELLIPSIS = ("...", "…")
MAX_BLOCK, MAX_FAILURES = 1500, 2000
"""Lines of a failure, failures of one section; the summary knows the names of the rest."""


def parse(log: Log) -> Iterator[Finding]:
    blocks = [
        finding
        for start in log.having(" FAILURES =", " ERRORS =")
        if SECTION.match(log.line(start))
        for finding in section(log, start)
    ]
    summaries = list(short_summary(log))
    yield from named(blocks, summaries)
    seen = {leaf(finding.test) for finding in blocks}
    rest = [s for s in summaries if leaf(s.test) not in seen]
    yield from (of_summary(s) for s in rest)
    if not blocks and not summaries:
        yield from verbose(log)
    yield from stopped(log)


def stopped(log: Log) -> Iterator[Finding]:
    """What ends a whole run: no test failed, and the tests that ran are counted as passed."""
    for number in log.having("! KeyboardInterrupt !", "! _pytest.outcomes.Exit: "):
        if log.line(number).startswith("!!"):
            text = log.line(number).strip("! ")
            yield ended(number, text.partition(":")[0].rpartition(".")[2], text)
    yield from internal_error(log)
    yield from conftest(log)
    yield from timed_out(log)
    for error_type, weight, marks, pattern in WORDS:
        for number in log.having(*marks):
            if match := pattern.match(log.line(number)):
                yield ended(number, error_type, match["message"], weight=weight)


WORDS = (
    (
        "coverage",
        69,
        ("Required test coverage of ",),
        re.compile(r"(?:FAIL |ERROR: )?(?P<message>Required test coverage of .+ not reached.*)$"),
    ),
    (
        "UsageError",
        69,
        (": error: unrecognized arguments",),
        re.compile(r"(?P<message>(?:ERROR: )?\S{1,100}: error: unrecognized arguments.*)$"),
    ),
    (
        "UsageError",
        69,
        ("ERROR: file or directory not found", "ERROR: not found: "),
        re.compile(r"ERROR: (?P<message>(?:file or directory )?not found: .+)$"),
    ),
    (
        "NoTests",
        60,
        ("no tests ran in ",),
        re.compile(r"(?:=+ )?(?P<message>no tests ran) in [\d.]+"),
    ),
)


def ended(
    number: int, error_type: str, message: str, *, weight: int = 64, cites: tuple[int, ...] = ()
) -> Finding:
    return Finding(
        kind=Kind.ERROR,
        tool="pytest",
        line=number,
        error_type=error_type,
        message=message,
        cites=cites,
        weight=weight,
    )


def internal_error(log: Log) -> Iterator[Finding]:
    """pytest itself, or a plug-in, died; its traceback is prefixed, and python.py reads tracebacks
    without knowing whose they are.
    """
    lines = log.having("INTERNALERROR> ")
    last = next(
        (
            n
            for n in reversed(lines)
            if parts(LAST.match(log.line(n).removeprefix("INTERNALERROR> ")))
        ),
        0,
    )
    if error := parts(LAST.match(log.line(last).removeprefix("INTERNALERROR> "))):
        yield ended(
            last, *error, weight=79, cites=tuple(n for n in lines if last - 12 <= n <= last)
        )


def conftest(log: Log) -> Iterator[Finding]:
    for start in log.having("ImportError while loading conftest "):
        lines = log.block(
            start + 1, until=re.compile(r"(?!\s|E |[^\s:]{1,300}:\d{1,9}: )|$"), limit=60
        )
        said = next((n for n in lines if log.line(n).startswith("E  ")), 0)
        if error := raised(log.line(said)[1:].strip()):
            yield ended(
                said,
                *error,
                weight=79,
                cites=tuple(n for n in (start, *lines) if n == start or said - 8 <= n <= said),
            )


def timed_out(log: Log) -> Iterator[Finding]:
    """pytest-timeout's thread method ends the process with a dump of all stacks: the test stands in
    the main thread's.
    """
    starts = [n for n in log.having("+ Timeout +") if log.line(n).endswith("++")]
    for start in starts[:1]:
        stop = starts[1] if len(starts) > 1 else start + MAX_BLOCK
        frames = [
            n
            for n in range(start + 1, stop)
            if (match := RUNNING.match(log.line(n))) and "site-packages" not in match["file"]
        ]
        test = next((match["test"] for n in frames if (match := RUNNING.match(log.line(n)))), "")
        before = VERBOSE_TEST.match(log.line(start))
        yield Finding(
            kind=Kind.TEST if test or before else Kind.ERROR,
            tool="pytest",
            line=start,
            error_type="Timeout",
            message="Timeout",
            test=before["test"] if before else test,
            cites=(start, *(n for frame in frames[:6] for n in (frame, frame + 1))),
        )


RUNNING = re.compile(r'\s+File "(?P<file>[^"]{1,500})", line \d+, in (?P<test>test\w*)$')
VERBOSE_TEST = re.compile(r"(?P<test>\S{1,300}\.py::\S.{0,600}?) \+{5,}")


def short_summary(log: Log) -> Iterator[SummaryLine]:
    for number in log.having("FAILED ", "ERROR ", "FAIL "):
        match = SUMMARY.match(log.line(number))
        if match and (".py" in match["rest"] or "::" in match["rest"]):
            test, message = split_id(match["rest"])
            path = test.partition("::")[0]
            if path.endswith(PATH) and not path.startswith((" ", ":")) and " " not in path:
                yield SummaryLine(number, test if "::" in test else module_of(test), message)


def section(log: Log, start: int) -> Iterator[Finding]:
    headers: list[tuple[int, str]] = []
    end = min(len(log), start + 200_000) + 1
    for number in range(start + 1, end):
        text = log.line(number)
        if text.startswith("=") and RULE.match(text):
            end = number
            break
        if (
            text.startswith(("_", " "))
            and (name := header(text))
            and (text[0] == "_" or wide(log, number))
        ):
            headers.append((number, name))
    for (at, name), following in zip(
        headers[:MAX_FAILURES], [*(n for n, _ in headers[1:]), end], strict=False
    ):
        yield block(log, name, range(at, min(following, at + MAX_BLOCK)))
    if not headers:
        yield from tb_line(log, range(start + 1, end))


def header(text: str) -> str:
    """`___ name ___`, also without rules; the dashed `_ _ _` between frames is none."""
    if match := WIDE.match(text):
        return match["name"]
    name = text.strip("_")
    return name.strip() if name[:1] == " " and name[-1:] == " " and "_ _ _" not in name else ""


def wide(log: Log, number: int) -> bool:
    """Whether a line without rules may be a header: it fills the terminal, and an empty line, a
    place or the section's title stands above.
    """
    above = log.line(number - 1)
    return (
        len(log.line(number)) > 76
        and not log.line(number + 1)
        and (not above or bool(PLACE.match(above) or SECTION.match(above)))
    )


def block(log: Log, name: str, lines: range) -> Finding:
    """One failure: exceptions in pytest's own style (`E` lines), native tracebacks, or the few
    words of a test that raised nothing.
    """
    places = [n for n in lines if PLACE.match(log.line(n))]
    file = next((m["file"] for n in places if (m := PLACE.match(log.line(n)))), "")
    root, error_type, message, group = find_error(log, lines, places)
    marks = [n for n in lines if log.line(n).startswith(">")]
    mark = [n for n in marks if n < root][-1:] or marks[-1:]
    crashed = next((m["test"] for n in lines if (m := WORKER.match(log.line(n)))), "")
    return Finding(
        kind=Kind.TEST,
        tool="pytest",
        line=root,
        error_type=error_type,
        message=message,
        test=crashed or test_name(name, file),
        file=file,
        cites=tuple(sorted({lines.start, root, *group[:15], *places[-6:], *mark})),
    )


def find_error(log: Log, lines: range, places: list[int]) -> tuple[int, str, str, list[int]]:
    """The root line, type and message, and the lines that belong to it."""
    # A bare E is an empty line of the same explanation, not the gap between two exceptions.
    own = [n for n in lines if log.line(n).startswith("E  ") or log.line(n).rstrip() == "E"]
    if own:
        group = [n for n in first_group(log, own) if log.line(n).rstrip() != "E"]
        return (group[0], *cause(log, group, [n for n in places if n > group[0]] or places), group)
    if native := list(chains(log, within(log, lines))):
        trace: Trace = origin(log, native[-1])
        return trace.end, trace.error_type, trace.message, [*trace.lines][-15:]
    return in_words(log, lines, places)


def in_words(log: Log, lines: range, places: list[int]) -> tuple[int, str, str, list[int]]:
    for number in lines:
        text = log.line(number)
        if match := STRICT.match(text):
            return number, "XPASS(strict)", match["reason"], [number]
        if WORKER.match(text):
            return number, "WorkerCrashed", "worker crashed", [number]
        if text == "Expected:" or (
            text.startswith("Expected nothing")
            and "DocTest" in log.line(places[-1] if places else 0)
        ):
            got = [n for n in range(number, lines.stop) if log.line(n)]
            return (
                number,
                "DocTestFailure",
                " ".join(log.line(n).strip() for n in got[:4] if n not in places),
                got[:10],
            )
    root = (
        places[-1]
        if places
        else next((n for n in reversed(lines) if raised(log.line(n))), lines.start)
    )
    return (root, *cause(log, [], places), [])


def first_group(log: Log, numbers: list[int]) -> list[int]:
    """The E lines of the exception that was raised last, or of what it was raised from: an
    exception that was only being handled is another matter.
    """
    groups = [[numbers[0]]]
    for number in numbers[1:]:
        if number - groups[-1][-1] > 1:
            groups.append([])
        groups[-1].append(number)
    at = len(groups) - 1
    while at > 0 and any(
        log.line(n).startswith(DIRECT) for n in range(groups[at - 1][-1], groups[at][0])
    ):
        cause = log.line(groups[at - 1][0]).partition(": ")[2]
        if repeats(log.line(groups[at][0]), cause):
            break
        at -= 1
    return groups[at]


def cause(log: Log, group: list[int], places: list[int]) -> tuple[str, str]:
    for number in group[:1]:
        text = log.line(number)[1:].strip()
        if error := raised(text) or (
            parts(LAST.match(text)) if "." in text.partition(":")[0] else None
        ):
            return error
    message = log.line(group[0])[1:].strip() if group else ""
    for number in places if group else reversed(places):
        match = PLACE.match(log.line(number))
        if match and (error := raised(match["rest"])):
            return error[0], message or error[1]
    return "AssertionError" if message.startswith("assert") or not message else "Failed", message


def tb_line(log: Log, lines: range) -> Iterator[Finding]:
    """--tb=line: one `path:line: Type: message` a failure, without a test's name."""
    for number in lines:
        match = PLACE.match(log.line(number))
        if match and (error := raised(match["rest"])):
            yield Finding(
                kind=Kind.ERROR,
                tool="pytest",
                line=number,
                error_type=error[0],
                message=error[1],
                file=match["file"],
                weight=76,
            )


def of_summary(summary: SummaryLine) -> Finding:
    error = raised(summary.message)
    error_type, message = error or (
        (
            "AssertionError"
            if summary.message.startswith("assert")
            else "Failed"
            if not summary.message
            else "Error"
        ),
        summary.message,
    )
    if message.endswith(ELLIPSIS):  # cut at the terminal's width, which is not part of the failure
        message = ""
    return Finding(
        kind=Kind.TEST,
        tool="pytest",
        line=summary.line,
        error_type=error_type,
        message=message,
        test=summary.test,
        file=summary.test.partition("::")[0],
    )


def verbose(log: Log) -> Iterator[Finding]:
    for number in log.having(" FAILED", "FAILED ", " ERROR", "ERROR "):
        match = VERBOSE.match(log.line(number))
        if not match or "::" not in log.line(number):
            continue
        first, second = match["first"], match["second"]
        test = (first if second in ("FAILED", "ERROR") else second).strip()
        if ".py::" in test and {first, second} & {"FAILED", "ERROR"} and "RERUN" not in test:
            yield Finding(
                kind=Kind.TEST, tool="pytest", line=number, error_type="Failed", test=test
            )
