"""Logs, branches, titles and patches are written by whoever can push: nothing in them may act, hide
or break the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from django.conf import settings
from django.test import Client

from cihealing.domain import events as e
from cihealing.domain.values import (
    Blame,
    Colour,
    Diagnosis,
    FailureClass,
    Hypothesis,
    Line,
    Objection,
    Observation,
    Owner,
    Purpose,
    Sign,
)
from cihealing.wording.incident import Build, Incident, IncidentStep, Reach, Tried, to_dict
from dashboard.pages import seen
from tests import factories as make
from tests.dashboard.markup import elements

pytestmark = pytest.mark.django_db

EVIL = (
    "</td></pre></textarea><script>alert(1)</script><img src=x onerror=alert(2)>\"'><b"
    " id=planted>{{ 7|add:7 }}{% now 'Y' %}"
)
HIDDEN = (
    "access\u202e\u2066 nimda\u2069\u202c \u200bzero \x07bell \u2028line \ufefffeff \U000e0041tag"
)
BOTH = EVIL + HIDDEN
LONG = "w" * 5000
PATCH = f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{EVIL}\n+{HIDDEN}\n"
SIGN = Sign(rule=BOTH, line=3, text=BOTH)
OWNER = Owner(name=BOTH, source=BOTH)
OBJECTIONS = (Objection(rule=BOTH, text=BOTH, hard=False),)
DIAGNOSIS = Diagnosis(
    root_cause=BOTH,
    failure_class=FailureClass.PRODUCT,
    confidence=0.5,
    hypotheses=(Hypothesis(text=BOTH, signs=(SIGN,)),),
    proposed_fix=BOTH,
    look_at=(BOTH,),
    diagnoser=BOTH,
)


def incident(ran: Observation) -> Incident:
    hypothesis = Hypothesis(text=BOTH, signs=(SIGN,), by=BOTH, confidence=0.5, disproved=True)
    tried = Tried(
        number=1,
        status=BOTH,
        diagnosis=BOTH,
        proposed_fix=BOTH,
        failure_reason=BOTH,
        steps=(IncidentStep(purpose=Purpose.GREEN, observation=ran),),
    )
    build = Build(commit=BOTH, url="javascript:alert(1)")
    return Incident(
        run_id=UUID(int=1),
        repository=BOTH,
        branch=BOTH,
        commit=BOTH,
        job=BOTH,
        escalation_reason=BOTH,
        owner=OWNER,
        pipeline_url="javascript:alert(1)",
        error_type=BOTH,
        summary=BOTH,
        signs=(SIGN,),
        last_green=build,
        first_red=build,
        attempts=(tried,),
        root_cause=BOTH,
        hypotheses=(hypothesis,),
        proposed_fix=BOTH,
        look_at=(BOTH,),
        excerpt=(Line(line=3, text=BOTH),),
        root_line=3,
        next_steps=(BOTH,),
        next_command=BOTH,
        page_url="javascript:alert(1)",
        change_url="javascript:alert(1)",
        reach=Reach(runs=2, branches=(BOTH,), waiting=1, cluster=1),
    )


def hostile_run() -> UUID:
    failure = make.failure("v1:evil")
    lines = (Line(line=1, text=BOTH), Line(line=3, text=LONG))
    read = msgspec.structs.replace(
        failure, excerpt=lines, root_line=3, failed_tests=(BOTH,), error_type=BOTH, summary=BOTH
    )
    patch = make.stored(PATCH)
    ran = make.observation(
        Colour.RED,
        command=BOTH + LONG,
        log_tail=BOTH,
        environment=BOTH,
        counts_tests=True,
        failed_tests=(BOTH,),
        violations=(BOTH,),
        missing=BOTH,
    )
    report = make.stored(msgspec.json.encode({**to_dict(incident(ran)), "markdown": BOTH}))
    facts: list[e.RunEvent] = [
        e.RunStarted(),
        e.FailureClassified(
            failure_class=FailureClass.PRODUCT, confidence=0.9, signs=(SIGN,), steps=(BOTH,)
        ),
        e.ProjectFound(command=BOTH, workdir=BOTH, source=BOTH, reason=BOTH),
        e.CommandRan(purpose=Purpose.REPRODUCE, seen=ran),
        e.BlameFound(blame=Blame.CHANGE, reason=BOTH, owner=OWNER),
        e.StepSkipped(step=BOTH, reason=BOTH),
        e.PatchFound(fixer=BOTH, told=BOTH, patch=patch, objections=OBJECTIONS),
        e.AttemptStarted(
            number=1,
            diagnoser=BOTH,
            patch=patch,
            proposed_fix=BOTH,
            diagnosis=DIAGNOSIS,
            objections=OBJECTIONS,
        ),
        e.CommandRan(purpose=Purpose.GREEN, seen=ran, attempt=1, patch=patch),
        e.AttemptFailed(number=1, reason=BOTH),
        e.LateOutcome(effect=BOTH, outcome=BOTH),
        e.RunEscalated(reason=BOTH, owner=OWNER),
        e.ReportWritten(report=report, owner=OWNER, diagnosis=DIAGNOSIS),
    ]
    return make.make_run(
        facts,
        repository="evil/" + BOTH[:200],
        branch=BOTH[:200],
        job=BOTH[:200],
        step=BOTH,
        error_type=BOTH[:200],
        summary=BOTH,
        error_hash="v1:evil",
        failure=make.stored(msgspec.json.encode(read)),
        failed_tests=(BOTH,),
        pipeline_url="javascript:alert(4)",
        log=make.stored(BOTH),
        log_missing=BOTH,
        provider="<b>p</b>",
    )


@pytest.fixture
def pages(operator: Client) -> dict[str, str]:
    run_id = hostile_run()
    paths = {
        "overview": "/",
        "list": "/runs",
        "run": f"/runs/{run_id}",
        "part": f"/runs/{run_id}/live",
        "report": f"/runs/{run_id}/report",
    }
    return {name: operator.get(path).content.decode() for name, path in paths.items()}


@pytest.mark.parametrize("name", ["overview", "list", "run", "part", "report"])
def test_hostile_text_stays_text(pages: dict[str, str], name: str) -> None:
    html = pages[name]
    found = elements(html)  # raises where hostile text closed or opened an element
    assert "alert(1)" in html
    assert not [x for x in found if x.attributes.get("id") == "planted" or x.name == "img"]
    assert not [x.attributes for x in found if any(key.startswith("on") for key in x.attributes)]
    assert all(
        x.attributes.get("src", "").startswith("/static/") for x in found if x.name == "script"
    )
    assert "{{ 7|add:7 }}" in html.replace("&quot;", '"') or name in ("overview", "list")


@pytest.mark.parametrize("name", ["overview", "list", "run", "part", "report"])
def test_no_link_leads_into_a_script(pages: dict[str, str], name: str) -> None:
    targets = [
        x.attributes.get(key, "")
        for x in elements(pages[name])
        for key in ("href", "action", "formaction", "hx-get")
    ]
    assert [t for t in targets if t and not t.startswith(("/", "#"))] == []


@pytest.mark.parametrize("name", ["overview", "list", "run", "part", "report"])
def test_what_cannot_be_seen_is_spelled_out(pages: dict[str, str], name: str) -> None:
    assert seen(pages[name]) == pages[name]
    assert "⟨U+202E⟩" in pages[name] or name in ("overview", "list")


def test_a_patch_that_looks_like_another_is_shown_as_it_is(pages: dict[str, str]) -> None:
    added = [x.text for x in elements(pages["run"], "tr", cls="add")]
    assert "access⟨U+202E⟩⟨U+2066⟩ nimda⟨U+2069⟩⟨U+202C⟩ ⟨U+200B⟩zero" in added[0]
    assert "⟨U+E0041⟩tag" in added[0]


def test_the_log_as_text_hides_nothing_either(operator: Client) -> None:
    assert "⟨U+202E⟩" in operator.get(f"/runs/{hostile_run()}/log").content.decode()


def test_what_was_searched_for_comes_back_as_text(operator: Client) -> None:
    html = operator.get("/runs", {"q": EVIL, "repository": EVIL}).content.decode()
    assert elements(html, "input", id="q")[0].attributes["value"] == EVIL
    assert not elements(html, id="planted")


def test_scripts_run_only_from_here_and_with_the_nonce_of_the_page(operator: Client) -> None:
    run_id = make.make_run(make.classified())
    for path in ("/", "/runs", f"/runs/{run_id}"):
        response = operator.get(path)
        policy = response["Content-Security-Policy"]
        script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
        assert "unsafe" not in policy
        assert "'self'" in script
        tags = elements(response.content.decode(), "script")
        assert tags
        assert all(f"'nonce-{tag.attributes['nonce']}'" in script for tag in tags)


TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
SHEETS = sorted(
    path
    for path in (settings.BASE_DIR / "static").rglob("*")
    if path.suffix in (".css", ".js", ".svg")
)
OUTSIDE = re.compile(r"""(?:https?:)?//[a-z0-9]""", re.IGNORECASE)
UNSAFE = {
    "an inline style": re.compile(r"\sstyle\s*=|<style"),
    "an inline handler": re.compile(r"\s(?:on[a-z]+|hx-on[:a-z-]*)\s*="),
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)"),
    "text marked safe": re.compile(r"\|\s*(?:safe|safeseq|unescaped)|autoescape\s+off|mark_safe"),
    "an eval of htmx": re.compile(
        r"""hx-(?:vals|headers|confirm)\s*=\s*["']\s*(?:js|javascript):|hx-trigger="[^"]*\["""
    ),
}


@pytest.mark.parametrize("path", [*TEMPLATES, *SHEETS], ids=lambda path: path.name)
def test_no_page_asks_anything_of_another_host(path: Path) -> None:
    text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    lines = [line for line in text.splitlines() if not line.strip().startswith("//")]
    assert not OUTSIDE.findall("\n".join(lines))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(path: Path) -> None:
    assert [name for name, pattern in UNSAFE.items() if pattern.search(path.read_text())] == []


def test_nothing_in_the_dashboard_marks_text_safe() -> None:
    sources = (settings.BASE_DIR / "dashboard").rglob("*.py")
    assert [
        path.name
        for path in sources
        if re.search(r"mark_safe|SafeString|is_safe=True", path.read_text())
    ] == []
