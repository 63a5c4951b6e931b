"""The end of a program: everything delivered that its calls gave rise to, and one line that sums them up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry import trace

from otel_llm.core.guard import guard
from otel_llm.outputs import alerts

LABEL = "otel-llm"


def flush(timeout: float = 10.0) -> bool:
    """Deliver what the calls so far left to deliver: spans, metrics and logs of OpenTelemetry's SDK, and anomalies for handlers.

    For what ends without Python's own end: a function that is frozen after its answer, a job that leaves by ``os._exit``. Waits
    ``timeout`` seconds at most; returns whether all was delivered. /metrics needs no flush. Raises nothing.
    """
    until = time.monotonic() + max(0.0, timeout)
    delivered = True
    for provider in _providers():
        delivered = _flushed(provider, until - time.monotonic()) and delivered
    handled = False
    with guard("alerts"):
        handled = alerts.drain(max(0.0, until - time.monotonic()))
    return handled and delivered


def _providers() -> Iterator[Any]:
    yield trace.get_tracer_provider()
    if "opentelemetry.metrics" in sys.modules:  # else nobody has recorded anything, or has set one
        yield sys.modules["opentelemetry.metrics"].get_meter_provider()
    if "opentelemetry._logs" in sys.modules:
        yield sys.modules["opentelemetry._logs"].get_logger_provider()


def _flushed(provider: Any, seconds: float) -> bool:
    """Whether ``provider`` has sent what it had. What has no ``force_flush`` keeps nothing back."""
    flush = getattr(provider, "force_flush", None)
    if flush is None:
        return True
    if seconds <= 0:
        return False
    with guard("stop"):
        return flush(int(seconds * 1000)) is not False
    return False


def sum_up(summary: Mapping[str, Any]) -> str:
    """``Store.summary`` in one line: calls, errors, tokens, cost, p95, and what of it is missing."""
    since = summary["since_start"]
    calls = int(since["calls"])
    if not calls:
        return f"{LABEL}: no call of a watched LLM client library was seen (otel-llm doctor shows which are watched)"
    parts = [
        f"{_many(calls, 'call')}, {_errors(since['errors'])}",
        f"{int(since['input_tokens']):,} input and {int(since['output_tokens']):,} output tokens",
        f"${since['cost_usd']:,.4f}",
        "p95 unknown" if since["p95_seconds"] is None else f"p95 {_duration(since['p95_seconds'])}",
        _missing(since, int(summary["in_flight"])),
    ]
    return f"{LABEL}: {'; '.join(parts)}"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _errors(errors: Mapping[str, int]) -> str:
    if not errors:
        return "no errors"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(errors.items(), key=lambda one: -one[1]))
    return f"{_many(sum(errors.values()), 'error')} ({kinds})"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _missing(since: Mapping[str, Any], in_flight: int) -> str:
    """What tokens and cost lack; nothing is left out in silence."""
    lacking = (
        (since["unknown_usage_calls"], "without usage"),
        (since["unpriced_calls"], "without a price"),
        (since["incomplete_calls"], "priced in part"),
        (in_flight, "still open"),
    )
    parts = [f"{int(number):,} {what}" for number, what in lacking if number]
    return f"missing: {', '.join(parts)}" if parts else "nothing missing"


def say(line: str) -> None:
    """One line on standard error, where there is one."""
    with guard("stop"):
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
