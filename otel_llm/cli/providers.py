"""``otel-llm providers``: the client libraries that are watched, and what is installed of them."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from otel_llm import clients

from .terminal import put, screen_for
from .theme import DIM, GREEN, HINT, INK

if TYPE_CHECKING:
    from otel_llm.calls.declarations import ClientLibrary

HELP = """List the client libraries that otel-llm watches.

\b
  otel-llm providers             as a table
  otel-llm providers --json      for a script
  otel-llm providers --markdown  as in docs/providers.md
"""


@click.command("providers", help=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--markdown", is_flag=True, help="Print it as a Markdown table.")
def command(*, as_json: bool, markdown: bool) -> None:
    declared = [clients.load(name) for name in clients.NAMES]
    if as_json:
        click.echo(json.dumps([_facts(provider) for provider in declared], indent=2))
    elif markdown:
        from otel_llm.ops.markdown import provider_table  # noqa: PLC0415 - the other forms do not need it

        click.echo(provider_table(declared))
    else:
        _print(declared)


def version(distribution: str) -> str:
    """The installed version; empty where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _facts(provider: ClientLibrary) -> dict[str, object]:
    return {
        "name": provider.name,
        "distribution": provider.distribution,
        "requires": provider.requires,
        "tested": list(provider.tested),
        "operations": list(provider.operations),
        "notes": provider.notes,
        "installed": version(provider.distribution) or None,
    }


def _print(declared: list[ClientLibrary]) -> None:
    console = screen_for(None)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=DIM)
    for title in ("library", "installed", "versions", "tested", "operations", "remarks"):
        table.add_column(title, overflow="fold", no_wrap=title == "library")
    for provider in declared:
        installed = version(provider.distribution)
        table.add_row(
            Text(provider.distribution, f"bold {INK}"),
            Text(installed or "-", GREEN if installed else HINT),
            Text(provider.requires, INK),
            Text(", ".join(provider.tested) or "-", DIM),
            Text(", ".join(provider.operations), INK),
            Text(provider.notes, DIM),
        )
    put(console, table)
