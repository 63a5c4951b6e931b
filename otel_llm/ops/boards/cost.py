"""Cost and budgets: are we within the budget, what costs it, and why did it change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded

from .model import BAD, GOOD, NEUTRAL, WARN, Board, Column, Panel, Query, Row
from .parts import (
    BUDGET,
    BY_MODEL,
    COUNT,
    NOT_ZERO,
    PM,
    RATE,
    SHARE,
    TOKENS,
    USD,
    bars,
    heat,
    lines,
    stat,
    table,
    warn_above,
)
from .queries import LABEL, RANGE, Queries, most, ratio

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "What is spent, against budgets and by model, tenant and route. Budgets are set with OTEL_LLM_BUDGET_DAILY_USD, "
    "OTEL_LLM_BUDGET_MONTHLY_USD or OTEL_LLM_BUDGETS_FILE. Calls without a known price are counted, never priced as zero. "
    "The recording rules add the five-minute rates that the alerts judge."
)
COST = "otel_llm_cost_usd_total"
NO_PRICE = "No priced call in this time range"
NO_BUDGET = "No budget set"


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row(
            "Are we within the budget?",
            (
                *_period(q, o, "day", "Today", o.daily_budget_factor),
                *_period(q, o, "month", "Month", o.monthly_budget_factor),
                _burn_down(q, o, "day"),
                _burn_down(q, o, "month"),
            ),
        ),
        Row("What costs it?", _what(q)),
        Row("Why did it change?", _why(q)),
        Row("Does the provider's prompt cache work?", _prompt_cache(q)),
        Row("What is not counted in full, and what do guards refuse?", _unpriced(q), folded=True),
    )
    return Board("otel-llm-cost", "LLM / Cost and budgets", DESCRIPTION, rows, "now-24h")


def _used(q: Queries, period: str) -> str:
    spend = q.gauge("otel_llm_spend_usd", BUDGET, period=period)
    return _named(f"{spend} / ({q.gauge('otel_llm_budget_usd', BUDGET, period=period)} > 0)")


def _forecast(q: Queries, period: str) -> str:
    return _named(q.gauge("otel_llm_budget_forecast_ratio", BUDGET, period=period))


def _named(expr: str) -> str:
    """The overall budget has no name of its own."""
    return f'label_replace({expr}, "budget", "all calls", "budget", "")'


def _period(q: Queries, o: Objectives, period: str, word: str, factor: float) -> tuple[Panel, ...]:
    begins = "midnight" if period == "day" else "the first of the month"
    steps = ((o.budget_warning, WARN), (o.budget_reached, BAD), (factor, "dark-red"))
    spend = f"sum (max by (job) ({q.gauge('otel_llm_spend_usd', BUDGET, period=period)}))"
    if q.rules:  # services that push have no gauge of it: by the counter, in days of UTC
        spend = f"{spend} or {q.rule(recorded.FLEET_SPEND, (), period=period)}"
    return (
        stat(
            f"{period}_spend", f"{word}: spent", USD, Query(spend, "spent"),
            f"US dollars since {begins}, in OTEL_LLM_TIMEZONE; survives restarts.", base=NEUTRAL,
            empty="No priced call yet", decimals=2,
        ),
        Panel(
            kind="gauge", key=f"{period}_used", title=f"{word}: of budget", unit=SHARE,
            queries=(Query(_used(q, period), "{{job}} {{budget}}"),),
            description=_levels(o, factor), width=4, height=4, base=GOOD,
            steps=steps, low=0, high=round(max(1.2 * factor, 1.2), 2), empty=NO_BUDGET, decimals=0,
        ),
        stat(
            f"{period}_forecast", f"{word}: forecast", SHARE, Query(f"max ({_forecast(q, period)})", "forecast"),
            "Where the present rate leads by the period's end, as a share of the budget; of several budgets the worst.",
            steps=((o.budget_forecast_factor, WARN),), empty=NO_BUDGET, decimals=0,
        ),
    )


def _levels(o: Objectives, factor: float) -> str:
    return (
        f"Spend as a share of the budget. Orange from {o.budget_warning:.0%} on, red from {o.budget_reached:.0%} on; at {factor:.0%} the "
        "alert pages again."
    )


def _burn_down(q: Queries, o: Objectives, period: str) -> Panel:
    queries = [Query(_used(q, period), "{{job}} {{budget}} spent"), Query(_forecast(q, period), "{{job}} {{budget}} forecast")]
    factor = o.daily_budget_factor if period == "day" else o.monthly_budget_factor
    return lines(
        f"{period}_course", f"Budget of the {period}", SHARE, queries,
        "Spend and forecast as shares of the budget, with the limits of the alerts on spend.", width=12,
        height=7, low=0, steps=((o.budget_warning, WARN), (o.budget_reached, BAD), (factor, "dark-red")), empty=NO_BUDGET,
    )


def _what(q: Queries) -> tuple[Panel, ...]:
    by_model = most(f"3600 * {q.rate(COST, PM)}")
    by_label = most(f"3600 * {q.rate(COST, (LABEL,))}")
    route = most(f"({q.total('otel_llm_http_request_cost_usd', ('http_route',), RANGE)}) * $__range_s > 0", 15)
    return (
        lines(
            "by_model", "Cost per hour by model", USD, [Query(by_model, BY_MODEL)],
            "The ten most expensive models, at the rate of the moment.", stack="normal", low=0, empty=NO_PRICE,
        ),
        lines(
            "by_label", "Cost per hour by $label", USD, [Query(by_label, "{{$label}}")],
            "The ten most expensive values of the custom label that is picked above (OTEL_LLM_METRIC_LABELS); without it, one line without "
            "a name.",
            stack="normal", low=0, empty=NO_PRICE,
        ),
        bars(
            "by_route", "Cost by HTTP route", USD, Query(route, "{{http_route}}", instant=True),
            "LLM cost of served HTTP requests over the shown time, the fifteen most expensive routes; needs otel-llm's middleware.",
            empty="No HTTP request with LLM calls (otel-llm's middleware counts them)", base=NEUTRAL, low=0,
        ),
        _models(q),
    )


def _models(q: Queries) -> Panel:
    cost, calls = q.increase(COST, PM), q.increase("duration", PM)
    window = () if q.rules else (
        f"{q.gauge('otel_llm_cost_usd_per_hour', PM)} * $__range_s / 3600",
        f"{q.gauge('otel_llm_requests_per_second', PM)} * $__range_s",
        q.gauge("otel_llm_cost_usd_per_request", by=PM),
    )
    queries = (
        q.first(f"{cost} > 0", *window[:1]),
        q.first(f"{calls} > 0", *window[1:2]),
        q.first(ratio(cost, calls), *window[2:]),
        q.increase("gen_ai_client_inference_usage_input_tokens_total", PM),
        q.increase("gen_ai_client_inference_usage_output_tokens_total", PM),
        q.increase("otel_llm_cache_savings_usd_total", PM),
        _whole(q),
    )
    return table(
        "models", "Models over the shown time", queries,
        "What each model cost and why: calls, price of a call, tokens, what the provider's prompt cache saved. Whole is the share of calls "
        "whose cost is complete; of the others, all of it or a part is missing here.",
        width=24, height=8, sort="Cost", empty=NO_PRICE,
        columns=(
            Column("gen_ai_request_model", "Model"),
            Column("gen_ai_provider_name", "Provider", width=150),
            Column("Value #A", "Cost", USD, width=120, decimals=2),
            Column("Value #B", "Calls", COUNT, width=110),
            Column("Value #C", "Per call", USD, width=120, decimals=5),
            Column("Value #D", "Input", TOKENS, width=130),
            Column("Value #E", "Output", TOKENS, width=130),
            Column("Value #F", "Cache saved", USD, width=130, decimals=2),
            Column("Value #G", "Whole", SHARE, width=110, decimals=1),
        ),
    )


def _whole(q: Queries) -> str:
    """Share of calls whose cost is all of it, by model."""
    calls = q.increase("duration", PM)
    names = ("otel_llm_unpriced_requests_total", "otel_llm_usage_unknown_total", "otel_llm_incomplete_requests_total")
    lacking = " + ".join(f"({q.increase(name, PM)} or 0 * {calls})" for name in names)
    return f"clamp_min(1 - ({lacking}) / ({calls} > 0), 0)"


def _why(q: Queries) -> tuple[Panel, ...]:
    each = q.mean("otel_llm_request_cost_usd", PM)
    return (
        lines(
            "per_request", "Cost of a call by model", USD, [Query(most(each), BY_MODEL)],
            "Mean cost of a priced call, ten most expensive models. Up with the same model: longer prompts or answers.", low=0,
            empty=NO_PRICE,
        ),
        heat(
            "request_heatmap", "What calls cost", USD, q.buckets("otel_llm_request_cost_usd"),
            "Calls by cost: is it a few expensive ones or all of them?", empty=NO_PRICE,
        ),
    )


def _prompt_cache(q: Queries) -> tuple[Panel, ...]:
    read = q.rule(recorded.PROMPT_CACHE) if q.rules else q.gauge("otel_llm_prompt_cache_read_ratio", by=PM)
    misses = most(f"3600 * {q.rate('otel_llm_prompt_cache_misses_total', ('reason', 'gen_ai_request_model'))}")
    saved, avoidable = (
        f"3600 * {q.rate(f'otel_llm_cache_{what}_usd_total')}" for what in ("savings", "avoidable")
    )
    nothing = "No input came from a provider's prompt cache"
    return (
        lines(
            "cached", "Cached share of the input", SHARE, [Query(most(read), BY_MODEL)],
            "Share of input tokens that the provider read from its prompt cache. An alert fires when it falls far below the last day's: "
            "tools or a system prompt have changed, or the cache's time has run out.", low=0, high=1, empty=nothing,
        ),
        lines(
            "misses", "Misses per hour by reason", COUNT, [Query(misses, "{{reason}} {{gen_ai_request_model}}")],
            "Why it was missed, by the provider's own word, where requests ask for diagnostics.", low=0,
            empty="No provider has named a reason (requests have to ask for diagnostics)",
        ),
        lines(
            "savings", "Saved and avoidable per hour", USD, [Query(saved, "saved"), Query(avoidable, "avoidable")],
            "Saved: what cached input would have cost on top at the full price. Avoidable: what misses cost whose reason the "
            "provider names.", low=0,
            empty=nothing,
        ),
    )


def _unpriced(q: Queries) -> tuple[Panel, ...]:
    decided = q.rate("otel_llm_budget_decisions_total", ("budget", "decision"))
    source = f"3600 * {q.rate(COST, ('cost_source',))}"
    whole = [Query(q.pick(f"3600 * {q.rule(recorded.COST_ALL, ())}", f"3600 * {q.rate(COST)}"), "all models")]
    if not q.rules:
        whole.append(Query(q.gauge("otel_llm_cost_usd_per_hour"), "of the window"))
    return (
        lines(
            "unpriced", "Calls without a known price", RATE,
            [Query(most(q.rate("otel_llm_unpriced_requests_total", PM)), BY_MODEL)],
            "Add prices with OTEL_LLM_PRICES_FILE; until then the cost shown is too low by these calls.", low=0,
            empty="Every call had a price", steps=warn_above(NOT_ZERO),
        ),
        lines(
            "source", "Cost per hour by source of the price", USD, [Query(source, "{{cost_source}}")],
            "Reported by the provider, or computed from the price list.", low=0, stack="normal", empty=NO_PRICE,
        ),
        lines(
            "rate", "Cost per hour, all models", USD,
            whole, "With the recording rules, the rate of the last hour; without them, that of the moment and that of otel-llm's window.",
            low=0, empty=NO_PRICE,
        ),
        lines(
            "decisions", "What guards decided", RATE, [Query(_named(decided), "{{budget}}: {{decision}}")],
            "Calls that a guard let pass, refused, or sent to another model. Nothing is guarded unless somebody has opted in.", low=0,
            empty="Nothing is guarded (OTEL_LLM_BUDGET_ACTION, otel_llm.guard)",
        ),
    )
