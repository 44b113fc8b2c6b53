from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
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
