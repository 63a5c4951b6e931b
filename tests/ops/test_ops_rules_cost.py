"""What the rules read, by Prometheus's own query statistics: of one pod, and of twenty that do the same."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_lab import Prometheus
from scripted_run import Script, scrapes, store

from otel_llm.core.objectives import DEFAULT
from otel_llm.ops import recorded
from otel_llm.ops.prometheus import all_groups
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context

MANY = 20
MINUTES = 6  # one more than the longest range over what pods expose
RULES = [rule for group in all_groups(Context(DEFAULT, RELEASED)) for rule in group["rules"]]
RECORDED = re.compile(r"\b(?:\w+:)+\w+")


def exposed(pods: int, begin: float) -> Iterator[str]:
    """The scrapes of ``pods`` targets that show the same, four a minute."""
    for at, text in scrapes(Script(begin, MINUTES * 60), store(), 15):
        for line in text.splitlines():
            if line[0] == "#":
                continue
            head, value = line.partition(" # ")[0].rsplit(" ", 1)  # without exemplars
            name, _, labels = head.partition("{")
            rest = f",{labels}" if labels else "}"
            for pod in range(pods):
                yield f'{name}{{job="shop",instance="pod-{pod}"{rest} {value} {at:.3f}'


def long_record(end: float) -> Iterator[str]:
    """Two days of what rules have recorded of two models, which is the same for any number of pods."""
    names = [name for name, labels in recorded.LABELS.items() if labels[-2:] == recorded.PROVIDER_MODEL]
    for step in range(2 * 24 * 6):
        at = end - 600 * step
        for name in names:
            for model in ("gpt-5", "gpt-5-mini"):
                labels = f'job="shop",gen_ai_provider_name="openai",gen_ai_request_model="{model}"'
                yield f"{name}{{{labels}}} 1 {at:.3f}"


def read(folder: Path, pods: int) -> dict[int, int]:
    """How many samples each rule reads at one evaluation, by its place among the rules."""
    end = time.time() // 60 * 60
    server = Prometheus(folder, end=end)
    lines = sorted([*exposed(pods, end - MINUTES * 60), *long_record(end)], key=in_order)
    server.load([*lines, "# EOF"])
    with server.running():
        return {place: samples(server, rule["expr"]) for place, rule in enumerate(RULES)}


def in_order(line: str) -> tuple[str, float]:
    """Series by series, and each by time."""
    series, _, at = line.rsplit(" ", 2)
    return series, float(at)


def samples(server: Prometheus, expr: str) -> int:
    answer: Any = server.ask("query", {"query": expr, "time": server.end, "stats": "all"})
    return int(answer["stats"]["samples"]["totalQueryableSamples"])


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, int], dict[int, int]]:
    return read(tmp_path_factory.mktemp("one"), 1), read(tmp_path_factory.mktemp("many"), MANY)


def test_no_rule_over_a_long_window_reads_more_of_more_pods(costs: tuple[dict[int, int], dict[int, int]]) -> None:
    one, many = costs
    long = [place for place, rule in enumerate(RULES) if re.search(r"\[(\d+[hd]|1[0-9]m|[2-9]\dm)", rule["expr"])]
    assert len(long) > 20
    dear = {RULES[place].get("record", RULES[place].get("alert")): (one[place], many[place]) for place in long
            if many[place] > 1.5 * max(1, one[place])}  # fmt: skip
    assert dear == {}


def test_a_pod_costs_little(costs: tuple[dict[int, int], dict[int, int]]) -> None:
    one, many = costs
    per_pod = (sum(many.values()) - sum(one.values())) / (MANY - 1)
    assert per_pod <= 60_000, f"{per_pod:,.0f} samples for each pod, all rules once"
    assert max((many[place] - one[place]) / (MANY - 1) for place in one) <= 12_000
