"""``otel-llm demo``: a service that lives its day before your eyes."""

from __future__ import annotations

import re
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from rich.text import Text

from . import demo_environment, live, screen, theme, top, view
from .history import History
from .inspect_prometheus import Prometheus
from .live import Watch
from .panels import Frame
from .problems import Problem
from .scrape import Endpoint
from .screen import State
from .terminal import is_live, screen_for
from .theme import AMBER, DIM, GREEN, INK, TEAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from rich.console import Console

    from .demo_environment import Stage
    from .samples import Page

HELP = """Run a service on the real openai and anthropic clients and watch it.

Everything is on this machine: the providers are loopback servers, no key, no network, no Docker. The story: calm, a latency
spike, an output degradation, a cost spike, an outage with fallbacks and an open breaker, recovery. Other terminals can
look too: otel-llm top, otel-llm check, curl localhost:9464/metrics.

\b
  otel-llm demo                              the story, until q
  otel-llm demo --speed 3                    three times as fast
  otel-llm demo --headless --duration 60     as plain text, for logs and CI
  otel-llm demo --prometheus                 with a Prometheus and the alerts, if the binary is there
"""


ENDINGS = (signal.SIGTERM, signal.SIGHUP)
_ADDRESS = re.compile(r"https?://[^\s/]\S*")


