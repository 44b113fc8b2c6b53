"""Logs go to stderr: one readable line for people, or one JSON object a line for machines."""

from __future__ import annotations

from typing import Any


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
            structlog.processors.JSONRenderer(),
        ],
    )
