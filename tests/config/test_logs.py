"""What happens very often neither fills a disk nor hides what happens once."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from logging.config import dictConfig

import pytest

from config import logs


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(logs, "time", clock)
    return clock


@pytest.fixture
def handler(clock: Clock) -> Iterator[logs.Bounded]:
    handler = logs.Bounded(3)
    handler.setStream(io.StringIO())
    logger = logging.getLogger("test.logs")
    logger.addHandler(handler)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)


def lines(handler: logs.Bounded) -> list[str]:
    return handler.stream.getvalue().splitlines()


def flood(times: int, text: str = "accept failed: %s") -> None:
    for number in range(times):
        logging.getLogger("test.logs").error(text, number)


def test_of_one_kind_so_many_a_minute_are_written_and_the_others_counted(
    handler: logs.Bounded, clock: Clock
) -> None:
    flood(1_000)
    assert lines(handler) == ["accept failed: 0", "accept failed: 1", "accept failed: 2"]
    clock.now = 61.0
    flood(1)
    assert lines(handler)[3:] == [
        "997 more like that were left out (of one kind 3 a minute are written)",
        "accept failed: 0",
    ]


def test_another_kind_is_not_hidden_and_brings_the_count(
    handler: logs.Bounded, clock: Clock
) -> None:
    flood(10)
    logging.getLogger("test.logs").warning("something else")
    assert lines(handler)[-1] == "something else"
    clock.now = 61.0
    logging.getLogger("test.logs").info("not written")
    logging.getLogger("test.logs").warning("again something else")
    assert lines(handler)[-2:] == [
        "7 more like that were left out (of one kind 3 a minute are written)",
        "again something else",
    ]


def test_texts_that_were_put_together_before_are_one_kind_too(handler: logs.Bounded) -> None:
    for number in range(50):
        logging.getLogger("test.logs").error(f"task <{number}> was lost")
    assert len(lines(handler)) == 3


def test_one_line_has_an_end(handler: logs.Bounded) -> None:
    logging.getLogger("test.logs").error("x" * 1_000_000)
    assert len(handler.stream.getvalue()) < 17_000


def test_the_service_logs_through_it_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    configuration = logs.logging_configuration(level="INFO", style="json", per_minute=2)
    only = {
        **configuration,
        "root": {"handlers": []},
        "loggers": {"test.json": {"handlers": ["stderr"], "propagate": False}},
    }
    dictConfig(only)
    for number in range(9):
        logging.getLogger("test.json").error("lost %s", number)
    assert [line[:1] for line in capsys.readouterr().err.splitlines()] == ["{", "{"]
