"""The seven boards, as plain data: what each asks, shows and warns of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import anomalies, cost, health, latency, overview, reliability, tokens
from .queries import Queries

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives
    from otel_llm.ops.promql import Vocabulary

    from .model import Board

_MODULES = (overview, latency, tokens, cost, reliability, anomalies, health)


def boards(vocabulary: Vocabulary, objectives: Objectives) -> tuple[Board, ...]:
    """All boards in one vocabulary, with limits from ``objectives``."""
    queries = Queries(vocabulary)
    return tuple(module.board(queries, objectives) for module in _MODULES)
