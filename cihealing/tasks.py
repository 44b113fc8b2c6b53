"""Celery tasks, poked by name: a few lines each, the work is in `service`."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from cihealing import registry, service


@shared_task(name="cihealing.run_effect", ignore_result=True)
def run_effect(*, effect_id: str) -> None:
    service.run_effect(UUID(effect_id), tools=registry.tools(), capabilities=registry.CAPABILITIES, readers=registry.READERS)


@shared_task(name="cihealing.sweep", ignore_result=True)
def sweep() -> None:
    """Tell the broker of what is due: timers, and whatever it forgot; settle money that nobody will settle any more."""
    service.poke_due()
    service.sweep_spending()
