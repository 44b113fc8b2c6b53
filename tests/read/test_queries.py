from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cihealing import models, store
from cihealing.domain import events as e
from cihealing.domain.values import SERVICE, Blame, Colour, Purpose, RunStatus
from cihealing.read import cursors, deliveries, detail, feed, figures, memory, runs, search, texts
from cihealing.read.access import Viewer
from cihealing.read.cursors import BadPage, BadQuery
from tests import factories as make

pytestmark = pytest.mark.django_db

ALL = Viewer(name="ann")
SHOP = Viewer(name="bob", repositories=("acme/s*",))
NOBODY = Viewer(name="eve", repositories=())


@pytest.fixture
def uncommitted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The global reader leaves out what is not committed, as nothing is in a test's own
    transaction; tests/web/api/test_streams.py commits.
    """
    monkeypatch.setattr(feed, "_committed", models.StoredEvent.objects.all)


def run_of(
    number: int, *facts: e.RunEvent, repository: str = "acme/shop", minutes: int | None = None
) -> UUID:
    begun = make.NOW + timedelta(minutes=number if minutes is None else minutes)
    return make.make_run(facts, begun=begun, repository=repository, error_hash=f"v1:{number:064x}")


def walk(**asked: object) -> list[UUID]:
    """Every id, page by page over the cursor."""
    page = runs.page(ALL, **asked)
    found = [row.id for row in page.rows]
    while page.next_cursor:
        page = runs.page(ALL, **{**asked, "cursor": page.next_cursor})
        found += [row.id for row in page.rows]
    return found


def test_runs_come_newest_first_and_a_cursor_walks_them_all_once() -> None:
    ids = [run_of(n, minutes=n // 3) for n in range(10)]  # three runs share each moment
    walked = walk(page_size=3)
    assert sorted(walked) == sorted(ids)
    assert walked == list(
        models.Run.objects.order_by("-created_at", "-id").values_list("id", flat=True)
    )


def test_a_cursor_is_not_moved_by_runs_that_begin_meanwhile() -> None:
    ids = [run_of(n) for n in range(4)]
    first = runs.page(ALL, page_size=2)
    run_of(9)
    second = runs.page(ALL, page_size=2, cursor=first.next_cursor or "")
    assert [row.id for row in (*first.rows, *second.rows)] == ids[::-1]
    assert second.next_cursor is None


def test_page_numbers_and_cursors_give_the_same_rows() -> None:
    for n in range(5):
        run_of(n)
    first = runs.page(ALL, page_size=2)
    assert (
        runs.page(ALL, page=2, page_size=2).rows
        == runs.page(ALL, page_size=2, cursor=first.next_cursor or "").rows
    )
    assert (first.total, first.total_capped, first.pages) == (5, False, 3)


def test_the_cursor_is_one_row_comparison_in_sql() -> None:
    place = cursors.place(cursors.cursor({"created_at": make.NOW, "id": uuid4()}))
    for rows in (
        cursors.after(models.Run.objects.all(), place),
        cursors.before(models.Run.objects.all(), place),
    ):
        text = str(rows.query)
        assert " OR " not in text
        assert re.search(r"\) [<>] \(", text)


def test_the_total_is_what_is_kept_and_capped_where_a_word_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "WINDOW", 3)
    for n in range(5):
        run_of(n)
    page = runs.page(ALL, page_size=2)
    assert (page.total, page.total_capped) == (5, False)
    page = runs.page(ALL, page_size=2, q="acme")
    assert (page.total, page.total_capped) == (3, True)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"page": 0}, BadPage),
        ({"page": -1}, BadPage),
        ({"page_size": 0}, BadPage),
        ({"page": 101, "page_size": 100}, BadPage),
        ({"page": 1, "page_size": 10_001}, BadPage),
        ({"status": "green"}, BadQuery),
        ({"q": "a\0b"}, BadQuery),
        ({"q": "\ud800"}, BadQuery),
        ({"q": "x" * 201}, BadQuery),
        ({"repository": "a\0b"}, BadQuery),
        ({"cursor": "nonsense"}, BadQuery),
        ({"cursor": "äö"}, BadQuery),
        ({"cursor": "AAAA"}, BadQuery),
        ({"cursor": "MjAyNi0xMS0wMlQwOTowMDowMCBub3QtYW4taWQ"}, BadQuery),
        (
            {
                "cursor": (
                    "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSAwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA"
                )
            },
            BadQuery,
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        runs.page(ALL, **asked)


def test_the_deepest_page_is_still_answered() -> None:
    assert runs.page(ALL, page=100, page_size=100).rows == ()


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, {1, 2, 3, 4}),
        ({"status": "fixed"}, {2}),
        ({"status": "fixed,escalated"}, {2, 3}),
        ({"status": "aborted"}, set()),
        ({"repository": "acme/till"}, {4}),
        ({"repository": "acme"}, set()),
        ({"q": "TILL"}, {4}),
        ({"q": "acme/shop"}, {2, 3}),
        ({"q": "%"}, set()),
        ({"q": f"v1:{2:064x}"}, {2}),
        ({"q": make.COMMIT[:12].upper()}, {1, 2, 3, 4}),
        ({"q": " "}, {1, 2, 3, 4}),
    ],
)
def test_lists_are_filtered(asked: dict[str, str], numbers: set[int]) -> None:
    ids = {
        1: run_of(1, repository="other/cart"),
        2: run_of(2, *make.proven()),
        3: run_of(3, *make.escalated()),
        4: run_of(4, repository="acme/till"),
    }
    page = runs.page(ALL, **asked)
    assert {row.id for row in page.rows} == {ids[n] for n in numbers}
    assert page.total == len(numbers)


def test_attached_runs_are_hidden_from_lists_and_counts_but_not_from_their_leader() -> None:
    leader = run_of(1, *make.classified(), e.BaseClaimed(branch="main", head=make.COMMIT))
    follower = run_of(2, *make.classified(), e.AttachedToBase(leader=leader))
    assert [row.id for row in runs.page(ALL).rows] == [leader]
    assert figures.summary(ALL).total == 1
    assert [row.total for row in figures.repositories(ALL)] == [1]
    shown = detail.run(ALL, leader)
    assert shown is not None
    assert [row.id for row in shown.followers] == [follower]
    attached = detail.run(ALL, follower)
    assert attached is not None
    assert attached.attached_to == leader


@pytest.mark.parametrize(
    ("glob", "repository"),
    [
        ("*", "acme/shop"),
        ("acme/*", "acme/shop"),
        ("acme/*", "acme/group/shop"),
        ("acme/sho?", "acme/shop"),
        ("acme/[st]hop", "acme/shop"),
        ("acme/[!s]hop", "acme/shop"),
        ("acme/[!a]hop", "acme/shop"),
        ("acme.shop", "acme/shop"),
        ("acme+/shop", "acme/shop"),
        ("ACME/*", "acme/shop"),
        ("shop", "acme/shop"),
        ("acme/s", "acme/shop"),
        ("a(b|c)$^{2}\\d/*", "a(b|c)$^{2}\\d/shop"),
        ("acme/[", "acme/["),
    ],
)
def test_the_database_reads_a_glob_as_the_domain_does(glob: str, repository: str) -> None:
    viewer = Viewer(name="x", repositories=(glob, "never/*"))
    run_id = run_of(1, repository=repository)
    assert bool(runs.page(viewer).rows) is viewer.sees(repository)
    assert (detail.run(viewer, run_id) is not None) is viewer.sees(repository)


@pytest.mark.parametrize("viewer", [SHOP, NOBODY])
def test_every_query_keeps_other_repositories_to_itself(
    viewer: Viewer, uncommitted_too: None
) -> None:
    mine = run_of(1, *make.escalated())
    other = run_of(2, *make.proven(), repository="secret/vault", minutes=99)
    models.IgnoredFingerprint.objects.create(
        error_hash=f"v1:{2:064x}", reason="known", actor="ann", at=make.NOW
    )
    delivered = uuid4()
    make.make_delivery(
        delivered,
        judged=[e.ResultJudged(position=0, run=other, status="queued")],
        repository="secret/vault",
    )
    start = feed.global_events_after(ALL, "0.0")
    assert detail.run(ALL, other)
    assert detail.run(viewer, other) is None
    assert runs.row(viewer, other) is None
    assert memory.of(viewer, other) is None
    assert texts.report(viewer, other) is None
    assert texts.patch_text(viewer, other) is None
    assert deliveries.delivery(viewer, delivered) is None
    assert feed.events_after(viewer, other, 0) == ()
    assert memory.ignored_fingerprints(viewer) == ()
    assert texts.run_artifact(viewer, other, store.load(other)[0].event.log) is None
    assert "secret" not in str(figures.repositories(viewer))
    assert figures.summary(viewer).proven == 0
    assert figures.summary(viewer).median_seconds_to_fixed is None
    visible = {mine} if viewer is SHOP else set()
    assert {row.id for row in runs.page(viewer).rows} == visible
    assert {entry.run_id for entry in feed.global_events_after(viewer, "0.0")} == visible
    assert {entry.run_id for entry in start} == {mine, other}


def test_memory_tells_of_other_runs_with_the_fingerprint_only() -> None:
    run_id = make.make_run(make.classified())
    flake = [
        *make.classified(),
        e.FlakeProven(reds=2, greens=1, where="sandbox"),
        e.RunResolved(how="flake"),
    ]
    same = make.make_run(flake, commit="d" * 40)
    make.make_run([], commit="e" * 40, repository="secret/vault")
    run_of(7)
    models.IgnoredFingerprint.objects.create(
        error_hash="v1:" + "ab" * 32, reason="known", actor="ann", at=make.NOW
    )
    known = memory.of(SHOP, run_id)
    assert known is not None
    assert [row.id for row in known.others] == [same]
    assert known.ended == {"flake": 1}
    assert known.ignored is not None
    assert (known.ignored.reason, known.ignored.actor) == ("known", "ann")


def test_a_proven_run_shows_its_excerpt_attempts_diff_proof_and_timeline() -> None:
    run_id = make.make_run(make.proven(), job_id="job-7")
    shown = detail.run(ALL, run_id)
    assert shown is not None
    assert (shown.status, shown.stage, shown.evidence, shown.proven) == (
        "fixed",
        "Review",
        "proven",
        True,
    )
    assert [(x.line, x.root, x.cited) for x in shown.excerpt] == [
        (40, False, False),
        (41, True, True),
    ]
    assert shown.signs == (make.SIGN,)
    assert (shown.job_id, shown.secrets_masked, shown.root_line) == ("job-7", 2, 41)
    (attempt,) = shown.attempts
    assert (attempt.number, attempt.status, attempt.patch, attempt.proof) == (
        1,
        "succeeded",
        make.DIFF,
        {"verdict": "proven"},
    )
    assert [(s.purpose, s.seen.colour, s.patched) for s in attempt.observations] == [
        ("screen", Colour.GREEN, True),
        ("red_before", Colour.RED, False),
        ("green", Colour.GREEN, True),
    ]
    assert "$ python -m pytest -q\nred (exit 1, 1.2 s)\nit was red" in attempt.validation_log
    assert [s.purpose for s in shown.observations] == ["reproduce", "screen"]
    assert (shown.patch, shown.proof) == (make.DIFF, {"verdict": "proven"})
    assert [entry.version for entry in shown.timeline] == list(range(1, shown.version + 1))
    assert shown.timeline[0].text == "test failed on main at c0ffee0000: NameError"
    assert shown.actions == ("approve", "deny", "abort")


def test_an_escalated_run_shows_owner_hypothesis_and_report() -> None:
    shown = detail.run(ALL, make.make_run(make.escalated()))
    assert shown is not None
    assert (shown.owner, shown.owner_source, shown.escalation_reason) == (
        "@acme/shop",
        "codeowners",
        "no fixer could help",
    )
    assert shown.state.diagnosis.believed is not None
    assert [x.cited for x in shown.excerpt] == [True, True]
    assert shown.report["rootCause"] == "a missing import"
    assert shown.report_markdown == "# test failed on main\n"
    assert shown.actions == ("human-fix", "retry", "abort")


def test_attempts_of_an_earlier_generation_are_kept_apart() -> None:
    run_id = make.make_run(
        [*make.escalated(), e.RunRetried(generation=2, by=make.ANN, policy=make.stored("{}"))]
    )
    make.go_on(run_id, [e.RunResolved(how="human_fix", by=make.ANN)], actor=make.ANN)
    shown = detail.run(ALL, run_id)
    assert shown is not None
    assert (shown.generation, shown.attempts, shown.status, shown.actions) == (
        2,
        (),
        "resolved",
        ("retry",),
    )
    proven = detail.run(ALL, run_of(5, *make.proven(), e.RunAborted(reason="person", by=make.ANN)))
    assert proven is not None
    make.go_on(proven.id, [e.RunRetried(generation=2, by=make.ANN, policy=make.stored("{}"))])
    again = detail.run(ALL, proven.id)
    assert again is not None
    assert ([a.number for a in again.past_attempts], again.attempts) == ([1], ())


def test_a_purged_or_damaged_artifact_leaves_the_run_readable() -> None:
    run_id = make.make_run(make.proven())
    state = store.load(run_id)[0].event
    store.purge(state.failure, reason="asked", actor=SERVICE, now=make.NOW)
    models.Artifact.objects.filter(digest=make.stored(make.DIFF)).update(content=b"not zlib")
    shown = detail.run(ALL, run_id)
    assert shown is not None
    assert (shown.excerpt, shown.patch, shown.attempts[0].patch) == ((), "", "")
    assert shown.signs == (make.SIGN,)


def test_executions_of_a_run_are_listed() -> None:
    run_id = make.make_run()
    make.make_delivery(uuid4(), judged=[e.ResultJudged(position=0, run=run_id, status="queued")])
    shown = detail.run(ALL, run_id)
    assert shown is not None
    assert [(x.provider, x.outcome, x.job) for x in shown.executions] == [
        ("generic", "failed", "test")
    ]


def test_only_artifacts_a_run_names_are_shown_with_it() -> None:
    run_id = make.make_run(make.proven())
    log = store.load(run_id)[0].event.log
    assert texts.run_artifact(ALL, run_id, log) == "line one\nline two\n"
    assert texts.run_artifact(ALL, run_id, make.stored("of another run")) is None
    assert texts.run_artifact(ALL, run_id, '"' * 64) is None
    assert texts.patch_text(ALL, run_id) == make.DIFF
    assert texts.patch_text(ALL, run_of(3)) == ""


def test_an_event_of_a_newer_release_is_shown_by_its_name() -> None:
    run_id = make.make_run()
    text = (
        '{"event":{"tag":"run.dreamt.v9"},"at":"2026-11-02T09:00:00Z",'
        '"actor":{"kind":"service","name":"x"},"source":"x"}'
    )
    models.StoredEvent.objects.create(
        stream=run_id,
        version=2,
        tag="run.dreamt.v9",
        data=text,
        previous="",
        hash="",
        at=make.NOW,
        run_id=run_id,
    )
    assert [entry.tag for entry in feed.events_after(ALL, run_id, 1)] == ["run.dreamt.v9"]


def test_events_after_a_version_are_the_rest_in_order() -> None:
    run_id = make.make_run(make.escalated())
    assert [entry.version for entry in feed.events_after(ALL, run_id, 5)] == [6, 7, 8]
    assert feed.events_after(ALL, run_id, 8) == ()


def test_the_global_reader_resumes_where_it_stopped_and_sees_runs_only(
    uncommitted_too: None,
) -> None:
    run_of(1, *make.classified())
    make.make_delivery(uuid4(), judged=[])
    entries = feed.global_events_after(ALL, "0.0", limit=4)
    entries += feed.global_events_after(ALL, entries[-1].cursor, limit=4)
    assert [entry.entry.version for entry in entries] == [1, 2, 3, 4, 5, 6]
    start = feed.global_cursor()
    assert feed.global_events_after(ALL, start) == ()
    run_of(2)
    assert [entry.entry.tag for entry in feed.global_events_after(ALL, start)] == ["run.queued.v1"]


@pytest.mark.parametrize("cursor", ["", "5", "a.b", "1.-2", "1.2.3", "٣.٣", "1." + "9" * 30])
def test_a_wrong_global_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadQuery):
        feed.global_events_after(ALL, cursor)


def test_the_summary_counts_what_happened() -> None:
    run_of(1, *make.proven())
    run_of(2, *make.escalated())
    flake = [
        e.RunStarted(),
        e.BlameFound(blame=Blame.FLAKE, reason="x"),
        e.RunResolved(how="flake"),
    ]
    run_of(3, *flake, repository="acme/till")
    run_of(4, minutes=-3 * 24 * 60)
    found = figures.summary(ALL, now=make.NOW + timedelta(hours=1))
    assert found.by_status == {
        **{s.value: 0 for s in RunStatus},
        "fixed": 1,
        "escalated": 1,
        "resolved": 1,
        "queued": 1,
    }
    assert (found.total, found.proven, found.escalated, found.flakes, found.attempts) == (
        4,
        1,
        1,
        1,
        1,
    )
    assert found.by_class == {"product": 2, "unknown": 2}
    assert found.median_seconds_to_fixed == 11 * 60
    assert found.last_day == {"fixed": 1, "escalated": 1, "resolved": 1}


def test_the_median_is_of_first_generations() -> None:
    for number, wait in enumerate((0, 10, 100)):
        facts = [e.RunStarted()] * wait
        run_of(number, *facts, *make.proven()[1:])
    assert figures.summary(ALL).median_seconds_to_fixed == 20 * 60


def test_repositories_are_summed_up_latest_first() -> None:
    run_of(1, *make.proven())
    run_of(2, e.RunStarted(), e.RunAborted(reason="person", by=make.ANN))
    run_of(3, repository="acme/till")
    till, shop = figures.repositories(ALL)
    assert (till.repository, till.total, till.open) == ("acme/till", 1, 1)
    assert (shop.repository, shop.total, shop.open, shop.proven, shop.attempts) == (
        "acme/shop",
        2,
        1,
        1,
        1,
    )
    assert shop.by_status == {"fixed": 1, "aborted": 1}


def test_a_delivery_says_what_became_of_its_results() -> None:
    run_id, delivered, ignored, reading = run_of(1), uuid4(), uuid4(), uuid4()
    make.make_delivery(delivered, judged=[e.ResultJudged(position=0, run=run_id, status="queued")])
    make.make_delivery(ignored, judged=[e.ResultJudged(position=0, ignored="a known failure")])
    make.make_delivery(reading, judged=[])
    rows = [deliveries.delivery(SHOP, i) for i in (delivered, ignored, reading)]
    assert [(r.status, r.run_ids, r.ignored) for r in rows if r] == [
        ("done", (run_id,), ()),
        ("done", (), ("a known failure",)),
        ("reading", (), ()),
    ]
    assert deliveries.delivery(ALL, uuid4()) is None


def test_the_backlog_counts_what_is_due() -> None:
    for n, (state, minutes) in enumerate(
        [("pending", -5), ("pending", 5), ("done", -9), ("gave_up", -9)]
    ):
        models.Outbox.objects.create(
            id=uuid4(),
            stream=uuid4(),
            version=n,
            ordinal=0,
            name="prove",
            payload="{}",
            not_before=make.NOW + timedelta(minutes=minutes),
            created_at=make.NOW,
            state=state,
        )
    found = figures.backlog(now=make.NOW)
    assert (found.pending, found.due, found.oldest_due_seconds, found.gave_up) == (2, 1, 300.0, 1)


def test_a_line_of_the_timeline_is_one_line_whatever_it_holds() -> None:
    long = feed.describe(e.RunEscalated(reason="a\nb\x1b[31m\u202e" + "x" * 10_000))
    assert len(long) == 400
    assert long.startswith("Escalated to nobody known: a b [31m")
    assert long.isprintable()


def test_a_run_of_a_command_reads_as_one_line() -> None:
    seen = make.observation(Colour.RED, counts_tests=True, passed=1, failed=1)
    assert (
        feed.describe(e.CommandRan(purpose=Purpose.GREEN, seen=seen))
        == "Proof, with the patch: red (exit 1), 1 passed and 1 failed in 1.2 s"
    )


def test_a_page_of_runs_needs_few_queries(django_assert_max_num_queries: object) -> None:
    for n in range(6):
        run_of(n)
    with django_assert_max_num_queries(3):
        runs.page(ALL, page_size=5)
