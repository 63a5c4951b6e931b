"""The measures of the table of conditions: from a situation to one reading for each model, budget, breaker or the like.

What the table calls ``by_rules_only`` and the objectives over hours and days can only be judged from outside, by Prometheus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from otel_llm.core.conditions import BY_ID, LOW_TOO
from otel_llm.core.objectives import ALIKE, BURN_RATES, CALLER_ENDED, Objectives
from otel_llm.core.signals import PAGING, SHAPES

from .judgement import Labels, Reading
from .quality import severity
from .recent_cell import Cell
from .situation import Model, Situation
from .window import Key
from .words import dollars, moved, percent, seconds

Readings = Iterator[Reading]
YOUNG = 300.0  # seconds that a reading of a rate limit counts
CACHED = 0.05  # a share of cached input below which there is nothing to lose
_FAST_BURN = BURN_RATES[0][0]  # over an hour and over its last five minutes
_DAY = 86_400.0
_SIGMA, _MINUS = "\N{GREEK SMALL LETTER SIGMA}", "\N{MINUS SIGN}"


def read(now: Situation, objectives: Objectives) -> Readings:
    """Every reading there is."""
    for measure in MEASURES:
        yield from measure(now, objectives)


def _of(key: Key) -> Labels:
    return (("provider", key[0]), ("model", key[1]), *key[2:])


def _subject(key: Key) -> str:
    """The model, and whose it is where models of several have windows of their own."""
    return f"{key[1]} ({', '.join(value for _, value in key[2:])})" if key[2:] else str(key[1])


def _judged(condition: str, value: float, counts: Mapping[str, float], objectives: Objectives) -> float | None:
    return value if BY_ID[condition].enough(counts, objectives) else None


def _kinds(cell: Cell) -> tuple[str, ...]:
    """Types of failures, the most frequent first."""
    counted = [(-count, kind) for kind, count in cell.errors.items() if kind not in CALLER_ENDED]
    return tuple(kind for _, kind in sorted(counted))


def _errors(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        cell = model.five
        if not cell.calls:
            continue
        counts = {"calls": cell.calls, "failures": cell.failed}
        types = _kinds(cell)
        share = cell.failed / cell.calls
        who = sorted(((-count, label) for label, count in cell.who.items()))
        facts = {
            "calls": cell.calls, "types": types, "share": cell.failed / now.calls,
            "who": tuple((name, value, -count / cell.failed) for count, (name, value) in who) if cell.failed else (),
        }  # fmt: skip
        detail = f" ({', '.join(types[:2])})" if types else ""
        value = _judged("errors", share, counts, objectives)
        yield Reading("errors", _of(key), _subject(key), value, cell.calls, percent(share), detail, facts)
        for kind in types:
            share = cell.errors[kind] / cell.calls
            value = _judged("error_type", share, counts, objectives)
            labels = (*_of(key), ("error_type", kind))
            yield Reading(
                "error_type", labels, _subject(key), value, cell.calls, percent(share), f" ({kind})", {"types": (kind,)}
            )
        share = cell.errors.get("rate_limit", 0) / cell.calls
        value = _judged("rate_limit_refused", share, counts, objectives)
        yield Reading("rate_limit_refused", _of(key), _subject(key), value, cell.calls, percent(share))


def _providers(now: Situation, objectives: Objectives) -> Readings:
    totals: dict[str, list[Cell]] = {}
    for key, model in now.models.items():
        totals.setdefault(key[0], []).append(model.five)
    for provider, cells in totals.items():
        calls, failed = sum(cell.calls for cell in cells), sum(cell.failed for cell in cells)
        failing = [cell for cell in cells if cell.calls and cell.failed / cell.calls > objectives.error_rate_critical]
        if calls and len(failing) > 1:
            value = _judged("provider", failed / calls, {"calls": calls}, objectives)
            yield Reading("provider", (("provider", provider),), provider, value, calls, percent(failed / calls))


def _burn(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        hour, five = model.counts, model.five
        for slo, bad, every, allowed in (
            ("availability", [cell.failed for cell in (hour, five)], [cell.calls for cell in (hour, five)], 1 - objectives.slo),
            ("latency", [cell.slow for cell in (hour, five)], [_answered(cell) for cell in (hour, five)], 1 - objectives.latency_slo),
        ):  # fmt: skip
            if all(every):
                shares = [part / whole for part, whole in zip(bad, every, strict=True)]
                fast = bad[0] > 1 and min(shares) > _FAST_BURN * allowed
                value = _judged("burn", shares[0] / allowed if fast else 0.0, {"calls": hour.calls}, objectives)
                yield Reading(
                    "burn", (*_of(key), ("slo", slo)), _subject(key), value, hour.calls, percent(shares[0]), slo
                )


def _answered(cell: Cell) -> int:
    return cell.calls - sum(cell.errors.values())


def _latency(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        cell = model.five
        for condition, have, p95, what in (
            ("latency", cell.calls, cell.p95(), "calls"), ("first_chunk", cell.streams, cell.first_chunk_p95(), "streams"),
        ):  # fmt: skip
            if p95 is not None:
                value = _judged(condition, p95, {what: have}, objectives)
                yield Reading(condition, _of(key), _subject(key), value, have, seconds(p95), "", {"calls": have})


def _rate_limits(now: Situation, _: Objectives) -> Readings:
    for one in now.rate_limits:
        if one.limit > 0 and one.at >= now.at - YOUNG:
            left = one.remaining / one.limit
            labels = (*_of((one.provider, one.model)), ("kind", one.kind))
            yield Reading("rate_limit", labels, one.model, left, 1, percent(left), f" of {one.kind.replace('_', ' ')}")


def _fallbacks(now: Situation, objectives: Objectives) -> Readings:
    away: dict[str, float] = {}
    ways: dict[str, list[tuple[float, str]]] = {}
    for (start, end), count in now.fallbacks.items():
        away[start] = away.get(start, 0.0) + count
        ways.setdefault(start, []).append((count, end))
    every = sum(model.fifteen.calls for model in now.models.values())
    for start, count in away.items():
        own = [
            (key, model.fifteen.calls) for key, model in now.models.items() if key[1] == start and model.fifteen.calls
        ]
        calls = sum(number for _, number in own) or every
        if calls:
            share = min(count / calls, 1.0)
            labels = (("provider", own[0][0][0] if len(own) == 1 else ""), ("model", start))
            facts = {"calls": calls, "to": max(ways[start])[1]}
            value = _judged("fallback", share, {"calls": calls}, objectives)
            yield Reading("fallback", labels, start, value, calls, percent(share), "", facts)


def _caches(now: Situation, objectives: Objectives) -> Readings:
    for (provider, name, cache), (hits, lookups) in now.lookups.items():
        share = hits / lookups
        value = _judged("cache", share, {"look-ups": lookups}, objectives)
        labels = (*_of((provider, name)), ("cache", cache))
        yield Reading("cache", labels, name or f"cache {cache}", value, lookups, percent(share), f" {cache}")
    for key, model in now.models.items():
        usual, cell = model.usual.get("cached", 0.0), model.five
        if usual > CACHED and cell.input:
            share = cell.cached / cell.input
            value = _judged("prompt_cache", share / usual, {"calls": model.fifteen.calls}, objectives)
            why = f" (mostly {now.misses[key]})" if key in now.misses else ""
            yield Reading("prompt_cache", _of(key), _subject(key), value, cell.inputs, percent(share), why)


def _breakers(now: Situation, _: Objectives) -> Readings:
    for name, (state, _since) in now.breakers.items():
        provider = name.replace("/", ":").partition(":")[0]
        labels = (("provider", provider), ("breaker", name))
        yield Reading("breaker", labels, f"breaker {name}", float(state == "open"), 1)


_PERIODS = {"day": "Budget of the day", "month": "Budget of the month"}


def _budgets(now: Situation, _: Objectives) -> Readings:
    for one in now.money:
        if one.limit and one.spend is not None and one.forecast is not None:
            subject = _PERIODS[one.period] + (f" ({one.budget})" if one.budget else "")
            labels, used = (("budget", one.budget), ("period", one.period)), one.spend / one.limit
            shown = f"{percent(used)} ({dollars(one.spend)} of {dollars(one.limit)})"
            yield Reading("budget", labels, subject, used, 1, shown)
            yield Reading("budget_forecast", labels, subject, one.forecast, 1, percent(one.forecast))


_SINCE = "since this start of the service, against what was usual before"
_SIGNALS = {
    "output_tokens": "output length", "input_tokens": "input length", "cost": "cost of a call", "latency_slow": "share of slow calls",
    "output_long": "share of long answers", "output_short": "share of short answers", "output_spread": "spread of output lengths",
    "errors": "share of failed calls", "calls": "number of calls",
}  # fmt: skip
"""Signals as one thing, so that a sentence goes on with ``is``; the others' names are such words already."""


