"""``otel-llm check``: is an endpoint in order, and would the alerts work."""

from __future__ import annotations

import time

import click

from . import inspect_page, inspect_prometheus, screen, theme
from .findings import Finding, show, to_json, verdict
from .problems import Failed
from .scrape import Endpoint, distinct
from .terminal import default_url, screen_for

HELP = """Check a service's /metrics: scrapeable, complete against the catalogue, within cardinality.

With --prometheus also: is it scraped, are the rules loaded, has each alert's query data to judge.

\b
  otel-llm check                                       this machine's service
  otel-llm check web-1:9464 --prometheus prom:9090     the whole way
  otel-llm check --json | jq -e .ok                    in CI

Exit codes: 0 in order, 1 there is something to fix, 2 nothing there to check.
"""


@click.command("check", help=HELP)
@click.argument("url", nargs=-1)
@click.option("--prometheus", default="", metavar="URL", help="A Prometheus that should scrape it and hold the rules.")
@click.option("--max-series", type=click.IntRange(1), default=20_000, show_default=True, help="Series of one endpoint.")
@click.option("--max-label-values", type=click.IntRange(1), default=200, show_default=True, help="Values of one label.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--cacert", default="", metavar="FILE", help="Certificates to trust, PEM.")
@click.option("--insecure", is_flag=True, help="Trust any certificate.")
def command(
    url: tuple[str, ...], *, prometheus: str, max_series: int, max_label_values: int, as_json: bool, cacert: str,
    insecure: bool,
) -> None:  # fmt: skip
    bounds = inspect_page.Bounds(max_series, max_label_values)
    endpoints = distinct([Endpoint.parse(text, cacert=cacert, insecure=insecure) for text in url or (default_url(),)])
    parts = {endpoint.url: inspect_page.inspect(endpoint, time.time(), bounds)[1] for endpoint in endpoints}
    if prometheus:
        server = inspect_prometheus.Prometheus(Endpoint.parse(prometheus, cacert=cacert, insecure=insecure))
        parts[server.endpoint.url] = inspect_prometheus.inspect(server)
    every = [finding for each in parts.values() for finding in each]
    if as_json:
        click.echo(to_json(parts))
    else:
        _print(parts, every)
    if any(finding.status == "fail" for finding in every):
        raise Failed


def _print(parts: dict[str, list[Finding]], every: list[Finding]) -> None:
    console = screen_for(None)
    fancy = screen.glyphs_for(console) is not theme.PLAIN
    for name, findings in parts.items():
        show(console, name, findings, fancy=fancy)
    words, colour = verdict(every)
    console.print(words, style=f"bold {colour}")
