"""The loop of a live view: pages come in from a thread, keys from the terminal, frames go out."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from otel_llm.core.series import NO_AGENT

from . import agents, samples, scrape, screen, view
from .facts import filtered
from .history import History
from .keys import Keys
from .models import SORTS
from .panels import Frame
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, RenderableType

    from .samples import Page
    from .scrape import Endpoint
    from .screen import State
    from .theme import Glyphs

TICK = 0.25  # seconds; how often a key, a new page or the end is looked for
PACES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between pages


def gather(endpoints: Sequence[Endpoint]) -> Page:
    """One page of all endpoints, asked at the same time. Raises Problem of the first that cannot be read."""
    with ThreadPoolExecutor(max_workers=len(endpoints)) as pool:
        pages = list(pool.map(_page, endpoints))
    return samples.merge(pages)


def _page(endpoint: Endpoint) -> Page:
    page = samples.parse(scrape.fetch(endpoint).text, time.time(), endpoint.url)
    return replace(page, status=scrape.status(endpoint))


@dataclass(slots=True)
class Watch:
    """What a live view shows, and what ends it. ``done`` ends it from outside, ``banner`` adds a line below the header."""

    endpoints: Sequence[Endpoint]
    state: State
    glyphs: Glyphs
    done: Callable[[], bool] = lambda: False
    banner: Callable[[], Text | None] = lambda: None
    page: Page | None = None
    history: History = field(default_factory=lambda: History(2.0))
    _stop: threading.Event = field(default_factory=threading.Event)
    _fresh: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> None:
        """Take pages until stopped; one that cannot be read leaves the last one on the screen and says why."""
        while not self._stop.is_set():
            began = time.monotonic()
            if not self.state.paused:
                self._take()
            self._stop.wait(max(0.05, self.state.interval - (time.monotonic() - began)))

    def _take(self) -> None:
        try:
            page = gather(self.endpoints)
        except Problem as problem:
            self.state.trouble = problem.format_message()
        else:
            self.history.add(page)
            self.page, self.state.trouble = page, ""
        self._fresh.set()

    def frame(self, size: tuple[int, int | None]) -> RenderableType:
        """The screen as it is to be now."""
        page = self.page
        if page is None:
            return self.banner() or Text(
                self.state.trouble or "asking " + ", ".join(endpoint.url for endpoint in self.endpoints)
            )
        frame = filtered(view.read(page, names(self.endpoints), group_labels(self.state.group)), self.state.filter)
        self.history.note(page.at, self.state.group, {row.key: row.cost_usd or 0.0 for row in frame.rows})
        return screen.render(
            Frame(frame, self.history, max(size[0], 40), self.glyphs), self.state, size[1], self.banner()
        )

    def run(self, console: Console) -> None:
        """Show until ``q``, Ctrl-C or ``done``. The terminal is then as it was before."""
        poller = threading.Thread(target=self.poll, name="otel-llm top", daemon=True)
        poller.start()
        try:
            with Keys() as keys, Live(console=console, screen=True, auto_refresh=False, transient=True) as screen:
                self._loop(console, keys, screen)
        except KeyboardInterrupt:
            pass
        finally:
            self._stop.set()

    def _loop(self, console: Console, keys: Keys, screen: Live) -> None:
        size = (0, 0)
        while not self.done():
            key = keys.wait(TICK)
            if key and not self.press(key):
                return
            now = (console.size.width, console.size.height)
            if key or self._fresh.is_set() or now != size or self.page is None:
                self._fresh.clear()
                size = now
                screen.update(self.frame(size), refresh=True)

    def press(self, key: str) -> bool:
        """Do what the key is for; False ends the view."""
        if self.state.typing:
            _type(self.state, key)
        elif key == "q":
            return False
        elif key in ("+", "-"):
            self._pace(faster=key == "+")
        elif key in _KEYS:
            _KEYS[key](self)
        return True

    def _pace(self, *, faster: bool) -> None:
        nearest = min(range(len(PACES)), key=lambda index: abs(PACES[index] - self.state.interval))
        self.state.interval = PACES[max(0, min(len(PACES) - 1, nearest + (-1 if faster else 1)))]

    def next_sort(self) -> None:
        self.state.sort = (
            SORTS[(SORTS.index(self.state.sort) + 1) % len(SORTS)] if self.state.sort in SORTS else SORTS[0]
        )

    def next_group(self) -> None:
        groups = groupings(self.page) if self.page else ("model",)
        self.state.group = (
            groups[(groups.index(self.state.group) + 1) % len(groups)] if self.state.group in groups else groups[0]
        )

    def toggle(self, name: str) -> None:
        setattr(self.state, name, not getattr(self.state, name))


_KEYS: dict[str, Callable[[Watch], None]] = {
    "s": Watch.next_sort,
    "g": Watch.next_group,
    "r": lambda watch: watch.toggle("reverse"),
    "p": lambda watch: watch.toggle("paused"),
    "/": lambda watch: watch.toggle("typing"),
    "?": lambda watch: watch.toggle("legend"),
}


def _type(state: State, key: str) -> None:
    if key in ("\r", "\n"):
        state.typing = False
    elif key == "\x1b":
        state.typing, state.filter = False, ""
    elif key in ("\x7f", "\b"):
        state.filter = state.filter[:-1]
    elif key.isprintable():
        state.filter += key


def names(endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """Endpoints as the screen names them."""
    return tuple(endpoint.name for endpoint in endpoints)


_GROUPS = {
    "provider": "gen_ai_provider_name",
    "operation": "gen_ai_operation_name",
    "server": "server_address",
    "agent": agents.LABEL,
}
_NOT_GROUPS = {
    *samples.MODEL, *_GROUPS.values(), "gen_ai_response_model", "error_type", "le",
}  # fmt: skip


def groupings(page: Page) -> tuple[str, ...]:
    """What the table can be grouped by: the service's own labels too."""
    own = {
        key for name in view.durations(page) for labels, _ in page.rows(f"{name}_count") for key in labels
    } - _NOT_GROUPS
    runs = ("agent",) if any(labels.get(agents.LABEL) != NO_AGENT for labels, _ in page.rows(agents.TOKENS)) else ()
    return ("model", "provider", *sorted(own), "operation", *runs)


def group_labels(group: str) -> tuple[str, ...]:
    """The labels behind a grouping's name."""
    return samples.MODEL if group == "model" else (_GROUPS.get(group, group),)
