from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cihealing import models, store
from cihealing.domain import events as e
from cihealing.domain.values import SERVICE, Blame, Colour, Purpose, RunStatus
from cihealing.read import queries
from cihealing.read.queries import BadPage, BadQuery, Viewer
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
    monkeypatch.setattr(queries, "_committed", models.StoredEvent.objects.all)


def run_of(
    number: int, *facts: e.RunEvent, repository: str = "acme/shop", minutes: int | None = None
) -> UUID:
    begun = make.NOW + timedelta(minutes=number if minutes is None else minutes)
    return make.make_run(facts, begun=begun, repository=repository, error_hash=f"v1:{number:064x}")


def walk(**asked: object) -> list[UUID]:
    """Every id, page by page over the cursor."""
    page = queries.runs(ALL, **asked)
    found = [row.id for row in page.rows]
    while page.next_cursor:
        page = queries.runs(ALL, **{**asked, "cursor": page.next_cursor})
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
    first = queries.runs(ALL, page_size=2)
    run_of(9)
    second = queries.runs(ALL, page_size=2, cursor=first.next_cursor or "")
    assert [row.id for row in (*first.rows, *second.rows)] == ids[::-1]
    assert second.next_cursor is None


def test_page_numbers_and_cursors_give_the_same_rows() -> None:
    for n in range(5):
        run_of(n)
    first = queries.runs(ALL, page_size=2)
    assert (
        queries.runs(ALL, page=2, page_size=2).rows
        == queries.runs(ALL, page_size=2, cursor=first.next_cursor or "").rows
    )
    assert (first.total, first.total_capped, first.pages) == (5, False, 3)


def test_the_cursor_is_one_row_comparison_in_sql() -> None:
    text = str(
        queries._after(
            models.Run.objects.all(), queries._cursor({"created_at": make.NOW, "id": uuid4()})
        ).query
    )
    assert " OR " not in text
    assert ") < (" in text


def test_the_total_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "DEEPEST", 3)
    for n in range(5):
        run_of(n)
    page = queries.runs(ALL, page_size=2)
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
        queries.runs(ALL, **asked)


def test_the_deepest_page_is_still_answered() -> None:
    assert queries.runs(ALL, page=100, page_size=100).rows == ()


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
    page = queries.runs(ALL, **asked)
    assert {row.id for row in page.rows} == {ids[n] for n in numbers}
    assert page.total == len(numbers)


def test_attached_runs_are_hidden_from_lists_and_counts_but_not_from_their_leader() -> None:
    leader = run_of(1, *make.classified(), e.BaseClaimed(branch="main", head=make.COMMIT))
    follower = run_of(2, *make.classified(), e.AttachedToBase(leader=leader))
    assert [row.id for row in queries.runs(ALL).rows] == [leader]
    assert queries.summary(ALL).total == 1
    assert [row.total for row in queries.repositories(ALL)] == [1]
    detail = queries.run(ALL, leader)
    assert detail is not None
    assert [row.id for row in detail.followers] == [follower]
    attached = queries.run(ALL, follower)
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
    assert bool(queries.runs(viewer).rows) is viewer.sees(repository)
    assert (queries.run(viewer, run_id) is not None) is viewer.sees(repository)


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
    start = queries.global_events_after(ALL, "0.0")
    assert queries.run(ALL, other)
    assert queries.run(viewer, other) is None
    assert queries.run_row(viewer, other) is None
    assert queries.memory(viewer, other) is None
    assert queries.report(viewer, other) is None
    assert queries.patch_text(viewer, other) is None
    assert queries.delivery(viewer, delivered) is None
    assert queries.events_after(viewer, other, 0) == ()
    assert queries.ignored_fingerprints(viewer) == ()
    assert queries.run_artifact(viewer, other, store.load(other)[0].event.log) is None
    assert "secret" not in str(queries.repositories(viewer))
    assert queries.summary(viewer).proven == 0
    assert queries.summary(viewer).median_seconds_to_fixed is None
    visible = {mine} if viewer is SHOP else set()
    assert {row.id for row in queries.runs(viewer).rows} == visible
    assert {entry.run_id for entry in queries.global_events_after(viewer, "0.0")} == visible
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
    memory = queries.memory(SHOP, run_id)
    assert memory is not None
    assert [row.id for row in memory.others] == [same]
    assert memory.ended == {"flake": 1}
    assert memory.ignored is not None
    assert (memory.ignored.reason, memory.ignored.actor) == ("known", "ann")


