"""Large logs, read in a process of its own.

In a thread of the service it would hold the interpreter for seconds: one regular expression over a
large text lets nobody else in, and nothing is answered meanwhile. The process has an empty
environment and bounded memory and time, and gives way to those that answer.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from cihealing import reading
from cihealing.domain.values import Digest, Failure, digest_of
from cihealing.ports import PermanentError, TransientError
from cihealing.reading import clean

ROOT = Path(__file__).parents[1]
START = "import sys; sys.path.insert(0, sys.argv.pop()); from cihealing.apart import main; main()"
SECONDS = 300
"""Of processor time and by the clock. A log that takes longer is not read."""
MEMORY = 4 * 1024**3
NICE = 5


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A log; those of passing runs of its job, packed; what is known to be secret. `failed` False:
    it is only to be redacted.
    """

    log: bytes
    green: tuple[bytes, ...]
    known: tuple[str, ...]
    failed: bool
    rules: str


class ReadApart(msgspec.Struct, frozen=True, kw_only=True):
    """`failure` None where no line says what failed. `log` is the redacted one, packed; `blank`
    where there was none to speak of.
    """

    failure: Failure | None
    log: bytes
    digest: Digest
    size: int
    blank: bool


def read(
    log: bytes, *, green: Sequence[bytes], known: Sequence[str], failed: bool, rules: Path | None
) -> ReadApart:
    """Raises PermanentError where it takes too long, TransientError where the process was ended."""
    question = Question(
        log=log, green=tuple(green), known=tuple(known), failed=failed, rules=str(rules or "")
    )
    command = [sys.executable, "-I", "-c", START, str(ROOT)]
    try:
        done = subprocess.run(
            command,
            input=msgspec.msgpack.encode(question),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=SECONDS,
            start_new_session=True,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise PermanentError(f"the log takes more than {SECONDS} s to read") from None
    except subprocess.CalledProcessError as error:
        raise TransientError(
            f"the process that read the log ended with {error.returncode}"
        ) from None
    return msgspec.msgpack.decode(done.stdout, type=ReadApart)


def main() -> None:
    bound()
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    if question.rules:
        from cihealing.reading.rulebook import put_in_force

        put_in_force(Path(question.rules))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answered(question)))


def bound() -> None:
    os.nice(NICE)
    for limit, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError):  # it may be lower already
            resource.setrlimit(limit, (most, most))


def answered(question: Question) -> ReadApart:
    text = question.log.decode("utf-8", "replace")
    if question.failed:
        green = [zlib.decompress(log).decode("utf-8", "replace") for log in question.green]
        found = reading.read(text, green=green, known_secrets=question.known)
        failure, redacted = found.failure, found.redacted_log
    else:
        failure, redacted = None, reading.redact(clean.plain(text), question.known).text
    raw = redacted.encode("utf-8", "surrogatepass")
    return ReadApart(
        failure=failure,
        log=zlib.compress(raw),
        digest=digest_of(raw),
        size=len(raw),
        blank=not text.strip(),
    )
