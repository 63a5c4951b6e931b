"""One scripted run with an incident for every condition that rules and a service share, and what each surface says of it.

Each incident has a model, agent, tool, breaker or the like of its own, so that one run of three hours holds them all: two of
calm, without which nothing is usual, and then what differs from that.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from otel_llm.core.model import Event, Observation, Record

BEGIN = 1_790_000_000.0 // 86_400 * 86_400 + 36_000  # ten in the morning, UTC
MINUTES, EVERY = 152, 60
PACE = 10  # seconds between two calls of a model
CALM = 124  # minutes until what is unusual begins
PRICED = 86_400.0 * 90 - 600  # seconds that the price table is old at the beginning
DAILY, MONTHLY = 100.0, 130.0  # US dollars

Span = tuple[float, float]
Fields = Mapping[str, Any]
Change = Callable[
    [random.Random, int], Fields
]  # the number of the call says which ones are different: no noise at a limit


class Planted(NamedTuple):
    """What one model does wrong, and in which minutes."""

    model: str
    during: Span
    change: Change
    provider: str = ""


def often(share: float, **fields: Any) -> Change:
    """A part of the calls is different."""
    return lambda _, number: fields if int((number + 1) * share + 1e-9) > int(number * share + 1e-9) else {}


def failing(share: float, error: str = "server_error") -> Change:
    return often(
        share,
        error_type=error,
        duration=0.3,
        output_tokens=None,
        input_tokens=None,
        cache_read_tokens=None,
        cost=None,
        cost_source="",
    )


def lengths(mean: float, spread: float) -> Change:
    return lambda dice, _: {"output_tokens": max(1, int(mean * dice.lognormvariate(-spread * spread / 2, spread)))}


LATE = (CALM, MINUTES)
PLANTED = (
    Planted("fails", (40, 60), failing(0.6)), Planted("fails", (60, 78), failing(0.15)),
    Planted("both-a", (40, 58), failing(0.6), "outage"), Planted("both-b", (40, 58), failing(0.5), "outage"),
    Planted("slow", (45, 62), lambda dice, _: {"duration": 55.0 * dice.lognormvariate(0, 0.1)}),
    Planted("late-stream", (45, 62), lambda *_: {"first_chunk": 8.0, "duration": 9.0}),
    Planted("limited", (50, 66), failing(0.15, "rate_limit")),
    Planted("no-price", (50, 76), often(0.3, cost=None, cost_source="unpriced")),
    Planted("no-usage", (50, 76), often(0.3, input_tokens=None, output_tokens=None, cost=None, usage_unknown="absent")),
    Planted("wrong-answers", (50, 76), often(0.2, problems=("invalid_json",))),
    Planted("dear", LATE, lambda *_: {"cost": 0.05}),
    Planted("unusual", LATE, lambda dice, _: {"duration": 6.0 * dice.lognormvariate(0, 0.3)}),
    Planted("uncached", LATE, lambda *_: {"cache_read_tokens": 20}),
    Planted("cut", LATE, often(0.3, finish_reasons=("length",))),
    Planted("withheld", LATE, often(0.3, finish_reasons=("content_filter",))),
    Planted("short", LATE, lengths(80, 0.2)), Planted("long", LATE, lengths(560, 0.2)),
    Planted("varied", LATE, lengths(200, 1.5)),
)  # fmt: skip
QUIET = ("near-limit", "falls-back", "cache-misses", "scored")  # whose calls are well, but for what happens around them
MODELS = {**{one.model: one.provider or f"of-{one.model}" for one in PLANTED}, **{name: f"of-{name}" for name in QUIET}}


def calls(since: float, dice: random.Random) -> Iterator[Observation]:
    """The calls of one scrape's length."""
    minute = (since - BEGIN) / 60
    for model, provider in MODELS.items():
        for number in range(EVERY // PACE):
            output = int(200 * dice.lognormvariate(0, 0.2))
            call = Observation(since + number * PACE, provider, model, "chat", model, "api.test", "", 2 * dice.lognormvariate(0, 0.3),
                               ("acme",), input_tokens=1000, cache_read_tokens=500, output_tokens=output, cost=0.01,
                               cost_source="prices", stream=True, first_chunk=0.5, finish_reasons=("stop",))  # fmt: skip
            for one in PLANTED:
                if one.model == model and one.during[0] <= minute < one.during[1]:
                    call = call._replace(**one.change(dice, int(call.at - BEGIN) // PACE))
            if call.error_type:
                call = call._replace(first_chunk=None, finish_reasons=())
            yield call


def events(since: float, dice: random.Random) -> Iterator[Event]:
    """What happens beside the calls in one scrape's length."""
    minute = (since - BEGIN) / 60

    def within(start: float, end: float) -> bool:
        return start <= minute < end

    def event(name: str, *labels: str, value: float = 1.0) -> Event:
        return Event(f"otel_llm_{name}" if not name.startswith("gen_ai") else name, since, labels, value)

    limited = (MODELS["near-limit"], "near-limit", "chat")
    left = 5.0 if within(45, 60) else 1.0 if within(60, 75) else 50.0
    yield event("rate_limit_limit", *limited, "tokens", value=100.0)
    yield event("rate_limit_remaining", *limited, "tokens", value=left)
    for number in range(int(since - BEGIN) // PACE, int(since - BEGIN + EVERY) // PACE):
        away = 0.3 if within(50, 75) else 0.75 if within(75, 95) else 0.0
        if minute == 1 or often(away, so=1)(dice, number):
            yield event(
                "fallbacks_total", MODELS["falls-back"], "falls-back", "chat", "falls-back", "scored", "timeout"
            )
        hit = bool(often(0.2 if within(50, 76) else 0.8, so=1)(dice, number))
        yield event(
            "cache_requests_total", MODELS["cache-misses"], "cache-misses", "chat", "answers", "hit" if hit else "miss"
        )
        blocked = bool(often(0.5 if within(*LATE) else 0.03, so=1)(dice, number))
        yield event("guardrail_checks_total", MODELS["scored"], "scored", "pii", "blocked" if blocked else "passed")
        low = 0.4 if within(*LATE) else 0.9
        score = min(max(low + dice.gauss(0, 0.05), 0.0), 1.0)
        yield event("evaluation_score", MODELS["scored"], "scored", "relevance", value=score)
    if minute == int(minute):
        yield from _minutely(minute, event, dice)


def _minutely(minute: float, event: Callable[..., Event], dice: random.Random) -> Iterator[Event]:
    yield event("circuit_breaker_state", "openai:chat", "open" if 55 <= minute < 70 else "closed")
    wrong = 50 <= minute < 75
    for number in range(2):
        error = "timeout" if wrong and number else ""
        yield event("gen_ai_invoke_agent_duration_seconds", "planner", error, value=3.0)
        yield event("gen_ai_execute_tool_duration_seconds", "search", "function", "planner", error, value=1.0)
        yield event("run_cost_usd", "spender", value=(3.0 if wrong else 0.1) * dice.lognormvariate(0, 0.1))
    if 60 <= minute < 95:
        for _ in range(1 if minute < 78 else 3):
            yield event("tool_repeats_total", "planner", "search")
    if 60 <= minute < 70:
        yield event("budget_decisions_total", "", "refused")
    if minute == 20:
        yield event("internal_errors_total", "reader")


def records(since: float, dice: random.Random) -> Iterator[Record]:
    """All of it, and at minute 22 a label that gets too many values."""
    yield from calls(since, dice)
    yield from events(since, dice)
    if since == BEGIN + 22 * 60:
        for number in range(30):
            yield Event("otel_llm_retries_total", since, ("of-fails", "fails", "chat", "timeout", f"tenant-{number}"))


_WHO = {
    "model": "gen_ai_request_model", "error_type": "error_type", "cache": "cache", "breaker": "breaker", "signal": "signal",
    "decision": "decision", "gen_ai_evaluation_name": "gen_ai_evaluation_name", "guardrail": "guardrail",
    "agent": "gen_ai_agent_name", "tool": "gen_ai_tool_name", "component": "component", "label": "label", "slo": "slo",
}  # fmt: skip
JOINED = ", ".join(json.dumps(label) for label in _WHO.values())


def who(key: Mapping[str, Any]) -> str:
    """Whom a condition is about, as the labels of its alert say it."""
    return "/".join(str(key.get(name, "")) for name in _WHO)
