"""What first start leaves in the data directory: the secrets, each in a file of its own, and an admin who can log in.

`make_secrets` needs no settings, for it runs before they are read.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

ADMIN = "admin"
SECRETS: Mapping[str, int] = {"secret_key": 50, "webhook_secret": 32, "api_token": 32, "admin_password": 15}
"""Bytes of randomness in each."""


def make_secrets(directory: Path, *, environment: Mapping[str, str]) -> list[str]:
    """Make those secrets that neither the environment nor an earlier start has given; their names. Files are only this user's to read."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [name for name, size in SECRETS.items() if not given(name, environment=environment) and written(directory / name, size=size)]


def given(name: str, *, environment: Mapping[str, str]) -> bool:
    variable = f"CI_HEALING_{name.upper()}"
    return bool(environment.get(variable) or environment.get(f"{variable}_FILE"))


def written(path: Path, *, size: int) -> bool:
    """Whether the secret was made now. It appears whole: a start that was killed half-way must not leave an empty secret behind."""
    if path.exists() and path.stat().st_size:
        return False
    _whole(path, secrets.token_urlsafe(size))
    return True


def keep(path: Path, secret: str) -> None:
    """Put a secret that others made into a file of its own. What lay there stays beside it as `<name>.old`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.read_text().strip() not in ("", secret.strip()):
        path.replace(path.with_name(f"{path.name}.old"))
    _whole(path, secret.strip())


def _whole(path: Path, secret: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def ensure_admin(directory: Path) -> str | None:
    """The password of an admin made now, from `admin_password` in `directory`; None where somebody can already administer."""
    from django.contrib.auth import get_user_model

    people = get_user_model().objects
    if people.filter(is_superuser=True, is_active=True).exists() or people.filter(username=ADMIN).exists():
        return None
    password = os.environ.get("CI_HEALING_ADMIN_PASSWORD") or (directory / "admin_password").read_text().strip()
    people.create_superuser(ADMIN, password=password)
    return password
