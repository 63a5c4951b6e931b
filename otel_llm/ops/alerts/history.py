"""Alerts on what changed: answers, their cost, and whatever a baseline finds unusual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.objectives import percent
from otel_llm.ops import recorded
from otel_llm.ops.promql import PM

from .alert import MINUTE, MODEL, MODEL_VARIABLES, Alert, busy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_llm.ops.rules import Context

# signals that may page, and those of which low is as suspicious as high
PAGING = "latency|output_tokens|cost|time_to_first_chunk|errors|calls|spend"
BOTH = "output_tokens|output_spread"


def tokens(it: Context) -> list[Alert]:
    o, mean = it.objectives, recorded.OUTPUT_TOKENS_15M
    usual = f'ignoring (signal) ({{factor:g}} * {recorded.BASELINE_MEAN}{{{{signal="output_tokens"}}}})'
    variation = f"{recorded.OUTPUT_VARIATION}\n>\n{o.output_variance_factor:g} * {recorded.VARIATION_BASELINE}"
    return [
        Alert(
            "LLMOutputTokensHigh",
            f"{mean}\n> {usual.format(factor=o.output_tokens_factor)}{busy(it)}",
            "warning",
            "tokens",
            f"LLM answers are long: more than {o.output_tokens_factor:g} times the daily average",
            f"The mean answer of {MODEL} has {{{{ $value | humanize }}}} tokens.",
            10 * MINUTE,
        ),
        Alert(
            "LLMOutputLengthDrop",
            f"{mean}\n< {usual.format(factor=1 - o.output_drop)}{busy(it)}",
            "warning",
            "quality",
            f"LLM answers are short: {percent(o.output_drop)} below the daily average, the model may have degraded",
            f"The mean answer of {MODEL} has {{{{ $value | humanize }}}} tokens.",
            10 * MINUTE,
        ),
        Alert(
            "LLMOutputVarianceHigh",
            f"{variation}{busy(it)}",
            "warning",
            "quality",
            f"LLM answers vary: spread of lengths above {o.output_variance_factor:g} times the daily average",
            f"The lengths of {MODEL}'s answers spread by {{{{ $value | humanizePercentage }}}} of their mean.",
            10 * MINUTE,
        ),
        Alert(
            "LLMOutputVarianceDrop",
            f"{recorded.OUTPUT_VARIATION}\n< {1 - o.output_variance_drop:g} * {recorded.VARIATION_BASELINE}{busy(it)}",
            "warning",
            "quality",
            f"LLM answers are alike: spread of lengths {percent(o.output_variance_drop)} below the daily average",
            f"The lengths of {MODEL}'s answers spread by {{{{ $value | humanizePercentage }}}} of their mean.",
            10 * MINUTE,
        ),
    ]


def cost(it: Context) -> list[Alert]:
    factor, signal = it.objectives.cost_per_request_factor, '{signal="cost"}'
    return [
        Alert(
            "LLMCostPerRequestHigh",
            f"{recorded.SIGNAL}{signal} > {factor:g} * {recorded.BASELINE_MEAN}{signal}{busy(it)}",
            "warning",
            "cost",
            f"LLM calls are expensive: more than {factor:g} times the daily average",
            f'A call to {MODEL} costs ${{{{ $value | printf "%.4f" }}}} on average.',
            10 * MINUTE,
        )
    ]


def anomalies(it: Context) -> list[Alert]:
    o = it.objectives
    found = [
        _recent("warning", MINUTE, o.zscore_critical),
        _recent("critical", 5 * MINUTE, o.zscore_critical),
        _recent("critical", 2 * MINUTE, o.zscore_grave),
        # what one process cannot see: the mean over all instances, and the rhythm of days
        _anomaly("fleet", "warning", 5 * MINUTE, _shift(it, o.zscore_critical)),
        _anomaly("season", "warning", 10 * MINUTE, _season(it, "warning")),
    ]
    waits = {"warning": 10 * MINUTE, "critical": 5 * MINUTE}
    shares = {"warning": o.anomalous_share_warning, "critical": o.anomalous_share_critical}
    return found + [
        _anomaly("share", severity, wait, _share(it, severity, shares[severity])) for severity, wait in waits.items()
    ]


def _recent(severity: str, wait: float, sigmas: float) -> Alert:
    """What each process says of its recent calls: severity by how far they are, and for how long."""
    zscore = BY_NAME["otel_llm_zscore"]
    high = zscore.selector(signal=f"=~{PAGING if severity == 'critical' else '.+'}", kind="=~shift|trend")
    low = zscore.selector(signal=f"=~{BOTH}", kind="=~shift|trend")
    by = f"by ({PM}, signal, kind)"
    expr = _directed(f"max {by} ({high}) >= {sigmas:g}", f"min {by} ({low}) <= -{sigmas:g}")
    grave = {"size": "grave"} if severity == "critical" and wait < 5 * MINUTE else {}
    return _anomaly("recent", severity, wait, expr, grave)


def _anomaly(kind: str, severity: str, wait: float, expr: str, more: Mapping[str, str] | None = None) -> Alert:
    says = {
        "recent": 'is {{ $value | printf "%.1f" }} standard errors from what is usual for this service',
        "fleet": 'is {{ $value | printf "%.1f" }} standard deviations from its daily average',
        "season": "is at {{ $value | humanize }}, outside of what is usual at this time",
        "share": "is unusual in {{ $value | humanizePercentage }} of the calls",
    }
    return Alert(
        "LLMAnomaly",
        expr,
        severity,
        "anomaly",
        "LLM {{ $labels.signal }} is unusually {{ $labels.direction }}",
        f"{{{{ $labels.signal }}}} of {MODEL} {says[kind]}.",
        wait,
        dict(more or {}) if kind == "recent" else {"kind": kind},
        {**MODEL_VARIABLES, "signal": "signal"},
    )


def _directed(high: str, low: str) -> str:
    return (
        f'(\n  label_replace({high}, "direction", "high", "", "")\n  or\n'
        f'  label_replace({low}, "direction", "low", "", "")\n)'
    )


def _shift(it: Context, sigmas: float) -> str:
    """Far from the daily average, by a change that matters, and not what is usual at this time of the day."""
    far = _directed(f"{recorded.ZSCORE} >= {sigmas:g}", f"{recorded.ZSCORE} <= -{sigmas:g}")
    on = f"on ({PM}, signal)"
    moved = (
        f"abs({recorded.SIGNAL} - {recorded.BASELINE_MEAN}) > {it.objectives.min_change:g} * {recorded.BASELINE_MEAN}"
    )
    low, high = (_last(it, f'{name}{{severity="warning"}}') for name in (recorded.LOWER, recorded.UPPER))
    usual = f"(\n  {recorded.SIGNAL} >= ignoring (severity) {low}\n  and\n  {recorded.SIGNAL} <= ignoring (severity) {high}\n)"
    return f"{far}\nand {on}\n{moved}\nunless {on}\n{usual}{busy(it, seconds=normal.SHORT)}"


def _season(it: Context, severity: str) -> str:
    """Outside of the band of this time of the day and the week."""
    low, high = (_last(it, f'{name}{{severity="{severity}"}}') for name in (recorded.LOWER, recorded.UPPER))
    ignoring = "ignoring (severity)"
    outside = _directed(f"{recorded.SIGNAL} > {ignoring} {high}", f"{recorded.SIGNAL} < {ignoring} {low}")
    return outside + busy(it, seconds=normal.SHORT)


def _last(it: Context, series: str) -> str:
    """Bands are recorded as rarely as Prometheus looks back for a value, which leaves moments without one."""
    return f"last_over_time({series}[{it.over(600)}])"


def _share(it: Context, severity: str, share: float) -> str:
    """More single calls that the exporter finds anomalous than a healthy service has."""
    odd = f'{recorded.ANOMALOUS}{{severity="critical"}}' if severity == "critical" else recorded.ANOMALOUS
    return f"sum without (severity) ({odd}) > {share:g}{busy(it)}"


def answers(it: Context) -> list[Alert]:
    return [
        _finish(it, "LLMTruncatedOutputs", "length", "LLM answers are cut off", "end at the token limit"),
        _finish(it, "LLMContentFiltered", "content_filter", "LLM answers are filtered", "are withheld by a filter"),
    ]


def _finish(it: Context, name: str, reason: str, summary: str, says: str) -> Alert:
    o, share = it.objectives, f'{recorded.FINISH_REASONS}{{finish_reason="{reason}"}}'
    usual = f'{o.finish_reason_factor:g} * {recorded.FINISH_BASELINE}{{finish_reason="{reason}"}}'
    return Alert(
        name,
        f"{share} > {usual}\nand\n{share} > {o.finish_reason_share:g}{busy(it)}",
        "warning",
        "quality",
        f"{summary}: more than {o.finish_reason_factor:g} times the daily average",
        f"{{{{ $value | humanizePercentage }}}} of the answers of {MODEL} {says}.",
        15 * MINUTE,
    )
