"""Every alert: when it fires, how bad that is, and what it says to the one who is woken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import history, quality, traffic, upkeep, work
from .alert import Alert

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_llm.ops.rules import Context

__all__ = ["Alert", "alert_group", "alerts"]


def alert_group(it: Context) -> dict[str, Any]:
    """All alerts, as a group of a Prometheus rule file."""
    return {"name": "otel_llm.alerts", "interval": it.over(30), "rules": [alert.rule(it) for alert in alerts(it)]}


def alerts(it: Context) -> list[Alert]:
    """Every alert, in the order of the runbook."""
    parts: tuple[Callable[[Context], list[Alert]], ...] = (
        traffic.slow, traffic.failing, traffic.burning, history.tokens, upkeep.budgets, history.cost, traffic.around,
        traffic.breakers, history.anomalies, history.answers, quality.quality, work.failing, work.expensive, work.circles,
        upkeep.unknown, upkeep.own, upkeep.reach,
    )  # fmt: skip
    return [alert for part in parts for alert in part(it)]
