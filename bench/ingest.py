"""What one delivery costs: processor time beside that of the leanest view, and SQL statements.

    python bench/ingest.py --rounds 7 --posts 40
    DATABASE_URL=postgresql://… python bench/ingest.py --explain

Signed requests of the generic webhook go through Django's handler with all middleware, into a
database of this bench's own (a temporary SQLite file, or one made beside the one `DATABASE_URL`
names). Kinds take turns with `/healthz`, which asks nothing of the database; processor time is of
the whole process, so what is done after the answer (telling the broker) counts. Medians of the
rounds. On PostgreSQL the server's own processor time is not in it.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this directory: its `secrets` is not the standard library's
SECRET = "a secret of the bench"
WEBHOOK = "/api/v1/ci-healing/webhook"
LOG = """\
=================================== FAILURES ===================================
____________________________________ test_x ____________________________________

    def test_x():
>       assert total([1, 2]) == 3
E       assert 4 == 3

tests/test_a.py:5: AssertionError
=========================== short test summary info ============================
FAILED tests/test_a.py::test_x - assert 4 == 3
========================= 1 failed, 1 passed in 0.03s ==========================
"""
LEAN = "leanest view"
numbers = count(1)


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """Empty for SQLite; else a database of this process beside the one `url` names."""
    if not url:
        yield ""
        return
    import psycopg

    name = f"cihealing_bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def started(data: str, database: str) -> Callable[..., Any]:
    """The WSGI application over a migrated database."""
    os.environ |= {
        "CI_HEALING_DATA_DIR": data,
        "DATABASE_URL": database,
        "CI_HEALING_WEBHOOK_SECRET": SECRET,
        "CI_HEALING_ADDRESS_RATE": "1000000000",
        "CI_HEALING_HOOK_RATE": "1000000000",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from config.celery import app
    from config.wsgi import application

    app.set_current()
    return application


def body(number: int, *, of: int, conclusion: str = "failure") -> bytes:
    """Result `number`; those with the same `of` are of one commit and, where red, one failure."""
    told = {
        "provider": "generic",
        "repository": f"acme/shop-{of % 20}",
        "branch": f"branch-{of}",
        "commitSha": f"{of:040x}",
        "job": "test",
        "pipelineUrl": "https://ci.example.org/acme/shop/77",
        "errorType": "",
        "errorLog": LOG if conclusion == "failure" else "",
        "conclusion": conclusion,
        "executionId": str(number),
        "deliveryId": str(number),
    }
    return json.dumps(told).encode()


def first_failure() -> bytes:
    number = next(numbers)
    return body(number, of=number)


def duplicate() -> bytes:
    return body(next(numbers), of=0)


def repeated() -> bytes:
    return body(0, of=0)


def green() -> bytes:
    number = next(numbers)
    return body(number, of=number, conclusion="success")


KINDS: dict[str, Callable[[], bytes]] = {
    "first failure": first_failure,
    "duplicate": duplicate,
    "same delivery again": repeated,
    "green result": green,
}


def environ(path: str, sent: bytes = b"") -> dict[str, Any]:
    mac = hmac.new(SECRET.encode(), sent, hashlib.sha256).hexdigest()
    return {
        "REQUEST_METHOD": "POST" if sent else "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_USER_AGENT": "bench",
        "HTTP_X_HUB_SIGNATURE_256": f"sha256={mac}",
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def requests(kind: str, posts: int) -> list[dict[str, Any]]:
    if kind == LEAN:
        return [environ("/healthz") for _ in range(posts)]
    return [environ(WEBHOOK, KINDS[kind]()) for _ in range(posts)]


def ask(application: Callable[..., Any], request: dict[str, Any]) -> bytes:
    """The answer's body. Raises AssertionError where it is no success."""
    heard: list[str] = []
    answer = application(request, lambda status, headers: heard.append(status))
    content = b"".join(answer)
    answer.close()
    assert heard[0][:3] in ("200", "202"), (heard, content)
    return content


def settled() -> None:
    """Until the broker was told of all: that belongs to the deliveries before."""
    from cihealing.service.outbox import teller

    while not teller._waiting.empty():
        time.sleep(0.001)


def measured(application: Callable[..., Any], kind: str, posts: int) -> float:
    """Seconds of processor time a request."""
    waiting = requests(kind, posts)
    began = time.process_time()
    for request in waiting:
        ask(application, request)
    settled()
    return (time.process_time() - began) / posts


def statements(application: Callable[..., Any], kind: str) -> list[str]:
    """The SQL of one request, transactions' begin and end apart."""
    from django.db import connection

    found: list[str] = []

    def noted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append(" ".join(str(sql).split()))
        return execute(sql, params, many, context)

    (request,) = requests(kind, 1)
    with connection.execute_wrapper(noted):
        ask(application, request)
    return found


def told(application: Callable[..., Any], *, rounds: int, posts: int, explain: bool) -> None:
    kinds = (LEAN, *KINDS)
    ask(application, environ(WEBHOOK, repeated()))  # the run that duplicates are of
    for kind in kinds:
        measured(application, kind, 20)
    sql = {kind: statements(application, kind) for kind in kinds}
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            took[kind].append(measured(application, kind, posts))
    lean = statistics.median(took[LEAN])
    print(f"{'':20} {'CPU ms':>7} {'of lean':>8} {'statements':>11}")
    for kind in kinds:
        middle = statistics.median(took[kind])
        print(f"{kind:20} {1000 * middle:7.2f} {lean / middle:7.3f}x {len(sql[kind]):11}")
    for kind, texts in sql.items() if explain else ():
        print("", kind, *(f"{i:3} {text}" for i, text in enumerate(texts, 1)), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--posts", type=int, default=40)
    parser.add_argument("--explain", action="store_true", help="print the statements as well")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as data,
        own_database(os.environ.get("DATABASE_URL", "")) as database,
    ):
        told(started(data, database), rounds=asked.rounds, posts=asked.posts, explain=asked.explain)
        from django.db import connection

        connection.close()


if __name__ == "__main__":
    main()
