"""Who may see what and do what: the same for pages and for the API."""

from __future__ import annotations

from typing import Protocol

from django.contrib.auth.models import User

from cihealing.read.rows import Viewer

OPERATORS = "operator"
"""Name of the group whose members may act on runs; superusers may without it."""


class Someone(Protocol):
    """A user of Django's, or the holder of the API token."""

    def get_username(self) -> str: ...


def viewer_of(user: Someone) -> Viewer:
    """Everyone who is signed in sees every repository: narrower grants cannot be given yet."""
    return Viewer(name=user.get_username(), staff=bool(getattr(user, "is_staff", False)))


def may_act(user: object) -> bool:
    """Approve, deny, abort, retry, record a fix."""
    if isinstance(user, User):
        return user.is_active and (user.is_superuser or user.groups.filter(name=OPERATORS).exists())
    return bool(getattr(user, "holds_token", False))
