"""Pages: translate, one call to the read side or service, translate back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from cihealing import policy_file, registry, service
from cihealing.domain.review import ACTIONS
from cihealing.domain.run import Refused
from cihealing.domain.values import Actor
from cihealing.ports import HeadMovedError, PermanentError, TransientError
from cihealing.read import cursors, detail, figures, texts
from cihealing.read import runs as listed
from cihealing.read.access import may_act, viewer_of
from cihealing.read.rows import RunDetail, RunPage
from cihealing.secrecy import masked
from cihealing.web import tries
from cihealing.wording import story
from cihealing.wording.vocabulary import DONE
from dashboard import charts
from dashboard.forms import FilterForm, action_form
from dashboard.pages import by_htmx, operators_only, page, plain, signed_in

PAGE_SIZE = 25
REPOSITORIES = 20
"""The latest, on the overview."""
DEEPEST_PAGE = 400
"""Page numbers reach 10,000 rows; the cursor goes on from there."""


class Login(auth_views.LoginView):
    template_name = "dashboard/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_valid(form)
        tries.remember_browser(self.request, answer)
        return answer


class Logout(auth_views.LogoutView):
    http_method_names = ["post"]


@require_safe
@never_cache
@signed_in
def overview(request: HttpRequest) -> HttpResponse:
    viewer = viewer_of(request.user)
    counts = figures.summary(viewer)
    policy, problem = policy_file.current()
    waits = [listed.page(viewer, status=status, page_size=10) for status in ("fixed", "escalated")]
    context = {
        "section": "overview",
        "summary": counts,
        "band": charts.band(counts.by_status),
        "classes": charts.shares(counts.by_class),
        "waiting": [row for found in waits for row in found.rows],
        "waiting_total": sum(found.total for found in waits),
        "latest": listed.page(viewer, page_size=8).rows,
        "repositories": figures.repositories(viewer, most=REPOSITORIES),
        "more_repositories": max(0, figures.repository_count(viewer) - REPOSITORIES),
        "policy": policy,
        "policy_problem": problem,
        "origin": request.build_absolute_uri("/").rstrip("/"),
        "sandbox_trouble": registry.sandbox_trouble_here(),
    }
    return page(request, _part_or_page(request, "overview"), context)


@require_safe
@never_cache
@signed_in
def runs(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET)
    form.is_valid()
    asked = {name: value for name, value in form.cleaned_data.items() if value}
    found, problem = _found(request, asked)
    context = {
        "section": "runs",
        "form": form,
        "asked": {name: asked.get(name, "") for name in ("status", "repository", "q")},
        "found": found,
        "problem": (
            problem or next((f"{name}: {errors[0]}" for name, errors in form.errors.items()), "")
        ),
        **_neighbours(asked, found),
    }
    context["repositories"] = figures.repository_names(viewer_of(request.user), most=200)
    return page(request, _part_or_page(request, "runs"), context)


def _part_or_page(request: HttpRequest, name: str) -> str:
    """htmx asks for the part that changes, a browser for the whole page around it."""
    return f"dashboard/_{name}.html" if by_htmx(request) else f"dashboard/{name}.html"


def _found(request: HttpRequest, asked: dict[str, Any]) -> tuple[RunPage, str]:
    viewer = viewer_of(request.user)
    try:
        return listed.page(viewer, page_size=PAGE_SIZE, **asked), ""
    except cursors.BadQuery as error:
        return listed.page(viewer, page_size=PAGE_SIZE), f"{error}: showing all runs instead"


def _neighbours(asked: dict[str, Any], found: RunPage) -> dict[str, str]:
    """Query strings of the pages before and after; the next one hangs on a cursor, so that new runs
    do not shift it.
    """
    kept = {name: value for name, value in asked.items() if name in ("status", "repository", "q")}
    before = {**kept, "page": found.page - 1} if found.page > 2 else kept
    after = {**kept, "cursor": found.next_cursor, "page": min(found.page + 1, DEEPEST_PAGE)}
    return {
        "before": "?" + urlencode(before) if found.page > 1 or asked.get("cursor") else "",
        "after": "?" + urlencode(after) if found.next_cursor else "",
    }


@require_safe
@never_cache
@signed_in
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    return _run_page(request, run_id)


def _run_page(
    request: HttpRequest, run_id: UUID, *, lost: str = "", status: int = 200
) -> HttpResponse:
    """`lost`: why what was asked for was not done."""
    context = {
        **_page_context(request, _existing(request, run_id)),
        "lost": masked(lost),
        "section": "runs",
    }
    return page(request, "dashboard/run.html", context, status=status)


@require_GET
@never_cache
@signed_in
def live(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The part of the run's page that changes, as it is now."""
    return page(request, "dashboard/_run.html", _page_context(request, _existing(request, run_id)))


