"""Event streams: what is sent, to whom, and when they end."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import AsyncClient, Client

from cihealing import ending, store
from cihealing.domain import events as e
from cihealing.read import feed
from cihealing.read.access import Viewer
from cihealing.read.rows import GlobalEntry, TimelineEntry
from cihealing.web.api import streams
from tests import factories as make
from tests.web.api.conftest import TOKEN
from tests.web.api.test_runs import HOME, problem

ALL = Viewer(name="ann")
SHOP = Viewer(name="bob", repositories=("acme/*",))


@pytest.fixture(autouse=True)
def _no_listener_stays() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while streams.hub.thread is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (streams.hub.listeners, streams.hub.thread) == (set(), None)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams end as soon as they caught up."""
    monkeypatch.setattr(streams, "LONGEST_SYNC", 0.0)


def frames(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(id, data) of every event of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if "data" in fields:
            assert fields["event"] == "run"
            found.append((fields["id"], json.loads(fields["data"])))
    return found


def read(client: Client, path: str, **extra: str) -> str:
    answer = client.get(HOME + path, **extra)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    assert answer["Cache-Control"] == "no-store, no-transform"
    return b"".join(answer.streaming_content).decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "header", "versions"),
    [
        ("", None, [1, 2, 3, 4, 5, 6, 7, 8]),
        ("", "5", [6, 7, 8]),
        ("?after=6", None, [7, 8]),
        ("?after=2", "7", [8]),
        ("", "8", []),
    ],
)
def test_a_run_tells_what_happened_after_the_version_one_has(
    api: Client, short: None, query: str, header: str | None, versions: list[int]
) -> None:
    run_id = make.make_run(make.escalated())
    found = frames(
        read(
            api,
            f"/runs/{run_id}/events{query}",
            **({"HTTP_LAST_EVENT_ID": header} if header else {}),
        )
    )
    assert [(int(i), data["version"]) for i, data in found] == [(v, v) for v in versions]
    if found:
        assert (found[-1][1]["type"], found[-1][1]["status"]) == ("report.written.v1", "escalated")


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["x", "-1", "1.5", "٣", "9" * 30])
def test_a_wrong_version_is_400(api: Client, header: str) -> None:
    problem(
        api.get(f"{HOME}/runs/{make.make_run()}/events", HTTP_LAST_EVENT_ID=header),
        400,
        "bad-query",
    )


@pytest.mark.django_db
def test_a_line_break_in_a_fact_does_not_end_its_frame(api: Client, short: None) -> None:
    run_id = make.make_run(
        [e.RunStarted(), e.RunEscalated(reason="a\n\nid: 99\nevent: run\ndata: {}\r\n")]
    )
    assert [i for i, _ in frames(read(api, f"/runs/{run_id}/events"))] == ["1", "2", "3"]


@pytest.mark.django_db
def test_a_new_listener_is_told_where_it_stands_and_nothing_old(api: Client, short: None) -> None:
    make.make_run()
    text = read(api, "/stream")
    assert frames(text) == []
    assert f"id: {feed.global_cursor()}\n" in text


@pytest.mark.django_db
@pytest.mark.parametrize("cursor", ["5", "a.b", "1.-1", "x" * 5000])
def test_a_wrong_cursor_is_400(api: Client, cursor: str) -> None:
    problem(api.get(f"{HOME}/stream", HTTP_LAST_EVENT_ID=cursor), 400, "bad-query")


@pytest.mark.django_db
def test_too_many_listeners_are_told_to_come_back(api: Client, settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "MAX_STREAMS": 0}
    answer = api.get(f"{HOME}/stream")
    problem(answer, 503, "too-many-listeners")
    assert answer["Retry-After"] == "60"


@pytest.mark.django_db
@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_client_that_is_gone_before_its_stream_began_gives_its_place_back(
    asynchronous: bool, settings: Any
) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "MAX_STREAMS": 1}
    answer = streams.response(streams.AllFeed(ALL, after=""), asynchronous=asynchronous)
    with pytest.raises(streams.TooManyListeners):
        streams.response(streams.AllFeed(ALL, after=""), asynchronous=asynchronous)
    del answer
    gc.collect()
    assert streams.hub.listeners == set()


