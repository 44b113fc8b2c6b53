from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def reader(db: None) -> Client:
    """Signed in, without a role."""
    client = Client()
    client.force_login(
        User.objects.create_user("rita"), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    user = User.objects.create_user("olga")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
