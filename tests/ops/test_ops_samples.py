"""How much rules and boards read, by a real Prometheus's own statistics: with one pod, with twenty, and with a hundred."""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import prometheus_lab as lab
import pytest
import scripted_run
from test_ops_boards_data import queries

from otel_llm.core.objectives import DEFAULT
from otel_llm.ops import recorded
from otel_llm.ops.prometheus import all_groups
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context

PODS, FEW_MODELS, SCRAPE = 20, 1, 60
TIMES_FASTER = SCRAPE / 15  # services are scraped each 15 seconds
DAY = 86_400
BOARD = 1_000_000  # samples of one refresh, at a hundred pods
RULE_OF_POD = 12_000  # samples that one rule may read of one pod, at each evaluation
PODS_OF_BOARDS, SHOWN = 100, 6 * 3600
STEP, FEWER = 30, 8  # of graphs, in seconds; what they read at one step in eight is counted as often


def read(prometheus: lab.Prometheus, path: str, asked: Mapping[str, Any]) -> int:
    """Samples that a query reads."""
    return int(prometheus.ask(path, {**asked, "stats": "all"})["stats"]["samples"]["totalQueryableSamples"])


@functools.cache
def page(end: float) -> list[tuple[str, str]]:
    """What a pod of few models shows: series and values."""
    script = scripted_run.Script(end - 600, 600)
    *_, (_, text) = scripted_run.scrapes(script, scripted_run.store(), 300)
    lines = [line.split(" # ")[0].rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    models = {model.name for model in scripted_run.MODELS[FEW_MODELS:]}
    return [
        (head, value)
        for head, _, value in lines
        if not any(f'"{model}"' in head for model in models) and "_created" not in head
    ]


def pods(count: int, end: float) -> Iterator[str]:
    """Seven minutes of ``count`` pods that all show the same real page."""
    for head, value in page(end):
        name, _, labels = head.partition("{")
        for pod in range(count):
            own = f'job="shop",instance="shop-{pod}:9464"' + ("," + labels if labels else "}")
            for minute in range(8):
                yield f"{name}{{{own} {value} {end - 420 + 60 * minute}"


VALUES = {
    "gen_ai_provider_name": ["openai"],
    "gen_ai_request_model": [f"m{number}" for number in range(7)],
    "job": ["shop"],
}
SEVERAL = {
    "le": [str(2**power / 100) for power in range(19)] + ["+Inf"], "quantile": ["0.5", "0.95", "0.99"],
    "error_type": ["", "timeout", "rate_limit"], "signal": list(recorded.SIGNALS), "severity": ["warning", "critical"],
    "slo": ["availability", "latency"], "period": ["day", "month"], "kind": ["input", "output"], "tenant": ["a", "b", "c"],
    "finish_reason": ["stop", "length"], "state": ["up", "down"], "season": ["1d", "2d", "3d", "7d"], "result": ["hit", "miss"],
    "part": ["samples", "mean", "stddev", "shifted_seconds"], "to_state": ["open", "closed"], "direction": ["high", "low"],
}  # fmt: skip


def records(names: Iterable[str], end: float, seconds: float, step: float, instances: int = 1) -> Iterator[str]:
    """What rules would have recorded of seven models over ``seconds``."""
    for name in names:
        labels = [label for label in recorded.LABELS[name] if label in {**VALUES, **SEVERAL, "instance": ""}]
        values = [
            [f"i{number}" for number in range(instances)] if label == "instance" else {**VALUES, **SEVERAL}[label]
            for label in labels
        ]
        for picked in itertools.product(*values):
            text = ",".join(f'{label}="{value}"' for label, value in zip(labels, picked, strict=True))
            for number in range(int(seconds / step) + 1):
                yield f"{name}{{{text}}} {number % 7 + 1} {end - seconds + number * step}"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, int]]:
    """By number of pods: what each rule reads."""
    end = time.time() // 60 * 60
    rules = [rule for group in all_groups(Context(DEFAULT, RELEASED)) for rule in group["rules"]]
    lasting = (
        recorded.CALLS, recorded.FAILED_CALLS, recorded.OK_CALLS, recorded.SLOW_CALLS, recorded.SIGNAL, recorded.COST, recorded.COST_ALL,
        recorded.OUTPUT_VARIATION, recorded.FINISH_REASONS, recorded.PROMPT_CACHE, recorded.HOUR_STDDEV, recorded.BUDGET, recorded.UNPRICED,
        recorded.SLO_CALLS + "1h", recorded.SLO_ERRORS + "1h",
    )  # fmt: skip
    found: dict[int, dict[str, int]] = {}
    for count in (1, PODS):
        prometheus = lab.Prometheus(tmp_path_factory.mktemp("pods"), end=end)
        history = records(lasting, end, 3 * DAY, 3600)
        prometheus.load(itertools.chain(pods(count, end), history, ["# EOF"]))
        with prometheus.running():
            found[count] = {
                f"{number} {rule.get('record') or rule['alert']}": read(
                    prometheus, "query", {"query": rule["expr"], "time": end}
                )
                for number, rule in enumerate(rules)
            }
    return found


def test_rules_over_long_windows_read_no_more_for_twenty_times_the_pods(samples: dict[int, dict[str, int]]) -> None:
    rules = [rule for group in all_groups(Context(DEFAULT, RELEASED)) for rule in group["rules"]]
    raw = [
        f"{number} {rule.get('record') or rule['alert']}"
        for number, rule in enumerate(rules)
        if re.search(r"\[\d+[hd]", rule["expr"])
    ]
    words = ("slo_", "baseline_", "season", "spread1d", ":period", "LLMErrorBudgetBurn", "LLMUnpriced")
    windows = {name for name in samples[1] if any(word in name for word in words)}
    assert len(windows) > 25
    for name in {*raw, *windows}:
        assert samples[PODS][name] <= 1.5 * samples[1][name] + 1, name


def test_no_rule_reads_much_of_a_pod(samples: dict[int, dict[str, int]]) -> None:
    for name, count in samples[PODS].items():
        of_pod = (count - samples[1][name]) / (PODS - 1) * TIMES_FASTER
        assert of_pod <= RULE_OF_POD, name
    whole = sum(samples[PODS][name] - samples[1][name] for name in samples[1]) / (PODS - 1) * TIMES_FASTER
    assert 1_000 < whole < 100_000  # all rules together; they once read 961,304 in the group of objectives alone


def test_one_refresh_of_a_board_reads_less_than_a_million_samples(tmp_path: Path) -> None:
    end = time.time() // 60 * 60
    prometheus = lab.Prometheus(tmp_path, end=end)
    prometheus.load(itertools.chain(records(recorded.LABELS, end, SHOWN, 240, PODS_OF_BOARDS), ["# EOF"]))
    totals: dict[str, int] = {}
    shown = {"__range": "6h", "__range_s": str(SHOWN), "__rate_interval": "1m", "__interval": "30s"}
    with prometheus.running():
        for name, query in queries(None):
            given = {"query": lab.filled_in(query.expr, **shown)}
            when = {"time": end} if query.instant else {"start": end - SHOWN, "end": end, "step": STEP * FEWER}
            count = read(prometheus, "query" if query.instant else "query_range", {**given, **when})
            count *= 1 if query.instant else FEWER
            assert count < BOARD / 2, name
            totals[name.partition("/")[0]] = totals.get(name.partition("/")[0], 0) + count
    assert len(totals) == 8
    assert min(totals.values()) > 1_000  # something was there to be read
    for board, total in totals.items():
        assert total <= BOARD, f"{board}: {total}"
