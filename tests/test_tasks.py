"""What a worker does when it starts, and when a process of its pool takes the place of a killed
one.
"""

from __future__ import annotations

import threading

import pytest
from celery.signals import worker_process_init, worker_ready

from cihealing import registry, tasks


@pytest.mark.parametrize(
    "signal", [worker_ready, worker_process_init], ids=["worker", "process of its pool"]
)
def test_what_killed_workers_left_is_cleared_up(signal, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared = threading.Event()
    monkeypatch.setattr(registry, "end_leftovers", lambda: cleared.set() or 0)
    monkeypatch.setattr(registry, "warn_of_excess", lambda: None)
    assert tasks.sweep
    signal.send(sender=None)
    assert cleared.wait(30)


@pytest.mark.parametrize(
    ("signal", "work"),
    [(worker_ready, "warn_of_excess"), (worker_process_init, "end_leftovers")],
    ids=["worker", "process of its pool"],
)
def test_what_may_take_long_holds_no_start_up(
    signal, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(20)
        ended.set()

    for name in ("warn_of_excess", "end_leftovers"):
        monkeypatch.setattr(registry, name, slow if name == work else lambda: None)
    signal.send(sender=None)
    assert not ended.is_set()
    assert begun.wait(30)
    go_on.set()
    assert ended.wait(30)
