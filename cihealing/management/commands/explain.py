"""`cihealing explain [--green PASS.log] [--json] FILE…`: what a CI log says, without a service or a database."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cihealing.domain.values import Failure
from cihealing.reading import Reading, read


def text_of(path: str) -> str:
    """The file with its line ends as they are; `-` is standard input. Bytes that are no UTF-8 are replaced."""
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}") from error
    return content.decode("utf-8", errors="replace")


def as_json(path: str, reading: Reading) -> dict[str, Any]:
    """The contract of `--json`: one object a file, always with the same keys."""
    failure = reading.failure
    return {
        "file": path,
        "status": reading.status,
        "errorType": failure.error_type if failure else None,
        "errorHash": failure.error_hash if failure else None,
        "failureClass": failure.failure_class.value if failure else None,
        "confidence": failure.confidence if failure else None,
        "signs": [{"rule": s.rule, "line": s.line, "text": s.text} for s in failure.signs] if failure else [],
        "rootLine": failure.root_line if failure else None,
        "excerpt": [{"line": e.line, "text": e.text} for e in failure.excerpt] if failure else [],
        "failedTests": list(reading.failed_tests),
        "frames": [{"file": f.file, "line": f.line, "function": f.function} for f in failure.frames] if failure else [],
        "command": failure.command or None if failure else None,
    }


class Command(BaseCommand):
    help = "Say what broke in a CI log: class, root line, failed tests, excerpt, fingerprint."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a log file; - reads standard input")
        parser.add_argument(
            "--green", action="append", default=[], metavar="PASS.log", help="log of a passing run of the same job (may be repeated)"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a file")

    def handle(self, *args: Any, **options: Any) -> None:
        green = [text_of(path) for path in options["green"]]
        for path in options["files"]:
            reading = read(text_of(path), green=green)
            if options["json"]:
                self.stdout.write(json.dumps(as_json(path, reading), ensure_ascii=True))
            else:
                Printed(colour=not options["no_color"]).show(path, reading)


class Printed:
    """The explanation for people."""

    MAX_LINES = 40
    MAX_TESTS = 20

    def __init__(self, *, colour: bool) -> None:
        from rich.console import Console  # only people need it: --json starts without

        self.console = Console(no_color=not colour, highlight=False, soft_wrap=True)

    def line(self, text: str = "", *, style: str = "") -> None:
        # markup off: what a log says must not be able to paint our screen
        self.console.print(text, style=style or None, markup=False)

    def show(self, path: str, reading: Reading) -> None:
        failure = reading.failure
        colour = {"failed": "bold red", "passed": "bold green", "cancelled": "bold yellow"}.get(reading.status, "bold")
        self.line(f"{path}: {reading.status}" + (f" — {failure.summary}" if failure else ""), style=colour)
        if failure:
            self.verdict(failure)
            self.tests(failure.failed_tests)
            self.excerpt(failure)
            self.rest(failure)
        self.line()

    def verdict(self, failure: Failure) -> None:
        self.line(f"  class    {failure.failure_class.value} ({failure.confidence:.0%}), {failure.error_type}")
        for sign in failure.signs:
            self.line(f"           {sign.rule}, line {sign.line}: {sign.text}", style="dim")

    def tests(self, tests: tuple[str, ...]) -> None:
        for name in tests[: self.MAX_TESTS]:
            self.line(f"  test     {name}")
        if len(tests) > self.MAX_TESTS:
            self.line(f"           and {len(tests) - self.MAX_TESTS} more", style="dim")

    def excerpt(self, failure: Failure) -> None:
        lines = near_root(failure, limit=self.MAX_LINES)
        width = len(str(lines[-1].line)) if lines else 1
        before = 0
        for each in lines:
            if before and each.line > before + 1:
                self.line("  " + "⋮".rjust(width + 2), style="dim")
            root = each.line == failure.root_line
            self.line(f"{'→' if root else ' '} {each.line:>{width + 2}} │ {each.text}", style="bold" if root else "")
            before = each.line
        if len(lines) < len(failure.excerpt):
            self.line(f"  and {len(failure.excerpt) - len(lines)} more lines (--json has them)", style="dim")

    def rest(self, failure: Failure) -> None:
        for frame in failure.frames[:8]:
            self.line(f"  frame    {frame.file}:{frame.line}" + (f" in {frame.function}" if frame.function else ""))
        if failure.command:
            self.line(f"  command  {failure.command}")
        if failure.secrets_masked:
            self.line(f"  masked   {failure.secrets_masked} secrets")
        self.line(f"  hash     {failure.error_hash}", style="dim")


def near_root(failure: Failure, *, limit: int) -> list[Any]:
    """The part of a long excerpt that holds its root line."""
    at = next((i for i, each in enumerate(failure.excerpt) if each.line == failure.root_line), 0)
    start = max(0, min(at - limit // 3, len(failure.excerpt) - limit))
    return list(failure.excerpt[start : start + limit])
