"""Alerts on what changed: answers, their cost, and whatever a baseline finds unusual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.core.objectives import percent
from otel_llm.ops import recorded
from otel_llm.ops.promql import PM

from .alert import MINUTE, MODEL, MODEL_VARIABLES, Alert, busy

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context


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
    waits = {"warning": 10 * MINUTE, "critical": 5 * MINUTE}
    sigmas = {"warning": o.zscore_warning, "critical": o.zscore_critical}
    shares = {"warning": o.anomalous_share_warning, "critical": o.anomalous_share_critical}
    found = []
    for severity, wait in waits.items():
        found += [
            _anomaly("shift", severity, wait, _shift(it, sigmas[severity])),
            _anomaly("season", severity, wait, _season(it, severity)),
            _anomaly("share", severity, wait, _share(it, severity, shares[severity])),
        ]
    return found


def _anomaly(kind: str, severity: str, wait: float, expr: str) -> Alert:
    says = {
        "shift": 'is {{ $value | printf "%.1f" }} standard deviations from its daily average',
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
        {"kind": kind},
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
