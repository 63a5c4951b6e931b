"""``otel-llm prices``: what a model costs, and why."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import Any

import click

from otel_llm.core.config import Config
from otel_llm.core.model import Usage
from otel_llm.pricing import update
from otel_llm.pricing.explain import Explanation, explain
from otel_llm.pricing.pricer import Pricer

from . import prices_as
from .doctor_checks import price_file_trouble
from .problems import Failed, Problem
from .terminal import busy

HELP = """Show the price that a model's name leads to, and what a call would cost.

\b
  otel-llm prices gpt-4.1
  otel-llm prices us.anthropic.claude-sonnet-4-5-20250929-v1:0
  otel-llm prices claude-sonnet-4-5 --usage input=12000,cache_read=10000,output=800
  otel-llm prices my-deployment --provider azure.ai.openai --json
  otel-llm prices --as gpt-5-mini                     this month's calls, at another model's price
  otel-llm prices gpt-4.1 --as gpt-5-mini --from web-1:9464
  otel-llm prices --build

Prices of OTEL_LLM_PRICES_FILE come first. Exit code 1: the model has no price.
"""
_FIELDS = {
    spec.name.removesuffix("_tokens"): spec.name for spec in fields(Usage) if spec.name not in ("estimated", "cost_usd")
}


_PARTS = (
    ("input", ("cache_read", "cache_write")),
    ("input", ("input_text", "input_audio", "input_image")),
    ("cache_read", ("cache_audio_read",)),
    ("input_audio", ("cache_audio_read",)),
    ("cache_write", ("cache_write_1h",)),
    ("output", ("thinking",)),
    ("output", ("output_text", "output_audio", "output_image")),
)  # a whole includes its parts


def _usage(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Usage | None:
    """Read ``input=1200,output=300``, or say which part is wrong and what is allowed."""
    if text is None:
        return None
    counts: dict[str, Any] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in _FIELDS:
            raise click.BadParameter(f"{part.strip()!r} is no name=count; names are {', '.join(_FIELDS)}")
        if name in counts:
            raise click.BadParameter(f"{name} is given twice")
        counts[name] = _count(name, number)
    for whole, parts in _PARTS:
        least = sum(counts.get(name, 0) for name in parts)
        if counts.get(whole, 0) < least:
            included = " and ".join(name for name in parts if name in counts)
            raise click.BadParameter(f"{whole} includes {included}: give {whole}={least} or more")
    return Usage(**{_FIELDS[name]: count for name, count in counts.items()})


def _count(name: str, text: str) -> float:
    try:
        count = float(text) if name == "audio_seconds" else int(text)
    except ValueError:
        count = -1
    if not 0 <= count < math.inf:
        raise click.BadParameter(f"{name}={text}: not a number from 0 up")
    return count


def _named(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    if name is not None and not name.strip():
        raise click.BadParameter("the name of the model is empty")
    return name


def _build(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    """Compile the prices of the installed genai-prices where every process of this environment reads them; print the path."""
    if not wanted or ctx.resilient_parsing:
        return
    try:
        with busy("Compiling the prices of genai-prices"):
            path = update.build()
        click.echo(path)
    except update.UnavailableError as why:
        raise Problem(f"the table of prices cannot be built: {why}") from why
    ctx.exit()


@click.command("prices", help=HELP)
@click.argument("model", required=False, callback=_named)
@click.option(
    "--provider",
    metavar="NAME",
    help="Who sells it, such as openai or azure.ai.openai.  [default: whom the name points to]",
)
@click.option("--usage", callback=_usage, metavar="NAME=COUNT,...", help=f"What a call consumed: {', '.join(_FIELDS)}.")
@click.option("--tier", metavar="NAME", help="Service tier: batch, flex or priority, for example.")
@click.option(
    "--as",
    "other",
    callback=_named,
    metavar="MODEL",
    help="Compare what calls (of the model before it, or of all) cost with what MODEL would have, by their tokens.",
)
@click.option(
    "--from", "url", metavar="URL", help="With --as: a service's /metrics, instead of the ledger of this month."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--build", is_flag=True, is_eager=True, expose_value=False, callback=_build,
    help="Compile the prices of a genai-prices newer than otel-llm (extra `prices`) for this environment; print the path.",
)  # fmt: skip
def command(
    *, model: str | None, provider: str | None, usage: Usage | None, tier: str | None, other: str | None, url: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    config = Config.from_env()
    if other is not None:
        if usage is not None:
            raise click.UsageError("--as takes the usage of real calls: --usage has no place beside it")
        _refuse_bad_file(config)
        _compare(config, model, other, provider, tier, url, as_json=as_json)
        return
    if url is not None:
        raise click.UsageError("--from goes with --as MODEL")
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'")
    _refuse_bad_file(config)
    explanation = explain(model, provider, usage, config=config, service_tier=tier)
    click.echo(_json(explanation) if as_json else "\n".join(explanation.lines()))
    if not explanation.model:
        raise Failed


def _compare(
    config: Config,
    model: str | None,
    other: str,
    provider: str | None,
    tier: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    when, used = prices_as.of_month(config) if url is None else prices_as.of_page(url)
    if model is not None and not (used := {key: one for key, one in used.items() if key[1] == model}):
        raise Problem(f"no calls of {model} in {when}")
    rows = prices_as.compared(used, other, provider, tier, Pricer(config))
    form = prices_as.as_json if as_json else prices_as.as_text
    click.echo(form(rows, other, when))


def _refuse_bad_file(config: Config) -> None:
    """A service runs on with the built-in prices; who asks for a price wants to know."""
    if trouble := price_file_trouble(config.prices_file):
        raise Problem(f"OTEL_LLM_PRICES_FILE: {trouble}")


def _json(explanation: Explanation) -> str:
    facts = asdict(explanation)
    facts["price"] = explanation.price._asdict()
    return json.dumps({key: _finite(value) for key, value in facts.items()}, indent=2)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
