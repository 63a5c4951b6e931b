"""What a host may ask us from code: the metrics to mount, and the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otel_llm import runtime
from otel_llm.aggregate.summary import Summary
from otel_llm.aggregate.window import Check
from otel_llm.aggregate.window.slices import SIGNALS
from otel_llm.calls.context import given
from otel_llm.core.config import Config
from otel_llm.exposition import apps


def _scrape(accept: str) -> tuple[str, bytes]:
    running = runtime.start()
    if running is None:
        return "text/plain; version=0.0.4; charset=utf-8", b""
    return running.endpoint.scrape(accept)


def _status() -> dict[str, Any]:
    running = runtime.start()
    if running is None:
        raise OSError("OTEL_SDK_DISABLED is set: nothing is watched")
    return running.member.status()


def asgi_app() -> apps.ASGIApp:
    """An ASGI application that answers with /metrics of the whole service, to mount in the host: ``app.mount("/metrics", ...)``.

    Raises nothing. It answers 503 where no worker leads, and with an empty page under ``OTEL_SDK_DISABLED``.
    """
    return apps.asgi_app(_scrape, _status)


def wsgi_app() -> apps.WSGIApp:
    """A WSGI application that answers with /metrics of the whole service, to mount in the host.

    Raises nothing. It answers 503 where no worker leads, and with an empty page under ``OTEL_SDK_DISABLED``.
    """
    return apps.wsgi_app(_scrape, _status)


def stats() -> Summary | None:
    """What the window holds now: latencies, error, fallback and cache-hit rates, cost and tokens, by model and in total.

    It also holds budgets, z-scores, baselines that have shifted, and counts since the service started, of all workers together.
    JSON can hold all values: seconds, tokens, US dollars, ratios from 0 to 1 (of a budget also above 1). A None inside means
    "unknown". Returns None where nothing is watched. Raises OSError where no worker leads just now.
    """
    running = runtime.current()
    return running.member.stats() if running is not None else None


def check(
    signal: str, value: float, *, model: str, provider: str = "", labels: Mapping[str, str] | None = None
) -> Check | None:
    """Judge one value: its z-score against the baseline of ``model``, and how severe that is.

    ``signal`` is latency (seconds), output_tokens or cost (US dollars). ``labels`` are values of ``OTEL_LLM_ANOMALY_LABELS``, by name;
    None takes those of the ``otel_llm.labels(...)`` around it. Without ``provider`` or a label any is meant: the baseline of most calls
    judges, and the answer's ``provider`` and ``labels`` say whose it was. Returns None where there is no baseline yet or nothing is
    watched. Nothing is counted. Raises ValueError on another signal or label, and OSError where no worker leads just now.
    """
    if signal not in SIGNALS:
        raise ValueError(f"signal {signal!r} is unknown (allowed: {', '.join(SIGNALS)})")
    running = runtime.current()
    if running is None:
        return None
    verdict = running.member.check((provider, model, *_apart(running.config, labels)), signal, float(value))
    return None if verdict is None else Check(*verdict)


def _apart(config: Config, labels: Mapping[str, str] | None) -> Iterator[tuple[str, str]]:
    """Name and value of the labels by which windows are kept apart; of those around the caller where ``labels`` is None."""
    names = [name for name in config.metric_labels if name in config.window_labels]
    for name in labels or ():
        if name not in names:
            raise ValueError(f"label {name!r} has no baselines (OTEL_LLM_ANOMALY_LABELS: {', '.join(names) or 'none'})")
    values = given() if labels is None else labels
    return ((name, str(values[name])) for name in names if name in values)
