"""A row for each agent: its runs, how many failed, how long they take, its tokens and what it spends. All since the start."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import latency
from .facts import Row
from .latency import Latency

if TYPE_CHECKING:
    from .samples import Page

LABEL = "gen_ai_agent_name"
RUNS, SPENT, TOKENS = (
    "gen_ai_invoke_agent_duration_seconds",
    "otel_llm_agent_cost_usd_total",
    "otel_llm_agent_tokens_total",
)


def rows(page: Page) -> tuple[Row, ...]:
    """Agents by name. ``_none`` is what no agent's run is part of: it has no runs, so the spend of all adds up."""
    every: dict[str, float] = defaultdict(float)
    failed: dict[str, float] = defaultdict(float)
    for (name, error), count in page.by(f"{RUNS}_count", LABEL, "error_type").items():
        every[name] += count
        failed[name] += count if error not in ("", "cancelled", "abandoned") else 0.0
    spent = {name: usd for (name,), usd in page.by(SPENT, LABEL).items()}
    tokens: dict[str, dict[str, float]] = defaultdict(dict)
    for (name, kind), count in page.by(TOKENS, LABEL, "gen_ai_token_type").items():
        tokens[name][kind] = count
    return tuple(
        Row(
            name=name or "(none)",
            requests=every[name],
            failed=failed[name],
            latency=_latency(page, name),
            error_ratio=failed[name] / every[name] if every[name] else None,
            tokens=tokens.get(name, {}),
            cost_usd=spent.get(name),
            cost_per_request=spent[name] / every[name] if spent.get(name) and every[name] else None,
        )
        for name in dict.fromkeys([*every, *spent, *tokens])
    )


def _latency(page: Page, name: str) -> Latency | None:
    counts: Mapping[float, float] = {
        float(bound): count
        for (bound,), count in page.by(f"{RUNS}_bucket", "le", **{LABEL: name, "error_type": ""}).items()
    }
    p50, p95, p99 = (latency.from_buckets(counts, rank) for rank in (0.5, 0.95, 0.99))
    return None if p50 is None or p95 is None or p99 is None else Latency(p50, p95, p99, math.nan)
