"""Every alert: when it fires, how bad that is, and what it tells the one who is woken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_llm.catalogue import BY_NAME

from . import objectives as normal
from . import recorded
from .objectives import percent
from .promql import PM, born

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .rules import Context

_MINUTE = 60
MODEL = "{{ $labels.gen_ai_request_model }} ({{ $labels.gen_ai_provider_name }})"
_MODEL_VARIABLES = {"provider": "gen_ai_provider_name", "model": "gen_ai_request_model"}
_DASHBOARDS = {
    "latency": "otel-llm-latency",
    "errors": "otel-llm-reliability",
    "tokens": "otel-llm-tokens",
    "quality": "otel-llm-tokens",
    "cost": "otel-llm-cost",
    "reliability": "otel-llm-reliability",
    "anomaly": "otel-llm-anomalies",
    "telemetry": "otel-llm-health",
}  # category of an alert -> uid of the dashboard that shows it
_BORN_WITHIN = 3600  # how long a single event of our own keeps its alert up


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule. ``wait`` is in seconds; ``variables`` are dashboard variables and the labels that set them."""

    name: str
    expr: str
    severity: str
    category: str
    summary: str
    description: str
    wait: float = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=lambda: _MODEL_VARIABLES)

    def rule(self, it: Context) -> dict[str, Any]:
        """As Prometheus reads it."""
        waiting = {"for": it.over(self.wait)} if self.wait else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **waiting,
            "labels": {"severity": self.severity, "service": "llm", "category": self.category, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{it.objectives.runbook_url}#{self.name.lower()}",
                "dashboard_url": self._dashboard(it.objectives.grafana_url),
            },
        }

    def _dashboard(self, grafana: str) -> str:
        set_ = "&".join(f"var-{name}={{{{ $labels.{label} | urlquery }}}}" for name, label in self.variables.items())
        return f"{grafana}/d/{_DASHBOARDS[self.category]}" + (f"?{set_}" if set_ else "")


def alert_group(it: Context) -> dict[str, Any]:
    """All alerts, as a group of a Prometheus rule file."""
    return {"name": "otel_llm.alerts", "interval": it.over(30), "rules": [alert.rule(it) for alert in alerts(it)]}


def alerts(it: Context) -> list[Alert]:
    """Every alert, in the order of the runbook."""
    parts: tuple[Callable[[Context], list[Alert]], ...] = (
        _slow, _failing, _burning, _tokens, _budgets, _cost, _around, _breakers, _anomalies, _answers, _unknown,
        _own, _reach,
    )  # fmt: skip
    return [alert for part in parts for alert in part(it)]


def _busy(it: Context, calls: str = recorded.CALLS, seconds: float = normal.MEDIUM) -> str:
    """Enough calls in the window for a share or a mean to say something."""
    window = it.clock.seconds(seconds)
    return f"\nand on ({PM})\navg_over_time({calls}[{it.over(seconds)}]) * {window:g} >= {it.objectives.min_requests}"


def _slow(it: Context) -> list[Alert]:
    o = it.objectives
    return [
        Alert(
            "LLMLatencyP95High",
            f'{recorded.DURATION}{{quantile="0.95"}} > {o.p95:g}',
            "warning",
            "latency",
            f"LLM calls are slow: p95 above {normal.show(o.p95, 'duration')}",
            f"95 % of the calls to {MODEL} take up to {{{{ $value | humanizeDuration }}}}.",
            5 * _MINUTE,
        ),
        Alert(
            "LLMTimeToFirstChunkHigh",
            f'{recorded.FIRST_CHUNK}{{quantile="0.95"}} > {o.first_chunk:g}',
            "warning",
            "latency",
            f"LLM streams start late: p95 above {normal.show(o.first_chunk, 'duration')}",
            f"95 % of the streams from {MODEL} start within {{{{ $value | humanizeDuration }}}}.",
            5 * _MINUTE,
        ),
    ]


def _failing(it: Context) -> list[Alert]:
    share = it.objectives.error_rate
    return [
        Alert(
            "LLMErrorRateHigh",
            f"{recorded.ERRORS_BY_TYPE} > {share:g}{_busy(it, seconds=normal.SHORT)}",
            "critical",
            "errors",
            f"LLM calls fail: more than {percent(share)} with {{{{ $labels.error_type }}}}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} fail with {{{{ $labels.error_type }}}}.",
            5 * _MINUTE,
        )
    ]


