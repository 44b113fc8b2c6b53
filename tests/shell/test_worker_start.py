"""What a worker does when it starts, and when a process of its pool takes the place of a killed one."""

from __future__ import annotations

import threading

import pytest
from celery.signals import worker_process_init, worker_ready

from cihealing import registry, tasks
from cihealing.adapters import trees


@pytest.mark.parametrize("signal", [worker_ready, worker_process_init], ids=["worker", "process of its pool"])
def test_trees_of_killed_workers_are_removed(signal, monkeypatch: pytest.MonkeyPatch) -> None:
    swept = threading.Event()
    monkeypatch.setattr(trees, "sweep", lambda: swept.set() or 0)
    monkeypatch.setattr(registry, "warn_of_excess", lambda: None)
    assert tasks.remove_abandoned_trees
    signal.send(sender=None)
    assert swept.wait(30)
