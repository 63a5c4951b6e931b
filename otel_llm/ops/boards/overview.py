"""The Overview: is it slow, is it failing, is it burning money, has the model got worse, and which model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded

from .model import BAD, GOOD, NEUTRAL, WARN, Board, Column, Panel, Query, Row
from .parts import (
    BUDGET,
    CALLS,
    FAILED,
    MODEL,
    OK,
    OUTPUT,
    PM,
    SECONDS,
    SHARE,
    SIGMA,
    TOKENS,
    USD,
    WINDOW,
    around_zero,
    failing,
    length_limits,
    lines,
    stat,
    table,
    targets_up,
    to,
    to_model,
)
from .queries import RANGE, Queries, either, extreme, most, ratio, share, split

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "Is it slow, is it failing, is it burning money, has the model got worse, and which model? Click an answer for its board. "
    "Works with otel-llm's /metrics alone; the recording rules add the fleet's z-scores and the list of alerts."
)
_ALERTS = (
    "max by (alertname, severity, alertstate, job, gen_ai_request_model) "
    '(ALERTS{alertname=~"LLM.+", job=~"$job|", gen_ai_provider_name=~"$provider|", gen_ai_request_model=~"$model|"})'
)


def board(q: Queries, o: Objectives) -> Board:
    first = Row("", (_slow(q, o), _failing(q, o), _money(q, o), _worse(q, o), _unusual(q, o), _trust(q)))
    return Board(
        "otel-llm-overview",
        "LLM / Overview",
        DESCRIPTION,
        (first, Row(" ", _courses(q, o)), Row("  ", _which(q, o))),
        "now-3h",
    )


def _slow(q: Queries, o: Objectives) -> Panel:
    now = q.gauge("otel_llm_latency_seconds", quantile="0.95")
    return stat(
        "slow", "Is it slow? p95", SECONDS, Query(either(q.quantile(0.95, "duration", **OK), now), "p95"),
        "95 % of successful calls are faster than this. Before there are rates: the slowest model's p95 over otel-llm's window.",
        height=5, steps=((o.p95, WARN),), links=to("latency", "Latency"),
    )


def _failing(q: Queries, o: Objectives) -> Panel:
    return stat(
        "failing", "Is it failing? Errors", SHARE, Query(failing(q), "errors"),
        "Share of calls that failed, after the client's own retries. Orange: more than the availability objective allows. "
        "Red: the alert's limit. Calls that the caller cancelled are not failures.", height=5, decimals=1,
        steps=((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), links=to("reliability", "Reliability"),
    )


def _money(q: Queries, o: Objectives) -> Panel:
    spend = q.gauge("otel_llm_spend_usd", "sum", BUDGET, period="day")
    budget = q.gauge("otel_llm_budget_usd", "max", BUDGET, period="day")
    queries = (Query(f"sum (max by (job) ({spend}))", "today"), Query(f"max ({spend} / ({budget} > 0))", "of budget"))
    return stat(
        "money", "Burning money? Today", USD, queries,
        "Spent since midnight (OTEL_LLM_TIMEZONE), restarts survived, and the share of the daily budget that it is "
        "(OTEL_LLM_BUDGET_DAILY_USD; absent without one; of several budgets the one that is used most).", height=5,
        links=to("cost", "Cost"), empty="No priced call yet", base=NEUTRAL,
        columns=(
            Column(
                "of budget", "of budget", SHARE, ((o.budget_forecast_factor, WARN), (o.daily_budget_factor, BAD)),
                base=GOOD,
            ),
        ),
    )


def _worse(q: Queries, o: Objectives) -> Panel:
    change = q.gauge("otel_llm_output_tokens_change_ratio", by=PM)
    return stat(
        "worse", "Worse? Answer length", SHARE, Query(extreme(change), MODEL, instant=True),
        "How far the mean length of answers is from the baseline, of the model that is farthest. Much shorter answers are "
        f"the first sign of a degraded model, much longer ones of a changed prompt. {WINDOW}", height=5,
        sparkline=False, base=WARN, steps=length_limits(o), links=to("tokens", "Tokens"),
        empty="Under 20 calls: no baseline yet",
    )


def _unusual(q: Queries, o: Objectives) -> Panel:
    own = f"max by ({', '.join((*PM, 'signal'))}) ({q.select('otel_llm_zscore', kind='shift')})"
    return stat(
        "unusual", "Unusual? Largest z", SIGMA,
        Query(
            extreme(either(q.rule(recorded.ZSCORE, (*PM, "signal")), own)), "{{signal}} {{gen_ai_request_model}}",
            instant=True,
        ),
        "The signal (latency, output tokens, cost) that is farthest from its baseline, in standard deviations: the fleet's "
        "from the recording rules, or otel-llm's own where there are none.", height=5, sparkline=False, base=BAD,
        steps=around_zero(o), links=to("anomalies", "Anomalies"), empty="No baseline yet, or all usual", decimals=1,
    )


def _trust(q: Queries) -> Panel:
    return stat(
        "trust", "Can I trust this? Up", SHARE,
        Query(targets_up(q), "targets up"),
        "Share of the scrape targets with otel-llm that answered the last scrape.", height=5, base=BAD,
        steps=((1.0, GOOD),), links=to("health", "Telemetry health"), empty="No target has answered",
    )


def _courses(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    slow = most(either(q.rule(recorded.DURATION, quantile="0.95"), q.quantile(0.95, "duration", PM, **OK)), 5)
    failing = split(q.rate("duration", ("error_type",), **FAILED), q.rate("duration"))
    return (
        lines(
            "traffic", "Calls by model", CALLS, [Query(most(q.rate("duration", PM), 8), MODEL)],
            "Calls per second, failed ones included; the eight busiest models.", width=6, height=7, stack="normal",
        ),
        lines(
            "slowest", "p95 of the slowest models", SECONDS, [Query(slow, MODEL, exemplar=True)],
            "95th percentile of successful calls; the five slowest models. The dashed line is the alert's.", width=6,
            height=7, steps=((o.p95, WARN),), links=to("latency", "Latency"),
        ),
        lines(
            "errors", "Failed calls by error", SHARE, [Query(failing, "{{error_type}}")],
            "Share of all calls that failed, by type of error. The dashed line is the alert's.", width=6, height=7,
            steps=((o.error_rate, BAD),), links=to("reliability", "Reliability"), low=0, stack="normal",
            empty="Nothing failed in this time range",
        ),
        lines(
            "burn", "Cost per hour by model", USD,
            [Query(most(f"3600 * {q.rate('otel_llm_cost_usd_total', PM)}", 8), MODEL)],
            "US dollars per hour at the rate of the moment; the eight most expensive models.", width=6, height=7,
            stack="normal", links=to("cost", "Cost"), empty="No priced call in this time range",
        ),
    )


def _which(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    return (_models(q, o), _alerts())


def _models(q: Queries, o: Objectives) -> Panel:
    per_hour = f"3600 * ({q.rate('otel_llm_cost_usd_total', PM, RANGE)} > 0)"
    queries = (
        either(f"{q.rate('duration', PM, RANGE)} > 0", q.gauge("otel_llm_requests_per_second", "sum", PM)),
        either(
            q.quantile(0.95, "duration", PM, RANGE, **OK), q.gauge("otel_llm_latency_seconds", by=PM, quantile="0.95")
        ),
        share(q.rate("duration", PM, RANGE, **FAILED), q.rate("duration", PM, RANGE)),
        either(per_hour, q.gauge("otel_llm_cost_usd_per_hour", "sum", PM)),
        either(
            ratio(q.rate("otel_llm_cost_usd_total", PM, RANGE), q.rate("duration", PM, RANGE)),
            q.gauge("otel_llm_cost_usd_per_request", by=PM),
        ),
        either(q.mean("output", PM, RANGE), q.gauge("otel_llm_tokens_per_request", by=PM, **OUTPUT)),
        q.gauge("otel_llm_output_tokens_change_ratio", by=PM),
    )
    return table(
        "models", "Which model?", queries,
        "One line for each model over the shown time; click a name for its latency. Length is the change of answers against "
        "their baseline. A model's first calls are answered from otel-llm's own window.", width=15, height=8,
        sort="Calls",
        columns=(
            Column("gen_ai_request_model", "Model", links=(to_model("latency", "Latency"),)),
            Column("gen_ai_provider_name", "Provider", width=115),
            Column("Value #A", "Calls", CALLS, width=85, decimals=2),
            Column("Value #B", "p95", SECONDS, ((o.p95, WARN),), 75),
            Column("Value #C", "Errors", SHARE, ((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), 70, 1),
            Column("Value #D", "$ per hour", USD, width=88, decimals=2),
            Column("Value #E", "$ per call", USD, width=90, decimals=5),
            Column("Value #F", "Answer", TOKENS, width=80),
            Column("Value #G", "Length", SHARE, length_limits(o), 70, 0, base=WARN),
        ),
    )


def _alerts() -> Panel:
    return table(
        "alerts", "Alerts", [_ALERTS],
        "otel-llm's alerts that are pending or firing now, for the picked models and those that are about no model.",
        width=9, height=8, empty="No alert is pending or firing, or Prometheus has not loaded otel-llm's rules",
        columns=(
            Column("alertname", "Alert"),
            Column("severity", "Severity", width=75, words=(("critical", BAD), ("warning", WARN))),
            Column("alertstate", "State", width=65),
            Column("job", "Service", width=110),
            Column("gen_ai_request_model", "Model", width=110),
        ),
    )
