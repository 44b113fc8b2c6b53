"""Bundler and RubyGems: gems that cannot be found, resolved, fetched or built; a Gemfile that
cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

SAYINGS = (
    ("GemNotFound", "Could not find gem "),
    ("GemNotFound", "Could not find compatible versions"),
    ("GemNotFound", "Could not find a valid gem "),
    ("GemNotFound", " in any of the sources"),
    ("GemNotFound", " in locally installed gems"),
    ("VersionConflict", "Bundler could not find compatible versions"),
    ("VersionConflict", "Because every version of "),
    ("ExtensionBuildError", "ERROR: Failed to build gem native extension"),
    ("InstallError", "An error occurred while installing "),
    ("RubyVersionMismatch", "Your Ruby version is "),
    ("LockfileError", "Your bundle is locked to "),
    ("LockfileError", "Your lockfile"),
    ("LockfileError", "You are trying to install in deployment mode"),
    ("LockfileError", "The dependencies in your gemfile changed"),
    ("LockfileError", "The gemspecs for path gems changed"),
    ("GemfileError", "[!] There was an error"),
    ("HTTPError", "Could not fetch specs from "),
    ("HTTPError", "Could not reach host "),
    ("HTTPError", "Could not verify the SSL certificate"),
    ("GitError", "The git source "),
    ("GitError", "Git error: "),
    ("CommandNotFound", "bundler: command not found: "),
    ("CommandNotFound", "bundler: failed to load command: "),
    ("PlatformMismatch", "Your bundle only supports platforms "),
)
MARKS = tuple(dict.fromkeys(said for _, said in SAYINGS))
WEIGHTS = {"GemNotFound": 68, "InstallError": 66, "ExtensionBuildError": 70, "CommandNotFound": 62}
LABEL = re.compile(r"\s{0,8}(?:\S{1,300}:\d{1,6}:in ['`][^'`]{1,200}': )?(?:ERROR:\s{1,4})?")
END = re.compile(r"\s*$|\tfrom |Fetching |Installing |Using ")


def parse(log: Log) -> Iterator[Finding]:
    stop = 0
    for number in log.having(*MARKS):
        said = kind_of(log.line(number))
        if said and number >= stop:
            lines = log.block(number, until=END, limit=12)
            stop = lines.stop
            yield Finding(
                kind=Kind.ERROR,
                tool="bundler",
                line=number,
                error_type=said,
                message=log.line(number)[label_end(log.line(number)) :].strip(),
                cites=tuple(lines) or (number,),
                weight=WEIGHTS.get(said, 66),
            )


def label_end(line: str) -> int:
    label = LABEL.match(line)
    return label.end() if label else 0


def kind_of(line: str) -> str:
    """What Bundler complains of; empty where the words stand within another sentence."""
    text = line[label_end(line) :]
    for error_type, said in SAYINGS:
        if text.startswith(said) or (
            said.startswith(" ") and said in text and text.startswith("Could not find ")
        ):
            return error_type
        if said.startswith("ERROR: ") and text.startswith(said.removeprefix("ERROR: ")):
            return error_type
    return ""
