"""``otel-llm top``: the live dashboard of one or several endpoints."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from . import live, screen, view
from .facts import Row, filtered
from .history import History
from .live import Watch
from .models import SORTS, ordered
from .panels import Frame
from .problems import Problem
from .scrape import Endpoint, distinct
from .screen import State
from .terminal import default_url, is_live, put, screen_for

if TYPE_CHECKING:
    from .samples import Page

HELP = """Show the LLM traffic of a service, live.

URL is a port, host:port or the whole address of /metrics (default: as configured, localhost:9464).
Several are added up. Without a terminal, or with --once, it prints one frame as text.

\b
  otel-llm top                          this machine's service
  otel-llm top web-1:9464 web-2:9464    two services as one
  otel-llm top --by tenant --sort cost  who spends the money
  otel-llm top --by agent               runs, failures, time and spend of agents
  otel-llm top --once                   one frame, for logs and CI
  otel-llm top --json | jq .total       the same facts for a script

\b
Keys: ? legend, q quit, s sort, r reverse, / filter, g group by model, provider or own label, p pause, + - pace
"""


@click.command("top", help=HELP)
@click.argument("url", nargs=-1)
@click.option("--once", is_flag=True, help="Print one frame and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON and end.")
@click.option(
    "--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between pages."
)
@click.option("--sort", type=click.Choice(SORTS), default="cost", show_default=True, help="Order of the table.")
@click.option("--reverse", is_flag=True, help="Smallest first.")
@click.option("--filter", "wanted", default="", metavar="TEXT", help="Only models or providers that contain TEXT.")
@click.option(
    "--by",
    "group",
    default="model",
    show_default=True,
    metavar="LABEL",
    help="model, provider, operation, agent or a label of your own.",
)
@click.option("--width", type=click.IntRange(40, 400), help="Columns, instead of the terminal's.")
@click.option("--ascii", "plain", is_flag=True, help="No characters beyond ASCII.")
@click.option("--cacert", default="", metavar="FILE", help="Certificates to trust, PEM.")
@click.option("--insecure", is_flag=True, help="Trust any certificate.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, writable=True), hidden=True, help="Write the last frame as SVG."
)
def command(
    url: tuple[str, ...], *, once: bool, as_json: bool, interval: float, sort: str, reverse: bool, wanted: str,
    group: str, width: int | None, plain: bool, cacert: str, insecure: bool, picture: str | None,
) -> None:  # fmt: skip
    endpoints = distinct([Endpoint.parse(text, cacert=cacert, insecure=insecure) for text in url or (default_url(),)])
    page = live.gather(endpoints)
    if group not in live.groupings(page):
        raise Problem(f"no calls carry the label {group!r}; group by one of {', '.join(live.groupings(page))}")
    state = State(sort=sort, reverse=reverse, filter=wanted, group=group, interval=interval)
    if as_json:
        click.echo(to_json(page, endpoints, state))
        return
    console = screen_for(width)
    watch = Watch(endpoints, state, screen.glyphs_for(console, plain=plain), page=page, history=History(interval))
    if once or not is_live(console):
        frame = filtered(view.read(page, live.names(endpoints), live.group_labels(group)), wanted)
        put(console, screen.render(Frame(frame, None, console.width, watch.glyphs), state, None))
    else:
        watch.history.add(page)
        watch.run(console)
    if picture:
        save(watch, picture, console.width, console.height)


def to_json(page: Page, endpoints: list[Endpoint], state: State) -> str:
    """The view as JSON: the fields of ``facts.View``, rows in the asked order, null where nothing is known."""
    frame = filtered(view.read(page, live.names(endpoints), live.group_labels(state.group)), state.filter)
    document = asdict(frame)
    document["rows"] = [_row(row) for row in ordered(frame.rows, state.sort, reverse=state.reverse)]
    document["total"] = _row(frame.total)
    return json.dumps(_finite(document), indent=2)


def _row(row: Row) -> dict[str, Any]:
    return {**asdict(row), "latency": row.latency._asdict() if row.latency else None}


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_FONTS = re.compile(r"@font-face \{[^}]*\}\s*")


def save(watch: Watch, path: str, width: int, height: int, title: str = "otel-llm top") -> None:
    """The last frame as an SVG picture, which asks nobody for fonts."""
    console = Console(
        record=True, width=width, height=height, force_terminal=True, color_system="truecolor", file=io.StringIO()
    )
    console.print(watch.frame((width, height)))
    Path(path).write_text(_FONTS.sub("", console.export_svg(title=title)), encoding="utf-8")
