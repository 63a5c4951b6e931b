"""Alerts on what changed: answers, their cost, and whatever a baseline finds unusual."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.core.conditions import BY_ID, LOW_TOO
from otel_llm.core.signals import PAGING, SHAPES
from otel_llm.ops import recorded

from .alert import KEPT, MINUTE, MODEL_VARIABLES, NUMBER, SHARE, Alert, busy, judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_llm.core.conditions import Level
    from otel_llm.ops.rules import Context


def tokens(it: Context) -> list[Alert]:
    o, mean = it.objectives, recorded.OUTPUT_TOKENS_15M
    usual = f'ignoring (signal) ({{factor:g}} * {recorded.BASELINE_MEAN}{{{{signal="output_tokens"}}}})'
    spread, usually = (
        f"last_over_time({one}[{it.over(KEPT)}])" for one in (recorded.OUTPUT_VARIATION, recorded.VARIATION_BASELINE)
    )
    enough = busy(it, least="min_answers")
    return [
        judged(
            "length_high", "warning", "tokens", f"{mean}\n> {usual.format(factor=o.output_tokens_factor)}{enough}",
            f"long answers, {NUMBER} tokens", NUMBER,
        ),
        judged(
            "length", "warning", "quality", f"{mean}\n< {usual.format(factor=1 - o.output_drop)}{enough}",
            f"short answers, {NUMBER} tokens", NUMBER,
        ),
        judged(
            "variance", "warning", "quality",
            f"{spread}\n> {o.output_variance_factor:g} * clamp_min(\n{usually},\n{normal.ALIKE:g}\n){enough}",
            f"answers vary by {SHARE}", SHARE,
        ),
        judged(
            "variance_low", "warning", "quality",
            f"{spread}\n< {1 - o.output_variance_drop:g} * (\n{usually}\n> {normal.ALIKE:g}\n){enough}",
            f"answers alike, {SHARE} spread", SHARE,
        ),
    ]  # fmt: skip


def cost(it: Context) -> list[Alert]:
    factor, signal = it.objectives.cost_per_request_factor, '{signal="cost"}'
    expr = f"{recorded.SIGNAL}{signal} > {factor:g} * {recorded.BASELINE_MEAN}{signal}{busy(it)}"
    price = '${{ $value | printf "%.4f" }}'
    return [judged("cost_per_request", "warning", "cost", expr, f"expensive calls, {price} each", price)]


def anomalies(it: Context) -> list[Alert]:
    o = it.objectives
    one, mix = BY_ID["anomaly"], BY_ID["mix"]
    recent = [
        _recent(it, "warning", one.warning),
        _recent(it, "warning", mix.warning, SHAPES, about="mix"),
        _recent(it, "critical", one.critical),
        _recent(it, "critical", one.slow, pace="slow"),
        _recent(it, "critical", one.grave, size="grave"),
        # what one process cannot see: the mean over all instances, and the rhythm of days
        _anomaly("fleet", "warning", 5 * MINUTE, _shift(it, o.zscore_critical)),
        _anomaly("season", "warning", 10 * MINUTE, _season(it, "warning")),
    ]
    waits = {"warning": 10 * MINUTE, "critical": 5 * MINUTE}
    shares = {"warning": o.anomalous_share_warning, "critical": o.anomalous_share_critical}
    return recent + [
        _anomaly("share", severity, wait, _share(it, severity, shares[severity])) for severity, wait in waits.items()
    ]


def _recent(it: Context, severity: str, level: Level | None, signals: tuple[str, ...] = PAGING, **more: str) -> Alert:
    """What each process says of its recent calls: severity by how far they are, and for how long. ``more`` are labels by which
    rules of one severity differ."""
    sigmas, wait = (inf, 0.0) if level is None else (getattr(it.objectives, str(level.limit)), level.held)
    kinds = "shift|trend" if level is None or not level.of else level.of
    high = _of_processes(recorded.OWN_HIGHEST, kinds, signals)
    low = _of_processes(recorded.OWN_LOWEST, kinds, tuple(one for one in signals if one in LOW_TOO))
    by = f"by ({it.model}, signal)"
    expr = _directed(f"max {by} ({high}) >= {sigmas:g}", f"min {by} ({low}) <= -{sigmas:g}")
    return _anomaly("recent", severity, wait, expr, more)


def _of_processes(record: str, kinds: str, signals: tuple[str, ...]) -> str:
    return f'{record}{{signal=~"{"|".join(signals)}",kind=~"{kinds}"}}'


def _anomaly(kind: str, severity: str, wait: float, expr: str, more: Mapping[str, str] | None = None) -> Alert:
    says = {
        "recent": 'is {{ $value | printf "%.1f" }} standard errors from what is usual for this service',
        "fleet": 'is {{ $value | printf "%.1f" }} standard deviations from its daily average',
        "season": "is at {{ $value | humanize }}, outside of what is usual at this time",
        "share": f"is unusual in {SHARE} of calls",
    }
    words = says[kind]
    return Alert(
        "LLMAnomaly",
        expr,
        severity,
        "anomaly",
        "{{ $labels.signal }} unusually {{ $labels.direction }}",
        f"{{{{ $labels.signal }}}} is unusually {{{{ $labels.direction }}}}, it {words}",
        "{{ $labels.signal }} was unusually {{ $labels.direction }}",
        wait,
        labels={"kind": kind, **(more or {})},
        variables={**MODEL_VARIABLES, "signal": "signal"},
    )


def _directed(high: str, low: str) -> str:
    return (
        f'(\n  label_replace({high}, "direction", "high", "", "")\n  or\n'
        f'  label_replace({low}, "direction", "low", "", "")\n)'
    )


def _shift(it: Context, sigmas: float) -> str:
    """Far from the daily average, by a change that matters, and not what is usual at this time of the day."""
    far = _directed(f"{recorded.ZSCORE} >= {sigmas:g}", f"{recorded.ZSCORE} <= -{sigmas:g}")
    on = f"on ({it.model}, signal)"
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
        _finish(it, "truncated", "length", "answers cut off"),
        _finish(it, "refused", "content_filter", "answers filtered"),
    ]


def _finish(it: Context, condition: str, reason: str, title: str) -> Alert:
    o, share = it.objectives, f'{recorded.FINISH_REASONS}{{finish_reason="{reason}"}}'
    usual = f'{o.finish_reason_factor:g} * {recorded.FINISH_BASELINE}{{finish_reason="{reason}"}}'
    expr = f"{share} > {usual}\nand\n{share} > {o.finish_reason_share:g}{busy(it)}"
    return judged(condition, "warning", "quality", expr, f"{title} {SHARE}", SHARE)
