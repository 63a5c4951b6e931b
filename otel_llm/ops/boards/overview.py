"""The Overview: is it slow, is it failing, is it burning money, has the model got worse, and which model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded

from .model import BAD, GOOD, NEUTRAL, WARN, Board, Column, Link, Panel, Query, Row
from .parts import (
    BUDGET,
    BY_SERVICE,
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
    WHO,
    YESTERDAY,
    around_zero,
    calls_to_click,
    changed,
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
from .variables import ALERTS_SINCE

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "Is it slow, is it failing, is it burning money, has the model got worse, and which model? Click an answer for its board. "
    "The list of alerts and the fleet's z-scores need the recording rules."
)
def board(q: Queries, o: Objectives) -> Board:
    first = Row("", (_slow(q, o), _failing(q, o), _money(q, o), _worse(q, o), _unusual(q, o), _trust(q)))
    rows = (first, Row(" ", (_alerts(o), _models(q, o))), Row("  ", _courses(q, o)))
    return Board("otel-llm-overview", "LLM / Overview", DESCRIPTION, rows, "now-3h")


def _slow(q: Queries, o: Objectives) -> Panel:
    p95 = q.pick(q.rule(recorded.DURATION, WHO, quantile="0.95"), q.quantile(0.95, "duration", WHO, **OK))
    now = () if q.rules else (q.gauge("otel_llm_latency_seconds", by=WHO, quantile="0.95"),)
    return stat(
        "slow", "Is it slow? Slowest p95", SECONDS, Query(f"topk(1, {q.first(p95, *now)})", BY_SERVICE, instant=True),
        "The model whose p95 is the longest, named with its service: 95 % of its successful calls are faster. Orange from the "
        "alert's limit on.", height=4, sparkline=False, steps=((o.p95, WARN),), links=to("latency", "Latency"),
    )


def _failing(q: Queries, o: Objectives) -> Panel:
    worst = q.pick(q.rule(recorded.ERRORS, WHO), failing(q, WHO), failing(q))
    return stat(
        "failing", "Is it failing? Worst errors", SHARE, Query(f"topk(1, {worst})", BY_SERVICE, instant=True),
        "The model with the largest share of failed calls, named with its service, after the client's own retries. Orange: more "
        "than the availability objective allows. Red: the alert's limit. Calls that the caller cancelled are not failures.",
        height=4, sparkline=False, decimals=1, steps=((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)),
        links=to("reliability", "Reliability"),
    )


def _money(q: Queries, o: Objectives) -> Panel:
    spend = q.gauge("otel_llm_spend_usd", BUDGET, period="day")
    budget = q.gauge("otel_llm_budget_usd", BUDGET, period="day")
    today = f"sum (max by (job) ({spend}))"
    if q.rules:  # services that push have no gauge of it
        today = f"{today} or {q.rule(recorded.FLEET_SPEND, (), period='day')}"
    queries = (Query(today, "today"), Query(f"max ({spend} / ({budget} > 0))", "of budget"))
    return stat(
        "money", "Burning money? Today", USD, queries,
        "Spent since midnight (OTEL_LLM_TIMEZONE), also over restarts, and which share of the daily budget this is "
        "(OTEL_LLM_BUDGET_DAILY_USD; absent without one; of several budgets the one that is used most).", height=4,
        links=to("cost", "Cost"), empty="No priced call yet", base=NEUTRAL,
        columns=(
            Column(
                "of budget", "of budget", SHARE, ((o.budget_warning, WARN), (o.budget_reached, BAD)),
                base=GOOD,
            ),
        ),
    )


def _worse(q: Queries, o: Objectives) -> Panel:
    return stat(
        "worse", "Worse? Answer length", SHARE, Query(extreme(changed(q, WHO)), BY_SERVICE, instant=True),
        "How far the mean length of answers is from the baseline, of the model that is farthest. Much shorter answers are "
        "the first sign of a degraded model, much longer ones of a changed prompt.", height=4,
        sparkline=False, base=WARN, steps=length_limits(o), links=to("tokens", "Tokens"),
        empty="Under 20 calls: no baseline yet",
    )


def _unusual(q: Queries, o: Objectives) -> Panel:
    by = (*WHO, "signal")
    own = q.gauge("otel_llm_zscore", by=by, kind="shift")
    worst = extreme(either(own, q.rule(recorded.ZSCORE, by)) if q.rules else own)
    return stat(
        "unusual", "Unusual? Largest z", SIGMA,
        Query(worst, "{{signal}} " + BY_SERVICE, instant=True),
        "The signal (latency, output tokens, cost) that is farthest from its baseline, in standard deviations, with its model and "
        "service. Each process judges its own calls; those of services that push are judged by the fleet's last day.",
        height=4, sparkline=False, base=BAD, steps=around_zero(o), links=to("anomalies", "Anomalies"),
        empty="No baseline yet, or all usual", decimals=1,
    )


def _trust(q: Queries) -> Panel:
    return stat(
        "trust", "Can I trust this? Up", SHARE,
        Query(targets_up(q), "targets up"),
        "Share of the scrape targets with otel-llm that answered the last scrape.", height=4, base=BAD,
        steps=((1.0, GOOD),), links=to("health", "Telemetry health"), empty="No target has answered",
    )


def _courses(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    slow = most(q.pick(q.rule(recorded.DURATION, quantile="0.95"), q.quantile(0.95, "duration", PM, **OK)), 5)
    failed = split(q.rate("duration", ("error_type",), **FAILED), q.rate("duration"))
    calls, cost = q.rate("duration"), f"3600 * {q.rate('otel_llm_cost_usd_total')}"
    return (
        lines(
            "traffic", "Calls by model", CALLS,
            [Query(most(q.rate("duration", PM), 5), MODEL), Query(q.day_before(calls), YESTERDAY)],
            "Calls per second, failed ones included, of the five busiest models; the dashed line is all models a day before.",
            width=6, height=8, dashed=(YESTERDAY,),
        ),
        lines(
            "slowest", "p95 of the slowest models", SECONDS,
            [Query(slow, MODEL, exemplar=not q.rules), *calls_to_click(q, "duration", **OK)],
            "95th percentile of successful calls; the five slowest models. The dashed line is the alert's.", width=6,
            height=8, steps=((o.p95, WARN),), links=to("latency", "Latency"), log=True,
        ),
        lines(
            "errors", "Failed calls by error", SHARE,
            [Query(failed, "{{error_type}}"), Query(q.day_before(_share(q)), YESTERDAY)],
            "Share of all calls that failed, by type of error, and of all types a day before. The dashed line is the alert's.",
            width=6, height=8, steps=((o.error_rate, BAD),), links=to("reliability", "Reliability"), low=0,
            empty="Nothing failed in this time range", dashed=(YESTERDAY,),
        ),
        lines(
            "burn", "Cost per hour by model", USD,
            [Query(most(f"3600 * {q.rate('otel_llm_cost_usd_total', PM)}", 5), MODEL), Query(q.day_before(cost), YESTERDAY)],
            "US dollars per hour at the rate of the moment, of the five most expensive models; the dashed line is all models a day "
            "before.", width=6, height=8, links=to("cost", "Cost"), empty="No priced call in this time range",
            dashed=(YESTERDAY,),
        ),
    )


def _share(q: Queries) -> str:
    return share(q.rate("duration", **FAILED), q.rate("duration"))


def _models(q: Queries, o: Objectives) -> Panel:
    per_hour = f"3600 * ({q.rate('otel_llm_cost_usd_total', WHO, RANGE)} > 0)"
    p95 = q.pick(q.rule(recorded.DURATION, WHO, quantile="0.95"), q.quantile(0.95, "duration", WHO, RANGE, **OK))
    each = ratio(q.rate("otel_llm_cost_usd_total", WHO, RANGE), q.rate("duration", WHO, RANGE))
    window = [] if q.rules else [
        q.gauge("otel_llm_requests_per_second", WHO), q.gauge("otel_llm_latency_seconds", by=WHO, quantile="0.95"),
        q.gauge("otel_llm_cost_usd_per_hour", WHO), q.gauge("otel_llm_cost_usd_per_request", by=WHO),
        q.gauge("otel_llm_tokens_per_request", by=WHO, **OUTPUT),
    ]  # before there are rates
    queries = (
        q.first(f"{q.rate('duration', WHO, RANGE)} > 0", *window[:1]),
        q.first(p95, *window[1:2]),
        share(q.rate("duration", WHO, RANGE, **FAILED), q.rate("duration", WHO, RANGE)),
        q.first(per_hour, *window[2:3]),
        q.first(each, *window[3:4]),
        q.first(q.mean("output", WHO, RANGE), *window[4:]),
        changed(q, WHO),
    )
    return table(
        "models", "Which model of which service?", queries,
        "One line for each model of each service over the shown time; click a name for its latency. With the recording rules, p95 is "
        "that of the last five minutes. Length is the change of answers against their baseline.", width=14, height=8,
        sort="Calls",
        columns=(
            Column("gen_ai_request_model", "Model", links=(to_model("latency", "Latency"),)),
            Column("gen_ai_provider_name", "Provider", width=75),
            Column("job", "Service", width=75),
            Column("Value #A", "Calls", CALLS, width=80, decimals=2),
            Column("Value #B", "p95", SECONDS, ((o.p95, WARN),), 70),
            Column("Value #C", "Errors", SHARE, ((round(1 - o.slo, 6), WARN), (o.error_rate, BAD)), 65, 1),
            Column("Value #D", "$/hour", USD, width=70, decimals=2),
            Column("Value #E", "$/call", USD, width=80, decimals=5),
            Column("Value #F", "Answer", TOKENS, width=75),
            Column("Value #G", "Length", SHARE, length_limits(o), 65, 0, base=WARN),
        ),
    )


def _alerts(o: Objectives) -> Panel:
    return table(
        "alerts", "What is firing?", [ALERTS_SINCE],
        "otel-llm's alerts that fire now, for the picked models and those that are about no model: worst first, with since when. Click "
        "an alert for what to do.",
        width=10, height=8, empty="No alert is firing, or Prometheus has not loaded otel-llm's rules", sort="Severity", ascending=True,
        columns=(
            Column("severity", "Severity", width=70, words=(("critical", BAD), ("warning", WARN))),
            Column("alertname", "Alert", links=(Link("What to do", f"{o.runbook_url}#${{__data.fields.Runbook}}"),)),
            Column("job", "Service", width=65),
            Column("gen_ai_request_model", "Model", width=80),
            Column("Value #A", "Since", "dateTimeFromNow", width=120),
            Column("runbook", "Runbook", width=65),
        ),
    )
