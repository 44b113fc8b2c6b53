"""`cihealing explain [--green PASS.log] [--json] FILE…`: what a CI log says, without a service or a
database.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.logs import MAX_SECONDS, MAX_SIZE, Source, UnreadableLog, bound, sources
from cihealing.domain.values import Failure, Line
from cihealing.reading import Reading, read_chunks
from cihealing.reading.junit import MAX_BYTES, FailedTest, NoReport, failed_tests, merged
from cihealing.reading.rulebook import put_in_force
from cihealing.reading.structure import LogStep

if TYPE_CHECKING:
    from rich.progress import Progress

LARGE = 20_000_000
"""Bytes from which a single file is worth a progress bar."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One log, or one JUnit report given as a file of its own."""

    name: str
    reading: Reading
    reports: tuple[FailedTest, ...] = ()
    cut: str = ""
    """Why the log was not read to its end; empty where it was."""


def as_json(told: Explained) -> dict[str, Any]:
    """The contract of `--json`: one object a file, always with the same keys."""
    reading, failure = told.reading, told.reading.failure
    return {
        "file": told.name,
        "status": reading.status,
        "summary": failure.summary if failure else None,
        "errorType": failure.error_type if failure else None,
        "errorHash": failure.error_hash if failure else None,
        "failureClass": failure.failure_class.value if failure else None,
        "confidence": failure.confidence if failure else None,
        "signs": (
            [{"rule": s.rule, "line": s.line, "text": s.text} for s in failure.signs]
            if failure
            else []
        ),
        "rootLine": failure.root_line if failure else None,
        "excerpt": [{"line": e.line, "text": e.text} for e in failure.excerpt] if failure else [],
        "failedTests": list(reading.failed_tests),
        "frames": (
            [{"file": f.file, "line": f.line, "function": f.function} for f in failure.frames]
            if failure
            else []
        ),
        "step": failure.step or None if failure else None,
        "command": failure.command or None if failure else None,
        "steps": [step_as_json(step) for step in reading.steps],
        "junit": [
            {
                "test": r.name,
                "type": r.error_type,
                "message": r.message,
                "file": r.file,
                "line": r.line,
            }
            for r in told.reports
        ],
        "secretsMasked": failure.secrets_masked if failure else 0,
        "cut": told.cut or None,
    }


def step_as_json(step: LogStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "command": step.command,
        "firstLine": step.first,
        "lastLine": step.last,
        "exitCode": step.exit_code,
        "seconds": step.seconds,
    }


class Command(ProductCommand, needs=Needs.NOTHING):
    help = (
        "Say what broke in a CI log: class, root line, failed tests, excerpt, frames, the command"
        " to run again, fingerprint."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files",
            nargs="+",
            metavar="FILE",
            help="a log, .gz, GitHub's log archive or JUnit XML; - is standard input",
        )
        parser.add_argument(
            "--green",
            action="append",
            default=[],
            metavar="PASS.log",
            help="log of a passing run of the job (repeatable)",
        )
        parser.add_argument(
            "--junit",
            action="append",
            default=[],
            metavar="REPORT.xml",
            help="JUnit XML of the job (may be repeated)",
        )
        parser.add_argument(
            "--rules",
            default=os.environ.get("CI_HEALING_RULES_DIR", ""),
            metavar="DIR",
            help="a directory of local rules",
        )
        for name, kind, most, what in (
            ("bytes", int, MAX_SIZE, "read, unpacked"),
            ("seconds", float, MAX_SECONDS, "worked on a file"),
        ):
            text = f"{name} {what} at most (%(default)s; 0: no bound)"
            parser.add_argument(f"--max-{name}", type=kind, default=most, metavar="N", help=text)
        parser.add_argument("--json", action="store_true", help="one JSON object a file")

    def handle(self, *args: Any, **options: Any) -> None:
        self.unreadable: list[str] = []
        self.bounds = {
            "size": max(0, options["max_bytes"]),
            "seconds": max(0.0, options["max_seconds"]),
        }
        for refused in (
            put_in_force(Path(options["rules"]).expanduser()) if options["rules"] else ()
        ):
            self.stderr.write(str(refused))
        reports = tuple(test for path in options["junit"] for test in report_of(path))
        greens = [path for path in options["green"] if opened(path)]
        printed = Printed(colour=not options["no_color"]) if not options["json"] else None
        for told in self.explained(options["files"], greens=greens, reports=reports):
            if printed:
                printed.show(told)
            else:
                self.stdout.write(json.dumps(as_json(told), ensure_ascii=True))
        if self.unreadable:
            raise CommandError("\n".join(self.unreadable))

    def explained(
        self, paths: Sequence[str], *, greens: Sequence[str], reports: tuple[FailedTest, ...]
    ) -> Iterator[Explained]:
        """What cannot be read is told at the end; the others are read all the same."""
        found = [source for path in paths for source in self.found(path)]
        with progress(found) as bar:
            for source in found:
                try:
                    yield explain(source, greens=greens, reports=reports, bar=bar)
                except (UnreadableLog, NoReport) as error:
                    self.unreadable.append(str(error))

    def found(self, path: str) -> list[Source]:
        try:
            return sources(path, bound(**self.bounds))
        except UnreadableLog as error:
            self.unreadable.append(str(error))
            return []


