"""Server-sent events: one poller a process reads new facts and hands them to bounded queues,
filtered by what each listener may see.

A frame is `id` (where to resume), `event: run` and one line of JSON. A client that is too slow is
cut off and resumes by Last-Event-ID; so does every client after a while, which is when it is asked
again who it is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, connections
from django.http import StreamingHttpResponse

from cihealing import ending, outages
from cihealing.read import access, contract, feed, runs
from cihealing.read.access import Viewer
from cihealing.read.rows import GlobalEntry

log = logging.getLogger(__name__)

POLL = 0.4
"""Seconds between two looks at the database, while anybody listens."""
TICK = 0.5
"""Seconds after which a waiting stream looks whether the process is to end."""
HEARTBEAT = 15.0
LONGEST = 900.0
LONGEST_SYNC = 60.0
"""Seconds a stream lives. Under WSGI it holds a worker's thread, so that it must give it back
soon.
"""
QUEUE = 500
BATCH = 500
RETRY = "retry: 2000\n\n"


class TooManyListeners(Exception):
    """This process streams to as many clients as it can."""


class Listener:
    """One client's queue. Filled by the poller's thread, emptied by the stream's, which sets `wake`
    to be called when there is news.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.wake: Callable[[], None] = lambda: None
        self.waiting: deque[GlobalEntry] = deque()
        self.cut_off = False

    def offer(self, entries: Iterable[GlobalEntry]) -> None:
        mine = [entry for entry in entries if self.viewer.sees(entry.repository)]
        self.cut_off = self.cut_off or len(self.waiting) + len(mine) > QUEUE
        if mine and not self.cut_off:
            self.waiting.extend(mine)
        if mine:
            self.wake()

    def take(self) -> list[GlobalEntry]:
        return [self.waiting.popleft() for _ in range(len(self.waiting))]


class Hub:
    """The one poller of a process. It runs while somebody listens."""

    def __init__(self) -> None:
        # Reentrant: an answer that nobody wants any more may be collected, and leave, while its
        # thread is in here.
        self.lock = threading.RLock()
        self.listeners: set[Listener] = set()
        self.thread: threading.Thread | None = None
        self.cursor = ""

    def listen(self, viewer: Viewer) -> Listener:
        """A listener that gets every fact committed from now on. Raises TooManyListeners."""
        with self.lock:
            if len(self.listeners) >= settings.CI_HEALING["MAX_STREAMS"]:
                raise TooManyListeners
            if self.thread is None:
                self.cursor = (
                    feed.global_cursor()
                )  # read before the caller reads what was: nothing falls between the two
                self.thread = threading.Thread(
                    target=self._poll, name="cihealing-streams", daemon=True
                )
                self.thread.start()
            listener = Listener(viewer)
            self.listeners.add(listener)
            return listener

    def leave(self, listener: Listener) -> None:
        with self.lock:
            self.listeners.discard(listener)

    def _poll(self) -> None:
        while not self._over():
            try:
                self.pass_on()
            except Exception as error:
                if not outages.meet(error):
                    log.exception("reading new facts for streams failed; trying again")
            close_old_connections()
            ending.stopping.wait(POLL)

    def _over(self) -> bool:
        with self.lock:
            if self.listeners and not ending.stopping.is_set():
                return False
            self.thread = None
            return True

    def pass_on(self) -> None:
        """Hand every fact after the cursor to those who may see it."""
        while found := feed.global_events_after(access.SERVICE_VIEWER, self.cursor, limit=BATCH):
            self.cursor = found[-1].cursor
            with self.lock:
                listeners = list(self.listeners)
            for listener in listeners:
                listener.offer(found)


hub = Hub()


class Feed(Protocol):
    viewer: Viewer

    def catch_up(self) -> list[str]:
        """Frames of some of what the client missed; empty once it missed nothing."""

    def go_on(self, news: Sequence[GlobalEntry]) -> list[str]:
        """Frames for what was told since."""


class RunFeed:
    """The facts of one run above a version."""

    def __init__(self, viewer: Viewer, run_id: UUID, *, after: int) -> None:
        self.viewer, self.run_id, self.version = viewer, run_id, after

    def catch_up(self) -> list[str]:
        return self._read()

    def go_on(self, news: Sequence[GlobalEntry]) -> list[str]:
        return self._read() if any(entry.run_id == self.run_id for entry in news) else []

    def _read(self) -> list[str]:
        entries = feed.events_after(self.viewer, self.run_id, self.version)
        row = runs.row(self.viewer, self.run_id) if entries else None
        if row is None:
            return []
        self.version = entries[-1].version
        now = {"runId": str(row.id), "status": row.status, "stage": row.stage}
        return [frame(str(entry.version), {**now, **contract.event(entry)}) for entry in entries]


