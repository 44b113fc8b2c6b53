from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

TOKEN = "an-api-token-for-these-tests"


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    own = {"API_TOKEN": TOKEN, "METRICS_TOKEN": "a-metrics-token", "METRICS_ALLOW": ["127.0.0.1"]}
    settings.CI_HEALING = {**django_settings.CI_HEALING, **own}
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]


@pytest.fixture
def anyone() -> Client:
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def api() -> Client:
    """A program with the token."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def ann(db: None) -> Client:
    """A person with a session."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.create_user("ann"))
    return client


APPEND_ONLY = import_module("cihealing.migrations.0002_append_only")


@pytest.fixture
def _append_only_again(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    yield
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            APPEND_ONLY.forwards(None, editor)
        connection.close()


@pytest.fixture
def committed(_append_only_again: None, transactional_db: None) -> Iterator[None]:
    """A database whose rows other threads see. It is emptied afterwards, which its triggers refuse as long as they are there."""
    yield
    with connection.schema_editor() as editor:
        APPEND_ONLY.backwards(None, editor)