def opened(path: str) -> list[Source]:
    try:
        return sources(path)
    except UnreadableLog as error:
        raise CommandError(str(error)) from error


def content_of(source: Source) -> bytes:
    """Of a report; one byte more than a report may have is not read."""
    content = bytearray()
    for piece in source.pieces():
        content += piece
        if len(content) > MAX_BYTES:
            break
    return bytes(content)


def report_of(path: str) -> tuple[FailedTest, ...]:
    """`-` is standard input."""
    try:
        return failed_tests(b"".join(map(content_of, opened(path))))
    except UnreadableLog as error:
        raise CommandError(str(error)) from error
    except NoReport as error:
        raise CommandError(f"Cannot read {path} as a JUnit report: {error}") from error


def explain(
    source: Source, *, greens: Sequence[str], reports: tuple[FailedTest, ...], bar: Progress | None
) -> Explained:
    if source.name.endswith(".xml"):
        return of_report(source)
    passing = [green.pieces() for path in greens for green in sources(path)]
    reading = read_chunks(counted(source, bar), green=passing)
    if not reports:
        return Explained(source.name, reading, cut=source.bound.cut)
    status = "failed" if reading.status == "unknown" else reading.status
    reading = replace(reading, status=status, failed_tests=merged(reading.failed_tests, reports))
    return Explained(source.name, reading, reports, cut=source.bound.cut)


def of_report(source: Source) -> Explained:
    try:
        found = failed_tests(content_of(source))
    except NoReport as error:
        raise NoReport(f"Cannot read {source.name} as a JUnit report: {error}") from error
    status = "failed" if found else "passed"
    return Explained(
        source.name,
        Reading(status=status, failure=None, redacted_log="", failed_tests=merged((), found)),
        found,
    )


class progress:  # noqa: N801 - a context manager that reads like a function
    """A bar on standard error, where a person waits for many files or a large one."""

    def __init__(self, found: Sequence[Source]) -> None:
        self.found = found
        self.bar: Progress | None = None

    def __enter__(self) -> Progress | None:
        size = sum(source.size for source in self.found)
        if sys.stderr.isatty() and (len(self.found) > 1 or size > LARGE):
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
            )
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
            self.bar.add_task(f"{len(self.found)} logs", total=size or None)
        return self.bar

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()


def counted(source: Source, bar: Progress | None) -> Iterator[bytes]:
    """The bar counts files' sizes as stored, so that it ends at its end for compressed ones,
    too.
    """
    left = source.size
    for piece in source.pieces():
        yield piece
        if bar:
            bar.advance(bar.task_ids[0], min(len(piece), left))
            left -= min(len(piece), left)
    if bar:
        bar.advance(bar.task_ids[0], left)