def test_a_proven_run_shows_its_excerpt_attempts_diff_proof_and_timeline() -> None:
    run_id = make.make_run(make.proven(), job_id="job-7")
    detail = queries.run(ALL, run_id)
    assert detail is not None
    assert (detail.status, detail.stage, detail.evidence, detail.proven) == (
        "fixed",
        "Review",
        "proven",
        True,
    )
    assert [(x.line, x.root, x.cited) for x in detail.excerpt] == [
        (40, False, False),
        (41, True, True),
    ]
    assert detail.signs == (make.SIGN,)
    assert (detail.job_id, detail.secrets_masked, detail.root_line) == ("job-7", 2, 41)
    (attempt,) = detail.attempts
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
    assert [s.purpose for s in detail.observations] == ["reproduce", "screen"]
    assert (detail.patch, detail.proof) == (make.DIFF, {"verdict": "proven"})
    assert [entry.version for entry in detail.timeline] == list(range(1, detail.version + 1))
    assert detail.timeline[0].text == "test failed on main at c0ffee0000: NameError"
    assert detail.actions == ("approve", "deny", "abort")


def test_an_escalated_run_shows_owner_hypothesis_and_report() -> None:
    detail = queries.run(ALL, make.make_run(make.escalated()))
    assert detail is not None
    assert (detail.owner, detail.owner_source, detail.escalation_reason) == (
        "@acme/shop",
        "codeowners",
        "no fixer could help",
    )
    assert detail.diagnosis is not None
    assert [x.cited for x in detail.excerpt] == [True, True]
    assert detail.report["rootCause"] == "a missing import"
    assert detail.report_markdown == "# test failed on main\n"
    assert detail.actions == ("human-fix", "retry", "abort")


def test_attempts_of_an_earlier_generation_are_kept_apart() -> None:
    run_id = make.make_run(
        [*make.escalated(), e.RunRetried(generation=2, by=make.ANN, policy=make.stored("{}"))]
    )
    make.go_on(run_id, [e.RunResolved(how="human_fix", by=make.ANN)], actor=make.ANN)
    detail = queries.run(ALL, run_id)
    assert detail is not None
    assert (detail.generation, detail.attempts, detail.status, detail.actions) == (
        2,
        (),
        "resolved",
        ("retry",),
    )
    proven = queries.run(ALL, run_of(5, *make.proven(), e.RunAborted(reason="person", by=make.ANN)))
    assert proven is not None
    make.go_on(proven.id, [e.RunRetried(generation=2, by=make.ANN, policy=make.stored("{}"))])
    again = queries.run(ALL, proven.id)
    assert again is not None
    assert ([a.number for a in again.past_attempts], again.attempts) == ([1], ())


def test_a_purged_or_damaged_artifact_leaves_the_run_readable() -> None:
    run_id = make.make_run(make.proven())
    state = store.load(run_id)[0].event
    store.purge(state.failure, reason="asked", actor=SERVICE, now=make.NOW)
    models.Artifact.objects.filter(digest=make.stored(make.DIFF)).update(content=b"not zlib")
    detail = queries.run(ALL, run_id)
    assert detail is not None
    assert (detail.excerpt, detail.patch, detail.attempts[0].patch) == ((), "", "")
    assert detail.signs == (make.SIGN,)


def test_executions_of_a_run_are_listed() -> None:
    run_id = make.make_run()
    make.make_delivery(uuid4(), judged=[e.ResultJudged(position=0, run=run_id, status="queued")])
    detail = queries.run(ALL, run_id)
    assert detail is not None
    assert [(x.provider, x.outcome, x.job) for x in detail.executions] == [
        ("generic", "failed", "test")
    ]


