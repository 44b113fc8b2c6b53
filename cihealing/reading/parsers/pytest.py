"""pytest: short summary, failure sections (all --tb styles), collection errors, verbose lines. Sources: pytest's terminal reporter, versions 2 to 9."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.raised import raised

MARKS = (" FAILURES =", " ERRORS =", "FAILED ", "ERROR ", " FAILED", "::", "!!!")
SECTION = re.compile(r"=+ (?:FAILURES|ERRORS) =+$")
RULE = re.compile(r"=+(?: .*)? =+$|=+$")
VERBOSE = re.compile(
    r"(?:\[gw\d+\] \[ *\d+%\] )?(?P<first>\S.{0,900}?)(?: <- \S+)? (?P<second>FAILED|ERROR|\S+\.py::.+?)(?: +\[ *\d+%\])?$"
)
PLACE = re.compile(r"(?P<file>[^\s:()]{1,300}\.py[x]?):\d{1,9}: ?(?P<rest>.*)$")
COLLECTING = ("ERROR collecting ", "ERROR at setup of ", "ERROR at teardown of ")
ELLIPSIS = ("...", "…")
MAX_BLOCK = 1500


@dataclass(frozen=True, slots=True)
class Summary:
    line: int
    test: str
    message: str


def parse(log: Log) -> Iterator[Finding]:
    blocks = [
        finding for start in log.having(" FAILURES =", " ERRORS =") if SECTION.match(log.line(start)) for finding in section(log, start)
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
    """pytest was stopped from outside: no test failed, and the tests that ran are counted as passed."""
    for number in log.having("! KeyboardInterrupt !", "! _pytest.outcomes.Exit: "):
        if log.line(number).startswith("!!"):
            text = log.line(number).strip("! ")
            yield Finding(kind=Kind.ERROR, tool="pytest", line=number, error_type=text.partition(":")[0].rpartition(".")[2], message=text)


def leaf(test: str) -> str:
    """What a failure's header and its summary line have in common."""
    head, bracket, parameters = test.partition("[")
    return re.split(r"::|\.(?=[A-Za-z_]\w*$)", head)[-1] + bracket + parameters


def named(blocks: list[Finding], summaries: list[Summary]) -> Iterator[Finding]:
    """Headers say `TestA.test_b`; the summary knows the full id, in the same order."""
    ids: dict[str, list[str]] = {}
    for summary in summaries:
        ids.setdefault(leaf(summary.test), []).append(summary.test)
    for finding in blocks:
        known = ids.get(leaf(finding.test), [])
        test = known.pop(0) if len(known) > 1 else (known[0] if known else finding.test)
        yield replaced(finding, test)


def replaced(finding: Finding, test: str) -> Finding:
    return Finding(
        kind=finding.kind,
        tool="pytest",
        line=finding.line,
        error_type=finding.error_type,
        message=finding.message,
        test=test,
        file=finding.file,
        cites=finding.cites,
    )


def short_summary(log: Log) -> Iterator[Summary]:
    for number in log.having("FAILED ", "ERROR "):
        text = log.line(number)
        if text.startswith(("FAILED ", "ERROR ")) and (".py" in text or "::" in text):
            test, message = split_id(text.partition(" ")[2])
            path = test.partition("::")[0]
            if path.endswith((".py", ".pyx", ".txt", ".rst", ".md", ".yaml")) and not path.startswith((" ", ":")) and " " not in path:
                yield Summary(number, test if "::" in test else module_of(test), message)


def split_id(text: str) -> tuple[str, str]:
    """Parameters may hold ` - ` too, so the end of the brackets is looked for first."""
    start = text.find("] - ") + 1 if "[" in text.partition(" - ")[0] and "] - " in text else 0
    head, _, message = text[start:].partition(" - ")
    return (text[:start] + head).strip(), message.strip()


def module_of(path: str) -> str:
    """The id a module that could not be collected has in JUnit reports: `tests.test_a`."""
    return path.removesuffix(".py").replace("/", ".").strip(".")


