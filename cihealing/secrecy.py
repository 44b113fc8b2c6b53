"""What must never be stored or sent: the one list of secrets this process holds, and the one
function that takes them out of a text.

The list is gathered by type and form, never by name: every `SecretStr` of the typed settings, the
credentials inside every URL of settings, environment and policy, what Django holds itself, what
`connect` replaced, and what is learnt on the way (secrets of hooks, tokens that a forge issues).
Values under 8 characters are not masked: they would blank ordinary words.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

T = TypeVar("T")

LEAST = 8
"""Characters of a value that is masked."""
OWN_NAME = "cihealing"
"""As a password no secret, and part of every branch that is made here."""
MAX_LEARNT = 1000
"""Values learnt on the way that are remembered, the newest: tokens of a forge live an hour."""
MAX_FILE = 64 * 1024
FEW = 50
SHORT = 200
"""Characters of a text that is remembered where nothing was found in it."""
MANY = 10_000
LEAST_PATH = 16
"""Characters of a secret address' path that is masked without its host: a shorter one is a word."""

SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,30}://"
URL = re.compile(rf"{SCHEME}(?:(?![;,]{SCHEME})[^\s\"'<>])+")
"""Brokers are named with commas or semicolons between them."""
CAPABILITY = ("http", "https")
"""Schemes of URLs whose user alone may be a token, and that are themselves secret where a secret
setting holds one.
"""
QUERY_PASSWORDS = ("password", "sslpassword")
"""Of libpq's and Redis' URLs."""
NO_PASSWORD = ("", "x-oauth-basic")
"""Stands where the user is the token."""


def masked(text: str) -> str:
    """The text without any secret: those that are known, and whatever looks like one or stands
    where one stands.
    """
    values = known()
    return _CLEAN.redacted(text, values) if len(text) <= SHORT else _redact(text, values)


def masked_in(value: T) -> T:
    """The value with no known secret in any of its texts; what merely looks like one is left, for
    code and names must stay what they are.

    Structs, dataclasses, mappings, sequences and UTF-8 bytes are looked into. Members of
    enumerations stay.
    """
    return _hidden(value) if _holds(value) else value


def known() -> tuple[str, ...]:
    """The values, longest first; for pure code, which is handed them."""
    return _CURRENT.values()


def learn(*values: str) -> None:
    """Add secrets that no setting holds, each as it is, or several with commas."""
    _CURRENT.add(part for value in values if value for part in _whole(value))


def learn_from(value: object) -> None:
    """Add the secrets within a model or a text: its `SecretStr`s, and the credentials in its
    URLs.
    """
    _CURRENT.add(secrets_in(value))


def last_words(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """What a process says that dies of an exception; takes the place of `sys.excepthook`."""
    sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))


def of_settings() -> Iterator[str]:
    return secrets_in(getattr(settings, "ENVIRONMENT", None) if settings.configured else None)


def of_django() -> Iterator[str]:
    yield from (
        str(key)
        for key in (_setting("SECRET_KEY"), *(_setting("SECRET_KEY_FALLBACKS") or ()))
        if key
    )
    yield from (
        str(database.get("PASSWORD") or "") for database in (_setting("DATABASES") or {}).values()
    )


def _setting(name: str) -> Any:
    """None where there are no settings, or not this one: a light command has no key, and Django
    lets nobody look at an empty one.
    """
    try:
        return getattr(settings, name, None) if settings.configured else None
    except ImproperlyConfigured:
        return None


def of_environment() -> Iterator[str]:
    """Proxies, package indexes and whatever else is a URL; and the password that libpq reads by
    itself.
    """
    yield os.environ.get("PGPASSWORD", "")
    yield from secrets_in(list(os.environ.values()))


def of_replaced_files() -> Iterator[str]:
    """`<name>.old` in the data directory: the other side may take it for a while yet."""
    directory = getattr(settings, "CI_HEALING", {}).get("DATA_DIR") if settings.configured else None
    for path in sorted(Path(directory).glob("*.old")) if directory else ():
        if path.is_file() and path.stat().st_size <= MAX_FILE and os.access(path, os.R_OK):
            yield from _whole(path.read_text(encoding="utf-8", errors="replace").strip())


def of_what_was_learnt() -> Iterator[str]:
    return iter(_CURRENT.learnt())


SOURCES: tuple[Callable[[], Iterable[str]], ...] = (
    of_settings,
    of_django,
    of_environment,
    of_replaced_files,
    of_what_was_learnt,
)


def secrets_in(value: object) -> Iterator[str]:
    """Every secret of a value: by its type, or as the credentials of a URL."""
    match value:
        case SecretStr() | SecretBytes() | Secret():
            held = value.get_secret_value()
            yield from _whole(
                held.decode("utf-8", "replace") if isinstance(held, bytes) else str(held)
            )
        case BaseModel():
            for name in type(value).model_fields:
                yield from secrets_in(getattr(value, name))
        case Mapping():
            yield from secrets_in(list(value.values()))
        case list() | tuple() | set() | frozenset():
            for part in value:
                yield from secrets_in(part)
        case None | bool() | int() | float():
            return
        case _:
            yield from _credentials(str(value))


def _whole(secret: str) -> Iterator[str]:
    """The forms of a secret that only its meaning tells; how each may be written is the redactor's
    to know.
    """
    for part in dict.fromkeys((secret, *(piece.strip() for piece in secret.split(",")))):
        yield from (
            _of_url(part) if URL.match(part) else (part, unquote(part), part.replace("\\n", "\n"))
        )


