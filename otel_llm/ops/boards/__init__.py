"""The eight boards, as plain data: what each asks, shows and warns of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import agents, anomalies, cost, health, latency, overview, reliability, tokens

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

    from .model import Board
    from .queries import Queries

_MODULES = (overview, latency, tokens, cost, agents, reliability, anomalies, health)


def boards(queries: Queries, objectives: Objectives) -> tuple[Board, ...]:
    """All boards, asking ``queries`` (records, or raw metrics in one vocabulary), with limits from ``objectives``."""
    return tuple(module.board(queries, objectives) for module in _MODULES)
