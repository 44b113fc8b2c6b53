"""How long and how large an answer may be, kept from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from cihealing.http.answers import CHUNK, unpacked
from cihealing.ports import TransientError

MAX_STREAM = 1024 * 1024 * 1024
"""Bytes of a log that are read at all, unpacked; a reader keeps far fewer."""
MAX_SECONDS = 300.0
"""Of a whole conversation, from its beginning to the last byte of its last answer."""


class RequestWatch:
    """Ends what is not over at `end`, even a body or a header that drips: read time-outs bound the
    wait for one packet alone.
    """

    def __init__(self, title: str, *, end: float) -> None:
        self.title, self.over_time, self._stream, self._end = title, False, None, end

    def see(self, event: str, details: Mapping[str, Any]) -> None:
        """HTTPX' trace: the newest stream is the one that holds the socket."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._stream = details.get("return_value")

    def cut(self) -> None:
        self.over_time = True
        sock = self._stream.get_extra_info("socket") if self._stream is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(2)

    def over(self, response: httpx.Response) -> Generator[bytes, None, None]:
        """The unpacked chunks. Raises TransientError when the time or MAX_STREAM is up."""
        total = 0
        for chunk in unpacked(
            _raw(response), encoding=response.headers.get("content-encoding", "")
        ):
            total += len(chunk)
            if self.over_time or time.monotonic() > self._end:
                raise self.late()
            if total > MAX_STREAM:
                raise TransientError(f"{self.title} sent more than {MAX_STREAM} bytes")
            yield chunk

    def late(self) -> TransientError:
        return TransientError(f"{self.title} took more than {MAX_SECONDS:.0f} seconds")


@contextmanager
def in_time(title: str, *, end: float) -> Iterator[RequestWatch]:
    watch, left = RequestWatch(title, end=end), end - time.monotonic()
    if left <= 0:
        raise watch.late()
    timer = threading.Timer(left, watch.cut)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    except httpx.HTTPError:
        if watch.over_time:
            raise watch.late() from None
        raise
    finally:
        timer.cancel()


def _raw(response: httpx.Response) -> Iterable[bytes]:
    """A response that a mock transport made whole holds its body already."""
    return (
        [response.content]
        if response.is_stream_consumed or response.is_closed
        else response.iter_raw(CHUNK)
    )
