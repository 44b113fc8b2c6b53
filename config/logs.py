"""Logs go to stderr: one readable line for people, or one JSON object a line for machines. No
secret is in any of them.

Records are masked where they are made, so that handlers of others (of a server, of whatever
collects errors) get no more than ours. Of lines of one kind (those that one place in the code
writes) only so many a minute are written: what happens very often must neither fill a disk nor hide
what happens once. How many were left out is said.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cihealing.secrecy import last_words, masked

MINUTE = 60.0
KINDS = 1_000
"""Kinds that are counted at once; there are as many as places that log, so that more of them would
be a fault.
"""
LONGEST = 16_000
"""Characters of a line with its traceback; what is longer loses its middle."""

_formatter = logging.Formatter()


def configure(configuration: dict[str, Any]) -> None:
    """Set up logging; a process that dies of an exception has a last word, and that is masked
    too.
    """
    logging.config.dictConfig(configuration)
    logging.setLogRecordFactory(masked_record)
    sys.excepthook = last_words
    threading.excepthook = lambda told: last_words(
        told.exc_type, told.exc_value, told.exc_traceback
    )


def masked_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    record.msg, record.args = masked_message(record)
    if record.exc_info and record.exc_info[0]:
        # Formatters take this text where it is there already.
        record.exc_text = masked(_formatter.formatException(record.exc_info))
    record.stack_info = masked(record.stack_info) if record.stack_info else record.stack_info
    return record


def masked_message(record: logging.LogRecord) -> tuple[Any, Any]:
    """Message and arguments; these stay apart where possible, for some formatters take them one by
    one.
    """
    try:
        told = record.getMessage()
    except Exception:  # what cannot be formatted is told as it is by `logging` itself, on stderr
        return masked(f"{record.msg!r} {record.args!r}"), None
    hidden = masked(told)
    if hidden == told:
        return record.msg, record.args
    args = (
        tuple(masked(arg) if isinstance(arg, str) else arg for arg in record.args)
        if isinstance(record.args, tuple)
        else ()
    )
    if args and isinstance(record.msg, str) and masked(told := record.msg % args) == told:
        return record.msg, args
    return hidden, None


def masked_event(_logger: Any, _method: str, event: Any) -> Any:
    """A processor of structlog's: whatever its fields hold."""
    if isinstance(event, str):
        return masked(event)
    if isinstance(event, Mapping):
        return {key: masked_event(None, "", value) for key, value in event.items()}
    if isinstance(event, list | tuple | set | frozenset):
        return [masked_event(None, "", value) for value in event]
    return event if isinstance(event, int | float | None) else masked(str(event))


@dataclass(slots=True)
class Window:
    """A minute of one kind."""

    since: float
    written: int = 0
    left_out: int = 0


class Bounded(logging.StreamHandler[Any]):
    """A handler that writes at most `per_minute` records of one kind a minute, each of bounded
    length.
    """

    def __init__(self, per_minute: int) -> None:
        super().__init__()
        self.per_minute = per_minute
        self.windows: OrderedDict[tuple[str, int, str, int], Window] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        self.tell(now)
        kind = (record.name, record.levelno, record.pathname, record.lineno)
        window = self.windows.setdefault(kind, Window(now))
        if window.written < self.per_minute:
            window.written += 1
            super().emit(record)
        else:
            window.left_out += 1

    def tell(self, now: float) -> None:
        """Begin new minutes, and say what was left out in those that are over. The oldest are
        first.
        """
        while self.windows and (
            self.over(next(iter(self.windows.values())), now) or len(self.windows) > KINDS
        ):
            (name, level, path, line), window = self.windows.popitem(last=False)
            if window.left_out:
                said = (
                    f"{window.left_out} more like that were left out (of one kind {self.per_minute}"
                    " a minute are written)"
                )
                super().emit(logging.LogRecord(name, level, path, line, said, None, None))

    def over(self, window: Window, now: float) -> bool:
        return now - window.since >= MINUTE

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        cut = len(text) - LONGEST
        half = LONGEST // 2
        return text if cut <= 0 else f"{text[:half]} … {cut} characters … {text[-half:]}"


def logging_configuration(*, level: str, style: str, per_minute: int) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "format": "{asctime} {levelname:<7} {name}: {message}",
                "style": "{",
                "datefmt": "%H:%M:%S",
            },
            "json": {"()": "config.logs.json_formatter"},
        },
        "handlers": {
            "stderr": {"()": "config.logs.Bounded", "per_minute": per_minute, "formatter": style}
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "cihealing": {"level": level},
            "dashboard": {"level": level},
            "celery": {"level": "WARNING"},
            "uvicorn": {"level": "WARNING"},
            # It warns of every try to connect; that the database is away is told once a minute
            # (cihealing/outages.py).
            "psycopg.pool": {"level": "ERROR"},
            # Axes tells every failed login; the lockout itself is what an operator must see.
            "axes": {"level": "WARNING"},
        },
    }


def json_formatter() -> Any:
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            masked_event,
            structlog.processors.JSONRenderer(),
        ],
    )
