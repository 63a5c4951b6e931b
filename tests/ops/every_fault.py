"""A service in which everything goes wrong that a condition is about, side by side, each in a model or an agent of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agreement import BEGIN

from otel_llm.core.model import Event, Observation, Record

CALM = 46  # minutes in which only Prometheus looks, and learns
LEARNED, ENDED, MINUTES = 66, 92, 114  # the minute in which faults begin, the one in which they end, and the last one
PACE = 7.5  # seconds between two calls of a model
OLD = 48  # the minute in which the price table becomes too old

Changed = Callable[[Observation, random.Random], Observation]


def _failing(kind: str, share: float) -> Changed:
    def fail(call: Observation, dice: random.Random) -> Observation:
        if dice.random() >= share:
            return call
        return call._replace(
            error_type=kind, duration=0.3, input_tokens=None, output_tokens=None, cache_read_tokens=None, cost=None,
            cost_source="", first_chunk=None, finish_reasons=(),
        )  # fmt: skip

    return fail


def _sometimes(share: float, **fields: Any) -> Changed:
    return lambda call, dice: call._replace(**fields) if dice.random() < share else call


def _longer(factor: float) -> Changed:
    return lambda call, _: call._replace(output_tokens=round((call.output_tokens or 0) * factor))


def _varying(call: Observation, dice: random.Random) -> Observation:
    return call._replace(output_tokens=dice.choice((10, 20, 20, 700)))


def _all(*changes: Changed) -> Changed:
    def change(call: Observation, dice: random.Random) -> Observation:
        for one in changes:
            call = one(call, dice)
        return call

    return change


FAULTS: Mapping[str, tuple[str, Changed]] = {  # by model, with its provider
    "healthy": ("openai", lambda call, _: call),
    "failing": ("google", _failing("server_error", 0.6)),
    "limited": ("google", _failing("rate_limit", 0.5)),
    "slow": ("openai", lambda call, _: call._replace(duration=call.duration * 25)),
    "late": ("openai", lambda call, _: call._replace(first_chunk=(call.first_chunk or 0) * 15, cost=(call.cost or 0) * 6)),
    "unknown": ("openai", _all(
        _sometimes(0.3, input_tokens=None, output_tokens=None, usage_unknown="stream_without_usage", cost=None, cost_source=""),
        _sometimes(0.3, cost=None, cost_source="unpriced"),
    )),
    "short": ("openai", _longer(0.4)),
    "long": ("openai", _longer(4.0)),
    "varying": ("openai", _varying),
    "odd": ("openai", _all(
        _sometimes(0.6, problems=("invalid_json",)), _sometimes(0.3, finish_reasons=("length",)),
        _sometimes(0.3, finish_reasons=("content_filter",)),
    )),
    "mixed": ("openai", lambda call, _: call._replace(input_tokens=(call.input_tokens or 0) * 4, cache_read_tokens=60)),
}  # fmt: skip


def script(since: float, until: float) -> Iterator[Record]:
    """What happens in these seconds after ``BEGIN``."""
    dice = random.Random(since)
    wrong = LEARNED * 60 <= since < ENDED * 60
    for number, (model, (provider, fault)) in enumerate(FAULTS.items()):
        for place in range(round((until - since) / PACE)):
            call = _healthy(BEGIN + since + place * PACE + number * 0.1, provider, model, dice)
            changed = fault(call, dice) if wrong else call
            yield changed
            if "invalid_json" in changed.problems:
                yield Event(
                    "otel_llm_answer_problems_total", changed.at, (provider, model, "chat", "invalid_json", "acme")
                )
    yield from _around(since, wrong, dice)
    yield from _work(since, wrong)


def _healthy(at: float, provider: str, model: str, dice: random.Random) -> Observation:
    vary = dice.lognormvariate(0, 0.25)
    return Observation(
        at, provider, model, "chat", model, "api.test", "", 2.0 * dice.lognormvariate(0, 0.25), ("acme",), stream=True,
        first_chunk=0.5 * dice.lognormvariate(0, 0.25), input_tokens=round(1000 * vary), output_tokens=round(200 * vary),
        cache_read_tokens=round(500 * vary), cost=0.01 * vary, cost_source="prices", finish_reasons=("stop",),
    )  # fmt: skip


def _around(since: float, wrong: bool, dice: random.Random) -> Iterator[Record]:
    at, of = BEGIN + since, ("openai", "healthy", "chat")
    left = 1.0 if wrong else 60.0
    yield Event("otel_llm_rate_limit_limit", at, (*of, "requests"), 100.0)
    yield Event("otel_llm_rate_limit_remaining", at, (*of, "requests"), left)
    for number in range(6):
        hit = dice.random() < (0.2 if wrong else 0.8)
        yield Event("otel_llm_cache_requests_total", at + number, (*of, "answers", "hit" if hit else "miss", "acme"))
        blocked = wrong and number == 0
        yield Event(
            "otel_llm_guardrail_checks_total", at + number, ("", "", "pii", "blocked" if blocked else "passed", "acme")
        )
        score = 0.9 + 0.02 * dice.gauss(0, 1) - (0.5 if wrong else 0.0)
        yield Event(
            "otel_llm_evaluation_score", at + number, ("openai", "healthy", "faithfulness", "acme"), max(score, 0.0)
        )
    yield Event("otel_llm_circuit_breaker_state", at, ("openai", "open" if wrong else "closed"))
    if wrong:
        yield Event(
            "otel_llm_fallbacks_total", at, ("openai", "healthy", "chat", "unknown", "healthy", "timeout", "acme"), 4.0
        )
        yield Event("otel_llm_budget_decisions_total", at, ("", "refused"))
        yield Event("otel_llm_internal_errors_total", at, ("reader",))
        yield _healthy(at, "openai", "healthy", dice)._replace(labels=(f"tenant-{since}",))
    else:
        yield Event("otel_llm_budget_decisions_total", at, ("", "allowed"))


def _work(since: float, wrong: bool) -> Iterator[Record]:
    for number in range(6):
        at, failed = BEGIN + since + number, wrong and number < 2
        error = "timeout" if failed else ""
        yield Event("gen_ai_invoke_agent_duration_seconds", at, ("support", error, "acme"), 3.0)
        yield Event("gen_ai_execute_tool_duration_seconds", at, ("search", "function", "support", error, "acme"), 0.3)
        yield Event("otel_llm_run_cost_usd", at, ("support", "acme"), 4.0 if wrong else 0.02)
    if wrong:
        yield Event("otel_llm_tool_repeats_total", BEGIN + since, ("support", "search", "acme"), 1.0)
