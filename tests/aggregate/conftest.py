"""Calls, stores, and a way to read one value of a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otel_llm.aggregate import Histogram, Store
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.core.model import Observation

AT = 1_763_711_000.0  # 2025-11-21 07:43:20 UTC


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", True)


@pytest.fixture
def call() -> Callable[..., Observation]:
    def make(**fields: Any) -> Observation:
        plain = {
            "at": AT, "provider": "openai", "request_model": "gpt-5", "operation": "chat", "response_model": "gpt-5-2026",
            "server_address": "api.openai.com", "error_type": "", "duration": 0.5,
        }  # fmt: skip
        return Observation(**{**plain, **fields})

    return make


@pytest.fixture
def store() -> Store:
    return Store(Config())


@pytest.fixture
def read() -> Callable[..., Any]:
    """One value by metric and some labels: a number, or count, sum and counts of a histogram; None where there is none."""

    def value(store: Store, metric: str, at: float = AT, **labels: str) -> Any:
        for view in store.views(at):
            if view.metric.name == metric:
                found = [
                    row.cell
                    for row in view.rows
                    if labels.items() <= dict(zip(view.names, row.labels, strict=True)).items()
                ]
                assert len(found) <= 1, f"{len(found)} series of {metric} have {labels}"
                if found:
                    return _plain(found[0])
        return None

    return value


def _plain(cell: Any) -> Any:
    if isinstance(cell, Histogram):
        return sum(cell.counts), cell.sum
    return cell.value
