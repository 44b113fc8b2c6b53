"""`cihealing fingerprint [--each-line] FILE…`: the hash of a log's failure, or one hash a line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.logs import UnreadableLog, bound, sources
from cihealing.reading import read
from cihealing.reading.clean import decoded
from cihealing.reading.fingerprint import line_hash


def content_of(path: str) -> bytes:
    """All of a file, for a part has another hash. Raises CommandError, also for one that unpacks to
    more than may be read.
    """
    within = bound()
    try:
        content = b"".join(piece for source in sources(path, within) for piece in source.pieces())
    except UnreadableLog as error:
        raise CommandError(str(error)) from error
    if within.cut:
        raise CommandError(f"{path} was {within.cut}: it has no fingerprint")
    return content


def lines_in(text: str) -> list[str]:
    """Lines by universal newlines; a last line break begins no further line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


class Command(ProductCommand, needs=Needs.NOTHING):
    help = (
        "Print the fingerprint of a failed log, or with --each-line one hash for every line of a"
        " file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="a file; - reads standard input"
        )
        parser.add_argument(
            "--each-line",
            action="store_true",
            help="one hash a line: equal for lines that differ only in what varies",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for path in options["files"]:
            text = decoded(content_of(path))
            if options["each_line"]:
                self.stdout.write("\n".join(map(line_hash, lines_in(text))))
            else:
                failure = read(text).failure
                self.stdout.write(f"{failure.error_hash if failure else '-'}  {path}")