def _existing(request: HttpRequest, run_id: UUID) -> RunDetail:
    found = detail.run(viewer_of(request.user), run_id)
    if found is None:
        raise Http404("There is no such run, or it is not yours to see.")
    return found


def _page_context(request: HttpRequest, found: RunDetail) -> dict[str, Any]:
    return {
        "run": found,
        "story": story.sentence(found.state, act=found.act),
        "evidence": story.evidence(found.state),
        "steps": story.steps(found.state),
        "can_act": may_act(request.user),
        "others": [name for name in found.actions if name != "approve"],
        "events_url": f"/api/v1/ci-healing/runs/{found.id}/events",
    }


@require_safe
@never_cache
@signed_in
def report(request: HttpRequest, run_id: UUID) -> HttpResponse:
    found = _existing(request, run_id)
    if not found.report_markdown:
        raise Http404("This run has no report.")
    told = (
        found.report
        if isinstance(found.report, dict) and "escalationReason" in found.report
        else None
    )
    return page(request, "dashboard/report.html", {"run": found, "told": told, "section": "runs"})


@require_safe
@never_cache
@signed_in
def report_markdown(request: HttpRequest, run_id: UUID) -> HttpResponse:
    found = texts.report(viewer_of(request.user), run_id)
    if found is None or not found[1]:
        raise Http404("This run has no report.")
    return plain(found[1], name=f"incident-{run_id}.md", kind="text/markdown")


@require_safe
@never_cache
@signed_in
def log(request: HttpRequest, run_id: UUID) -> HttpResponse:
    return _artifact(request, run_id, _existing(request, run_id).state.failure.log)


@require_safe
@never_cache
@signed_in
def patch(request: HttpRequest, run_id: UUID, digest: str) -> HttpResponse:
    return _artifact(request, run_id, digest)


def _artifact(request: HttpRequest, run_id: UUID, digest: str) -> HttpResponse:
    text = texts.run_artifact(viewer_of(request.user), run_id, digest)
    if text is None:
        raise Http404("It is not stored any more.")
    return plain(text)


@require_POST
@signed_in
@operators_only
def act(request: HttpRequest, run_id: UUID, action: str) -> HttpResponse:
    if action not in ACTIONS:
        raise Http404(f"There is no action {action}.")
    found = _existing(request, run_id)
    form = action_form(action, request.POST)
    if not form.is_valid():
        return _run_page(request, run_id, lost=_wrong(action, form.errors), status=400)
    try:
        _perform(request, found, action, form.cleaned_data)
    except service.NotAllowed as error:
        return _run_page(request, run_id, lost=_why(error), status=403)
    except (Refused, HeadMovedError, service.Irrevocable) as error:
        return _run_page(request, run_id, lost=_why(error), status=409)
    except (TransientError, PermanentError) as error:
        return _run_page(request, run_id, lost=f"{error}", status=503)
    messages.success(request, DONE[action], extra_tags="good")
    return redirect("dashboard:run", run_id)


def _perform(request: HttpRequest, found: RunDetail, action: str, asked: dict[str, Any]) -> None:
    by = Actor(kind="person", name=request.user.get_username())
    service.perform(
        found.id,
        action,
        act=asked["act"],
        version=asked["version"],
        note=asked["note"],
        commit=asked["commit"],
        by=by,
        tools=registry.tools(),
    )


def _wrong(action: str, errors: Any) -> str:
    if action == "approve" and "confirmed" in errors:
        return "Tick that you have read the patch, then approve."
    return "; ".join(f"{name}: {problems[0]}" for name, problems in errors.items())


def _why(error: Exception) -> str:
    """A lost race in words: what changed, and that the page below is what holds now."""
    if isinstance(error, HeadMovedError):
        return (
            f"The branch has moved since the fix was proven ({error}). It is being proven afresh on"
            " the new head."
        )
    return f"{str(error)[:1].upper()}{str(error)[1:]}. Below is how it stands now."