def _burning(it: Context) -> list[Alert]:
    text = {
        "critical": ("is burning fast", "at this rate the budget of 30 days is gone in five days or less"),
        "warning": ("is burning", "at this rate the budget does not last 30 days"),
    }
    return [
        Alert(
            "LLMErrorBudgetBurn",
            "\nor\n".join(
                _burn(it, factor, *windows) for factor, *windows, level in normal.BURN_RATES if level == severity
            ),
            severity,
            "errors",
            f"The {{{{ $labels.slo }}}} error budget of {{{{ $labels.gen_ai_request_model }}}} {how}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} miss the {{{{ $labels.slo }}}} objective: "
            f"{consequence}.",
            wait,
        )
        for (severity, (how, consequence)), wait in zip(text.items(), (2 * _MINUTE, 15 * _MINUTE), strict=True)
    ]


def _burn(it: Context, factor: float, long: float, short: float) -> str:
    """Burning over the long window, and still over the short one, with enough calls to tell."""
    allowed = f"on (slo) group_left () ({factor:g} * (1 - {recorded.SLO_OBJECTIVE}))"
    name, recent = normal.duration(long), normal.duration(short)
    enough = f"{recorded.SLO_CALLS}{name} * {it.clock.seconds(long):g} >= {it.objectives.min_requests}"
    return (
        f"(\n  {recorded.SLO_ERRORS}{name} > {allowed}\n  and\n"
        f"  {recorded.SLO_ERRORS}{recent} > {allowed}\n  and on ({PM})\n  {enough}\n)"
    )


def _tokens(it: Context) -> list[Alert]:
    o, mean = it.objectives, recorded.OUTPUT_TOKENS_15M
    usual = f'ignoring (signal) ({{factor:g}} * {recorded.BASELINE_MEAN}{{{{signal="output_tokens"}}}})'
    variation = f"{recorded.OUTPUT_VARIATION}\n>\n{o.output_variance_factor:g} * {recorded.VARIATION_BASELINE}"
    return [
        Alert(
            "LLMOutputTokensHigh",
            f"{mean}\n> {usual.format(factor=o.output_tokens_factor)}{_busy(it)}",
            "warning",
            "tokens",
            f"LLM answers are long: more than {o.output_tokens_factor:g} times the daily average",
            f"The mean answer of {MODEL} has {{{{ $value | humanize }}}} tokens.",
            10 * _MINUTE,
        ),
        Alert(
            "LLMOutputLengthDrop",
            f"{mean}\n< {usual.format(factor=1 - o.output_drop)}{_busy(it)}",
            "warning",
            "quality",
            f"LLM answers are short: {percent(o.output_drop)} below the daily average, the model may have degraded",
            f"The mean answer of {MODEL} has {{{{ $value | humanize }}}} tokens.",
            10 * _MINUTE,
        ),
        Alert(
            "LLMOutputVarianceHigh",
            f"{variation}{_busy(it)}",
            "warning",
            "quality",
            f"LLM answers vary: spread of lengths above {o.output_variance_factor:g} times the daily average",
            f"The lengths of {MODEL}'s answers spread by {{{{ $value | humanizePercentage }}}} of their mean.",
            10 * _MINUTE,
        ),
    ]


def _budgets(it: Context) -> list[Alert]:
    o = it.objectives
    return [
        *_budget("Daily", "day", o.daily_budget_factor, o.budget_forecast_factor),
        *_budget("Monthly", "month", o.monthly_budget_factor, o.budget_forecast_factor),
    ]


def _budget(adjective: str, period: str, exceeded: float, forecast: float) -> list[Alert]:
    which, subject = f'{{period="{period}"}}', "{{ $labels.job }}{{ with $labels.budget }} (budget {{ . }}){{ end }}"
    now = {"day": "today", "month": "this month"}[period]
    return [
        Alert(
            f"LLM{adjective}BudgetExceeded",
            f"{recorded.SPEND}{which} > {exceeded:g} * {recorded.BUDGET}{which}",
            "critical",
            "cost",
            f"{adjective} LLM spend is above {percent(exceeded)} of the budget",
            f'{subject} spent ${{{{ $value | printf "%.2f" }}}} {now}.',
            variables={"job": "job"},
        ),
        Alert(
            f"LLM{adjective}BudgetForecast",
            f"{recorded.BUDGET_FORECAST}{which} > {forecast:g}",
            "warning",
            "cost",
            f"{adjective} LLM spend will pass {percent(forecast)} of the budget",
            f"At the present rate {subject} will use {{{{ $value | humanizePercentage }}}} of the {period}'s budget.",
            15 * _MINUTE,
            variables={"job": "job"},
        ),
    ]


