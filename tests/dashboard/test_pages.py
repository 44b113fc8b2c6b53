"""What people see, over the real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from cihealing.domain import events as e
from cihealing.domain.values import Blame, Colour, ExecutionRef, Objection, Purpose
from cihealing.guard.explanations import EXPLANATIONS
from cihealing.read import access, detail, figures
from tests import factories as make
from tests.dashboard.markup import elements, text

pytestmark = pytest.mark.django_db

RERUN = e.RerunFinished(
    outcome="green", execution=ExecutionRef(provider="local", host="h", job_run_id="2")
)


def url(name: str, *args: object) -> str:
    return reverse(f"dashboard:{name}", args=args)


def page(client: Client, name: str, *args: object, **asked: str) -> str:
    response = client.get(url(name, *args), asked)
    assert response.status_code == 200
    return response.content.decode()


def run_of(number: int, *facts: e.RunEvent, **changed: Any) -> UUID:
    return make.make_run(
        facts, begun=make.NOW + timedelta(minutes=number), error_hash=f"v1:{number:064x}", **changed
    )


@pytest.mark.parametrize("name", ["overview", "runs", "run", "report", "report_markdown", "log"])
def test_strangers_are_sent_to_sign_in_and_come_back_to_where_they_were(
    client: Client, name: str
) -> None:
    where = url(name, *([uuid4()] if name not in ("overview", "runs") else []))
    response = client.get(where)
    assert (response.status_code, response["Location"]) == (302, f"/login?next={where}")


def test_a_page_part_reloads_the_page_of_who_is_signed_out_instead_of_showing_a_login_inside_it(
    client: Client,
) -> None:
    response = client.get(url("live", uuid4()), headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Refresh"], response.content) == (401, "true", b"")


def test_signing_in_and_out(client: Client) -> None:
    User.objects.create_user("ann", password="a-long-password")
    wrong = client.post(url("login"), {"username": "ann", "password": "no"})
    assert "correct username and password" in text(wrong.content.decode(), "p", role="alert")
    right = client.post(
        f"{url('login')}?next=/runs",
        {"username": "ann", "password": "a-long-password", "next": "/runs"},
    )
    assert right["Location"] == "/runs"
    assert client.get(url("logout")).status_code == 405
    client.post(url("logout"))
    assert client.get(url("overview")).status_code == 302


def test_signing_in_never_leads_to_another_site(client: Client) -> None:
    User.objects.create_user("ann", password="a-long-password")
    there = client.post(
        url("login"), {"username": "ann", "password": "a-long-password", "next": "//evil.example/"}
    )
    assert there["Location"] == "/"


def test_an_empty_service_says_how_to_send_the_first_failure(reader: Client) -> None:
    html = page(reader, "overview")
    assert "cihealing notify --repo" in text(html, "pre")
    assert "http://testserver/api/v1/ci-healing/webhook" in text(html, "section", cls="empty")


def test_the_overview_counts_by_status_and_links_to_the_runs(reader: Client) -> None:
    for number in range(3):
        run_of(number, *make.escalated())
    run_of(9)
    html = page(reader, "overview")
    tiles = {e.attributes["href"]: e.text for e in elements(html, "a", cls="tile")}
    assert tiles["/runs?status=escalated"] == "3escalated"
    assert tiles["/runs?status=queued"] == "1queued"
    assert tiles["/runs?status=aborted"] == "0aborted"
    assert elements(html, "svg", role="img")[0].attributes["aria-label"] == "1 queued, 3 escalated"


def test_proven_fixes_wait_first_then_escalations_then_nothing_else(reader: Client) -> None:
    run_of(1, *make.escalated(), summary="third")
    run_of(2, *make.proven(), summary="second")
    run_of(3, *make.proven(), summary="first")
    run_of(4, summary="not waiting")
    waits = elements(page(reader, "overview"), "ul", cls="waits")[0].text
    assert waits.index("first") < waits.index("second") < waits.index("third")
    assert "not waiting" not in waits


@pytest.mark.parametrize(
    ("overrides", "said"),
    [({}, "Healing is on"), ({"enabled": False}, "Kill switch: healing is off")],
)
def test_the_kill_switch_is_seen(
    reader: Client, settings: Settings, overrides: dict[str, bool], said: str
) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "POLICY_OVERRIDES": overrides}
    assert said in text(page(reader, "overview"), "main")


@pytest.mark.parametrize(
    ("safe", "said"),
    [(True, "Safe mode: nothing is written without a person"), (False, "Safe mode is off")],
)
def test_safe_mode_is_seen(reader: Client, settings: Settings, safe: bool, said: str) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "POLICY_OVERRIDES": {"safe_mode": safe}}
    assert said in text(page(reader, "overview"), "main")


def test_the_part_that_refreshes_is_the_same_as_on_the_whole_page(reader: Client) -> None:
    run_of(1, *make.proven())
    part = reader.get("/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert text(part, id="overview") == text(page(reader, "overview"), id="overview")


def shown(html: str) -> list[str]:
    return [e.attributes["href"].rsplit("/", 1)[1] for e in elements(html, "a", cls="clip")]


def test_filters_narrow_the_list_and_stay_in_the_form(reader: Client) -> None:
    wanted = run_of(1, *make.escalated(), repository="acme/billing", summary="off by one")
    run_of(2, *make.escalated(), repository="acme/shop", summary="off by one")
    run_of(3, repository="acme/billing", summary="off by one")
    html = page(reader, "runs", status="escalated", repository="acme/billing", q="off by")
    assert shown(html) == [str(wanted)]
    assert elements(html, "input", id="repository")[0].attributes["value"] == "acme/billing"
    assert [o.text for o in elements(html, "option") if "selected" in o.attributes] == ["Escalated"]


def test_older_and_newer_walk_every_run_once_and_back(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.views.PAGE_SIZE", 2)
    ids = [str(run_of(number, repository="acme/a b&c")) for number in range(5)]
    where, walked = "/runs?repository=acme%2Fa+b%26c", []
    while where:
        html = reader.get(where).content.decode()
        walked += shown(html)
        where = next((e.attributes["href"] for e in elements(html, "a", rel="next")), "")
    assert walked == ids[::-1]
    back = elements(html, "a", rel="prev")[0].attributes["href"]
    assert shown(reader.get(back).content.decode()) == ids[2:0:-1]


@pytest.mark.parametrize(
    "asked",
    [
        {"status": "nonsense"},
        {"cursor": "§§"},
        {"page": "-4"},
        {"page": "x"},
        {"q": "a\0b"},
        {"q": "x" * 300},
        {"repository": "a\0"},
    ],
)
def test_a_filter_that_cannot_be_is_told_and_never_breaks_the_page(
    reader: Client, asked: dict[str, str]
) -> None:
    run_of(1)
    html = page(reader, "runs", **asked)
    assert text(html, "p", role="alert")
    assert len(shown(html)) == 1


def test_nothing_found_offers_the_way_back(reader: Client) -> None:
    run_of(1)
    assert "Nothing matches" in text(page(reader, "runs", q="nothing like it"), id="list")


def test_htmx_gets_the_list_alone(reader: Client) -> None:
    found = run_of(1)
    part = reader.get("/runs", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert shown(part) == [str(found)]


LIVES: dict[str, tuple[Any, str]] = {
    "queued": ([], "waits for a worker"),
    "running": (make.classified(), "Finding out what broke"),
    "fixed": ("proven", "waits for a person to merge it into main"),
    "escalated": ("escalated", "@acme/shop takes over. Reason: no fixer could help."),
    "flake": (
        [
            *make.classified(),
            e.FlakeProven(reds=1, greens=1, where="here"),
            e.RunResolved(how="flake"),
        ],
        "Proven flake",
    ),
    "rerun": (
        [
            *make.classified(),
            e.RerunRequested(number=1, handle="h"),
            RERUN,
            e.RunResolved(how="rerun_green"),
        ],
        "unchanged commit again",
    ),
    "aborted": ([e.RunAborted(reason="superseded")], "newer commit"),
    "attached": (
        [*make.classified(), e.AttachedToBase(leader=UUID(int=7))],
        "Another run stands for it",
    ),
    "unavailable": (
        [*make.classified()[:3], e.EnvironmentUnavailable(missing="pytest")],
        "It could not be run here: pytest.",
    ),
}


def history(name: str) -> list[e.RunEvent]:
    facts = LIVES[name][0]
    return facts if isinstance(facts, list) else getattr(make, facts)()


@pytest.mark.parametrize("name", LIVES)
def test_every_state_of_a_run_is_told_in_a_sentence(reader: Client, name: str) -> None:
    html = page(reader, "run", run_of(1, *history(name)))
    assert LIVES[name][1] in text(html, "p", cls="story")


def test_a_proven_flake_stands_on_what_was_seen_not_on_nothing(reader: Client) -> None:
    facts = text(page(reader, "run", run_of(1, *history("flake"))), "dl", cls="facts")
    assert "Evidence red and green of one tree" in facts


STAGES = [
    ([], "Launch", ["Launch"]),
    ([e.RunStarted()], "Reading", ["Launch", "Reading"]),
    (make.classified(), "Diagnosis", ["Launch", "Reading", "Diagnosis", "Remediation"]),
    ("proven", "Review", ["Launch", "Reading", "Diagnosis", "Remediation", "Proof", "Review"]),
    ("escalated", "Escalation", ["Launch", "Reading", "Diagnosis", "Remediation", "Escalation"]),
]


@pytest.mark.parametrize(("facts", "current", "touched"), STAGES)
def test_the_stages_show_how_far_it_came_and_where_it_is(
    reader: Client, facts: list[e.RunEvent] | str, current: str, touched: list[str]
) -> None:
    found = run_of(1, *(facts if isinstance(facts, list) else getattr(make, facts)()))
    steps = [
        step
        for step in elements(page(reader, "run", found), "li")
        if step.attributes.get("class") in ("done", "now", "halt", "todo")
    ]
    assert [s.text.split(":")[0] for s in steps if s.attributes["class"] != "todo"] == touched
    assert [s.text.split(":")[0] for s in steps if "aria-current" in s.attributes] == [current]


def test_the_excerpt_is_numbered_and_marks_the_root_line(reader: Client) -> None:
    html = page(reader, "run", run_of(1, *make.classified()))
    assert text(html, "div", cls="root") == "41 Root line: NameError: name 'math' is not defined"
    assert "40 E total = math.ceil(9.5)" in text(html, "div", cls="lines")


def test_a_proof_shows_every_command_with_its_exit_code_and_colour(reader: Client) -> None:
    html = page(reader, "run", run_of(1, *make.proven()))
    rows = [row.text for row in elements(html, "tr") if "exit" in row.text]
    assert [row.split(" python")[0] for row in rows[:3]] == [
        "With the patch, first look green exit 0",
        "Without the patch red exit 1",
        "With the patch green exit 0",
    ]
    assert "it was red" in rows[1]
    assert [e.text for e in elements(html, "tr", cls="add")] == ["1 + import math"]


def test_a_proof_run_of_the_wrong_colour_is_pointed_at(reader: Client) -> None:
    wrong = [
        *make.proven()[:-1],
        e.CommandRan(purpose=Purpose.GREEN, seen=make.observation(Colour.RED), attempt=1),
    ]
    html = page(reader, "run", run_of(1, *wrong))
    assert [e.text for e in elements(html, "small", cls="errors")] == ["a proof needs green here"]


def test_what_the_guard_objects_to_is_told_with_the_reason_for_the_rule(reader: Client) -> None:
    objection = Objection(rule="skips-test", text="tests/test_cart.py:3 skips a test", hard=True)
    started = e.AttemptStarted(
        number=1,
        diagnoser="openai",
        patch=make.stored(make.DIFF),
        proposed_fix="skips it",
        objections=(objection,),
    )
    html = page(
        reader,
        "run",
        run_of(
            1, *make.classified(), started, e.AttemptFailed(number=1, reason="refused by the guard")
        ),
    )
    assert "tests/test_cart.py:3 skips a test" in html
    assert EXPLANATIONS["skips-test"] in html


def test_a_canary_that_was_not_reported_is_pointed_at(reader: Client) -> None:
    canaries = [
        e.CommandRan(
            purpose=Purpose.CANARY, seen=make.observation(Colour.RED, canary_red=seen), attempt=1
        )
        for seen in (False, True)
    ]
    html = page(reader, "run", run_of(1, *make.proven()[:-1], *canaries))
    assert [e.text for e in elements(html, "small", cls="errors")] == [
        "the planted test was not reported as failed"
    ]


def test_attached_runs_are_linked_both_ways(reader: Client) -> None:
    leader = run_of(1, *make.classified(), e.BlameFound(blame=Blame.BASE, reason="red on the base"))
    follower = run_of(2, *make.classified(), e.AttachedToBase(leader=leader), branch="feature/b")
    assert f'href="/runs/{leader}"' in page(reader, "run", follower)
    assert f'href="/runs/{follower}"' in page(reader, "run", leader)


def test_the_live_part_is_what_the_page_shows_and_follows_from_the_version_shown(
    reader: Client,
) -> None:
    found = run_of(1, *make.classified())
    html = page(reader, "run", found)
    assert text(page(reader, "live", found), id="run") == text(html, id="run")
    stream = elements(html, id="stream")[0].attributes
    assert stream["hx-sse:connect"] == f"/api/v1/ci-healing/runs/{found}/events"
    assert stream["hx-headers"] == '{"Last-Event-ID": "6"}'


def test_a_run_that_has_ended_follows_nothing(reader: Client) -> None:
    html = page(reader, "run", run_of(1, *history("flake")))
    assert not elements(html, id="stream")
    assert not elements(html, "script")


def test_a_missing_log_says_which_setting_brings_it(reader: Client) -> None:
    html = page(reader, "run", run_of(1, log_missing="Set CI_HEALING_GITHUB_TOKEN, then retry."))
    assert "Set CI_HEALING_GITHUB_TOKEN, then retry." in text(html, "main")


def test_no_more_questions_are_asked_of_the_database_the_more_attempts_there_are(
    reader: Client, django_assert_max_num_queries: object
) -> None:
    found = run_of(1, *make.proven())
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        page(reader, "run", found)


def test_the_report_is_a_page_and_a_markdown_file(reader: Client) -> None:
    found = run_of(1, *make.escalated())
    html = page(reader, "report", found)
    assert "no fixer could help" in text(html, "main")
    assert [e.text for e in elements(html, "h2")] == [
        "What to do next",
        "Why, as far as is known",
        "What failed, since when, whom it meets",
        "What was tried",
        "What the log says",
    ]
    assert "Ask @acme/shop." in html
    assert "3, 2 waiting for this one" in text(html, "main")
    assert 'href="#line-40"' in html
    assert 'id="line-40"' in html
    file = reader.get(url("report_markdown", found))
    assert file.content == b"# test failed on main\n"
    assert file["Content-Type"] == "text/markdown; charset=utf-8"
    assert file["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["report", "report_markdown"])
def test_a_run_without_a_report_has_no_report_page(reader: Client, name: str) -> None:
    assert reader.get(url(name, run_of(1))).status_code == 404


def test_log_and_patch_are_plain_text_that_no_browser_runs(reader: Client) -> None:
    found = run_of(1, *make.proven(), log=make.stored("<script>alert(1)</script>\n"))
    patch = detail.run(access.SERVICE_VIEWER, found)
    assert patch is not None
    for response in (
        reader.get(url("log", found)),
        reader.get(url("patch", found, patch.patch_hash)),
    ):
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response["X-Content-Type-Options"] == "nosniff"
    assert reader.get(url("log", found)).content == b"<script>alert(1)</script>\n"


def test_artifacts_of_other_runs_are_not_shown(reader: Client) -> None:
    found = run_of(1, *make.proven())
    foreign = make.stored("somebody else's\n")
    assert reader.get(url("patch", found, foreign)).status_code == 404
    assert reader.get(url("patch", found, "..")).status_code == 404


def test_the_overview_shows_nine_repositories_and_tells_of_those_it_does_not(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        run_of(number, repository=f"acme/shop{number}")
    shown = page(reader, "overview")
    assert all(f"?repository=acme%2Fshop{n}" in shown for n in range(9))
    assert "whose last runs are older" not in shown
    monkeypatch.setattr("dashboard.views.REPOSITORIES", 8)
    assert "and 1 more, whose last runs are older" in page(reader, "overview")


def test_a_run_that_is_not_there_has_a_page_that_looks_like_the_others(reader: Client) -> None:
    response = reader.get(url("run", uuid4()))
    assert response.status_code == 404
    assert text(response.content.decode(), "h1") == "Not found"


def test_a_crash_has_a_page_that_needs_no_database(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(figures, "summary", broken)
    reader.raise_request_exception = False
    response = reader.get("/")
    assert response.status_code == 500
    assert text(response.content.decode(), "h1") == "Something broke"
    assert b"planted" not in response.content
