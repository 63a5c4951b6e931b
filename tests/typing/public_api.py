"""How the public names are typed, for users with strict checkers. Read by mypy, never run.

A line that must be refused says so by ``type: ignore``; mypy tells of one that is not needed.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import otel_llm
from otel_llm import Anomaly
from otel_llm.aggregate.summary import Summary
from otel_llm.aggregate.window import Check
from otel_llm.calls.observe import Observed
from otel_llm.core.model import Response, Usage
from otel_llm.middleware import ASGIMiddleware, WSGIMiddleware
from otel_llm.outputs.alerts import Subscription
from otel_llm.reliability.breakers import Breaker
from otel_llm.testing import Captured, capture

if sys.version_info >= (3, 11):
    from typing import assert_type
else:
    from typing_extensions import assert_type


def starting() -> None:
    assert_type(otel_llm.instrument(), None)
    otel_llm.instrument("openai", "anthropic")
    otel_llm.instrument(1)  # type: ignore[arg-type]
    assert_type(otel_llm.uninstrument("openai"), None)
    assert_type(otel_llm.__version__, str)


@otel_llm.track_cost()
def spend(text: str) -> int:
    return len(text)


def spending() -> None:
    with otel_llm.track_cost() as spent:
        assert_type(spend("a"), int)
    assert_type(spent, otel_llm.track_cost)
    assert_type((spent.calls, spent.cost_usd, spent.complete), tuple[int, float, bool])


@otel_llm.guard(max_calls=3)
def limited(text: str) -> int:
    return len(text)


@otel_llm.guard(tokens_per_minute=1000, on_exceeded="warn")
async def limited_async(text: str) -> int:
    return len(text)


def guarding(client: dict[str, int]) -> None:
    assert_type(otel_llm.guard(client, budget=1.0), dict[str, int])
    assert_type(limited("a"), int)
    assert_type(otel_llm.record_evaluation("thumbs", 1, label="up", response_id="r1"), None)
    awaited: Coroutine[Any, Any, int] = limited_async("a")
    awaited.close()
    otel_llm.guard(budget=1, on_exceeded="stop")  # type: ignore[call-overload]
    otel_llm.guard(budget="acme", on_exceeded=lambda error: error.model)
    error: otel_llm.BudgetExceededError = otel_llm.RunawayError("run", "run")
    assert_type((error.limit, error.retry_after), tuple[float, float | None])


@otel_llm.labels(feature="summaries")
def summarize(text: str, *, words: int = 10) -> str:
    return text[:words]


@otel_llm.labels(feature="summaries")
async def summarize_async(text: str) -> str:
    return text


@otel_llm.fallback("gpt-5", "claude-sonnet-4-5")
def serve(text: str) -> int:
    return len(text)


async def decorated() -> None:
    """Decorators keep signatures."""
    assert_type(summarize("a", words=3), str)
    summarize(1)  # type: ignore[arg-type]
    assert_type(await summarize_async("a"), str)
    assert_type(serve("a"), int)


def surrounded() -> None:
    with otel_llm.labels(tenant="acme", tier=3, feature=None):
        pass
    with otel_llm.fallback("gpt-5", "claude-sonnet-4-5", reason="overloaded"):
        pass


def telling() -> None:
    otel_llm.record_fallback(from_model="a", to_model="b", reason="timeout")
    otel_llm.record_fallback("a", "b")  # type: ignore[call-arg]
    otel_llm.record_cache(hit=True, cache="redis")
    otel_llm.record_cache(cache="redis")  # type: ignore[call-arg]
    breaker = otel_llm.circuit_breaker("openai")
    assert_type(breaker, Breaker)
    assert_type(breaker.opened(), None)
    with breaker as entered:
        assert_type(entered, Breaker)


def read(reply: Any, into: Response) -> None:
    into.usage = Usage(reply["in"], reply["out"])


@otel_llm.observe(provider="acme", model=lambda model, prompt: model, read=read)
def own_client(model: str, prompt: str) -> list[str]:
    return [model, prompt]


def observing() -> None:
    assert_type(own_client("a", prompt="b"), list[str])
    own_client(1, "b")  # type: ignore[arg-type]
    with otel_llm.observe(provider="acme", model="acme-1", read=read) as call:
        assert_type(call, Observed)
        call.reply({"in": 1, "out": 2})
    otel_llm.observe("acme")  # type: ignore[call-arg]


def plain(anomaly: Anomaly) -> None:
    assert_type(anomaly.value, float)
    assert_type(anomaly.baseline, float | None)
    assert_type(anomaly.model, str)
    anomaly.value = 0  # type: ignore[misc]


def ending() -> None:
    assert_type(otel_llm.flush(timeout=1.0), bool)


def reading() -> None:
    summary = otel_llm.stats()
    assert summary is not None
    assert_type(summary, Summary)
    assert_type((summary["at"], summary["window_seconds"], summary["in_flight"]), tuple[float, float, float])
    assert_type(summary["total"]["calls"], int)
    assert_type(summary["total"]["cost_usd_median"], float | None)
    assert_type(summary["total"]["latency_seconds"]["p95"], float)
    assert_type([one["model"] for one in summary["models"]], list[str])
    assert_type([one["used_ratio"] for one in summary["budgets"]], list[float | None])
    assert_type([one["zscore"] for one in summary["zscores"]], list[float])
    assert_type([one["before"] for one in summary["shifted"]], list[float])
    assert_type(summary["since_start"]["thinking_tokens"], float)
    summary["totals"]  # type: ignore[typeddict-item]


def asking() -> None:
    assert_type(otel_llm.check("latency", 9.1, model="gpt-5"), Check | None)
    otel_llm.check("latency", "9.1", model="gpt-5")  # type: ignore[arg-type]
    otel_llm.alert("deploy_failed", severity="critical")
    assert_type(otel_llm.price("gpt-5", Usage(100, 20)).cost, float | None)
    assert_type(otel_llm.dashboard(width=80), str)
    assert_type(otel_llm.Config().window, float)


reader = otel_llm.Reader(read)


async def asynchronous(_: Anomaly) -> None: ...


def wrong(_: str) -> None: ...


def handlers() -> None:
    off = otel_llm.on_anomaly(plain, severity="critical")
    assert_type(off, Subscription)
    off()
    otel_llm.on_anomaly(asynchronous, signal="latency")
    otel_llm.on_anomaly(print)
    otel_llm.on_anomaly(wrong)  # type: ignore[arg-type]


Scope = Any


async def application(_: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    await send(await receive())


def mounted() -> None:
    ASGIMiddleware(application, headers={"x-tenant": "tenant"}, server_timing=True)
    ASGIMiddleware(otel_llm.asgi_app())
    WSGIMiddleware(otel_llm.wsgi_app())


def testing() -> None:
    with capture("openai") as captured:
        assert_type(captured, Captured)
        assert_type(captured.call.input_tokens, int | None)
        assert_type(captured.call.cost, float | None)
