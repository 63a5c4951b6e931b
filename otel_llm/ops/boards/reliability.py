"""Reliability and SLOs: what fails, how much error budget is left, and whether retries, fallbacks and breakers help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core.objectives import BURN_RATES, duration
from otel_llm.ops import recorded
from otel_llm.ops.promql import fell_back, one_line

from .model import BAD, CLEAR, GOOD, WARN, Board, Column, Panel, Query, Row
from .parts import (
    BY_MODEL,
    BY_SERVICE,
    CALLS,
    COUNT,
    FAILED,
    OK,
    PM,
    RATE,
    SHARE,
    WHO,
    failed_traces,
    failing,
    lines,
    stat,
    table,
)
from .queries import PLACES, RANGE, Queries, either, most, share, split
from .queries import RATE as INTERVAL

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "What fails and why, is it the provider or us, how fast the error budget burns, and whether retries, fallbacks, breakers and "
    "response caches help. The recording rules add windows of up to three days and the budget of 30 days."
)
NOTHING_FAILED = "Nothing failed in this time range"
STATE = "otel_llm_circuit_breaker_state"
NO_BREAKER = "No circuit breaker is watched"
NO_CACHE = "No response cache is watched"


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("Is it failing?", (*_now(q, o), *_errors(q, o))),
        Row("Them or us?", _pressure(q, o)),
        Row("How long will the error budget last?", _budget(q, o)),
        Row("Do fallbacks, breakers and caches help?", _help(q, o), folded=True),
        Row("Which instance?", _instances(q, o), folded=True),
    )
    return Board("otel-llm-reliability", "LLM / Reliability and SLOs", DESCRIPTION, rows)


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    left = {
        "availability": (o.slo, "" if q.rules else _unavailable(q, RANGE)),
        "latency": (o.latency_slo, "" if q.rules else _too_slow(q, o, RANGE)),
    }

    def budget(slo: str, title: str, words: str) -> Panel:
        objective, bad = left[slo]
        raw = "" if q.rules else f"1 - ({bad}) / {1 - objective:.6g}"
        return stat(
            f"{slo}_left", title, SHARE,
            Query(f"bottomk(1, {q.pick(_left(q, slo), raw)})", BY_MODEL, instant=True),
            f"The objective allows that {100 * (1 - objective):.6g} % of calls {words}. How much of that is left, of the model with least: "
            "over 30 days with the recording rules, over the shown time without.", base=BAD, steps=((0.0, WARN), (0.5, GOOD)),
            decimals=0, sparkline=False,
        )

    served = share(q.rate("otel_llm_fallbacks_total"), q.rate("duration"))
    window = [] if q.rules else [q.gauge("otel_llm_fallback_ratio"), q.gauge("otel_llm_cache_hit_ratio")]
    fallback = q.first(served, *window[:1])
    hits = q.first(_hits(q, ()), *window[1:])
    threshold = duration(o.latency_slo_threshold)
    is_open = f"sum (max by (breaker) ({_is_open(q)}))"
    return (
        stat(
            "error_rate", "Errors, worst model", SHARE,
            Query(f"topk(1, {q.pick(q.rule(recorded.ERRORS, WHO), failing(q, WHO), failing(q))})", BY_SERVICE, instant=True),
            "The model with the largest share of failed calls, with its service; those that the caller cancelled did not fail.",
            sparkline=False,
            steps=((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), decimals=1,
        ),
        budget("availability", "Error budget left", "fail"),
        budget("latency", f"Slow budget left ({threshold})", f"take longer than {threshold}"),
        stat(
            "fallback", "Served by a fallback", SHARE, Query(fallback, "fallbacks"),
            "Fallbacks for each call, all picked models together.",
            steps=((o.fallback_rate, WARN),), decimals=1,
        ),
        stat(
            "open", "Open breakers", COUNT, Query(is_open, "open"), "Circuit breakers that are open now.",
            steps=((1.0, BAD),), empty=NO_BREAKER, decimals=0,
        ),
        stat(
            "cache_now", "Response cache hits", SHARE, Query(hits, "hits"),
            "Share of look-ups in response caches (not the provider's prompt cache) that hit.", base=WARN,
            steps=((o.cache_hit_ratio, GOOD),), empty=NO_CACHE, decimals=0,
        ),
    )


def _unavailable(q: Queries, over: str) -> str:
    return share(q.rate("duration", PM, over, **FAILED), q.rate("duration", PM, over))


def _too_slow(q: Queries, o: Objectives, over: str) -> str:
    bound = f"{o.latency_slo_threshold:g}"
    fast = q.within("duration", bound, PM, over, **OK)
    return f"1 - {fast} / ({q.rate('duration', PM, over, **OK)} > 0)"


def _hits(q: Queries, by: tuple[str, ...]) -> str:
    look_ups = "otel_llm_cache_requests_total"
    return share(q.rate(look_ups, by, result="hit"), q.rate(look_ups, by))


def _errors(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    by_type = split(q.rate("duration", ("error_type",), **FAILED), q.rate("duration"))
    by_model = q.pick(q.rule(recorded.ERRORS), share(q.rate("duration", PM, **FAILED), q.rate("duration", PM)))
    kinds = (*WHO, "error_type")
    own = f"sum by ({', '.join(kinds)}) ({q.select('otel_llm_error_ratio')}) > 0"
    which = f"{q.rule(recorded.ERRORS_BY_TYPE, kinds)} > 0" if q.rules else own
    return (
        lines(
            "by_type", "Failed calls by error", SHARE, [Query(by_type, "{{error_type}}")],
            "Share of all calls that failed, by type of error. The dashed line is the alert's.", low=0, stack="normal",
            steps=((o.error_rate, BAD),), links=(), empty=NOTHING_FAILED,
        ),
        lines(
            "by_model", "Failed calls, ten worst models", SHARE, [Query(most(by_model), BY_MODEL)],
            "Share of a model's calls that failed. Click a line for the failed calls' traces.", low=0,
            steps=((o.error_rate, BAD),), links=failed_traces(),
        ),
        table(
            "errors", "Which model fails with what?", [which],
            "As a share of the model's calls: of the last five minutes with the recording rules, of otel-llm's window without (there, "
            "cancelled and abandoned calls were ended by the caller).", sort="Share", empty=NOTHING_FAILED,
            columns=(
                Column("gen_ai_request_model", "Model"),
                Column("job", "Service", width=80),
                Column("error_type", "Error", width=125),
                Column("Value #A", "Share", SHARE, ((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), 75, 1),
            ),
        ),
    )


def _budget(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    slow = "" if q.rules else _too_slow(q, o, RANGE).replace(RANGE, "%s")
    return (
        _burn(q, "availability", "How fast errors burn the budget", o.slo, "" if q.rules else _unavailable(q, RANGE).replace(RANGE, "%s")),
        _burn(q, "latency", "How fast slow calls burn the budget", o.latency_slo, slow),
    )


def _left(q: Queries, slo: str) -> str:
    return q.rule(recorded.SLO_BUDGET_LEFT, slo=slo)


def _burn(q: Queries, slo: str, title: str, objective: float, bad: str) -> Panel:
    """A line for each model and pair of windows: the lower of both, as the alert has it, which fires where both are beyond."""
    pages = sorted({(rate, long, short, severity) for rate, long, short, severity in BURN_RATES})
    critical = [page for page in pages if page[3] == "critical"]
    queries = []
    for _, long, short, _ in reversed(critical):
        windows = [duration(long), duration(short)]
        burns = (
            f"({q.rule(recorded.SLO_ERRORS + one, slo=slo) if q.rules else bad.replace('%s', one)}) / {1 - objective:.6g}"
            for one in windows
        )
        queries.append(Query(most(lower(*burns), 5), f"{{{{gen_ai_request_model}}}} · {' and '.join(windows)}"))
    steps = tuple((rate, WARN if severity == "warning" else BAD) for rate, _, _, severity in pages)
    return lines(
        f"burn_{slo}", title, "suffix:x", queries,
        "By model, over a long and a short window, the lower of both: the alert fires where both are beyond a dashed line. 1 spends "
        "the budget in exactly 30 days. The lines: "
        + ", ".join(f"{rate:g}x over {duration(long)}" for rate, long, _, _ in reversed(pages)) + ".",
        width=12, low=0, steps=steps, base=CLEAR,
    )


def lower(one: str, other: str) -> str:
    """The lower of two values of each series."""
    return f"({one} <= {other} or {other})"


def _instances(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    """One bad pod among a hundred good ones."""
    place = ("job", *PLACES)
    calls = q.rate("duration", place)
    failed = q.rule(recorded.FAILED_BY_INSTANCE, place) if q.rules else q.rate("duration", place, **FAILED)
    bad = f"({failed} or 0 * {calls}) / ({calls} > 0)"
    return (
        lines(
            "instance_errors", "Failed calls, ten worst instances", SHARE, [Query(most(bad), "{{job}} {{instance}}")],
            "Share of an instance's calls that failed. One line far above the others: that instance; all alike: the provider.",
            width=12, low=0, steps=((o.error_rate, BAD),),
        ),
        table(
            "instances", "Instances", [calls, bad], "Calls per second and the share that failed.", width=12, sort="Errors",
            columns=(
                Column("job", "Service", width=150),
                Column("pod", "Pod"),
                Column("instance", "Instance"),
                Column("Value #A", "Calls", CALLS, width=100, decimals=2),
                Column("Value #B", "Errors", SHARE, ((o.error_rate, BAD),), 90, 1),
            ),
        ),
    )


def _help(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    raw = one_line(fell_back(q.rate("otel_llm_fallbacks_total", ("from_model",)), q.rate("duration", PM)))
    fallbacks = q.pick(q.rule(recorded.FALLBACKS), raw)
    paths = f"round({q.increase('otel_llm_fallbacks_total', ('from_model', 'to_model', 'reason'))}) > 0"
    steps = f"{q.increase('otel_llm_circuit_breaker_transitions_total', ('breaker', 'to_state'), INTERVAL)} > 0"
    by_cache = (*PM, "cache")
    hits = f"min by (cache) ({q.pick(q.record(recorded.CACHE_HITS, by_cache), _hits(q, by_cache))})"
    return (
        lines(
            "breaker_steps", "Breaker steps", COUNT, [Query(steps, "{{breaker}} to {{to_state}}")],
            "Steps of breakers; many in a row mean that a breaker flaps.", width=6, bars=True, low=0, empty="No breaker moved",
        ),
        lines(
            "fallback_rate", "Fell back to another model, ten most", SHARE, [Query(most(fallbacks), BY_MODEL)],
            "The share of a model's calls that fell back from it; where a router never calls the model itself, the share of all "
            "calls. The dashed line is the alert's.", width=6, low=0,
            steps=((o.fallback_rate, WARN),),
        ),
        table(
            "paths", "Fallbacks from, to and why", [paths], "Fallbacks within the shown time.", width=6, sort="Count",
            empty="No fallback in this time range",
            columns=(
                Column("from_model", "From"),
                Column("to_model", "To", width=90),
                Column("reason", "Reason", width=90),
                Column("Value #A", "Count", COUNT, width=60),
            ),
        ),
        lines(
            "hits", "Response cache hits", SHARE, [Query(hits, "{{cache}}")],
            "Share of look-ups that hit, of the model with the lowest share. The dashed line is the alert's.", width=6, low=0, high=1,
            steps=((o.cache_hit_ratio, WARN),), empty=NO_CACHE,
        ),
    )


def _is_open(q: Queries) -> str:
    return q.pick(f"{q.record(recorded.BREAKER_OPEN)} == bool 1", q.select(STATE, state="open"))


def _worst_state(q: Queries) -> str:
    return either(
        f"2 * {q.select(STATE, state='open')}", q.select(STATE, state="half_open"), f"0 * {q.select(STATE, state='closed')}"
    )


def _pressure(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    provider = PM[:1]
    bad = share(q.rate("duration", provider, **FAILED), q.rate("duration", provider))
    limited = (*PM, "kind")
    remaining, limit = (q.select(f"otel_llm_rate_limit_{part}") for part in ("remaining", "limit"))
    reading = q.pick(q.record(recorded.RATE_LIMIT_LEFT, limited), f"{remaining} / ({limit} > 0)")
    left = f"min by ({', '.join(limited)}) ({reading})"
    states = f"max by (breaker) ({q.pick(f'2 * {q.record(recorded.BREAKER_OPEN)}', _worst_state(q))})"
    return (
        lines(
            "by_provider", "Failed calls by provider", SHARE, [Query(most(bad, 5), "{{gen_ai_provider_name}}")],
            "If one provider fails on all its models, the fault is there. If all fail at once, it is this service or its network.",
            width=6, low=0,
            steps=((o.error_rate, BAD),),
        ),
        lines(
            "limits", "Left of the rate limit, five lowest", SHARE,
            [Query(f"bottomk(5, {left})", "{{kind}} · {{gen_ai_request_model}}")],
            "From the provider's response headers. The dashed line is the alert's.", width=6, low=0, high=1,
            steps=((o.rate_limit_left, WARN),), empty="The provider's answers name no rate limit",
        ),
        lines(
            "retries", "Retries by reason", RATE, [Query(q.rate("otel_llm_retries_total", ("reason",)), "{{reason}}")],
            "HTTP attempts after the first, per second; a call that succeeds at last is no error, but was slow.", width=6, low=0,
            stack="normal", empty="No retry in this time range",
        ),
        Panel(
            kind="state-timeline", key="breakers", title="Circuit breakers", unit="none",
            queries=(Query(states, "{{breaker}}"),), description="The worst state of each breaker over all instances.",
            width=6, base=GOOD, steps=((1.0, WARN), (2.0, BAD)),
            states=((0, "closed", GOOD), (1, "half open", WARN), (2, "open", BAD)), empty=NO_BREAKER,
        ),
    )