class AllFeed:
    """The facts of every run the viewer sees, after a cursor; from now on where there is none."""

    def __init__(self, viewer: Viewer, *, after: str) -> None:
        self.viewer, self.cursor = viewer, after

    def catch_up(self) -> list[str]:
        if self.cursor:
            return self.go_on(feed.global_events_after(self.viewer, self.cursor, limit=BATCH))
        self.cursor = feed.global_cursor()
        return [f"id: {self.cursor}\n\n"]

    def go_on(self, news: Sequence[GlobalEntry]) -> list[str]:
        fresh = [
            entry for entry in news if feed.position(entry.cursor) > feed.position(self.cursor)
        ]
        if fresh:
            self.cursor = fresh[-1].cursor
        return [frame(entry.cursor, contract.global_event(entry)) for entry in fresh]


def frame(event_id: str, data: dict[str, Any]) -> str:
    return f"id: {event_id}\nevent: run\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def response(feed: Feed, *, asynchronous: bool) -> StreamingHttpResponse:
    """Raises TooManyListeners: the place is taken before anything is answered, for later a client
    could not be told.
    """
    listener = hub.listen(feed.viewer)
    content: AsyncIterator[str] | Iterator[str] = (
        asynchronously(feed, listener) if asynchronous else synchronously(feed, listener)
    )
    answer = StreamingHttpResponse(content, content_type="text/event-stream")
    # A client that is gone before its stream began would else keep its place for ever.
    weakref.finalize(answer, hub.leave, listener)
    answer["Cache-Control"] = "no-store, no-transform"
    answer["X-Accel-Buffering"] = "no"  # nginx would hold frames back
    return answer


class StreamPace:
    """When a stream ends and when it must say something, on the process's clock."""

    def __init__(self, longest: float) -> None:
        self.end = time.monotonic() + longest
        self.spoke = time.monotonic()

    def over(self, listener: Listener) -> bool:
        return listener.cut_off or ending.stopping.is_set() or time.monotonic() >= self.end

    def say(self, frames: Sequence[str]) -> str:
        """The frames, or a heartbeat when it was quiet for long: it finds out that a client is
        gone, and keeps proxies from hanging up.
        """
        quiet = time.monotonic() - self.spoke >= HEARTBEAT
        text = "".join(frames) or (": still here\n\n" if quiet else "")
        if text:
            self.spoke = time.monotonic()
        return text


def _step(work: Callable[[], list[str]]) -> list[str]:
    """Look at the database and let go of it: a stream that waits must not sit on a pooled
    connection.
    """
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()


def _end(error: Exception) -> None:
    """A stream ends at an outage: its client comes back and resumes. Anything else is raised
    again.
    """
    if not outages.meet(error):
        raise error


def synchronously(feed: Feed, listener: Listener) -> Iterator[str]:
    woken = threading.Event()
    listener.wake = woken.set
    pace = StreamPace(LONGEST_SYNC)
    try:
        yield RETRY
        while missed := _step(feed.catch_up):
            yield "".join(missed)
        while not pace.over(listener):
            woken.wait(TICK)
            woken.clear()
            news = listener.take()
            if text := pace.say(_step(partial(feed.go_on, news)) if news else []):
                yield text
    except Exception as error:
        _end(error)
    finally:
        hub.leave(listener)


async def asynchronously(feed: Feed, listener: Listener) -> AsyncIterator[str]:
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    listener.wake = lambda: _call(loop, woken.set)
    pace = StreamPace(LONGEST)
    try:
        yield RETRY
        while missed := await sync_to_async(_step)(feed.catch_up):
            yield "".join(missed)
        while not pace.over(listener):
            await _woken(woken)
            news = listener.take()
            if text := pace.say(
                await sync_to_async(_step)(partial(feed.go_on, news)) if news else []
            ):
                yield text
    except Exception as error:
        _end(error)
    finally:
        hub.leave(listener)


async def _woken(event: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(event.wait(), TICK)
    except TimeoutError:
        return
    event.clear()


def _call(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """The poller may be faster than the end of a stream whose loop is closed already."""
    try:
        loop.call_soon_threadsafe(work)
    except RuntimeError:
        log.debug("a listener's loop is closed")
