"""Reliability and SLOs: what fails, how much error budget is left, and whether retries, fallbacks and breakers help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core.objectives import BURN_RATES, duration
from otel_llm.ops import recorded
from otel_llm.ops.promql import fell_back, one_line

from .model import BAD, CLEAR, GOOD, NEUTRAL, WARN, Board, Column, Panel, Query, Row
from .parts import BY_MODEL, COUNT, FAILED, OK, PM, RATE, SECONDS, SHARE, failed_traces, failing, lines, stat, table
from .queries import RANGE, Queries, either, most, ratio, share, split

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "What fails and why, how fast the error budget burns, and whether retries, fallbacks, breakers and response caches help. "
    "The recording rules add windows of up to three days and the budget of 30 days."
)
NOTHING_FAILED = "Nothing failed in this time range"
STATE = "otel_llm_circuit_breaker_state"
NO_BREAKER = "No circuit breaker is watched"
NO_CACHE = "No response cache is watched"


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("Is it failing?", (*_now(q, o), *_errors(q, o))),
        Row("How long will the error budget last?", _budget(q, o)),
        Row("Do fallbacks, breakers and caches help?", _help(q, o)),
        Row("Is the provider pushing back?", _pressure(q, o), folded=True),
    )
    return Board("otel-llm-reliability", "LLM / Reliability and SLOs", DESCRIPTION, rows)


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    left = {"availability": (o.slo, _unavailable(q, RANGE)), "latency": (o.latency_slo, _too_slow(q, o, RANGE))}

    def budget(slo: str, title: str) -> Panel:
        objective, bad = left[slo]
        raw = f"1 - ({bad}) / {1 - objective:.6g}"
        return stat(
            f"{slo}_left", title, SHARE,
            Query(f"min ({either(q.rule(recorded.SLO_BUDGET_LEFT, slo=slo), raw)})", "left"),
            f"What is left of the errors that an objective of {objective:.6g} allows, of the model with least: over 30 days "
            "with the recording rules, over the shown time without.", base=BAD, steps=((0.0, WARN), (0.5, GOOD)),
            decimals=0,
        )

    served = share(q.rate("otel_llm_fallbacks_total"), q.rate("duration"))
    fallback = either(served, q.gauge("otel_llm_fallback_ratio"))
    hits = either(_hits(q, ()), q.gauge("otel_llm_cache_hit_ratio", "min"))
    is_open = f"sum (max by (breaker) ({q.select(STATE, state='open')}))"
    return (
        stat(
            "error_rate", "Errors", SHARE, Query(failing(q), "errors"),
            "Share of calls that failed; those that the caller cancelled did not.",
            steps=((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), decimals=1,
        ),
        budget("availability", "Error budget left"),
        budget("latency", f"Slow budget left ({duration(o.latency_slo_threshold)})"),
        stat(
            "fallback", "Served by a fallback", SHARE, Query(fallback, "fallbacks"),
            "Fallbacks for each call. Before there are rates: the model with most, over otel-llm's window.",
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
    by_model = either(q.rule(recorded.ERRORS), share(q.rate("duration", PM, **FAILED), q.rate("duration", PM)))
    own = f"sum by ({', '.join(PM)}, error_type) ({q.select('otel_llm_error_ratio')}) > 0"
    return (
        lines(
            "by_type", "Failed calls by error", SHARE, [Query(by_type, "{{error_type}}")],
            "Share of all calls that failed, by type of error. The dashed line is the alert's.", low=0, stack="normal",
            steps=((o.error_rate, BAD),), links=(), empty=NOTHING_FAILED,
        ),
        lines(
            "by_model", "Failed calls, ten worst models", SHARE, [Query(most(by_model), BY_MODEL, exemplar=True)],
            "Share of a model's calls that failed. Click a line for the failed calls' traces.", low=0,
            steps=((o.error_rate, BAD),), links=failed_traces(),
        ),
        table(
            "errors", "Errors of the window", [own],
            "Which model fails with what, as a share of its calls in otel-llm's window. Cancelled and abandoned "
            "calls were ended by the caller.", sort="Share", empty=NOTHING_FAILED,
            columns=(
                Column("gen_ai_request_model", "Model"),
                Column("error_type", "Error", width=150),
                Column("Value #A", "Share", SHARE, ((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), 90, 1),
            ),
        ),
    )


def _budget(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    return (
        _burn(q, "availability", "How fast errors burn the budget", o.slo, _unavailable(q, RANGE).replace(RANGE, "%s")),
        _burn(
            q,
            "latency",
            "How fast slow calls burn the budget",
            o.latency_slo,
            _too_slow(q, o, RANGE).replace(RANGE, "%s"),
        ),
    )


def _burn(q: Queries, slo: str, title: str, objective: float, bad: str) -> Panel:
    pages = sorted({(rate, long, severity) for rate, long, _, severity in BURN_RATES})
    queries = []
    for window in (duration(seconds) for _, seconds, _ in reversed(pages)):
        raw = f"({bad.replace('%s', window)}) / {1 - objective:.6g}"
        if window in ("1h", "6h"):
            expr = either(f"{q.rule(recorded.SLO_ERRORS + window, slo=slo)} / {1 - objective:.6g}", raw)
        else:
            expr = f"{q.rule(recorded.SLO_ERRORS + window, slo=slo)} / {1 - objective:.6g}"
        queries.append(Query(f"max ({expr})", f"over {window}"))
    steps = tuple((rate, WARN if severity == "warning" else BAD) for rate, _, severity in pages)
    return lines(
        f"burn_{slo}", title, "suffix:x", queries,
        "1 spends the budget in exactly 30 days; of the model that burns fastest. The dashed lines are the alerts': "
        + ", ".join(f"{rate:g}x over {duration(long)}" for rate, long, _ in reversed(pages))
        + ". One and three days need the recording rules.", width=12, low=0, steps=steps, base=CLEAR,
    )


def _help(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    raw = fell_back(q.rate("otel_llm_fallbacks_total", ("from_model",)), q.rate("duration", PM))
    fallbacks = either(q.rule(recorded.FALLBACKS), one_line(raw))
    paths = f"round({q.increase('otel_llm_fallbacks_total', ('from_model', 'to_model', 'reason'))}) > 0"
    worst = either(
        f"2 * {q.select(STATE, state='open')}",
        q.select(STATE, state="half_open"),
        f"0 * {q.select(STATE, state='closed')}",
    )
    states = f"max by (breaker) ({worst})"
    steps = f"sum by (breaker, to_state) (increase({q.select('otel_llm_circuit_breaker_transitions_total')}[$__rate_interval])) > 0"
    hits = f"min by (cache) ({either(q.rule(recorded.CACHE_HITS, (*PM, 'cache')), _hits(q, (*PM, 'cache')))})"
    look_ups = q.rate("otel_llm_cache_requests_total", ("cache", "result"))
    return (
        Panel(
            kind="state-timeline", key="breakers", title="Circuit breakers", unit="none",
            queries=(Query(states, "{{breaker}}"),), description="The worst state of each breaker over all instances.",
            base=GOOD, steps=((1.0, WARN), (2.0, BAD)),
            states=((0, "closed", GOOD), (1, "half open", WARN), (2, "open", BAD)), empty=NO_BREAKER,
        ),
        lines(
            "breaker_steps", "Breaker steps", COUNT, [Query(steps, "{{breaker}} to {{to_state}}")],
            "Steps of breakers; many in a row mean that a breaker flaps.", bars=True, low=0, empty="No breaker moved",
        ),
        lines(
            "fallback_rate", "Fell back to another model, ten most", SHARE, [Query(most(fallbacks), BY_MODEL)],
            "The share of a model's calls that fell back from it; of all calls, where it is not called itself. The dashed line "
            "is the alert's.", low=0,
            steps=((o.fallback_rate, WARN),),
        ),
        table(
            "paths", "Fallbacks from, to and why", [paths], "Fallbacks within the shown time.", sort="Count",
            empty="No fallback in this time range",
            columns=(
                Column("from_model", "From", width=140),
                Column("to_model", "To", width=110),
                Column("reason", "Reason", width=120),
                Column("Value #A", "Count", COUNT, width=65),
            ),
        ),
        lines(
            "hits", "Response cache hits", SHARE, [Query(hits, "{{cache}}")],
            "Share of look-ups that hit, of the model with fewest. The dashed line is the alert's.", low=0, high=1,
            steps=((o.cache_hit_ratio, WARN),), empty=NO_CACHE,
        ),
        lines(
            "look_ups", "Response cache look-ups", RATE, [Query(look_ups, "{{cache}} {{result}}")],
            "Look-ups per second.", low=0, stack="normal", empty=NO_CACHE,
        ),
    )


def _pressure(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    remaining, limit = q.select("otel_llm_rate_limit_remaining"), q.select("otel_llm_rate_limit_limit")
    left = either(
        q.rule(recorded.RATE_LIMIT_LEFT, (*PM, "kind")), f"min by ({', '.join(PM)}, kind) ({remaining} / ({limit} > 0))"
    )
    wait = ratio(
        q.rate("otel_llm_retry_wait_seconds_total", ("reason",)), q.rate("otel_llm_retries_total", ("reason",))
    )
    return (
        lines(
            "limits", "Left of the rate limit, ten lowest", SHARE,
            [Query(f"bottomk(10, {left})", "{{kind}} · {{gen_ai_request_model}}")],
            "From the provider's response headers. The dashed line is the alert's.", low=0, high=1,
            steps=((o.rate_limit_left, WARN),), empty="The provider's answers name no rate limit",
        ),
        lines(
            "retries", "Retries by reason", RATE, [Query(q.rate("otel_llm_retries_total", ("reason",)), "{{reason}}")],
            "HTTP attempts after the first, per second; a call that succeeds at last is no error, but was slow.", low=0,
            stack="normal", empty="No retry in this time range",
        ),
        lines(
            "waits", "Wait before a retry", SECONDS, [Query(wait, "{{reason}}")],
            "Mean time that the client slept before another attempt.", low=0, empty="No retry in this time range",
            base=NEUTRAL,
        ),
    )
