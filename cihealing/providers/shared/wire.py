"""What every CI provider needs between the wire and the domain: strict JSON, validated fields,
bounded logs.

Sans-I/O and pure. Everything raises BadPayload, whatever bytes come in, and is linear in their
number.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, NoReturn, TypeGuard, cast
from urllib.parse import SplitResult, unquote, urlsplit

from cihealing.ports import BadPayload

MAX_DEPTH = 100
MAX_DIGITS = 1_000
MAX_ITEMS = 5_000
MAX_STRUCTURE = 2_000_000
"""Bytes of a body that are not text in strings: numbers and brackets without end cost far more than
a log of that size.
"""


# A string without escaped quotes, even one that never ends.
_STRING = re.compile(rb'"[^"]*+(?:"|\Z)')
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`, strictly read. Raises BadPayload: not UTF-8, NaN or Infinity, too
    deep, too long a number, a lone surrogate or NUL in a string, no object at the top.
    """
    check_depth(raw)
    value = _loads(_decoded(raw))
    if not isinstance(value, dict):
        raise BadPayload("the body must be a JSON object")
    if _SUSPECT_ESCAPE.search(raw):
        _check_strings(value)
    return cast("dict[str, Any]", value)


def check_depth(raw: bytes) -> None:
    """Counts brackets outside strings, before the recursive parser sees them."""
    # What is escaped is taken out first, pairs of backslashes before quotes: what is left is
    # searched as fast as memory is read.
    plain = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    # Between two strings stands at least one byte more.
    structure = _STRING.sub(b"", plain) if plain.count(b'"') <= 2 * MAX_STRUCTURE else plain
    if len(structure) > MAX_STRUCTURE:
        raise BadPayload(
            f"the body holds more than {MAX_STRUCTURE} bytes besides the text in its strings"
        )
    brackets = structure.translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise BadPayload(f"the body is nested more than {MAX_DEPTH} deep")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPayload(f"the body is not UTF-8 (byte {error.start})") from None


