"""Who may see what and do what: the same for pages and for the API. What is not to be seen is left
out by the database itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.db.models import QuerySet

from cihealing import models

ALL = ("*",)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who looks, and at which repositories (globs over owner/name) they may look."""

    name: str
    staff: bool = False
    repositories: tuple[str, ...] = ALL

    @property
    def unrestricted(self) -> bool:
        return "*" in self.repositories

    def sees(self, repository: str) -> bool:
        return any(fnmatchcase(repository, glob) for glob in self.repositories)

    def pattern(self) -> str:
        """The globs as one regular expression that SQLite (Python) and PostgreSQL read alike."""
        return "^(" + "|".join(_expression(glob) for glob in self.repositories) + ")$"


SERVICE_VIEWER = Viewer(name="cihealing", staff=True)
"""The service itself, for metrics and for the one poller whose finds are filtered again for each
listener.
"""


def _expression(glob: str) -> str:
    parts = re.split(r"(\[[^\]]+\]|[*?])", glob)
    return "".join(_piece(part) for part in parts)


def _piece(part: str) -> str:
    if part in ("*", "?"):
        return {"*": ".*", "?": "."}[part]
    if len(part) > 2 and part[0] == "[" and part[-1] == "]":
        inner = part[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^{inner[1:]}]" if inner[0] == "!" and len(inner) > 1 else f"[{inner}]"
    return re.sub(r"([^A-Za-z0-9_/-])", r"\\\1", part)


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


def visible(viewer: Viewer) -> QuerySet[models.Run]:
    return within(models.Run.objects.all(), viewer, "repository")


def within(rows: QuerySet[Any], viewer: Viewer, column: str) -> QuerySet[Any]:
    if viewer.unrestricted:
        return rows
    return (
        rows.filter(**{f"{column}__regex": viewer.pattern()})
        if viewer.repositories
        else rows.none()
    )


def listed(viewer: Viewer) -> QuerySet[models.Run]:
    """Attached runs are hidden from lists and rates: the run they are attached to stands for
    them.
    """
    return visible(viewer).filter(attached_to__isnull=True)