def _cost(it: Context) -> list[Alert]:
    factor, signal = it.objectives.cost_per_request_factor, '{signal="cost"}'
    return [
        Alert(
            "LLMCostPerRequestHigh",
            f"{recorded.SIGNAL}{signal} > {factor:g} * {recorded.BASELINE_MEAN}{signal}{_busy(it)}",
            "warning",
            "cost",
            f"LLM calls are expensive: more than {factor:g} times the daily average",
            f'A call to {MODEL} costs ${{{{ $value | printf "%.4f" }}}} on average.',
            10 * _MINUTE,
        )
    ]


def _around(it: Context) -> list[Alert]:
    o, medium = it.objectives, it.over(normal.MEDIUM)
    lookups = f"sum by ({PM}, cache) (increase({BY_NAME['otel_llm_cache_requests_total'].name}[{medium}]))"
    return [
        Alert(
            "LLMFallbackRateHigh",
            f"{recorded.FALLBACKS} > {o.fallback_rate:g}{_busy(it)}",
            "warning",
            "reliability",
            f"LLM calls fall back: more than {percent(o.fallback_rate)}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} fell back to another model.",
            10 * _MINUTE,
        ),
        Alert(
            "LLMCacheHitRatioLow",
            f"{recorded.CACHE_HITS} < {o.cache_hit_ratio:g}\nand\n{lookups} > {o.cache_min_lookups}",
            "warning",
            "reliability",
            f"The response cache misses: hit ratio below {percent(o.cache_hit_ratio)}",
            "{{ $value | humanizePercentage }} of the look-ups in {{ $labels.cache }}"
            "{{ with $labels.gen_ai_request_model }} for {{ . }}{{ end }} hit.",
            10 * _MINUTE,
        ),
        Alert(
            "LLMRateLimitNear",
            f"{recorded.RATE_LIMIT_LEFT} < {o.rate_limit_left:g}\nand on ({PM})\n{recorded.CALLS} > 0",
            "warning",
            "reliability",
            f"A rate limit is near: less than {percent(o.rate_limit_left)} left",
            f"{{{{ $value | humanizePercentage }}}} of the {{{{ $labels.kind }}}} that {MODEL} allows are left.",
            5 * _MINUTE,
        ),
    ]


def _breakers(it: Context) -> list[Alert]:
    opened = born(BY_NAME["otel_llm_circuit_breaker_transitions_total"], it.over(300), ("breaker",), to_state="open")
    is_open = f"max by (breaker) ({BY_NAME['otel_llm_circuit_breaker_state'].selector(state='open')}) == 1"
    stuck = normal.show(it.objectives.breaker_stuck, "duration")
    return [
        Alert(
            "LLMCircuitBreakerOpen",
            _of_provider(f"{is_open}\nor\n{opened}"),
            "critical",
            "reliability",
            "Circuit breaker {{ $labels.breaker }} opened",
            "{{ $labels.breaker }} is open or was in the last 5 minutes: calls to it are refused without being tried.",
            variables={},
        ),
        Alert(
            "LLMCircuitBreakerStuckOpen",
            _of_provider(is_open),
            "critical",
            "reliability",
            f"Circuit breaker {{{{ $labels.breaker }}}} is open for {stuck}",
            "{{ $labels.breaker }} does not recover: what it guards is down, or the breaker never tries again.",
            it.objectives.breaker_stuck,
            variables={},
        ),
    ]


def _of_provider(expr: str) -> str:
    """Name the provider, which is how a breaker's name begins (``openai``, ``openai:chat``), so that inhibition finds it."""
    inner = expr.replace("\n", "\n  ")
    return f'label_replace(\n  {inner},\n  "gen_ai_provider_name", "$1", "breaker", "([^:/]+).*"\n)'


def _anomalies(it: Context) -> list[Alert]:
    o = it.objectives
    waits = {"warning": 10 * _MINUTE, "critical": 5 * _MINUTE}
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
        {**_MODEL_VARIABLES, "signal": "signal"},
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
    return f"{far}\nand {on}\n{moved}\nunless {on}\n{usual}{_busy(it, seconds=normal.SHORT)}"


def _season(it: Context, severity: str) -> str:
    """Outside of the band of this time of the day and the week."""
    low, high = (_last(it, f'{name}{{severity="{severity}"}}') for name in (recorded.LOWER, recorded.UPPER))
    ignoring = "ignoring (severity)"
    outside = _directed(f"{recorded.SIGNAL} > {ignoring} {high}", f"{recorded.SIGNAL} < {ignoring} {low}")
    return outside + _busy(it, seconds=normal.SHORT)


def _last(it: Context, series: str) -> str:
    """Bands are recorded as rarely as Prometheus looks back for a value, which leaves moments without one."""
    return f"last_over_time({series}[{it.over(600)}])"