def section(log: Log, start: int) -> Iterator[Finding]:
    headers: list[tuple[int, str]] = []
    end = min(len(log), start + 200_000) + 1
    for number in range(start + 1, end):
        text = log.line(number)
        if text.startswith("=") and RULE.match(text):
            end = number
            break
        if text.startswith("__") and (name := header(text)):
            headers.append((number, name))
    for (at, name), following in zip(headers, [*(n for n, _ in headers[1:]), end], strict=False):
        yield block(log, name, range(at, min(following, at + MAX_BLOCK)))
    if not headers:
        yield from tb_line(log, range(start + 1, end))


def header(text: str) -> str:
    """`___ name ___`; the dashed `_ _ _` between frames is none."""
    name = text.strip("_")
    return name.strip() if name[:1] == " " and name[-1:] == " " and "_ _ _" not in name else ""


def block(log: Log, name: str, lines: range) -> Finding:
    # A bare E is an empty line of the same explanation, not the gap between two exceptions.
    said = [n for n in lines if log.line(n).startswith("E  ") or log.line(n).rstrip() == "E"]
    places = [n for n in lines if PLACE.match(log.line(n))]
    group = [n for n in last_group(said) if log.line(n).rstrip() != "E"]
    error_type, message = cause(log, group, places)
    file = next((m["file"] for n in places if (m := PLACE.match(log.line(n)))), "")
    root = group[0] if group else places[-1] if places else next((n for n in reversed(lines) if raised(log.line(n))), lines.start)
    marks = [n for n in lines if log.line(n).startswith(">")][-1:]
    cites = sorted({lines.start, root, *group[:15], *places[-6:], *marks})
    return Finding(
        kind=Kind.TEST,
        tool="pytest",
        line=root,
        error_type=error_type,
        message=message,
        test=test_name(name, file),
        file=file,
        cites=tuple(cites),
    )


def test_name(header_name: str, file: str) -> str:
    for prefix in COLLECTING:
        if header_name.startswith(prefix):
            rest = header_name.removeprefix(prefix)
            return module_of(rest) if rest.endswith(".py") else test_name(rest, file)
    head, bracket, parameters = header_name.partition("[")
    name = head.replace(".", "::") + bracket + parameters
    return (
        f"{file}::{name}"
        if file and not file.startswith(("/", "..")) and not name.startswith("::") and "site-packages" not in file
        else name
    )


def last_group(numbers: list[int]) -> list[int]:
    """The E lines of the exception that was raised last (an earlier group is its cause)."""
    start = len(numbers) - 1
    while start > 0 and numbers[start] - numbers[start - 1] <= 1:
        start -= 1
    return numbers[max(start, 0) :]


def cause(log: Log, group: list[int], places: list[int]) -> tuple[str, str]:
    for number in group:
        if error := raised(log.line(number)[1:].strip()):
            return error
    message = log.line(group[0])[1:].strip() if group else ""
    for number in reversed(places):
        match = PLACE.match(log.line(number))
        if match and (error := raised(match["rest"])):
            return error[0], message or error[1]
    return "AssertionError" if message.startswith("assert") or not message else "Failed", message


def tb_line(log: Log, lines: range) -> Iterator[Finding]:
    """--tb=line: one `path:line: Type: message` a failure, without a test's name."""
    for number in lines:
        match = PLACE.match(log.line(number))
        if match and (error := raised(match["rest"])):
            yield Finding(kind=Kind.ERROR, tool="pytest", line=number, error_type=error[0], message=error[1], file=match["file"], weight=76)


def of_summary(summary: Summary) -> Finding:
    error = raised(summary.message)
    error_type, message = error or (
        "AssertionError" if summary.message.startswith("assert") else "Failed" if not summary.message else "Error",
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
        test = first if second in ("FAILED", "ERROR") else second
        if ".py::" in test and {first, second} & {"FAILED", "ERROR"} and "RERUN" not in test:
            yield Finding(kind=Kind.TEST, tool="pytest", line=number, error_type="Failed", test=test.strip())