def _anomalies(now: Situation, _: Objectives) -> Readings:
    for key, model in now.models.items():
        for (signal, direction), parts in _sides(model.scores).items():
            condition = "mix" if signal in SHAPES else "anomaly" if signal in PAGING else ""
            if condition:
                score = max(parts.values(), key=abs)
                matters = direction == "high" or signal in LOW_TOO
                facts: dict[str, Any] = {"zscore": score, "alarms": model.five.alarms.get(signal, 0), "signal": signal}
                facts.update((kind, abs(parts.get(kind, 0.0)) if matters else 0.0) for kind in ("shift", "trend"))
                causes, since = model.causes.get(signal, ()), _SINCE if signal in model.since_start else ""
                if causes or since:
                    facts["moved"], facts["causes"] = (
                        "; ".join(filter(None, (since, moved(causes)))),
                        tuple(map(tuple, causes)),
                    )
                labels = (*_of(key), ("signal", signal), ("direction", direction))
                shown = f"{'+' if score > 0 else _MINUS}{abs(score):.1f} {_SIGMA}"
                far = max(facts["shift"], facts["trend"])
                named = _SIGNALS.get(signal, signal.replace("_", " "))
                yield Reading(condition, labels, _subject(key), far, 1, shown, named, facts)


def _sides(scores: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], dict[str, float]]:
    """Scores by kind, of each signal to each side."""
    sides: dict[tuple[str, str], dict[str, float]] = {}
    for (signal, kind), score in scores.items():
        sides.setdefault((signal, "high" if score > 0 else "low"), {})[kind] = score
    return sides


