"""Which files of the repository a failure points at."""

from __future__ import annotations

import re

import msgspec

from cihealing.domain.run import RunState
from cihealing.domain.values import Failure
from cihealing.ports import Tools
from cihealing.reading.denied import denied_scripts

TEST = re.compile(r"(?:^|/)(?:tests?|specs?|__tests__)/|(?:^|/)test_|[._-](?:test|spec)s?\.")


def failure_of(run: RunState, tools: Tools) -> Failure:
    return msgspec.json.decode(tools.artifacts.text(run.failure.artifact), type=Failure)


def denied_by(*failures: Failure, workdir: str) -> tuple[str, ...]:
    """Scripts of the tree that could not be run."""
    texts = [text for f in failures for text in (f.summary, *(line.text for line in f.excerpt))]
    return tuple(dict.fromkeys(denied_scripts(texts, workdir=workdir)))


def suspects(run: RunState, tools: Tools) -> tuple[str, ...]:
    """Files of the frames, what was tested before its tests, deepest first; absolute ones are not
    the repository's.
    """
    files = dict.fromkeys(
        frame.file
        for frame in reversed(failure_of(run, tools).frames)
        if not frame.file.startswith("/")
    )
    return tuple(sorted(files, key=lambda name: bool(TEST.search(name))))