def _share(it: Context, severity: str, share: float) -> str:
    """More single calls that the exporter finds anomalous than a healthy service has."""
    odd = f'{recorded.ANOMALOUS}{{severity="critical"}}' if severity == "critical" else recorded.ANOMALOUS
    return f"sum without (severity) ({odd}) > {share:g}{_busy(it)}"


def _answers(it: Context) -> list[Alert]:
    return [
        _finish(it, "LLMTruncatedOutputs", "length", "LLM answers are cut off", "end at the token limit"),
        _finish(it, "LLMContentFiltered", "content_filter", "LLM answers are filtered", "are withheld by a filter"),
    ]


def _finish(it: Context, name: str, reason: str, summary: str, says: str) -> Alert:
    o, share = it.objectives, f'{recorded.FINISH_REASONS}{{finish_reason="{reason}"}}'
    usual = f'{o.finish_reason_factor:g} * {recorded.FINISH_BASELINE}{{finish_reason="{reason}"}}'
    return Alert(
        name,
        f"{share} > {usual}\nand\n{share} > {o.finish_reason_share:g}{_busy(it)}",
        "warning",
        "quality",
        f"{summary}: more than {o.finish_reason_factor:g} times the daily average",
        f"{{{{ $value | humanizePercentage }}}} of the answers of {MODEL} {says}.",
        15 * _MINUTE,
    )


def _unknown(it: Context) -> list[Alert]:
    hour, medium, share = it.over(_BORN_WITHIN), it.over(normal.MEDIUM), it.objectives.usage_unknown_share
    unknown = BY_NAME["otel_llm_usage_unknown_total"].rate(medium, recorded.PROVIDER_MODEL)
    return [
        Alert(
            "LLMUnpricedModel",
            born(BY_NAME["otel_llm_unpriced_requests_total"], hour, recorded.PROVIDER_MODEL),
            "info",
            "cost",
            "LLM calls have no known price: spend is higher than shown",
            f'{{{{ $value | printf "%.0f" }}}} calls to {MODEL} in the last hour could not be priced.',
            15 * _MINUTE,
        ),
        Alert(
            "LLMUsageUnknown",
            f"{unknown}\n/\n({it.vocabulary.calls(medium)} > 0)\n> {share:g}{_busy(it)}",
            "warning",
            "telemetry",
            f"LLM calls bring no usage: more than {percent(share)}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} do not say how many tokens they used.",
            15 * _MINUTE,
            variables={},
        ),
    ]


def _own(it: Context) -> list[Alert]:
    hour = it.over(_BORN_WITHIN)
    return [
        Alert(
            "LLMLabelOverflow",
            born(BY_NAME["otel_llm_label_overflow_total"], hour, ("job", "label")),
            "info",
            "telemetry",
            "Label {{ $labels.label }} has too many values",
            '{{ $value | printf "%.0f" }} values of {{ $labels.label }} of {{ $labels.job }} became "_other" in the last hour.',
            15 * _MINUTE,
            variables={"job": "job"},
        ),
        Alert(
            "LLMInternalErrors",
            born(BY_NAME["otel_llm_internal_errors_total"], hour, ("job", "component")),
            "warning",
            "telemetry",
            "otel-llm fails in {{ $labels.component }}",
            '{{ $value | printf "%.0f" }} errors of otel-llm itself in {{ $labels.job }} in the last hour; calls are unaffected.',
            15 * _MINUTE,
            variables={"job": "job"},
        ),
    ]


def _one_line(expr: str) -> str:
    return expr.replace("\n", " ")


def _reach(it: Context) -> list[Alert]:
    info = BY_NAME["otel_llm_build_info"].name
    ours = f"and on (job, instance)\nlast_over_time({info}[{it.over(86_400)}])"  # targets that have shown our metrics
    still = f"on () (\n  max(up {_one_line(ours)}) == 1\n)"
    text = {"one": "does not answer", "all": "does not answer, nor does any other: no alert about LLM calls can fire"}
    others = {"one": f"and {still}", "all": f"unless {still}"}
    return [
        Alert(
            "LLMTelemetryAbsent",
            f"absent({info})",
            "warning",
            "telemetry",
            "There are no LLM metrics at all",
            "No target shows metrics of otel-llm: no alert about LLM calls can fire.",
            15 * _MINUTE,
            variables={},
        ),
        *(
            Alert(
                "LLMTelemetryDown",
                f"up == 0\n{ours}\n{others[reach]}",
                "warning",
                "telemetry",
                "/metrics of {{ $labels.job }} is down",
                f"{{{{ $labels.instance }}}} {text[reach]}.",
                5 * _MINUTE,
                {"reach": reach},
                {"job": "job"},
            )
            for reach in text
        ),
    ]
