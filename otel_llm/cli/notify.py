"""``otel-llm notify``: whether the notifications that are configured arrive."""

from __future__ import annotations

import importlib.util

import click

from otel_llm.core.config import Config
from otel_llm.outputs import notifications
from otel_llm.outputs.anomaly import Anomaly

from .problems import Failed, Problem

HELP = """Send a test notification to the URLs of OTEL_LLM_NOTIFY_WARNING and OTEL_LLM_NOTIFY_CRITICAL.

\b
  otel-llm notify --test
  OTEL_LLM_NOTIFY_CRITICAL=json://localhost:8080 otel-llm notify --test

Exit codes: 0 all were accepted, 1 one was not, 2 nothing is configured.
"""


@click.command("notify", help=HELP)
@click.option("--test", "wanted", is_flag=True, help="Send it.")
def command(*, wanted: bool) -> None:
    config = Config.from_env()
    urls = {"warning": config.notify_warning, "critical": config.notify_critical}
    if not any(urls.values()):
        raise Problem(
            "nobody would be notified: set OTEL_LLM_NOTIFY_WARNING or OTEL_LLM_NOTIFY_CRITICAL to Apprise URLs"
        )
    if importlib.util.find_spec("apprise") is None:
        raise Problem("notifications need the extra: pip install 'otel-llm[notify]'")
    if not wanted:
        raise Problem("nothing is sent without --test")
    arrived = [_sent(severity, there, config) for severity, there in urls.items() if there]  # all are asked
    if not all(arrived):
        raise Failed


def _sent(severity: str, urls: tuple[str, ...], config: Config) -> bool:
    variable = f"OTEL_LLM_NOTIFY_{severity.upper()}"
    service, problems = notifications.service(variable, urls)
    for problem in problems:
        click.echo(problem)
    text = "this is a test: nothing is wrong"
    anomaly = Anomaly(type="condition_open", severity=severity, value=0.0, condition="errors", message=text)
    title, body, kind = notifications.message(anomaly, config)
    sent = bool(service) and notifications.send(service, title, body, kind)
    click.echo(
        f"{variable}: {len(urls) - len(problems)} of {len(urls)} URLs asked, {'accepted' if sent else 'not delivered'}"
    )
    return sent and not problems
