"""The site in a real browser, at the widths of a phone, a laptop and a desk: nothing sticks out, names are whole, pictures are there."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import chromium
from docs_pages import ROOT
from playwright.sync_api import Browser, Error

pytestmark = pytest.mark.xdist_group("docs")
WIDTHS = (360, 1024, 1920)
PATIENCE = 120_000  # milliseconds that a busy machine may take
LOOK = """() => {
  const article = document.querySelector('article');
  const free = element => !element.closest('.md-typeset__scrollwrap, pre, .highlight, .headerlink');
  const names = [...article.querySelectorAll('td code, th code')].filter(code => /^[\\w.:*]+$/.test(code.textContent));
  const torn = code => [...code.textContent.matchAll(/[^\\s=,:(]*-[^\\s=,:)]+/g)].filter(word => {
    if (word[0].length > 30) return false;
    const range = document.createRange(), texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    let at = 0, begun = false;
    while (texts.nextNode()) {
      const node = texts.currentNode, end = at + node.length;
      if (!begun && word.index < end) { range.setStart(node, word.index - at); begun = true; }
      if (word.index + word[0].length <= end) { range.setEnd(node, word.index + word[0].length - at); break; }
      at = end;
    }
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
  }).map(word => word[0]);
  return {
    torn: [...article.querySelectorAll('code')].filter(code => !code.closest('pre')).flatMap(torn),
    over: document.documentElement.scrollWidth - innerWidth,
    wide: [...article.querySelectorAll('*')]
      .filter(element => free(element) && element.getBoundingClientRect().right > innerWidth + 1)
      .map(element => element.outerHTML.slice(0, 80)),
    broken: names.filter(code => code.getClientRects().length > 1).map(code => code.textContent),
    missing: [...article.querySelectorAll('img')].filter(img => img.complete && !img.naturalWidth).map(img => img.src),
    shown: article.querySelectorAll('img, pre').length,
  };
}"""
SHOWS_NOTHING = {"decisions"}  # a list of pages


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_args: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    home = tmp_path_factory.mktemp("site")
    around = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(home)], cwd=ROOT, env=around, check=True)
    pages = sorted(str(path.parent.relative_to(home)) for path in home.rglob("index.html"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(home))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", pages
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_and_shows_something(browser: Browser, site: tuple[str, list[str]], width: int) -> None:
    address, pages = site
    assert len(pages) > 30
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.route(
        re.compile(rf"^(?!{re.escape(address)})"), lambda route: route.abort()
    )  # the theme asks the forge for stars
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    faults = {}
    for name in pages:
        page.goto(f"{address}/{name}/" if name != "." else f"{address}/")
        seen = page.evaluate(LOOK)
        if not seen.pop("shown") and name not in SHOWS_NOTHING:
            faults[name] = "neither a picture nor a block"
        if seen != {"torn": [], "over": 0, "wide": [], "broken": [], "missing": []}:
            faults[name] = seen
    context.close()
    assert faults == {}


def test_search_finds_a_metric(browser: Browser, site: tuple[str, list[str]]) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(re.compile(rf"^(?!{re.escape(site[0])})"), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{site[0]}/")
    first = page.locator(".md-search-result__item a").first
    for _ in range(10):  # what is typed before the index is there finds nothing
        for text in ("", "otel_llm_prompt_cache_read_ratio"):
            page.locator("input.md-search__input").fill(text)
            page.locator("input.md-search__input").press("End")  # the page looks at its box when a key is let go
        with contextlib.suppress(Error):
            first.wait_for(timeout=PATIENCE / 10)
            break
    assert re.search(r"/(metrics|cost|spend)/", first.get_attribute("href") or "")
    context.close()


def test_no_template_is_shown_as_text() -> None:
    """Of alert texts: what Prometheus fills in stands in code, or as an example of what comes out."""
    for page in sorted(Path(ROOT / "docs").rglob("*.md")):
        prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "{{" not in prose, page