def test_a_listener_gets_its_own_repositories_only_and_is_cut_off_when_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "QUEUE", 2)
    woken: list[str] = []
    shop, everything = streams.Listener(SHOP), streams.Listener(ALL)
    shop.wake = lambda: woken.append("shop")
    for n, repository in enumerate(["acme/shop", "secret/vault", "acme/till"]):
        for listener in (shop, everything):
            listener.offer([entry(n, repository)])
    assert [x.repository for x in shop.take()] == ["acme/shop", "acme/till"]
    assert (shop.cut_off, everything.cut_off, woken) == (False, True, ["shop", "shop"])


def entry(number: int, repository: str) -> GlobalEntry:
    told = TimelineEntry(
        version=1,
        at=make.NOW,
        actor="x",
        actor_kind="service",
        source="x",
        tag="run.started.v1",
        text="x",
    )
    return GlobalEntry(
        cursor=f"0.{number}",
        run_id=uuid4(),
        repository=repository,
        status="queued",
        stage="Launch",
        attached=False,
        entry=told,
    )


def test_what_was_caught_up_with_is_not_told_again() -> None:
    feed = streams.AllFeed(ALL, after="0.4")
    assert [
        i for i, _ in frames("".join(feed.go_on([entry(n, "acme/shop") for n in (3, 4, 5, 6)])))
    ] == ["0.5", "0.6"]
    assert feed.go_on([entry(6, "acme/shop")]) == []


def test_both_kinds_of_stream_tell_at_once_and_end_with_the_process(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LONGEST", 10.0)
    for path in ("/stream", "/runs/{}/events?after=1"):
        run_id = make.make_run(commit=uuid4().hex + "00000000")
        text = asyncio.run(listened(path.format(run_id), run_id))
        connection.close()
        # An open transaction of anyone on the server holds the global cursor back: what came just
        # before may be told again.
        (_, data) = frames(text)[-1]
        assert (data["runId"], data["type"], data["status"]) == (
            str(run_id),
            "run.started.v1",
            "running",
        )


async def listened(path: str, run_id: UUID) -> str:
    """What an ASGI client hears while a run starts, until the process is asked to end."""
    answer = await AsyncClient().get(HOME + path, headers={"Authorization": f"Bearer {TOKEN}"})
    writer = asyncio.create_task(go_on_soon(run_id))
    heard, began = "", time.monotonic()
    try:
        async for chunk in answer.streaming_content:
            heard += chunk.decode()
            if "run.started.v1" in heard:
                ending.stopping.set()
    finally:
        await writer
        ending.stopping.clear()
    assert time.monotonic() - began < 5
    return heard


async def go_on_soon(run_id: UUID) -> None:
    await asyncio.sleep(0.3)
    await sync_to_async(committing)(run_id)


def committing(run_id: UUID) -> None:
    """Facts and row at once, as the service does."""
    with transaction.atomic():
        make.go_on(run_id, [e.RunStarted()])
    connection.close()


def test_a_synchronous_stream_hears_too(
    committed: None, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LONGEST_SYNC", 3.0)
    run_id = make.make_run()
    threading.Timer(0.3, committing, [run_id]).start()
    threading.Timer(2.0, ending.stopping.set).start()
    try:
        found = frames(read(api, "/stream"))
    finally:
        ending.stopping.clear()
    assert [data["type"] for _, data in found][-1:] == ["run.started.v1"]


def test_a_quiet_stream_says_that_it_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = streams.StreamPace(60)
    assert pace.say([]) == ""
    monkeypatch.setattr(pace, "spoke", pace.spoke - streams.HEARTBEAT)
    assert pace.say([]) == ": still here\n\n"
    assert pace.say([]) == ""


def test_no_fact_is_lost_to_a_late_commit(committed: None) -> None:
    """I8: an id is given out before the commit, so a reader that goes by ids alone steps over what
    commits late.
    """
    if not store.is_postgresql():
        pytest.skip("SQLite has one writer: ids are in the order of commits")
    # stores the artifacts both runs name: the second writer would wait for the first one's
    make.queued()
    start = feed.global_cursor()
    late, go, done = make.NOW, threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            make.make_run(commit="a" * 40, begun=late)
            done.set()
            go.wait(10)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    done.wait(10)
    make.make_run(commit="b" * 40)
    early = feed.global_events_after(ALL, start)
    go.set()
    writer.join()
    cursor = early[-1].cursor if early else start
    found = [*early, *feed.global_events_after(ALL, cursor)]
    assert len({x.run_id for x in found}) == len(found) == 2