def _of_url(url: str) -> Iterator[str]:
    """A web address is secret itself (who has it may post there); of any other URL its credentials
    are, for hosts and names are none.
    """
    found = list(_credentials(url))
    yield from found
    parts = urlsplit(url)
    if found or parts.scheme in CAPABILITY:
        yield url
    if parts.scheme in CAPABILITY:
        path = parts.path.strip("/")
        yield from (
            piece
            for piece in (path, path.rpartition("/")[2], parts.query)
            if len(piece) >= LEAST_PATH
        )


def _credentials(text: str) -> Iterator[str]:
    for match in URL.finditer(text):
        try:
            parts = urlsplit(match[0])
        except ValueError:
            continue
        info, given, _ = parts.netloc.rpartition("@")
        if given:
            user, _, password = info.partition(":")
            yield from _pair(user, password, token=parts.scheme in CAPABILITY)
        yield from (value for name, value in parse_qsl(parts.query) if name in QUERY_PASSWORDS)


def _pair(user: str, password: str, *, token: bool) -> Iterator[str]:
    """Basic authentication sends `user:password` in Base64, decoded or as it stands."""
    if password in NO_PASSWORD and token:
        yield from (user, unquote(user))
    if password:
        yield from (password, unquote(password))
    if password or token:
        yield from (f"{user}:{password}", f"{unquote(user)}:{unquote(password)}")


class _List:
    """The secrets of this process. Settings are looked at once, and again when others are in force
    (tests).
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._learnt: dict[str, None] = {}
        self._seen: tuple[object, ...] = ()
        self._values: tuple[str, ...] = ()

    def add(self, values: Iterable[str]) -> None:
        with self._lock:
            new = [
                value
                for value in dict.fromkeys(values)
                if _counts(value) and value not in self._learnt
            ]
            if new:
                self._learnt = dict.fromkeys([*self._learnt, *new][-MAX_LEARNT:])

    def learnt(self) -> tuple[str, ...]:
        return tuple(self._learnt)

    def values(self) -> tuple[str, ...]:
        stands = (SOURCES, self._learnt, *_in_force())
        if len(self._seen) != len(stands) or any(
            a is not b for a, b in zip(self._seen, stands, strict=True)
        ):
            found = {value for source in SOURCES for value in source() if _counts(value)}
            self._values, self._seen = (
                tuple(sorted(found, key=lambda value: (-len(value), value))),
                stands,
            )
        return self._values


_CURRENT = _List()


class _Clean:
    """Short texts without a secret: names of repositories, jobs and hosts come with every
    delivery.
    """

    def __init__(self) -> None:
        self._seen: tuple[tuple[str, ...], set[str]] = ((), set())

    def redacted(self, text: str, values: tuple[str, ...]) -> str:
        of, texts = self._seen
        if of is not values or len(texts) >= MANY:
            texts = set()
            self._seen = (values, texts)
        elif text in texts:
            return text
        found = _redact(text, values)
        if found == text:
            texts.add(text)
        return found


_CLEAN = _Clean()


IN_FORCE = ("ENVIRONMENT", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASES", "CI_HEALING")
"""Settings that hold secrets: asked for with every text, so all at once where that goes."""


def _in_force() -> tuple[object, ...]:
    # What the lazy object wraps: asked by way of it, each costs a microsecond, with every text.
    held = getattr(settings, "_wrapped", None)
    return tuple(getattr(held, name, None) for name in IN_FORCE) if settings.configured else ()


def _counts(value: str) -> bool:
    return len(value.strip()) >= LEAST and value.strip() != OWN_NAME


def _redact(text: str, values: tuple[str, ...], *, guess: bool = True) -> str:
    from cihealing.reading.redact import redact  # late: whoever only starts reads no text

    return redact(text, values, guess=guess).text


def _holds(value: object) -> bool:
    """Nearly always there is none, and one look at all texts tells; of a few each is looked at, for
    a limit may have cut it in a secret.
    """
    from cihealing.reading.redact import absent, found

    texts, values = list(_texts(value)), known()
    if absent("\0".join(texts), values):
        return False
    return any(
        found(text, values, guess=False)
        for text in (texts if len(texts) <= FEW else ["\0".join(texts)])
        if len(text) >= LEAST
    )


def _texts(value: object) -> Iterator[str]:
    match value:
        case Enum():
            return
        case str():
            yield value
        case bytes():
            yield value.decode("utf-8", "surrogateescape")
        case Mapping():
            yield from (text for pair in value.items() for part in pair for text in _texts(part))
        case list() | tuple():
            yield from (text for part in value for text in _texts(part))
        case _:
            yield from (text for _, part in _parts(value) for text in _texts(part))


def _parts(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (
            (field.name, getattr(value, field.name)) for field in fields(value) if field.init
        )


def _hidden(value: Any) -> Any:
    match value:
        case Enum():
            return value
        case str():
            return _redact(value, known(), guess=False)
        case bytes():
            text = value.decode("utf-8", "surrogateescape")
            return _redact(text, known(), guess=False).encode("utf-8", "surrogateescape")
        case Mapping():
            return {_hidden(key): _hidden(part) for key, part in value.items()}
        case list() | tuple():
            return type(value)(_hidden(part) for part in value)
        case _:
            return _replaced(value, {name: _hidden(part) for name, part in _parts(value)})


def _replaced(value: Any, parts: dict[str, Any]) -> Any:
    if not parts:
        return value
    return (
        msgspec.structs.replace(value, **parts)
        if isinstance(value, msgspec.Struct)
        else replace(value, **parts)
    )