def _answers(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        yield from _lengths(key, model, objectives)
        cell = model.fifteen
        for condition, count, kind in (("truncated", cell.cut, "cut"), ("refused", cell.withheld, "withheld")):
            if cell.answers:
                share = count / cell.answers
                unusual = share > objectives.finish_reason_factor * model.usual.get(kind, 0.0)
                value = _judged(condition, share if unusual else 0.0, {"calls": cell.calls}, objectives)
                yield Reading(condition, _of(key), _subject(key), value, cell.answers, percent(share))


_FINISHED = ("truncation", "content_filter")  # problems that ``truncated`` and ``refused`` judge


def _problems(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        cell = model.fifteen
        for kind, count in cell.problems.items():
            if kind not in _FINISHED:
                value = _judged("answer_problem", count / cell.calls, {"calls": cell.calls}, objectives)
                shown = percent(count / cell.calls)
                yield Reading(
                    "answer_problem", (*_of(key), ("kind", kind)), key[1], value, cell.calls, shown, f" ({kind})"
                )


def _evaluations(now: Situation, _: Objectives) -> Readings:
    for (provider, model, name), one in now.evaluations.items():
        if one.zscore is not None:
            labels = (*_of((provider, model)), ("gen_ai_evaluation_name", name))
            subject = f"{name} {model}".strip()
            facts = {"mean": one.mean, "usual": one.usual, "severity": severity(one)}
            yield Reading(
                "evaluation", labels, subject, max(-one.zscore, 0.0), one.samples, f"{one.zscore:.1f}", "", facts
            )


def _guardrails(now: Situation, objectives: Objectives) -> Readings:
    for name in dict.fromkeys(name for name, _ in now.guardrails):
        checks = sum(count for (other, _), count in now.guardrails.items() if other == name)
        blocked = now.guardrails.get((name, "blocked"), 0.0)
        share = blocked / checks
        unusual = share > objectives.finish_reason_factor * now.blocked.get(name, 1.0)
        value = _judged("guardrail", share if unusual else 0.0, {"checks": checks}, objectives)
        yield Reading("guardrail", (("guardrail", name),), name, value, checks, percent(share))


def _guards(now: Situation, _: Objectives) -> Readings:
    for (budget, decision), count in now.decisions.items():
        if decision != "allowed":
            labels = (("budget", budget), ("decision", decision))
            yield Reading(
                "guard", labels, budget or "the overall budget", count, count, f"{count:.0f}", f" ({decision})"
            )


def _lengths(key: Key, model: Model, objectives: Objectives) -> Readings:
    cell, usual = model.fifteen, model.usual_output
    if usual is None or not cell.outputs or not usual[0] > 0:
        return
    counts = {"calls": cell.outputs}
    mean = cell.output / cell.outputs
    for condition in ("length", "length_high"):
        value = _judged(condition, mean / usual[0], counts, objectives)
        yield Reading(condition, _of(key), _subject(key), value, cell.outputs, f"{mean:,.0f}")
    if model.variation is not None:
        yield from _spread(key, cell.outputs, model.variation, usual[1] / usual[0], objectives)


def _spread(key: Key, answers: int, variation: float, usual: float, objectives: Objectives) -> Readings:
    ratios = {"variance": variation / max(usual, ALIKE)}
    if usual > ALIKE:
        ratios["variance_low"] = variation / usual
    for condition, ratio in ratios.items():
        value = _judged(condition, ratio, {"calls": answers}, objectives)
        yield Reading(condition, _of(key), _subject(key), value, answers, percent(variation))


def _costs(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        cell = model.five
        if cell.costs and model.usual_cost:
            mean = cell.cost / cell.costs
            value = _judged("cost_per_request", mean / model.usual_cost, {"calls": model.fifteen.calls}, objectives)
            yield Reading("cost_per_request", _of(key), _subject(key), value, cell.costs, dollars(mean))


def _work(now: Situation, objectives: Objectives) -> Readings:
    for kind, every in (("agent", now.agents), ("tool", now.tools)):
        for name, one in every.items():
            if one.runs:
                share = one.failed / one.runs
                value = _judged(kind, share, {"runs": one.runs}, objectives)
                yield Reading(kind, ((kind, name),), f"{kind} {name}", value, one.runs, percent(share))
    for name, one in now.agents.items():
        if one.priced:
            mean = one.cost / one.priced
            value = _judged("run_cost", mean, {"runs": one.priced}, objectives)
            yield Reading("run_cost", (("agent", name),), f"agent {name}", value, one.priced, dollars(mean))
    for (agent, tool), count in now.repeats.items():
        yield Reading(
            "runaway", (("agent", agent), ("tool", tool)), f"agent {agent}", count, count, f"{count:.0f}", f" ({tool})"
        )


def _incomplete(now: Situation, objectives: Objectives) -> Readings:
    for key, model in now.models.items():
        cell = model.fifteen
        for condition, count in (("unpriced", cell.unpriced), ("usage_unknown", cell.unknown)):
            if cell.calls:
                value = _judged(condition, count / cell.calls, {"calls": cell.calls}, objectives)
                yield Reading(condition, _of(key), _subject(key), value, cell.calls, percent(count / cell.calls))


def _telemetry(now: Situation, _: Objectives) -> Readings:
    for component, count in now.internal_errors.items():
        labels = (("component", component),)
        yield Reading("internal_errors", labels, "otel-llm", count, count, f"{count:.0f}", f" in {component}")
    for label, count in now.overflow.items():
        yield Reading("label_overflow", (("label", label),), "otel-llm", count, count, f"{count:.0f}", f" of {label}")
    if now.price_age is not None:
        yield Reading("old_prices", (), "otel-llm", now.price_age, 1, f"{now.price_age / _DAY:.0f} days")


MEASURES: tuple[Callable[[Situation, Objectives], Readings], ...] = (
    _errors, _providers, _burn, _latency, _rate_limits, _fallbacks, _caches, _breakers, _budgets, _anomalies, _answers, _problems,
    _evaluations, _guardrails, _guards, _costs, _incomplete, _work, _telemetry,
)  # fmt: skip
