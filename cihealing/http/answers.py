"""What other sides answer: unpacked within bounds, and whether they ask to be left alone."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from cihealing.ports import TransientError

MAX_WAIT = 3_600.0
CHUNK = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """`at_side` is false where a redirect led to another origin than the side's own."""

    status: int
    headers: httpx.Headers
    body: bytes
    at_side: bool

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """An answer whose body is still on its way; `chunks` can be read once, within the `with` that
    gave it.
    """

    status: int
    headers: httpx.Headers
    chunks: Iterator[bytes]
    at_side: bool


def unpacked(chunks: Iterable[bytes], *, encoding: str) -> Generator[bytes, None, None]:
    """The bytes a content encoding stands for, in pieces of at most CHUNK, however much one packet
    swells.

    Raises TransientError for an encoding that was not asked for and is not gzip or deflate,
    zlib.error for a broken one.
    """
    match encoding.strip().lower():
        case "" | "identity":
            yield from chunks
        case "gzip" | "x-gzip" | "deflate":
            yield from _inflated(chunks)
        case other:
            raise TransientError(
                f"the answer is packed as {re.sub('[^a-z0-9, -]', '', other)[:40]}, which was not"
                " asked for"
            )


def _inflated(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for chunk in chunks:
        rest = chunk
        while rest and not inflate.eof:
            yield inflate.decompress(rest, CHUNK)
            rest = inflate.unconsumed_tail
    yield inflate.flush()


def check_busy(answer: HttpAnswer | Streamed, *, title: str) -> None:
    """Raises TransientError for what passes: 408, 425, 429, 5xx, and a 403 that is a rate limit.
    `retry_after` where it was named.
    """
    status, headers = answer.status, answer.headers
    limited = (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or _secondary(answer)
    )
    if status in (408, 425, 429) or status >= 500 or (status == 403 and limited):
        raise TransientError(
            f"{title} answered {status}", retry_after=retry_after(headers, now=time.time())
        )


def _secondary(answer: HttpAnswer | Streamed) -> bool:
    """GitHub's secondary limit may name no time at all."""
    return (
        isinstance(answer, HttpAnswer) and b"secondary rate limit" in answer.body[:10_000].lower()
    )


def retry_after(headers: httpx.Headers, *, now: float) -> float | None:
    """Seconds to wait, at most an hour: Retry-After (seconds or a date), else the moment the spent
    limit is new again.
    """
    given = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,6}", given):
        return min(float(given), MAX_WAIT)
    moment = _date(given) or _reset(headers)
    return min(moment - now, MAX_WAIT) if moment and moment > now else None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text[:60]).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _reset(headers: httpx.Headers) -> float | None:
    given = headers.get("x-ratelimit-reset", "") or headers.get("ratelimit-reset", "")
    spent = (
        headers.get("x-ratelimit-remaining", "") or headers.get("ratelimit-remaining", "0")
    ) == "0"
    return float(given) if spent and re.fullmatch(r"[0-9]{9,11}", given) else None
