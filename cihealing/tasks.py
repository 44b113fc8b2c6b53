"""Celery tasks, poked by name: a few lines each, the work is in `service`."""

from __future__ import annotations

import threading

from celery import shared_task
from celery.signals import worker_process_init, worker_ready

from cihealing import registry, service
from cihealing.store import counters


@worker_ready.connect
def clear_up_after_a_crash(**_: object) -> None:
    registry.end_leftovers()


@worker_ready.connect
def look_at_credentials(**_: object) -> None:
    """Beside the work: a forge that does not answer must not hold up the start."""
    threading.Thread(target=registry.warn_of_excess, name="credentials", daemon=True).start()


@worker_process_init.connect
def clear_up_after_a_killed_process(**_: object) -> None:
    """A process of the pool takes the place of one that was killed; beside the work, for it may not
    take long to start.
    """
    threading.Thread(target=registry.end_leftovers, name="leftovers", daemon=True).start()


@shared_task(name="cihealing.run_effect", ignore_result=True)
def run_effect(*, effect_id: str) -> None:
    """The broker tells of one effect; what is carried out is the one that is most wanted."""
    service.run_next(
        tools=registry.tools(), capabilities=registry.CAPABILITIES, readers=registry.READERS
    )


@shared_task(name="cihealing.sweep", ignore_result=True)
def sweep() -> None:
    """Tell the broker of what is due: timers, and whatever it forgot; settle money that nobody will
    settle any more; let nobody wait for a leader that stopped; keep the counters short.
    """
    service.poke_due()
    service.sweep_spending()
    service.release_followers()
    counters.fold()
