"""What only a browser can tell: the policy lets the page work, the live part lives, nothing runs
over its edges.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import App

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 60_000
"""Milliseconds a busy machine may take."""
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@dataclass
class Watched:
    """A page, what it asked for and what it complained about."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def parts(self) -> int:
        return sum(url.endswith("/live") for url in self.asked)


def watch(context: BrowserContext) -> Watched:
    seen = Watched(context.new_page())
    seen.page.set_default_timeout(PATIENCE)
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.on(
        "console",
        lambda said: (
            seen.complaints.append(said.text) if said.type in ("error", "warning") else None
        ),
    )
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    return seen


def sign_in(page: Page, app: App) -> None:
    page.goto(f"{app.url}/login")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{app.url}/")


@pytest.fixture(scope="module")
def cookies(chrome: Browser, app: App) -> object:
    """Signed in once: hashing a password takes its time on purpose."""
    context = chrome.new_context()
    sign_in(context.new_page(), app)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def tab(chrome: Browser, cookies: object) -> Iterator[Watched]:
    context = chrome.new_context(storage_state=cookies)  # type: ignore[arg-type]
    yield watch(context)
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_breaks_no_rule(
    chrome: Browser, app: App, cookies: object, width: int, scheme: str
) -> None:
    context = chrome.new_context(
        storage_state=cookies, viewport={"width": width, "height": 900}, color_scheme=scheme
    )  # type: ignore[arg-type]
    tab = watch(context)
    for path in ("/", "/runs", *(f"/runs/{run_id}" for run_id in app.runs.values())):
        tab.page.goto(app.url + path)
        tab.page.wait_for_timeout(300)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert tab.page.title() != "owned"
    assert tab.complaints == []
    assert [url for url in tab.asked if not url.startswith((app.url, "data:"))] == []
    context.close()


def test_what_happens_shows_without_a_reload_and_keeps_what_the_reader_does(
    app: App, tab: Watched
) -> None:
    run_id = app.runs["running"]
    tab.page.goto(f"{app.url}/runs/{run_id}")
    expect(tab.page.locator("#live-sign")).to_have_text("Live", timeout=PATIENCE)
    tab.page.locator("#o-1 summary").click()
    tab.page.locator("#note").fill("half a sentence")
    app.seed(
        "note",
        run_id,
        "first <b id=planted>news</b> <div id=actions hx-swap-oob=true>swapped</div>",
    )
    expect(tab.page.locator(".timeline")).to_contain_text(
        "first <b id=planted>news</b>", timeout=PATIENCE
    )
    assert tab.page.locator("#o-1").get_attribute("open") is not None
    assert tab.page.locator("#note").input_value() == "half a sentence"
    assert tab.page.locator("#planted").count() == 0
    assert tab.page.locator("#actions form").count() == 1
    assert tab.complaints == []


def test_a_slow_network_does_not_cost_the_stream(app: App, tab: Watched) -> None:
    def late(route: Route) -> None:
        time.sleep(1)
        route.continue_()

    tab.page.route("**/hx-sse*", late)
    tab.page.goto(f"{app.url}/runs/{app.runs['running']}")
    expect(tab.page.locator("#live-sign")).to_have_text("Live", timeout=PATIENCE)


def test_a_hidden_tab_hangs_up_and_catches_up_when_it_is_looked_at(app: App, tab: Watched) -> None:
    run_id = app.runs["running"]
    tab.page.goto(f"{app.url}/runs/{run_id}")
    expect(tab.page.locator("#live-sign")).to_have_text("Live", timeout=PATIENCE)
    tab.page.evaluate(HIDE, True)
    before = tab.parts()
    app.seed("note", run_id, "while nobody looked")
    tab.page.evaluate("htmx.trigger('#live', 'every')")
    tab.page.wait_for_timeout(1500)
    assert tab.parts() == before
    tab.page.evaluate(HIDE, False)
    expect(tab.page.locator(".timeline")).to_contain_text("while nobody looked", timeout=PATIENCE)


def test_without_the_stream_the_page_looks_again_by_itself(app: App, tab: Watched) -> None:
    run_id = app.runs["running"]
    tab.page.route("**/events", lambda route: route.abort())
    tab.page.goto(f"{app.url}/runs/{run_id}")
    tab.page.wait_for_timeout(500)
    app.seed("note", run_id, "found by polling")
    tab.page.evaluate("htmx.trigger('#live', 'every')")
    expect(tab.page.locator(".timeline")).to_contain_text("found by polling", timeout=PATIENCE)


def test_filtering_changes_the_list_and_the_address_without_a_reload(
    app: App, tab: Watched
) -> None:
    tab.page.goto(f"{app.url}/runs")
    tab.page.evaluate("window.same = true")
    tab.page.get_by_label("Search").fill("is proven")
    expect(tab.page.locator(".runs tbody tr")).to_have_count(1, timeout=PATIENCE)
    tab.page.get_by_label("Status").select_option("escalated")
    expect(tab.page.locator("#list")).to_contain_text("Nothing matches", timeout=PATIENCE)
    assert "status=escalated" in tab.page.url
    assert tab.page.evaluate("window.same") is True
    assert tab.complaints == []


def test_everything_works_without_scripts(chrome: Browser, app: App, cookies: object) -> None:
    context = chrome.new_context(storage_state=cookies, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{app.url}/runs?q=is+proven")
    page.get_by_role("link", name="is proven").click()
    page.get_by_role(
        "button", name="Approve and merge"
    ).click()  # the browser itself asks for the tick
    assert page.url.endswith(app.runs["proven"])
    page.get_by_label("Note").fill("not like this")
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"{app.url}/runs/{app.runs['proven']}")
    expect(page.locator(".banner.good")).to_contain_text("Denied")
    expect(page.locator(".timeline")).to_contain_text("not like this")
    context.close()


def test_when_a_run_ends_its_page_stops_asking(app: App, tab: Watched) -> None:
    run_id = app.runs["running"]
    tab.page.goto(f"{app.url}/runs/{run_id}")
    expect(tab.page.locator("#live-sign")).to_have_text("Live", timeout=PATIENCE)
    app.seed("end", run_id)
    expect(tab.page.locator("#run")).to_have_attribute("data-ended", "true", timeout=PATIENCE)
    expect(tab.page.locator("#stream")).to_have_count(0, timeout=PATIENCE)
    before = len(tab.asked)
    tab.page.evaluate("htmx.trigger('#live', 'every')")
    tab.page.wait_for_timeout(1500)
    assert len(tab.asked) == before
