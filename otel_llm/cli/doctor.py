"""``otel-llm doctor``: what is installed, patched, configured and served here, and what to fix."""

from __future__ import annotations

import click

from otel_llm.core.config import Config

from . import doctor_checks, screen, theme
from .findings import show, to_json, verdict
from .problems import Failed
from .terminal import screen_for

HELP = """Examine this environment: libraries, patches, configuration, port, prices, overhead.

It starts a small program under opentelemetry-instrument, as you would start yours, and asks it what was patched.

\b
  otel-llm doctor
  otel-llm doctor --no-overhead   without measuring what a call costs
  otel-llm doctor --json

Exit codes: 0 in order, 1 there is something to fix.
"""


@click.command("doctor", help=HELP)
@click.option(
    "--overhead/--no-overhead", default=True, help="Measure what a call costs on this machine.  [default: yes]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(*, overhead: bool, as_json: bool) -> None:
    parts = doctor_checks.examine(Config.from_env(), overhead=overhead)
    every = [finding for findings in parts.values() for finding in findings]
    words, colour = verdict(every)
    if as_json:
        click.echo(to_json(parts, verdict=words))
    else:
        console = screen_for(None)
        fancy = screen.glyphs_for(console) is not theme.PLAIN
        for title, findings in parts.items():
            show(console, title, findings, fancy=fancy)
        console.print(words, style=f"bold {colour}")
    if any(finding.status == "fail" for finding in every):
        raise Failed
