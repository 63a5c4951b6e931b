"""Healthy traffic and no traffic raise no alert: hours of real arrivals and token counts through the real store and rules.

The trace is the conversation trace of the Azure LLM inference dataset 2023 (CC-BY 4.0), which is not part of this project. Where
it is not beside the repository, a seeded synthetic hour of the same quantiles stands in, and the test says so.
"""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from prometheus_lab import needed

from otel_llm.aggregate import Store
from otel_llm.cluster.text import render
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation, Record
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.prometheus import rule_files
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context
from tools.generate.promtests import document

ROOT = Path(__file__).parents[2]
BEGIN = 1_790_000_000.0
SCRAPE = 30
HOUR, HOURS, QUIET = 3600, 4, 1800  # seconds; the trace's hour again and again, then no traffic any more
# deciles of the trace: seconds between two arrivals, tokens in, tokens out
GAPS = (0.0, 0.016, 0.037, 0.061, 0.087, 0.118, 0.159, 0.214, 0.289, 0.421, 4.315)
CONTEXT = (2, 207, 387, 403, 703, 1020, 1071, 1130, 1315, 2734, 14050)
GENERATED = (7, 54, 77, 91, 103, 129, 177, 384, 400, 424, 1000)
MODELS = (
    ("openai", "gpt-5-mini", 0.25, 2.0),
    ("anthropic", "claude-sonnet-4-5", 3.0, 15.0),
)  # dollars for a million tokens

Arrival = tuple[float, int, int]


def trace() -> list[Arrival]:
    """Seconds since the beginning, tokens in, tokens out."""
    for path in ROOT.parent.glob("*/data/azure_llm_2023_conv.csv"):
        with path.open(encoding="utf-8") as file:
            rows = [
                (_seconds(row["TIMESTAMP"]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
                for row in csv.DictReader(file)
            ]
        return [(at - rows[0][0], context, answer) for at, context, answer in rows]
    print("The Azure trace is not here: a synthetic hour of the same quantiles stands in for it.")
    return list(synthetic(random.Random(2023)))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text[:26]).replace(tzinfo=timezone.utc).timestamp()


def synthetic(dice: random.Random) -> Iterator[Arrival]:
    at = 0.0
    while at < HOUR:
        yield at, int(_drawn(CONTEXT, dice)), int(_drawn(GENERATED, dice))
        at += _drawn(GAPS, dice)


def _drawn(deciles: tuple[float, ...], dice: random.Random) -> float:
    part, within = divmod(dice.random() * (len(deciles) - 1), 1)
    low, high = deciles[int(part) : int(part) + 2]
    return low + (high - low) * within


def records(arrivals: list[Arrival], dice: random.Random) -> Iterator[Record]:
    """Calls with a healthy provider behind them, in the order in which they end. Latency follows from the answer's length."""
    calls = []
    for at, context, answer in ((at + HOUR * hour, *tokens) for hour in range(HOURS) for at, *tokens in arrivals):
        provider, model, low, high = MODELS[dice.random() < 0.3]
        first = 0.35 * dice.lognormvariate(0, 0.3) + context * 5e-5
        took = first + answer * 0.012 * dice.lognormvariate(0, 0.2)
        failed = dice.random() < 0.002
        calls.append(
            Observation(
                BEGIN + at + took, provider, model, "chat", model, "api.example.com", "server_error" if failed else "", took,
                stream=True, first_chunk=first, input_tokens=None if failed else context, output_tokens=None if failed else answer,
                cost=None if failed else (context * low + answer * high) / 1e6, cost_source="" if failed else "prices",
                finish_reasons=() if failed else ("length",) if answer >= 1000 else ("stop",),
            )
        )  # fmt: skip
    for call in sorted(calls, key=lambda call: call.at):
        yield call
        three = (call.provider, call.request_model, call.operation)
        yield Event(
            "otel_llm_cache_requests_total", call.at, (*three, "answers", "hit" if dice.random() < 0.6 else "miss")
        )
        yield Event("otel_llm_rate_limit_limit", call.at, (*three, "requests"), 1000)
        yield Event("otel_llm_rate_limit_remaining", call.at, (*three, "requests"), 600 + 200 * dice.random())


def service(arrivals: list[Arrival], seconds: int) -> Iterator[str]:
    """What each scrape of the service shows, with its traffic and after it."""
    store = Store(Config(budget_daily=10_000.0, budget_monthly=200_000.0))
    store.apply(Event("otel_llm_circuit_breaker_state", BEGIN, ("openai", "closed"), 1))
    todo = records(arrivals, random.Random(1))
    record = next(todo, None)
    for at in range(0, seconds, SCRAPE):
        while record is not None and record.at <= BEGIN + at:
            store.apply(record)
            record = next(todo, None)
        store.scraped(0.003)
        yield render(store.views(BEGIN + at), store.lock, openmetrics=False).decode()


def series(scraped: Iterator[str], used: set[str]) -> list[dict[str, str]]:
    """The scrapes as input of ``promtool test rules``, for the metrics that rules use."""
    values: dict[str, dict[int, str]] = defaultdict(dict)
    number = 0
    for number, text in enumerate(scraped):
        values['up{job="shop", instance="shop:9464"}'][number] = "1"
        for line in text.splitlines():
            name, labels, value = re.fullmatch(r"(\w+|#)(?:\{(.*)\})? (.*)", line).groups()  # type: ignore[union-attr]
            if name in used:
                values[f'{name}{{job="shop", instance="shop:9464"{"," + labels if labels else ""}}}'][number] = value
    return [
        {"series": name, "values": " ".join(found.get(at, "_") for at in range(number + 1))}
        for name, found in values.items()
    ]


@pytest.mark.parametrize("traffic", ["healthy", "none"])
def test_no_alert_fires(tmp_path: Path, traffic: str) -> None:
    rules = rule_files(Context(DEFAULT, RELEASED))
    seconds = (
        HOUR * (HOURS if traffic == "healthy" else 1) + QUIET
    )  # no window of an alert is longer than an hour where nothing was
    (tmp_path / "rules").mkdir()
    for path, text in rules.items():
        (tmp_path / "rules" / path).write_text(text, encoding="utf-8")
    used = set(re.findall(r"(?<![\w:])(?:gen_ai|otel_llm)_\w+(?![\w:])", "".join(rules.values())))
    fed = series(service(trace() if traffic == "healthy" else [], seconds), used)
    end = f"{seconds - SCRAPE}s"
    fires = {"expr": 'max_over_time(ALERTS{alertstate="firing"}[6h])', "eval_time": end, "exp_samples": []}
    was = "count(count_over_time(provider_model:otel_llm_signal:zscore1d[6h]))"
    judged = {
        "expr": f"{was} or vector(0)",
        "eval_time": end,
        "exp_samples": [{"value": 6 if traffic == "healthy" else 0}],
    }
    test = {"name": traffic, "interval": f"{SCRAPE}s", "input_series": fed, "promql_expr_test": [fires, judged]}
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "traffic.yml"
    # JSON is YAML, and ten times as fast to read
    path.write_text(json.dumps(document([test], [f"../rules/{name}" for name in rules], "30s")), encoding="utf-8")
    done = subprocess.run([needed("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