def _address(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    if text and not _ADDRESS.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not an address that begins with http:// or https://")
    return text


@click.command("demo", help=HELP)
@click.option(
    "--duration",
    type=click.FloatRange(1, 86_400),
    help="Seconds, then end.  [default: until q or Ctrl-C; with --headless the whole story]",
)
@click.option(
    "--speed", type=click.FloatRange(0.1, 20), default=1.0, show_default=True, help="How fast the story goes."
)
@click.option("--rate", type=click.FloatRange(0.1, 100), default=8.0, show_default=True, help="Jobs per second.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Seed of the random numbers: the same seed, the same day."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9464, show_default=True, help="Of /metrics; 0 takes any."
)
@click.option("--host", default=demo_environment.HOST, show_default=True, help="Address that /metrics listens on.")
@click.option("--otlp", default="", metavar="URL", callback=_address, help="Send traces to this OTLP endpoint.")
@click.option("--prometheus", is_flag=True, help="Start a Prometheus with the rules, too.")
@click.option("--headless", is_flag=True, help="No live view: a line per chapter, and a summary.")
@click.option("--ascii", "plain", is_flag=True, help="No characters beyond ASCII.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, writable=True), hidden=True, help="Write the last frame as SVG."
)
def command(
    *, duration: float | None, speed: float, rate: float, seed: int, port: int, host: str, otlp: str, prometheus: bool,
    headless: bool, plain: bool, picture: str | None,
) -> None:  # fmt: skip
    for ending in ENDINGS:
        signal.signal(ending, _end)
    console = screen_for(None)
    headless = headless or not is_live(console)
    settings = demo_environment.Settings(port, speed, seed, rate, prometheus, host, otlp)
    if not headless:
        console.print("starting providers on this machine, and a service under opentelemetry-instrument")
    with suppress(KeyboardInterrupt), demo_environment.build(settings) as running:
        until = time.time() + (duration or (running.plot.length if headless else 1e9))
        glyphs = screen.glyphs_for(console, plain=plain)
        page = _print_chapters(console, running, until) if headless else _show(console, running, until, glyphs, picture)
        _sum_up(console, running, page, glyphs, whole=headless)


def _end(number: int, _frame: object) -> None:
    """Leave as after Ctrl-C, so that what was started is ended; ``timeout`` sends its signal twice."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _show(console: Console, running: Stage, until: float, glyphs: theme.Glyphs, picture: str | None) -> Page | None:
    """The live view with the story's line, until the end."""
    watch = Watch([running.endpoint], State(interval=1.0), glyphs, history=History(1.0))
    watch.done = lambda: time.time() >= until or running.service.poll() is not None
    watch.banner = lambda: banner(running, time.time(), glyphs)
    watch.run(console)
    if picture:
        top.save(watch, picture, console.width, console.height, "otel-llm demo")
    running.check()
    return watch.page


def banner(running: Stage, now: float, glyphs: theme.Glyphs) -> Text:
    """What the story is at, how long it goes on, and where to look from elsewhere."""
    moment = running.plot.at(now)
    seconds = moment.chapter.seconds / running.plot.speed
    calm = moment.chapter.name in ("calm", "recovery")
    done = theme.bar(1 - moment.left / seconds, 12, TEAL if calm else AMBER, glyphs)
    where = page_of(running) + (f"  {running.prometheus}" if running.prometheus else "")
    name = (f"{moment.chapter.name.upper()} ", f"bold {GREEN if calm else AMBER}")
    text = Text.assemble((" demo ", f"bold {INK}"), done, " ", name, (f"{moment.chapter.says}  ", INK), (where, DIM))
    text.no_wrap = True
    return text


def _print_chapters(console: Console, running: Stage, until: float) -> Page | None:
    """One line when a chapter begins, one with the facts when it ends."""
    console.print(
        f"page: {page_of(running)}   metrics: {running.endpoint.url}"
        + (f"   prometheus: {running.prometheus}" if running.prometheus else "")
    )
    number = -1
    while (now := time.time()) < until:
        running.check()
        moment = running.plot.at(now)
        if moment.number != number:
            if number >= 0:
                _print_summary(console, running)
            passed = int(now - running.plot.began)
            console.print(f"{passed // 60:3d}:{passed % 60:02d}  {moment.chapter.name}: {moment.chapter.says}")
            number = moment.number
        time.sleep(max(0.0, min(moment.left + 0.01, until - now, 1.0)))
    return live.gather([running.endpoint])


def page_of(running: Stage) -> str:
    """The address of the status page."""
    return running.endpoint.url.removesuffix("metrics")


def _print_summary(console: Console, running: Stage) -> None:
    """What a chapter came to, what page and top say of it, and which alerts fire."""
    page = live.gather([running.endpoint])
    console.print(f"        {facts(page)}")
    console.print(f"        page and top: {judged(page)}")
    if running.prometheus:
        active = Prometheus(Endpoint.parse(running.prometheus)).ask("alerts")["alerts"]
        console.print(f"        alerts: {alerts(active)}")


def judged(page: Page) -> str:
    """The judgement that page, top and handlers share: what is wrong, or that nothing is; and what is pending, as the page shows it.

    An alert of the demo's Prometheus, whose windows are short, fires while its condition is pending here.
    """
    conditions = () if page.status is None else page.status["conditions"]
    wrong = [one["text"] for one in conditions if one["level"] in ("critical", "warning")]
    pending = [one["text"] for one in conditions if one["level"] == "pending"]
    return ("; ".join(wrong) or "calm") + (f"; pending: {'; '.join(pending)}" if pending else "")


def alerts(active: Iterable[Mapping[str, Any]]) -> str:
    """The alerts that fire, each once, with what it is about."""
    firing = [one["labels"] for one in active if one["state"] == "firing"]
    about = ("gen_ai_request_model", "breaker", "budget")
    names = {" ".join((one["alertname"], *(one[label] for label in about if one.get(label)))) for one in firing}
    return ", ".join(sorted(names)) or "none"


def facts(page: Page) -> str:
    """The main facts in a line."""
    view_now = view.read(page, ())
    total, latency = view_now.total, view_now.total.latency
    today = next((budget.spend_usd for budget in view_now.budgets if budget.period == "day"), None)
    parts = [
        f"{total.requests:.0f} calls",
        f"p95 {theme.seconds(latency.p95 if latency else None)}",
        f"errors {theme.percent(total.error_ratio)}",
        f"fallbacks {theme.percent(view_now.fallback_ratio)}",
        f"cache hits {theme.percent(view_now.cache_hit_ratio)}",
        f"today {theme.dollars(today)}",
        *(f"breaker {name} {state}" for name, state in view_now.breakers.items() if state != "closed"),
        *(
            f"{zscore.signal} of {zscore.model} {theme.sigma(zscore.shift)} sigma"
            for zscore in view_now.zscores[:1]
            if theme.severity(zscore.shift) in ("warning", "critical")
        ),
    ]
    return ", ".join(parts)


def _sum_up(console: Console, running: Stage, page: Page | None, glyphs: theme.Glyphs, *, whole: bool) -> None:
    """What was seen and where to go from here."""
    if page is None:
        raise Problem("nothing was seen: the demo ended before its first scrape")
    if whole:
        view_now = view.read(page, (running.endpoint.name,))
        console.print(screen.render(Frame(view_now, None, console.width, glyphs), State(), None))
    console.print(f"The demo observed: {facts(page)}.")
    console.print(
        "Your own service: opentelemetry-instrument python app.py, then otel-llm top, or http://localhost:9464 in a browser"
    )
    console.print("Alerts and boards for it: otel-llm export prometheus rules/, otel-llm export grafana grafana/")
