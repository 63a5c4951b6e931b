"""The status page in a real browser: at every width, light and dark, with hostile names, through an incident, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from axe_playwright_python.sync_playwright import Axe
from chromium import chromium
from page_facts import AT, Service, renamed
from playwright.sync_api import Browser, Page

from otel_llm.core.config import Config
from otel_llm.exposition.server import Server, serve

WIDTHS = (320, 360, 640, 768, 1024, 1280, 1920, 2560, 3840)
SHOWN_AT = datetime.fromtimestamp(AT, timezone.utc)
PATIENCE = 60_000  # milliseconds that a busy machine may take
HOSTILE = "\u202e</bdi><script>alert(1)</script><img src=x onerror=alert(1)>" + "x" * 300


@pytest.fixture(scope="module")
def states() -> dict[str, dict]:
    incident = Service(incident=True).facts()
    return {
        "incident": incident,
        "calm": Service().facts(),
        "starting": Service(empty=True).facts(),
        "old": {**incident, "fresh": "old", "reason": "the leader does not answer", "at": "2026-11-29T12:08:00Z"},
        "hostile": renamed(incident, HOSTILE),
        "agents": Service(agent="support").facts(),
        "hostile agents": Service(agent=HOSTILE, circles=True).facts(),
    }


@pytest.fixture(scope="module")
def shown() -> dict[str, dict]:
    """What the server serves now: a test puts its facts here."""
    return {}


@pytest.fixture(scope="module")
def server(shown) -> Iterator[Server]:
    config = Config(host="127.0.0.1", port=0)
    server = serve(config, lambda _: ("text/plain", b"some_metric 1\n"), lambda: shown["facts"])
    yield server
    server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser, server, shown, monkeypatch):
    """Open the page on some facts; what the console says and what is asked of others fails the test."""
    monkeypatch.setattr("otel_llm.exposition.snapshot.SECOND", 0.0)
    contexts, complaints = [], []

    def run(facts: dict, now: datetime | None = None, view: str = "", **settings) -> Page:
        shown["facts"] = facts
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if now is not None:
            page.clock.set_fixed_time(now)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda asked: asked.url.startswith((address, "data:")) or complaints.append(asked.url))
        page.goto(address + view)
        return page

    address = f"http://127.0.0.1:{server.port}/"
    yield run
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize(
    ("state", "view"),
    [
        ("incident", ""), ("calm", ""), ("starting", ""), ("old", ""), ("hostile", ""), ("agents", ""), ("agents", "?view=agents"),
        ("hostile agents", "?view=agents"),
    ],
)  # fmt: skip
def test_it_fits_every_width_and_axe_finds_nothing_serious(open_page, states, state, view):
    page = open_page(states[state], view=view)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    page.set_viewport_size({"width": 1280, "height": 900})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == [], scheme


def test_an_incident_is_seen_to_appear_and_to_go_while_what_is_unfolded_stays(open_page, states, shown):
    page = open_page(states["calm"])
    assert page.locator("h2").first.inner_text() == "Nothing is beyond a limit."
    page.locator("summary").click()
    shown["facts"] = states["incident"]
    page.wait_for_selector(".verdict.is-critical")
    headline = page.locator(".verdict h2").inner_text()
    assert headline.startswith("gpt-4.1: 59")
    assert "of calls fail (rate_limit)" in headline
    assert page.title().startswith("\N{BLACK SQUARE} gpt-4.1")
    assert page.locator("details").get_attribute("open") is not None
    shown["facts"] = states["calm"]
    page.wait_for_selector(".verdict:not(.is-critical)")
    assert page.title() == "checkout · otel-llm"


def test_no_answer_is_said_and_takes_the_colour(open_page, states):
    page = open_page(states["incident"])
    page.route("**/*", lambda route: route.fulfill(status=200, body="login", content_type="text/html"))
    page.wait_for_selector("body[data-silent]")
    assert page.locator(".silent").inner_text().startswith("No answer since ")
    page.unroute("**/*")
    page.wait_for_selector("body:not([data-silent])")


def test_agents_and_tools_are_a_tab_that_stays_through_refreshes(open_page, states, shown):
    page = open_page(states["agents"], viewport={"width": 390, "height": 844})
    page.get_by_role("link", name="Agents and tools").click()
    assert page.locator("nav [aria-current=page]").inner_text() == "Agents and tools"
    assert page.get_by_role("table", name="Agents").get_by_role("rowheader").inner_text() == "support"
    assert page.get_by_role("table", name="Tools").get_by_role("rowheader").inner_text() == "search of support"
    assert page.locator(".verdict h2").inner_text().startswith("agent support: 32")
    shown["facts"] = Service(agent="billing").facts()
    page.get_by_role("rowheader", name="billing", exact=True).wait_for()
    assert page.locator("nav [aria-current=page]").inner_text() == "Agents and tools"


def test_an_agent_from_outside_stays_text(open_page, states):
    page = open_page(states["hostile agents"], view="?view=agents")
    assert page.locator("img").count() == 0
    name = page.get_by_role("table", name="Agents").get_by_role("rowheader").inner_text()
    assert name.startswith("?</bdi><script>")


def test_names_from_outside_stay_text(open_page, states):
    page = open_page(states["hostile"])
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert "\\u202e" in page.locator("body").inner_text()
    assert page.locator(".verdict h2").inner_text().startswith("\\u202e</bdi><script>")


def test_the_facts_can_be_read_without_javascript(open_page, states):
    page = open_page(states["incident"], java_script_enabled=False)
    text = page.locator("body").inner_text()
    assert re.search(r"gpt-4\.1: 59\s%", text)
    assert "UTC · reload for newer" in text
    assert page.locator(".pause").is_hidden()
    page.get_by_role("link", name="p95 s").click()
    assert page.locator("[aria-sort]").inner_text() == "p95 s"


def test_times_are_the_viewer_s_own_and_utc_on_hover(open_page, states):
    page = open_page(states["incident"], now=SHOWN_AT, timezone_id="Asia/Kolkata", locale="en-GB")
    first = page.locator("time").first
    assert first.inner_text() == "17:34:31"
    assert first.get_attribute("title") == "2026-11-29 12:04:31 UTC"
    assert page.locator(".zone").first.inner_text() in ("Asia/Kolkata", "Asia/Calcutta")


def test_times_of_another_day_name_it(open_page, states):
    page = open_page(states["incident"], now=SHOWN_AT + timedelta(days=1), timezone_id="Asia/Kolkata", locale="en-GB")
    assert page.locator("time").first.inner_text() == "29 Nov, 17:34:31"
