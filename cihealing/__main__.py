"""The console script `cihealing`. Which commands there are and how they start is said in
`cihealing/cli`; here is what holds for all: no secret leaves by stderr, and what is no fault of the
code ends in one line.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import redirect_stderr
from types import TracebackType
from typing import Any, TextIO, cast

from cihealing.cli.shared.start import run


class Masked:
    """A stream to which no secret is written; whatever else is asked of it, the stream itself
    answers.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        from cihealing.secrecy import masked  # late: most commands write nothing here

        self._stream.write(masked(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def told_masked(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    from cihealing.secrecy import last_words

    last_words(kind, error, trace)


def main() -> None:
    sys.excepthook = told_masked
    try:
        with redirect_stderr(cast("TextIO", Masked(sys.stderr))):
            run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`): that is no fault of anyone's, and the interpreter
        # must not trip over it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        line = expected(error)
        if not line:
            raise
        sys.stderr.write(f"cihealing: {line}\n")
        sys.exit(1)


def expected(error: Exception) -> str:
    """What is wrong and what to do, in one line, for what is no fault of the code: disk,
    directories, database, settings. Else empty.
    """
    from django.core.exceptions import ImproperlyConfigured

    from cihealing import outages

    return (
        " ".join(str(error).split())
        if isinstance(error, ImproperlyConfigured)
        else outages.line(error)
    )


if __name__ == "__main__":
    main()
