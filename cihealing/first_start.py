"""What first start leaves in the data directory: the secrets, each in a file of its own, and an
admin who can log in.

`make_secrets` needs no settings, for it runs before they are read.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

ADMIN = "admin"
SECRETS: Mapping[str, int] = {
    "secret_key": 50,
    "webhook_secret": 32,
    "webhook_secret_jenkins": 24,
    "api_token": 32,
    "admin_password": 15,
}
"""Bytes of randomness in each."""
KEPT = ("secret_key", "webhook_secret", "webhook_secret_jenkins", "api_token")
"""Those others hold too, or that what is stored hangs on: another in their place would shut out
whoever has the first.
"""
RECORD = "secrets_made"
"""Names of the secrets that were made in a directory, a line each."""
BEFORE_RECORDS = ("secret_key", "webhook_secret", "api_token")
"""What every start made that left no record."""


class SecretsGone(Exception):
    """Secrets that were in use are not there any more. The message says what to do."""

    def __init__(self, directory: Path, names: Iterable[str]) -> None:
        for_files = " and ".join(str(directory / name) for name in names)
        for_settings = " and ".join(f"CI_HEALING_{name.upper()}" for name in names)
        super().__init__(
            f"{for_files} was in use and is gone. Put it back from a backup, or set {for_settings}."
            " To begin with a new one, which every sender must then be given: (umask 077; openssl"
            " rand -hex 32 > FILE)"
        )


def make_secrets(directory: Path, *, environment: Mapping[str, str]) -> list[str]:
    """Make those secrets that neither the environment nor an earlier start has given; their names.
    Files are only this user's to read.

    Raises SecretsGone where an earlier start had made one of `KEPT`: nothing is made then.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if lost := gone(directory, environment=environment):
        raise SecretsGone(directory, lost)
    new = missing(directory, environment=environment)
    for name in new:
        _whole(directory / name, secrets.token_urlsafe(SECRETS[name]))
    before = {*_recorded(directory)}
    if after := {name for name in SECRETS if there(directory / name)} - before:
        _whole(directory / RECORD, "\n".join(sorted(before | after)))
    return new


def missing(directory: Path, *, environment: Mapping[str, str]) -> list[str]:
    return [
        name
        for name in SECRETS
        if not given(name, environment=environment) and not there(directory / name)
    ]


def gone(directory: Path, *, environment: Mapping[str, str]) -> list[str]:
    """Secrets of `KEPT` that were made here and are missing."""
    made = _recorded(directory) or (BEFORE_RECORDS if used(directory) else ())
    return [
        name
        for name in missing(directory, environment=environment)
        if name in KEPT and name in made
    ]


def used(directory: Path) -> bool:
    """Whether the service ran here before: it had its lock, or took deliveries into its SQLite
    database.
    """
    return (directory / "lock").exists() or _holds_deliveries(directory / "cihealing.sqlite3")


def _holds_deliveries(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)) as database:
            return (
                database.execute("SELECT 1 FROM cihealing_delivery LIMIT 1").fetchone() is not None
            )
    except sqlite3.Error:
        return False


def _recorded(directory: Path) -> list[str]:
    try:
        return (directory / RECORD).read_text().split()
    except FileNotFoundError:
        return []


def given(name: str, *, environment: Mapping[str, str]) -> bool:
    variable = f"CI_HEALING_{name.upper()}"
    return bool(environment.get(variable) or environment.get(f"{variable}_FILE"))


def there(path: Path) -> bool:
    """An empty file is no secret: a machine that lost power may have left one."""
    return path.exists() and bool(path.read_text().strip())


def keep(path: Path, secret: str) -> None:
    """Put a secret that others made into a file of its own. What lay there stays beside it as
    `<name>.old`.
    """
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


class NoPassword(Exception):
    """The first admin's password is missing or too weak; the message says what to do."""


def ensure_admin(directory: Path) -> str | None:
    """The password of an admin made now; None where somebody can already administer.

    It is what `CI_HEALING_ADMIN_PASSWORD` (or the file `…_FILE` names) says, else lies in
    `admin_password`. Raises NoPassword.
    """
    from django.contrib.auth import get_user_model, password_validation
    from django.core.exceptions import ValidationError

    people = get_user_model().objects
    if (
        people.filter(is_superuser=True, is_active=True).exists()
        or people.filter(username=ADMIN).exists()
    ):
        return None
    password = _admin_password(directory)
    try:
        password_validation.validate_password(password)
    except ValidationError as error:
        raise NoPassword(
            f"the admin's password is too weak: {' '.join(error.messages)} Set"
            " CI_HEALING_ADMIN_PASSWORD to another"
        ) from None
    people.create_superuser(ADMIN, password=password)
    return password


def _admin_password(directory: Path) -> str:
    if password := os.environ.get("CI_HEALING_ADMIN_PASSWORD"):
        return password
    path = Path(os.environ.get("CI_HEALING_ADMIN_PASSWORD_FILE") or directory / "admin_password")
    try:
        return path.read_text().strip()
    except OSError as error:
        raise NoPassword(
            f"cannot read {path}: {error.strerror}; set CI_HEALING_ADMIN_PASSWORD for the first"
            " admin"
        ) from None
