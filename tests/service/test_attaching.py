"""A leader ends in the very moment in which another run attaches to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection

from cihealing import service
from cihealing.domain import commands as c
from cihealing.service import handling
from tests.domain.world import ANN
from tests.service.test_followers import CAUSE, begin, blame_base, status


def thread(work: Callable[[], object], name: str) -> threading.Thread:
    def closed() -> None:
        try:
            work()
        finally:
            connection.close()

    return threading.Thread(target=closed, name=name)


def stop(leader: UUID) -> None:
    service.handle(leader, c.Abort(by=ANN), cause=CAUSE)
    service.release_followers(leader)


def test_the_leader_waits_for_it_and_takes_it_along(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, late = begin(1), begin(2)
    blame_base(leader)
    attached, go_on = threading.Event(), threading.Event()

    def pause(place: str) -> None:
        if (place, threading.current_thread().name) == ("handle.before_commit", "late"):
            attached.set()
            go_on.wait(30)

    monkeypatch.setattr(handling, "failpoint", pause)
    attaching = thread(lambda: blame_base(late), "late")
    ending = thread(lambda: stop(leader), "leader")
    attaching.start()
    assert attached.wait(30)
    ending.start()
    ending.join(0.5)
    go_on.set()
    attaching.join(30)
    ending.join(30)
    assert (status(leader)[0], status(late)) == ("aborted", ("aborted", leader))
