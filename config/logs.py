"""Logs go to stderr: one readable line for people, or one JSON object a line for machines. No secret is in any of them.

Records are masked where they are made, so that handlers of others (of a server, of whatever collects errors) get no more than ours.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import threading
from collections.abc import Mapping
from typing import Any

from cihealing.secrecy import last_words, masked

_formatter = logging.Formatter()


def configure(configuration: dict[str, Any]) -> None:
    """Set up logging; a process that dies of an exception has a last word, and that is masked too."""
    logging.config.dictConfig(configuration)
    logging.setLogRecordFactory(masked_record)
    sys.excepthook = last_words
    threading.excepthook = lambda told: last_words(told.exc_type, told.exc_value, told.exc_traceback)


def masked_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    record.msg, record.args = masked_message(record)
    if record.exc_info and record.exc_info[0]:
        # Formatters take this text where it is there already.
        record.exc_text = masked(_formatter.formatException(record.exc_info))
    record.stack_info = masked(record.stack_info) if record.stack_info else record.stack_info
    return record


def masked_message(record: logging.LogRecord) -> tuple[Any, Any]:
    """Message and arguments; these stay apart where possible, for some formatters take them one by one."""
    try:
        told = record.getMessage()
    except Exception:  # what cannot be formatted is told as it is by `logging` itself, on stderr
        return masked(f"{record.msg!r} {record.args!r}"), None
    hidden = masked(told)
    if hidden == told:
        return record.msg, record.args
    args = tuple(masked(arg) if isinstance(arg, str) else arg for arg in record.args) if isinstance(record.args, tuple) else ()
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


def logging_configuration(*, level: str, style: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{", "datefmt": "%H:%M:%S"},
            "json": {"()": "config.logs.json_formatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": style}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "cihealing": {"level": level},
            "dashboard": {"level": level},
            "celery": {"level": "WARNING"},
            "uvicorn": {"level": "WARNING"},
            # It warns of every try to connect; that the database is away is told once a minute (cihealing/outages.py).
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
