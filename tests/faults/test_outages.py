"""Disk full, read-only, database away: every edge answers 503 or 507, nothing is half-written, and
it goes on by itself.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connection, connections
from django.test import Client
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from cihealing import __main__ as console
from cihealing import outages, policy_file, room, service, store
from cihealing.circuit import Circuit
from cihealing.models import Artifact, Delivery, Outbox, Run, StoredEvent
from cihealing.postgresql import base as postgresql
from cihealing.service import lease, outbox
from cihealing.web.api import health, streams
from cihealing.web.api.health import Probe
from config import asgi, failures
from tests.fakes.service import LOG, Bench, failed, receive
from tests.web.api.conftest import TOKEN

SECRET = "a-webhook-secret-for-these-tests"
WEBHOOK = "/api/v1/ci-healing/webhook"


@pytest.fixture(autouse=True)
def _fresh(settings: Any) -> Iterator[None]:
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "API_TOKEN": TOKEN,
        "WEBHOOK_SECRETS": {"": SECRET},
        "METRICS_ALLOW": ["127.0.0.1"],
    }
    settings.ALLOWED_HOSTS = ["testserver"]
    outages.met.forget()
    yield
    outages.met.forget()


@pytest.fixture
def sender() -> Client:
    """Answers are looked at as a client sees them: an exception is not raised into the test."""
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {TOKEN}"})


def sqlite_error(code: int, text: str = "it said so") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


KINDS: list[tuple[Exception, outages.Outage]] = [
    (OSError(errno.ENOSPC, "No space left on device"), outages.FULL),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), outages.FULL),
    (OSError(errno.EROFS, "Read-only file system"), outages.NOT_WRITABLE),
    (PermissionError(errno.EACCES, "Permission denied"), outages.NOT_WRITABLE),
    (OSError(errno.EIO, "Input/output error"), outages.FAILING),
    (OSError(errno.EMFILE, "Too many open files"), outages.BUSY),
    (sqlite_error(sqlite3.SQLITE_FULL), outages.FULL),
    (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), outages.NOT_WRITABLE),
    (sqlite_error(sqlite3.SQLITE_CANTOPEN), outages.NOT_WRITABLE),
    (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), outages.FAILING),
    (sqlite_error(sqlite3.SQLITE_CORRUPT), outages.FAILING),
    (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), outages.BUSY),
    (pg.DiskFull("could not extend file"), outages.FULL),
    (
        pg.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        outages.NOT_WRITABLE,
    ),
    (pg.TooManyConnections("sorry, too many clients already"), outages.BUSY),
    (pg.AdminShutdown("terminating connection"), outages.AWAY),
    (pg.CannotConnectNow("the database system is starting up"), outages.AWAY),
    (pg.ConnectionException("gone"), outages.AWAY),
    (
        psycopg.OperationalError(
            "consuming input failed: server closed the connection unexpectedly"
        ),
        outages.AWAY,
    ),
    (psycopg.InterfaceError("the connection is closed"), outages.AWAY),
    (PoolTimeout("couldn't get a connection after 10.00 sec"), outages.BUSY),
]
NO_OUTAGE = [
    ValueError("x"),
    OSError(errno.ENOENT, "No such file or directory"),
    ConnectionRefusedError(errno.ECONNREFUSED, "a CI that is down is no outage of ours"),
    sqlite_error(sqlite3.SQLITE_CONSTRAINT),
    sqlite_error(sqlite3.SQLITE_ERROR, "no such table"),
    pg.UniqueViolation("duplicate key"),
    pg.UndefinedTable("no such table"),
    psycopg.InterfaceError("the cursor is closed"),
    DatabaseError("of Django's own"),
]


@pytest.mark.parametrize(
    ("error", "outage"), KINDS, ids=lambda x: getattr(x, "kind", type(x).__name__)
)
def test_an_outage_is_known_however_it_is_wrapped(error: Exception, outage: outages.Outage) -> None:
    assert outages.of(error) is outage
    wrapped = OperationalError("as Django has it")
    wrapped.__cause__ = error
    assert outages.of(wrapped) is outage
    later = RuntimeError("raised while it was handled")
    later.__context__ = wrapped
    assert outages.of(later) is outage


@pytest.mark.parametrize("error", NO_OUTAGE, ids=lambda x: type(x).__name__)
def test_a_fault_of_the_code_is_no_outage(error: Exception) -> None:
    assert outages.of(error) is None
    assert outages.line(error) == ""


def test_what_was_set_aside_does_not_count() -> None:
    error = ValueError("a decision of the code's own")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    error.__suppress_context__ = True
    assert outages.of(error) is None


@contextmanager
def every_question_meets(error: Exception) -> Iterator[None]:
    """As where the database raises it: the edge sees Django's error with this one as its cause."""

    def broken(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError(str(error)) from error

    with connection.execute_wrapper(broken):
        yield


def post(client: Client, number: int = 1) -> Any:
    body = json.dumps(
        {
            "provider": "generic",
            "repository": "acme/shop",
            "branch": "main",
            "commitSha": f"{number:040x}",
            "job": "test",
            "errorLog": LOG,
            "pipelineUrl": "https://ci.example.org/1",
            "errorType": "AssertionError",
            "executionId": f"e{number}",
            "deliveryId": f"d{number}",
        }
    )
    return client.post(
        WEBHOOK,
        body,
        content_type="application/json",
        headers={"X-Hub-Signature-256": signed(body)},
    )


def signed(body: str) -> str:
    return f"sha256={hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()}"


FOR_PROGRAMS: dict[str, Callable[[Client], Any]] = {
    "webhook": post,
    "runs": lambda client: client.get("/api/v1/ci-healing/runs"),
    "run": lambda client: client.get(f"/api/v1/ci-healing/runs/{uuid4()}"),
    "delivery": lambda client: client.get(f"/api/v1/ci-healing/deliveries/{uuid4()}"),
    "action": lambda client: client.post(
        f"/api/v1/ci-healing/runs/{uuid4()}/actions/abort", "{}", content_type="application/json"
    ),
    "summary": lambda client: client.get("/api/v1/ci-healing/metrics/summary"),
    "stream": lambda client: client.get(f"/api/v1/ci-healing/runs/{uuid4()}/events"),
    "metrics": lambda client: client.get("/metrics"),
}
FOR_PEOPLE = (
    "/",
    "/runs",
    pytest.param(f"/runs/{uuid4()}", id="run"),
    pytest.param(f"/runs/{uuid4()}/log", id="run-log"),
)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error", [KINDS[6][0], KINDS[7][0], KINDS[15][0]], ids=["full", "read-only", "away"]
)
@pytest.mark.parametrize("edge", FOR_PROGRAMS)
def test_programs_are_told_what_is_missing_and_when_to_come_back(
    sender: Client, edge: str, error: Exception
) -> None:
    with every_question_meets(error):
        answer = FOR_PROGRAMS[edge](sender)
    outage = outages.of(error)
    assert outage is not None
    assert answer.status_code == outage.status
    assert answer.status_code in (503, 507)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:cihealing:problem:{outage.kind}"
    assert int(answer["Retry-After"]) == outage.retry_after
    assert answer["Cache-Control"] == "no-store"
    assert str(error) not in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", FOR_PEOPLE)