def _loads(text: str) -> object:
    try:
        return json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise BadPayload(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None


def _integer(text: str) -> int:
    _check_digits(text)
    return int(text)


def _float(text: str) -> float:
    _check_digits(text)
    value = float(text)
    if not math.isfinite(value):
        raise BadPayload("the body holds a number beyond the range of a double")
    return value


def _check_digits(text: str) -> None:
    if len(text) > MAX_DIGITS:
        raise BadPayload(f"the body holds a number of more than {MAX_DIGITS} digits")


def _constant(text: str) -> NoReturn:
    raise BadPayload(f"the body holds {text}, which is no JSON")


def _check_strings(value: object) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            _check_string(item)
        elif isinstance(item, dict):
            pending.extend((*item.keys(), *item.values()))
        elif isinstance(item, list):
            pending.extend(item)


def _check_string(text: str) -> None:
    if "\x00" in text:
        raise BadPayload("the body holds \\u0000, which cannot be stored")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadPayload("the body holds half of a surrogate pair")


LARGEST = 10**18
"""Of a whole number: beyond it no column holds one."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~+-]*(?:/[A-Za-z0-9._~+-]+)+")
_CONTROL = ("Cc", "Cs", "Zl", "Zp")
_NO_REF = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-/.]|[/.]$")
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?[^@/:\s]+:(?!//)(?P<path>.+)")


def is_repository(name: str) -> bool:
    return bool(_REPOSITORY.fullmatch(name)) and not {".", ".."} & set(name.split("/"))


def is_branch(name: str) -> bool:
    """Whether git would take the name. Source: git-check-ref-format(1); a leading dash would be
    read as an option.
    """
    return not _NO_REF.search(name)


def has_control(text: str) -> bool:
    return any(unicodedata.category(char) in _CONTROL for char in text)


class Fields:
    """One object of a payload, read together with its path, so that every complaint names the
    field.

    There is no way to a value but a method that says of which type it must be. Methods raise
    BadPayload.
    """

    def __init__(self, value: object, *, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise BadPayload(f"{path or 'the body'}: an object is expected")
        self._value, self.path = value, path

    @classmethod
    def of(cls, **parts: Fields) -> Fields:
        """An object put together from others."""
        return cls({name: part._value for name, part in parts.items()})

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def bad(self, name: str, expected: str) -> BadPayload:
        return BadPayload(f"{self.at(name)}: {expected}")

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def null(self, name: str) -> bool:
        """Whether the field is there and null, which some senders mean something by."""
        return name in self._value and name not in self

    def is_text(self, name: str) -> bool:
        return isinstance(self._value.get(name), str)

    def child(self, name: str) -> Fields:
        return Fields(self._value.get(name), path=self.at(name))

    def maybe(self, name: str) -> Fields:
        """The object, an empty one where it is missing or null."""
        return self.child(name) if name in self else Fields({}, path=self.at(name))

    def children(self, name: str) -> list[Fields]:
        found = self._value[name] if name in self else []
        if not isinstance(found, list) or len(found) > MAX_ITEMS:
            raise self.bad(name, f"a list of at most {MAX_ITEMS} objects is expected")
        return [Fields(item, path=f"{self.at(name)}[{index}]") for index, item in enumerate(found)]

    def texts(self, name: str) -> list[str]:
        """A list of texts, an empty one where it is missing or null."""
        found = self._value[name] if name in self else []
        if (
            not isinstance(found, list)
            or len(found) > MAX_ITEMS
            or not all(isinstance(item, str) for item in found)
        ):
            raise self.bad(name, f"a list of at most {MAX_ITEMS} texts is expected")
        return found

    def raw(self, name: str) -> str:
        """Text of any length and characters; "" where it is missing or null."""
        found = self._value.get(name)
        if found is not None and not isinstance(found, str):
            raise self.bad(name, "text is expected")
        return found or ""

    def optional(self, name: str, *, limit: int = 300) -> str:
        """One line without control characters; "" where it is missing or null."""
        found = self.raw(name)
        if len(found) > limit:
            raise self.bad(name, f"at most {limit} characters are expected")
        if has_control(found):
            raise self.bad(name, "control characters are not accepted")
        return found

    def text(self, name: str, *, limit: int = 300) -> str:
        found = self.optional(name, limit=limit)
        if not found.strip():
            raise self.bad(name, "this field is required")
        return found

    def label(self, name: str, *, limit: int = 300) -> str:
        """A name for people, made fit to show: control characters become spaces, what is too long
        is cut.
        """
        cleaned = "".join(
            " " if unicodedata.category(c) in _CONTROL else c for c in self.raw(name)[: limit * 4]
        )
        return " ".join(cleaned.split())[:limit]

    def commit(self, name: str) -> str:
        found = self.text(name, limit=64).lower()
        if not _COMMIT.fullmatch(found):
            raise self.bad(name, "a commit hash of 7 to 64 hexadecimal digits is expected")
        return found

    def branch(self, name: str) -> str:
        """A branch git would take; "" where it is missing or null (detached builds)."""
        found = self.optional(name, limit=255)
        if found and not is_branch(found):
            raise self.bad(name, "a branch name that git accepts is expected")
        return found

    def repository(self, name: str) -> str:
        found = self.text(name)
        if not is_repository(found):
            raise self.bad(name, "a repository as owner/name is expected")
        return found

    def cloned(self, name: str) -> str:
        """The `owner/name` of a clone URL."""
        found = repository_of(self.text(name, limit=2_000))
        if not found:
            raise self.bad(name, "no owner/name can be read from this clone URL")
        return found

    def title(self, name: str, *, limit: int = 300) -> str:
        """A label that must be there."""
        found = self.label(name, limit=limit)
        if not found:
            raise self.bad(name, "this field is required")
        return found

    def ident(self, name: str) -> str:
        """A provider's id, number or text, as text."""
        found = self._value.get(name)
        if is_integer(found) and 0 <= found < 10**30:
            return str(found)
        if isinstance(found, str) and re.fullmatch(r"[\x21-\x7e]{1,200}", found):
            return found
        raise self.bad(name, "an id (a number, or text of 1 to 200 characters) is expected")

    def maybe_ident(self, name: str) -> str:
        """An id; "" where it is missing or null."""
        return self.ident(name) if name in self else ""

    def number(self, name: str, *, least: int = -LARGEST, most: int = LARGEST) -> int | None:
        """A whole number, also one written as text; None where it is missing or null."""
        found = self._value.get(name)
        if isinstance(found, str) and re.fullmatch(r"-?[0-9]{1,18}", found):
            found = int(found)
        if found is not None and not (is_integer(found) and least <= found <= most):
            raise self.bad(name, f"a whole number from {least} to {most} is expected")
        return found

    def scalar(self, name: str) -> str | int | float | None:
        """Text, a number or a truth value, for what is only handed on; None for anything else."""
        found = self._value.get(name)
        return found if isinstance(found, str | int | float) else None

    def link(self, name: str) -> str:
        """An http(s) URL people may click; "" for anything else."""
        found = self.raw(name)
        return found if web(found) and len(found) <= 2_000 and not has_control(found) else ""

    def moment(self, name: str) -> datetime | None:
        """A time in ISO 8601, or as GitLab writes it (`2019-05-01 12:33:04 UTC`); None where it is
        missing or written otherwise.
        """
        try:
            moment = datetime.fromisoformat(self.raw(name)[:60].replace(" UTC", "+00:00"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def flag(self, name: str) -> bool:
        """False where it is missing or null."""
        found = self._value.get(name)
        if found is not None and not isinstance(found, bool):
            raise self.bad(name, "true or false is expected")
        return bool(found)


def is_integer(value: object) -> TypeGuard[int]:
    """Whether it is a JSON integer: to Python, true and false are integers too."""
    return isinstance(value, int) and not isinstance(value, bool)


def web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def host_of(url: str) -> str:
    """Host (with port) that job run ids are unique on; "" where the URL names none."""
    parts = _split(url)
    return parts.netloc.rpartition("@")[2].lower() if parts else ""


def repository_of(url: str) -> str:
    """`owner/name` from a clone URL (https, ssh, scp-like, file or plain path); "" where there is
    none.
    """
    path = _path(url).strip("/").removesuffix(".git").removeprefix("scm/")
    local = url.startswith(("/", "file:"))
    name = "/".join(path.split("/")[-2:]) if local else path
    return name if is_repository(name) else ""


def _path(url: str) -> str:
    scp = _SCP_LIKE.fullmatch(url)
    if scp:
        return scp["path"]
    parts = _split(url)
    return unquote(parts.path) if parts else ""


def plain_branch(ref: str) -> str:
    """The branch a ref or a remote-tracking name stands for."""
    for prefix in ("refs/heads/", "refs/remotes/", "remotes/"):
        ref = ref.removeprefix(prefix)
    return ref.removeprefix("origin/")


def head_and_tail(chunks: Iterable[bytes], *, limit: int) -> bytes:
    """All of `chunks`, or their first quarter and last three quarters of `limit` bytes around a
    line that says what is left out.

    Memory is bounded by `limit` and one chunk. Errors stand at the end of a log, what was run at
    its beginning.
    """
    head, tail, total = bytearray(), deque[bytes](), 0
    room, kept = limit // 4, 0
    for chunk in chunks:
        total += len(chunk)
        take = max(room - len(head), 0)
        head += chunk[:take]
        if rest := chunk[take:]:
            tail.append(rest)
            kept += len(rest)
        while tail and kept - len(tail[0]) >= limit - room:
            kept -= len(tail.popleft())
    end = b"".join(tail)[-(limit - room) :]
    left_out = total - len(head) - len(end)
    gap = b"\n[cihealing: %d bytes of the log are left out here]\n" % left_out if left_out else b""
    return bytes(head) + gap + end
