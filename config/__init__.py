"""Loading any part of the configuration makes the Celery application current, so that `shared_task`
and poking by name find it.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