def test_people_get_a_page_that_says_so(path: str, django_user_model: Any) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(django_user_model.objects.create_user("ann"))
    with every_question_meets(pg.AdminShutdown("terminating connection")):
        answer = client.get(path)
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "The database does not answer" in answer.content.decode()
    assert "terminating" not in answer.content.decode()


@pytest.mark.django_db
def test_an_outage_is_a_line_a_minute_in_the_log_and_no_traceback(
    sender: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with every_question_meets(sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full")):
        for number in range(20):
            post(sender, number)
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None
    assert "database or disk is full" in caplog.text
    assert "make room" in caplog.text


def test_the_next_line_says_how_many_there_were() -> None:
    now = [0.0]
    met = outages.Met(clock=lambda: now[0])
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("cihealing.outages").addHandler(handler)
    try:
        for _ in range(5):
            met.note(OSError(errno.ENOSPC, "No space left on device"))
        now[0] = 61.0
        met.note(OSError(errno.ENOSPC, "No space left on device"))
    finally:
        logging.getLogger("cihealing.outages").removeHandler(handler)
    assert len(told) == 2
    assert told[1].endswith("(4 more since the last line)")


@pytest.mark.django_db
def test_a_delivery_that_lost_every_race_is_sent_again(
    sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**_: Any) -> None:
        raise store.StreamMoved("lost the race 12 times")

    monkeypatch.setattr(service, "receive", lost)
    answer = post(sender)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:cihealing:problem:overloaded")
    assert answer["Retry-After"]


@pytest.mark.django_db
def test_a_fault_of_ours_is_500_as_a_problem_and_its_traceback_is_logged(
    sender: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service, "receive", broken)
    answer = post(sender)
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["type"] == "urn:cihealing:problem:internal-error"
    assert any(record.exc_info for record in caplog.records)


def test_a_body_that_could_not_be_spooled_is_answered_before_django_is_reached() -> None:
    async def full(scope: Any, receive: Any, send: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sent = asyncio.run(asked(failures.answered(full)))
    assert sent[0]["status"] == 507
    assert (b"retry-after", b"60") in sent[0]["headers"]
    assert (b"cache-control", b"no-store") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["type"] == "urn:cihealing:problem:storage-full"


def test_so_it_is_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(scope: Any, receive: Any, send: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(asgi, "get_asgi_application", lambda: full)
    assert asyncio.run(asked(asgi.build()))[0]["status"] == 507


def test_what_is_begun_is_not_answered_twice_and_other_faults_are_not_hidden() -> None:
    async def begun(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise OSError(errno.ENOSPC, "No space left on device")

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(OSError):
        asyncio.run(asked(failures.answered(begun)))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asked(failures.answered(broken)))


async def asked(application: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": WEBHOOK, "headers": []}
    await application(scope, None, send)
    return sent


def counts() -> list[int]:
    return [
        model._default_manager.count() for model in (Delivery, Run, StoredEvent, Artifact, Outbox)
    ]


@contextmanager
def pragma(name: str, *, value: str, back: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name} = {value}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA {name} = {back}")


@pytest.mark.parametrize(
    ("name", "value", "back", "kind", "status"),
    [
        ("max_page_count", "1", "1073741823", "storage-full", 507),
        ("query_only", "ON", "OFF", "storage-not-writable", 503),
    ],
)
def test_sqlite_says_itself_that_it_is_full_or_read_only(
    committed: None, sender: Client, name: str, value: str, back: str, kind: str, status: int
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite")
    assert post(sender, 1).status_code == 202
    before = counts()
    with pragma(name, value=value, back=back):
        # What is full takes as much as its last page holds: sent until it says no.
        answers = [post(sender, number) for number in range(2, 60)]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert refused
    assert {(answer.status_code, answer.json()["type"]) for answer in refused} == {
        (status, f"urn:cihealing:problem:{kind}")
    }
    stored = len(answers) - len(refused)
    assert Delivery.objects.count() == before[0] + stored
    assert not list(store.verify())
    assert post(sender, 100).status_code == 202, (
        "there is room again, and nobody restarted anything"
    )
    assert Delivery.objects.count() == before[0] + stored + 1


def test_readiness_answers_though_what_it_asks_never_does() -> None:
    over = threading.Event()
    probe = Probe(
        {"storage": lambda: True, "database": lambda: over.wait(30), "workers": lambda: True}
    )
    began = time.monotonic()
    try:
        assert dict(probe()) == {"storage": True, "database": False, "workers": False}
        assert dict(probe()) == {"storage": True, "database": False, "workers": False}
        assert time.monotonic() - began < 10
        assert health.PATIENCE < 1, "a busy machine may take longer, the wait may not"
        assert sum(thread.name == "readiness" for thread in threading.enumerate()) == 1, (
            "one look at a time"
        )
    finally:
        over.set()


def test_readiness_asks_over_a_connection_beside_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[dict[str, Any]] = []
    monkeypatch.setattr(health, "PATIENCE", 60.0)
    monkeypatch.setitem(connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"], "pool", {"min_size": 1})
    Probe({"database": lambda: not options.append(connection.settings_dict["OPTIONS"])})()
    assert "pool" not in options[0]
    assert options[0]["connect_timeout"] == health.CONNECTING


def test_readiness_that_hung_is_asked_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    over, monotonic = threading.Event(), time.monotonic
    probe = Probe({"database": lambda: over.wait(30)})
    try:
        assert probe()["database"] is False
        probe.checks = {"database": lambda: True}
        later = monotonic() + health.ABANDONED + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert probe()["database"] is True
    finally:
        over.set()


def test_readiness_that_is_not_answered_in_time_is_a_suspicion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, suspected = threading.Event(), threading.Event()
    monkeypatch.setattr(outages.met, "suspects", [suspected.set])
    try:
        Probe({"database": lambda: over.wait(30)})()
        assert suspected.is_set()
    finally:
        over.set()


@pytest.mark.skipif(
    "postgres" in os.environ.get("DATABASE_URL", ""),
    reason="what others refused a moment ago still counts there",
)
def test_readiness_asks_the_disk_and_names_it(
    committed: None,
    sender: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(directory: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    health.probe.forget()
    monkeypatch.setattr(health, "PATIENCE", 60.0)
    monkeypatch.setattr(room, "write_for_trial", full)
    answer = sender.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "missing: storage"
    assert answer["Retry-After"]
    monkeypatch.setattr(room, "write_for_trial", lambda directory: None)
    health.probe.forget()
    assert sender.get("/readyz").status_code == 200
    assert "Traceback" not in caplog.text


def test_a_server_that_found_no_room_a_moment_ago_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setattr(room, "require", lambda: None)
    assert health._storage()
    outages.meet(pg.DiskFull("could not extend file"))
    assert not health._storage()
    monkeypatch.setattr(outages.met, "clock", lambda: time.monotonic() + health.LATELY + 1)
    assert health._storage(), "it is tried again"


def test_every_place_where_a_delivery_is_put_is_written_to(
    committed: None, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    tried: list[Path] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(room, "write_for_trial", tried.append)
    room.require()
    expected = {tmp_path, Path(settings.CI_HEALING["DATA_DIR"])}
    if connection.vendor == "sqlite":
        expected.add(Path(connection.settings_dict["NAME"]).parent)
    assert set(tried) == expected
    assert len(expected) == (3 if connection.vendor == "sqlite" else 2)


def test_a_database_file_that_may_not_be_written_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    room.require_writable(file)
    file.touch()
    room.require_writable(file)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(PermissionError) as told:
        room.require_writable(file)
    assert str(file) in outages.line(told.value)


def test_the_trial_leaves_nothing_behind(tmp_path: Path) -> None:
    room.write_for_trial(tmp_path)
    room.write_for_trial(tmp_path / "not made yet")
    assert list(tmp_path.iterdir()) == []


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_circuit_opens_when_a_look_fails_and_closes_by_itself() -> None:
    away, calls = threading.Event(), list[str]()
    away.set()

    def look() -> None:
        if away.is_set():
            raise OSError("refused")

    circuit = Circuit("a side", every=0.01)
    for _ in range(5):
        circuit.suspect(
            look, opened=lambda: calls.append("opened"), closed=lambda: calls.append("closed")
        )
    wait_until(lambda: circuit.open)
    assert circuit.why == "refused"
    away.clear()
    wait_until(lambda: not circuit.open)
    assert calls == ["opened", "closed"]


def test_a_circuit_opens_as_often_as_the_other_side_goes_away() -> None:
    away, closed = threading.Event(), threading.Event()

    def look() -> None:
        if away.is_set():
            raise OSError("refused")

    circuit = Circuit("a side", every=0.01)
    for _ in range(3):
        away.set()
        closed.clear()
        wait_until(lambda: not any(t.name == "circuit-a side" for t in threading.enumerate()))
        circuit.suspect(look, opened=away.clear, closed=closed.set)
        assert closed.wait(20)


def test_a_database_that_is_known_to_be_away_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = postgresql.Pool("", open=False, configure=lambda connection: None)
    settings = {**connection.settings_dict, "OPTIONS": {"pool": {"min_size": 1}}}
    database = postgresql.DatabaseWrapper(settings)
    monkeypatch.setattr(postgresql.DatabaseWrapper, "pool", pool)
    monkeypatch.setattr(postgresql.circuit, "why", "refused")
    for ask in (pool.getconn, lambda: database.get_new_connection({})):
        with pytest.raises(postgresql.Away, match="refused") as told:
            ask()
        assert outages.of(told.value) is outages.AWAY


def test_a_suspicion_that_was_none_refuses_nobody() -> None:
    closed = threading.Event()
    circuit = Circuit("a side", every=0.01)
    circuit.suspect(lambda: None, opened=lambda: pytest.fail("it was there"), closed=closed.set)
    assert closed.wait(20)
    assert not circuit.open


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), pg.AdminShutdown("terminating connection")],
)
def test_an_outage_costs_an_effect_no_claim(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    receive(failed(), key="a")
    row = Outbox.objects.filter(state="pending").order_by("not_before").first()
    assert row is not None
    for _ in range(outbox.MAX_CLAIMS + 2):
        assert service.run_effect(row.id, **breaking(row.name, error))
        Outbox.objects.filter(id=row.id).update(not_before=row.not_before)
    row.refresh_from_db()
    assert (row.state, row.claims) == ("pending", 0)
    assert "Traceback" not in caplog.text


@pytest.mark.django_db
def test_a_fault_of_the_code_costs_a_claim_and_so_does_what_a_tree_refuses() -> None:
    receive(failed(), key="a")
    row = Outbox.objects.filter(state="pending").order_by("not_before").first()
    assert row is not None
    for number, error in enumerate(
        (ZeroDivisionError(), PermissionError(errno.EACCES, "a file of the tree")), start=1
    ):
        service.run_effect(row.id, **breaking(row.name, error))
        Outbox.objects.filter(id=row.id).update(not_before=row.not_before)
        row.refresh_from_db()
        assert row.claims == number


def breaking(name: str, error: Exception) -> dict[str, Any]:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    bench = Bench()
    return {"tools": bench.tools, "capabilities": {name: broken}, "readers": {name: broken}}


def test_a_task_ends_quietly_at_an_outage_and_loudly_at_anything_else() -> None:
    from config.celery import app

    raised: list[Exception] = [pg.AdminShutdown("terminating connection"), ZeroDivisionError()]

    @app.task(name="tests.broken")
    def broken() -> None:
        raise raised.pop(0)

    assert broken() is None
    with pytest.raises(ZeroDivisionError):
        broken()


def test_a_lease_outlasts_a_restart_of_the_database_but_not_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(row: Any) -> bool:
        raise OperationalError("gone") from pg.AdminShutdown("terminating connection")

    monkeypatch.setattr(outbox, "held", away)
    monkeypatch.setattr(outbox, "renew", away)
    held = lease.Lease(Outbox(name="prove"))
    assert held._kept()
    held._renewed -= lease.RENEW + 1
    assert held._kept()
    held._renewed = time.monotonic() - lease.LASTS - 1
    assert not held._kept()


def test_the_poller_of_the_streams_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone") from pg.AdminShutdown("terminating connection")

    hub, looks = streams.Hub(), list[int]()
    monkeypatch.setattr(hub, "pass_on", away)
    monkeypatch.setattr(streams, "POLL", 0.0)
    monkeypatch.setattr(streams, "close_old_connections", lambda: looks.append(1))
    monkeypatch.setattr(hub, "_over", lambda: len(looks) > 30)
    hub._poll()
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None


def test_a_stream_ends_at_an_outage() -> None:
    with pytest.raises(ZeroDivisionError):
        streams._end(ZeroDivisionError())
    streams._end(pg.AdminShutdown("terminating connection"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/lock"),
            ("/data/lock", "make room"),
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/data/lock"),
            ("/data/lock", "mount it writable"),
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data"),
            ("/data", "give it to the user"),
        ),
        (
            sqlite_error(sqlite3.SQLITE_NOTADB, "file is not a database"),
            ("file is not a database", "a backup"),
        ),
        (
            psycopg.OperationalError("connection refused\n\tIs the server running?"),
            ("connection refused Is the server", "DATABASE_URL"),
        ),
        (ImproperlyConfigured("CI_HEALING_WORKERS: not a number"), ("CI_HEALING_WORKERS",)),
    ],
)
def test_a_start_that_cannot_be_says_one_line(
    error: Exception,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(console, "run", broken)
    with pytest.raises(SystemExit) as ended:
        console.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.count("\n") == 1
    assert all(word in said for word in words)


def test_a_fault_of_the_code_at_start_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(console, "run", broken)
    with pytest.raises(ZeroDivisionError):
        console.main()


def test_a_policy_that_cannot_be_read_keeps_deliveries_and_does_nothing(
    settings: Any, tmp_path: Path
) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "POLICY_FILE": tmp_path, "POLICY_OVERRIDES": {}}
    policy, problem = policy_file.current()
    assert not policy.enabled
    assert "Is a directory" in str(problem)


def test_a_broker_that_is_away_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, away = list[str](), threading.Event()

    def send_task(name: str, *, kwargs: dict[str, str], retry: bool, **_: object) -> None:
        asked.append(kwargs["effect_id"])
        away.wait(30)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(
        outbox, "current_app", type("App", (), {"send_task": staticmethod(send_task)})
    )
    teller = outbox.BrokerTeller()
    teller.tell([uuid4() for _ in range(outbox.MOST_UNTOLD + 50)])
    teller.tell([uuid4()])
    wait_until(lambda: bool(asked))
    away.set()
    wait_until(teller._waiting.empty)
    teller.tell([last := uuid4()])
    wait_until(lambda: str(last) in asked)
    assert len(asked) == 2, "what waited is dropped, not asked for one by one"
    assert len(caplog.records) == 1
