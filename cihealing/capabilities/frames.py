"""Which files of the repository a failure points at."""

from __future__ import annotations

import msgspec

from cihealing.domain.run import Run
from cihealing.domain.values import Failure
from cihealing.ports import Tools


def failure_of(run: Run, tools: Tools) -> Failure:
    return msgspec.json.decode(tools.artifacts.text(run.failure), type=Failure)


def suspects(run: Run, tools: Tools) -> tuple[str, ...]:
    """Files of the frames, deepest first, without the absolute ones (they are not the repository's)."""
    files = [frame.file for frame in reversed(failure_of(run, tools).frames)]
    return tuple(dict.fromkeys(name for name in files if not name.startswith("/")))
