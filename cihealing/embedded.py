"""Web, worker and beat in one process: the engine of `cihealing up`. It sets `ending.stopping` once
the process is asked to end.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cihealing.ending import stopping

if TYPE_CHECKING:
    from celery import Celery

    from cihealing.connections import Bounds

logger = logging.getLogger(__name__)

WEB_GRACE = 2
WORKER_GRACE = 1.5
"""Seconds open requests and running effects get to end; an effect that is cut off is taken up again
when its lease runs out.
"""


class AlreadyRunning(Exception):
    """Another process has this data directory; the message says which."""


class CannotListen(Exception):
    """The address is taken or is none of this machine's."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the data directory for this process alone. The kernel lets go of it however the process
    ends. Raises AlreadyRunning.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(
                f"{directory} is in use by process {file.read(20).strip() or 'unknown'}"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def listen(host: str, *, port: int) -> socket.socket:
    """A listening socket, so that a taken port is known before anything is started. Raises
    CannotListen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(256)
    except (OSError, OverflowError) as error:
        sock.close()
        raise CannotListen(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}"
        ) from None
    sock.set_inheritable(False)
    return sock


def serve(
    application: str,
    *,
    sock: socket.socket,
    celery: Celery | None,
    workers: int,
    ready: Callable[[], None],
    bounds: Bounds,
) -> None:
    """Serve until SIGTERM or SIGINT; call `ready` once requests are answered. `celery` None: web
    alone. Returns after a clean stop.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises its signal again once it has served; this is what it then meets.
        signal.signal(number, lambda *_: None)
    work = Work(celery, workers=workers) if celery else None
    if work:
        work.start()
    try:
        web_server(application, ready=ready, bounds=bounds).run(sockets=[sock])
    finally:
        stopping.set()
        if work:
            work.stop()


def web_server(application: str, *, ready: Callable[[], None], bounds: Bounds) -> Any:
    import uvicorn

    from cihealing import connections

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            stopping.set()
            super().handle_exit(sig, frame)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            self.watching = asyncio.create_task(connections.watch(self.server_state.connections))
            ready()

    quiet: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
    }
    bounded: dict[str, Any] = {
        "http": connections.kind(bounds),
        "timeout_keep_alive": bounds.idle,
        "backlog": bounds.queue,
    }
    return Server(
        uvicorn.Config(
            application,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=WEB_GRACE,
            **quiet,
            **bounded,
        )
    )


class Work:
    """The Celery worker and its clock, on threads of this process."""

    def __init__(self, celery: Celery, *, workers: int) -> None:
        self.celery, self.workers = celery, workers
        self.worker = threading.Thread(target=self._supervise, name="worker", daemon=True)
        self.beat: Any = None

    def start(self) -> None:
        from celery.beat import EmbeddedService

        self.worker.start()
        self.beat = EmbeddedService(self.celery, thread=True, scheduler_cls="celery.beat:Scheduler")
        self.beat.start()

    def _supervise(self) -> None:
        """A worker that ends by itself is replaced: a service without one would accept builds and
        heal none.
        """
        from celery.worker import WorkController

        self.celery.set_current()
        while not stopping.is_set():
            controller = WorkController(
                app=self.celery,
                pool_cls="threads",
                concurrency=self.workers,
                loglevel="WARNING",
                without_heartbeat=True,
                without_mingle=True,
                without_gossip=True,
            )
            try:
                controller.start()
            except Exception:
                logger.exception("the worker ended; another is started")
            stopping.wait(1)

    def stop(self) -> None:
        from celery.worker import state

        end = time.monotonic() + WORKER_GRACE
        # 0 is an exit code: "stop, all is well". None and False mean "go on".
        state.__dict__["should_stop"] = 0
        if self.beat:
            self.beat.service.stop(wait=False)
        self.worker.join(max(0.0, end - time.monotonic()))


def leave(code: int = 0) -> None:
    """End the process now, with all it has started: a thread that still waits for a command would
    hold the interpreter's own end up.
    """
    end_children()
    logging.shutdown()
    os._exit(code)


def end_children() -> None:
    """Kill the process groups of our children (Linux; elsewhere they end by their own time
    limits).
    """
    for listing in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for child in listing.read_text().split():
                end_group(int(child))


def end_group(process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(process)
        if group == os.getpgid(0):
            os.kill(process, signal.SIGKILL)
        else:
            os.killpg(group, signal.SIGKILL)
