"""The Celery application. The broker only carries hints ("effect X may be ready"): the outbox table
is the queue.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from celery import Celery, Task

from cihealing import outages

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


if TYPE_CHECKING:
    AnyTask = Task[Any, Any]
else:
    AnyTask = Task


class ContainedTask(AnyTask):
    """A task whose SystemExit or MemoryError is an ordinary failure: in a pool thread either would
    cost that slot for good.

    One that met an outage ends quietly: what it was to do stands in the outbox still, and the sweep
    finds it.
    """

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except (SystemExit, MemoryError) as error:
            raise RuntimeError(f"{self.name} ended with {error!r}") from error
        except Exception as error:
            if not outages.meet(error):
                raise
            return None


app = Celery("cihealing", task_cls=ContainedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["cihealing"])
