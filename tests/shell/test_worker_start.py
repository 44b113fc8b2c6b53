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