def test_only_artifacts_a_run_names_are_shown_with_it() -> None:
    run_id = make.make_run(make.proven())
    log = store.load(run_id)[0].event.log
    assert queries.run_artifact(ALL, run_id, log) == "line one\nline two\n"
    assert queries.run_artifact(ALL, run_id, make.stored("of another run")) is None
    assert queries.run_artifact(ALL, run_id, '"' * 64) is None
    assert queries.patch_text(ALL, run_id) == make.DIFF
    assert queries.patch_text(ALL, run_of(3)) == ""


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
    assert [entry.tag for entry in queries.events_after(ALL, run_id, 1)] == ["run.dreamt.v9"]


def test_events_after_a_version_are_the_rest_in_order() -> None:
    run_id = make.make_run(make.escalated())
    assert [entry.version for entry in queries.events_after(ALL, run_id, 5)] == [6, 7, 8]
    assert queries.events_after(ALL, run_id, 8) == ()


def test_the_global_reader_resumes_where_it_stopped_and_sees_runs_only(
    uncommitted_too: None,
) -> None:
    run_of(1, *make.classified())
    make.make_delivery(uuid4(), judged=[])
    entries = queries.global_events_after(ALL, "0.0", limit=4)
    entries += queries.global_events_after(ALL, entries[-1].cursor, limit=4)
    assert [entry.entry.version for entry in entries] == [1, 2, 3, 4, 5, 6]
    start = queries.global_cursor()
    assert queries.global_events_after(ALL, start) == ()
    run_of(2)
    assert [entry.entry.tag for entry in queries.global_events_after(ALL, start)] == [
        "run.queued.v1"
    ]


@pytest.mark.parametrize("cursor", ["", "5", "a.b", "1.-2", "1.2.3", "٣.٣", "1." + "9" * 30])
def test_a_wrong_global_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadQuery):
        queries.global_events_after(ALL, cursor)


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
    found = queries.summary(ALL, now=make.NOW + timedelta(hours=1))
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
    assert queries.summary(ALL).median_seconds_to_fixed == 20 * 60


def test_repositories_are_summed_up_latest_first() -> None:
    run_of(1, *make.proven())
    run_of(2, e.RunStarted(), e.RunAborted(reason="person", by=make.ANN))
    run_of(3, repository="acme/till")
    till, shop = queries.repositories(ALL)
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
    rows = [queries.delivery(SHOP, i) for i in (delivered, ignored, reading)]
    assert [(r.status, r.run_ids, r.ignored) for r in rows if r] == [
        ("done", (run_id,), ()),
        ("done", (), ("a known failure",)),
        ("reading", (), ()),
    ]
    assert queries.delivery(ALL, uuid4()) is None


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
    found = queries.backlog(now=make.NOW)
    assert (found.pending, found.due, found.oldest_due_seconds, found.gave_up) == (2, 1, 300.0, 1)


def test_a_line_of_the_timeline_is_one_line_whatever_it_holds() -> None:
    long = queries.describe(e.RunEscalated(reason="a\nb\x1b[31m\u202e" + "x" * 10_000))
    assert len(long) == 400
    assert long.startswith("Escalated to nobody known: a b [31m")
    assert long.isprintable()


def test_a_run_of_a_command_reads_as_one_line() -> None:
    seen = make.observation(Colour.RED, counts_tests=True, passed=1, failed=1)
    assert (
        queries.describe(e.CommandRan(purpose=Purpose.GREEN, seen=seen))
        == "Proof, with the patch: red (exit 1), 1 passed and 1 failed in 1.2 s"
    )


def test_a_page_of_runs_needs_few_queries(django_assert_max_num_queries: object) -> None:
    for n in range(6):
        run_of(n)
    with django_assert_max_num_queries(3):
        queries.runs(ALL, page_size=5)
