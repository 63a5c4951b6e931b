"""Anomalies: what is unusual now, since when, and how far the baseline can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded

from .model import BAD, NEUTRAL, WARN, Board, Column, Panel, Query, Row
from .parts import (
    BY_MODEL,
    BY_SERVICE,
    COUNT,
    OK,
    PM,
    SECONDS,
    SHARE,
    SIGMA,
    TOKENS,
    USD,
    WHO,
    around_zero,
    lines,
    lines_around_zero,
    stat,
    table,
    warn_above,
)
from .queries import RATE, Queries, either, extreme, most, ratio

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "Latency, answer length and cost against what is usual for each model. otel-llm itself compares the last minutes with its "
    "baseline; the recording rules compare the fleet's mean with its last day (z) and with the same hour yesterday and last week (bands)."
)
SIGNALS = {"latency": ("Latency", SECONDS), "output_tokens": ("Answer length", TOKENS), "cost": ("Cost of a call", USD)}
NO_BASELINE = "Under 20 calls, or all too steady to judge: no z-score"
ODD = "otel_llm_anomalies_total"
FAR = 10  # standard deviations: farther ones would make the limits invisible


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("Is anything unusual now?", (*_now(q, o), *(_shift(q, o, signal) for signal in SIGNALS))),
        Row("Is it outside its band?", tuple(_band(q, o, signal) for signal in SIGNALS)),
        Row("Which calls were odd?", _events(q, o)),
        Row("Can the baseline be trusted?", (_baseline(q), _peaks(q, o)), folded=True),
    )
    return Board("otel-llm-anomalies", "LLM / Anomalies", DESCRIPTION, rows)


def _z(q: Queries, signal: str, kind: str = "shift", by: tuple[str, ...] = PM) -> str:
    """The fleet's distance from its day; until there is a day to judge by, the worst of the processes' own."""
    own = q.gauge("otel_llm_zscore", by=by, signal=signal, kind=kind)
    return either(q.rule(recorded.ZSCORE, by, signal=signal), own) if q.rules and kind == "shift" else own


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    now = tuple(
        stat(
            f"{signal}_now", f"{title}: z", SIGMA,
            Query(extreme(_z(q, signal, by=WHO)), BY_SERVICE, instant=True),
            f"{title} of the model that is farthest from its baseline, in standard deviations.", base=BAD,
            steps=around_zero(o), empty="No baseline yet", decimals=1, sparkline=False,
        )
        for signal, (title, _) in SIGNALS.items()
    )
    return (*now, *(_count(q, severity) for severity in ("warning", "critical")), _share_now(q, o))


def _count(q: Queries, severity: str) -> Panel:
    return stat(
        f"{severity}_calls", f"Odd calls: {severity}", COUNT,
        Query(q.increase(ODD, severity=severity), severity, instant=True),
        f"Single calls within the shown time that were beyond the {severity} limit. A few are normal: chance alone makes "
        "five in a hundred calls a warning, and three in a thousand critical.", base=NEUTRAL, empty="None",
        sparkline=False,
    )


def _share_now(q: Queries, o: Objectives) -> Panel:
    return stat(
        "odd_share", "Share of odd calls", SHARE, Query(f"{q.rate(ODD)} / ({q.rate('duration')} > 0)", "share"),
        "Odd calls as a share of all; a call that is odd in two signals counts twice. The alert fires at "
        f"{o.anomalous_share_warning:.0%} of a model's calls.",
        steps=warn_above(o.anomalous_share_warning), empty="No odd call", decimals=1,
    )


def _shift(q: Queries, o: Objectives, signal: str) -> Panel:
    title, _ = SIGNALS[signal]
    return lines(
        f"{signal}_shift", f"{title}: distance from usual", SIGMA,
        [Query(f"clamp({extreme(_z(q, signal), 10)}, -{FAR}, {FAR})", BY_MODEL)],
        f"The mean of the last minutes against the baseline, ten farthest models, drawn up to {FAR}. Lines at the warning and the "
        "critical limit.", steps=lines_around_zero(o), empty=NO_BASELINE,
    )


def _band(q: Queries, o: Objectives, signal: str) -> Panel:
    title, unit = SIGNALS[signal]
    value = "" if q.rules else {
        "latency": ratio(q.total("duration", PM, **OK), q.rate("duration", PM, **OK)),
        "output_tokens": q.mean("output", PM),
        "cost": q.mean("otel_llm_request_cost_usd", PM),
    }[signal]
    mean, spread = (baseline(q, part, PM, signal=signal) for part in ("mean", "stddev"))
    above, below = f"{mean} + {o.zscore_warning:g} * {spread}", f"clamp_min({mean} - {o.zscore_warning:g} * {spread}, 0)"
    upper, lower = (
        either(q.rule(name, signal=signal, severity="warning"), own) if q.rules else own
        for name, own in ((recorded.UPPER, above), (recorded.LOWER, below))
    )
    queries = [
        Query(q.busiest(q.pick(q.rule(recorded.LEVEL, signal=signal), value)), "{{gen_ai_request_model}}"),
        Query(q.busiest(upper), "upper"),
        Query(q.busiest(lower), "lower"),
    ]
    return lines(
        f"{signal}_band", f"{title} within its band", unit, queries,
        "The picked model (of several, the one with most calls). The band is this hour of the days before where the recording rules "
        f"have seen three of them, else the baseline's mean with {o.zscore_warning:g} standard deviations of a single call.",
        fill_between=("upper", "lower"), colours=(("upper", "super-light-blue"), ("lower", "super-light-blue")), low=0,
    )


def _events(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    names = ", ".join(PM)
    odd = f"{q.rate(ODD, (*PM, 'signal', 'direction'))} / on ({names}) group_left () ({q.rate('duration', PM)} > 0)"
    judged = (*PM, "signal", "direction", "severity")
    recorded_share = f"sum without (severity) ({q.rule(recorded.ANOMALOUS, judged)})" if q.rules else ""
    share = f"max by ({names}) ({q.pick(recorded_share, odd)})"
    return (
        lines(
            "by_severity", "Odd calls by severity", COUNT,
            [Query(q.increase(ODD, ("severity",), RATE), "{{severity}}")],
            "Single calls farther from usual than the limit of each severity.",
            bars=True, stack="normal", low=0, empty="No odd call in this time range",
            colours=(("warning", WARN), ("critical", BAD)),
        ),
        lines(
            "by_signal", "Odd calls by signal", COUNT,
            [Query(q.increase(ODD, ("signal", "direction"), RATE), "{{signal}} {{direction}}")],
            "What was odd about them: too high or too low.", bars=True, stack="normal", low=0,
            empty="No odd call in this time range",
        ),
        lines(
            "odd_by_model", "Share of odd calls, ten most", SHARE, [Query(most(share), BY_MODEL)],
            "The share of a model's calls that were odd in a signal; the dashed line is the alert's.",
            steps=warn_above(o.anomalous_share_warning), low=0, empty="No odd call in this time range",
        ),
    )


def _baseline(q: Queries) -> Panel:
    by = (*PM, "signal")
    queries = [baseline(q, part, by) for part in ("samples", "mean", "stddev", "shifted_seconds")]
    return table(
        "baseline", "Baselines", queries,
        "What each value is judged by, in the signal's own unit (seconds, tokens, US dollars). Few calls make a baseline that jumps. "
        "Shifted is how long ago a change that stayed became the baseline.",
        width=14, empty=NO_BASELINE, sort="Calls",
        columns=(
            Column("gen_ai_request_model", "Model"),
            Column("gen_ai_provider_name", "Provider", width=130),
            Column("signal", "Signal", width=130),
            Column("Value #A", "Calls", COUNT, width=100),
            Column("Value #B", "Mean", COUNT, width=100),
            Column("Value #C", "Deviation", COUNT, width=100),
            Column("Value #D", "Shifted", SECONDS, width=100),
        ),
    )


def baseline(q: Queries, part: str, by: tuple[str, ...], **where: str) -> str:
    """One part of the baselines that processes keep; of several processes the largest."""
    return q.rule(recorded.OWN_BASELINE, by, part=part, **where) if q.rules else q.gauge(f"otel_llm_baseline_{part}", by=by, **where)


def _peaks(q: Queries, o: Objectives) -> Panel:
    queries = [
        Query(f"clamp({extreme(_z(q, signal, 'peak'), 5)}, -{FAR}, {FAR})", f"{signal} · {{{{gen_ai_request_model}}}}")
        for signal in SIGNALS
    ]
    return lines(
        "peaks", "Most extreme single calls", SIGMA, queries,
        f"The z-score of the most extreme call of the last minute, five models for each signal, drawn up to {FAR}.",
        width=10, steps=lines_around_zero(o), empty=NO_BASELINE,
    )