class Printed:
    """The explanation for people. Text from logs is data: it must not be able to paint the screen,
    so markup is off.
    """

    MAX_LINES = 40
    MAX_TESTS = 20
    COLOURS = {"failed": "bold red", "passed": "bold green", "cancelled": "bold yellow"}
    SIGNS = {"failed": "✗", "passed": "✓", "cancelled": "–"}

    def __init__(self, *, colour: bool) -> None:
        from rich.console import Console  # only people need it: --json starts without

        self.console = Console(no_color=not colour, highlight=False, soft_wrap=True)

    def line(self, text: str = "", *, style: str = "") -> None:
        self.console.print(text, style=style or None, markup=False)

    def fact(self, name: str, text: str, *, style: str = "") -> None:
        self.console.print(f"  {name:<9}", style="cyan", markup=False, end="")
        self.line(text, style=style)

    def show(self, told: Explained) -> None:
        reading, failure = told.reading, told.reading.failure
        self.line(
            f"{self.SIGNS.get(reading.status, '?')} {told.name}: {reading.status}",
            style=self.COLOURS.get(reading.status, "bold"),
        )
        if told.cut:
            self.fact(
                "cut",
                f"{told.cut}: what failed may stand behind it (--max-bytes, --max-seconds)",
                style="yellow",
            )
        if failure:
            self.line(f"  {failure.summary}", style="bold")
            self.verdict(failure)
            self.step(reading.steps, failure)
        self.tests(reading.failed_tests, told.reports)
        if failure:
            self.excerpt(failure)
            self.rest(failure)
        self.line()

    def verdict(self, failure: Failure) -> None:
        self.fact(
            "class",
            f"{failure.failure_class.value} ({failure.confidence:.0%}), {failure.error_type}",
        )
        for sign in failure.signs:
            self.fact("", f"{sign.rule}, line {sign.line}: {sign.text}", style="dim")

    def step(self, steps: Sequence[LogStep], failure: Failure) -> None:
        step = next(
            (
                s
                for s in reversed(steps)
                if failure.root_line and s.name == failure.step and s.first <= failure.root_line
            ),
            None,
        )
        if step is None:
            return
        code = f"exit code {step.exit_code}" if step.exit_code is not None else ""
        seconds = f"{step.seconds:.1f} s" if step.seconds is not None else ""
        said = ", ".join(filter(None, (f"lines {step.first}–{step.last}", code, seconds)))
        self.fact("step", f"{step.name or step.command.partition(chr(10))[0]} ({said})")

    def tests(self, tests: Sequence[str], reports: Sequence[FailedTest]) -> None:
        messages = {report.name: report.message for report in reports}
        for position, name in enumerate(tests[: self.MAX_TESTS]):
            self.fact(
                "" if position else "tests",
                name + (f": {messages[name]}" if messages.get(name) else ""),
            )
        if len(tests) > self.MAX_TESTS:
            self.fact("", f"and {len(tests) - self.MAX_TESTS} more", style="dim")

    def excerpt(self, failure: Failure) -> None:
        lines = near_root(failure, limit=self.MAX_LINES)
        width = len(str(lines[-1].line)) if lines else 1
        before = 0
        for each in lines:
            if before and each.line > before + 1:
                self.line("  " + "⋮".rjust(width + 2), style="dim")
            root = each.line == failure.root_line
            self.line(
                f"{'→' if root else ' '} {each.line:>{width + 2}} │ {each.text}",
                style="bold red" if root else "",
            )
            before = each.line
        if len(lines) < len(failure.excerpt):
            self.line(
                f"  and {len(failure.excerpt) - len(lines)} more lines (--json has them)",
                style="dim",
            )

    def rest(self, failure: Failure) -> None:
        for position, frame in enumerate(failure.frames[:8]):
            self.fact(
                "" if position else "frames",
                f"{frame.file}:{frame.line}" + (f" in {frame.function}" if frame.function else ""),
            )
        for position, line in enumerate(failure.command.split("\n") if failure.command else ()):
            self.fact("" if position else "again", line)
        if failure.secrets_masked:
            self.fact("masked", f"{failure.secrets_masked} secrets")
        self.fact("hash", failure.error_hash, style="dim")


def near_root(failure: Failure, *, limit: int) -> Sequence[Line]:
    """The part of a long excerpt that holds its root line."""
    at = next((i for i, each in enumerate(failure.excerpt) if each.line == failure.root_line), 0)
    start = max(0, min(at - limit // 3, len(failure.excerpt) - limit))
    return failure.excerpt[start : start + limit]
