"""What is normal: thresholds and objectives that rules, dashboards and docs share, and how a user changes them."""

from __future__ import annotations

import math
import re
from dataclasses import field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from otel_llm.core.series import DURATION_BUCKETS
from otel_llm.core.shapes import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Unit = Literal["duration", "share", "factor", "count", "sigma", "url", "usd"]

# Windows in seconds. Their names are part of the recorded metrics' names, so they are constants and not settings.
MINUTE = 60
SHORT = 300  # rates and quantiles
MEDIUM = 900  # shares that need more calls: look-ups, finish reasons, anomalous calls
BASELINE = 86_400  # what "its average" means
BASELINE_GAP = 600  # the newest part of the baseline, left out, so that nothing is judged by itself
SLO_WINDOWS = (300, 1_800, 3_600, 7_200, 21_600, 86_400, 259_200)
SLO_PERIOD = 30 * 86_400
SEASON_WINDOW = 3_600
# the hour around this time, one, two and three days and a week ago: half an hour less than that
SEASON_OFFSETS = {"1d": 84_600, "2d": 171_000, "3d": 257_400, "7d": 603_000}
SEASONS = 3  # of these, at least: fewer say nothing about how far days lie apart

# (burn rate, long window, short window, severity), https://sre.google/workbook/alerting-on-slos/ table 5-8
BURN_RATES = (
    (14.4, 3_600, 300, "critical"),
    (6.0, 21_600, 1_800, "critical"),
    (3.0, 86_400, 7_200, "warning"),
    (1.0, 259_200, 21_600, "warning"),
)

CALLER_ENDED = ("cancelled", "abandoned")  # the caller went away: neither the provider's failure nor an SLO's

ALIKE = 0.1  # of their mean: answers whose lengths spread by less are alike, and cannot become more so

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_URL = re.compile(r"https?://[^\s\"'{}<>]+")


class ObjectiveError(ValueError):
    """Values that cannot be objectives; ``problems`` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def duration(seconds: float) -> str:
    """Prometheus's way to write a duration: 5400 is ``1h30m``, 0.5 is ``500ms``."""
    left = round(seconds * 1000)
    text = ""
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, left = divmod(left, length)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def percent(share: float) -> str:
    """A share as people write it: 0.995 is ``99.5%``."""
    return f"{share * 100:.6g}%"


def _read_duration(text: str) -> float:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("not a duration such as 20s, 500ms or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _read_share(text: str) -> float:
    number = _read_number(text.removesuffix("%").rstrip(), "not a share such as 2% or 0.02")
    if text.endswith("%"):
        return number / 100
    if number > 1:
        raise ValueError(f"not a share; did you mean {number:g}%?")
    return number


def _read_factor(text: str) -> float:
    return _read_number(text.removesuffix("x"), "not a number such as 1.5")


def _read_count(text: str) -> float:
    if not text.isdecimal():
        raise ValueError("not a whole number")
    return int(text)


def _read_number(text: str, complaint: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(complaint) from None
    if not math.isfinite(number):
        raise ValueError(complaint)
    return number


def _read_usd(text: str) -> float:
    return _read_number(text.removeprefix("$"), "not an amount such as 0.50")


def _read_url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError("not an address that begins with http:// or https://")
    return text.rstrip("/")


_READ: Mapping[Unit, Callable[[str], Any]] = {
    "duration": _read_duration,
    "share": _read_share,
    "factor": _read_factor,
    "count": _read_count,
    "sigma": _read_factor,
    "url": _read_url,
    "usd": _read_usd,
}


def show(value: Any, unit: Unit) -> str:
    """``value`` as a user would write it."""
    if unit == "duration":
        return duration(value) if value == int(value) else f"{value:g}s"
    if unit == "share":
        return percent(value)
    return value if isinstance(value, str) else f"{value:.10g}"


def _objective(unit: Unit, default: Any, between: tuple[float, float], help: str, among: tuple[float, ...] = ()) -> Any:
    spec = field(default=default, metadata={"unit": unit, "help": help, "between": between, "among": among})
    _SPECS.append(spec)
    return spec


_SPECS: list[Any] = []  # of the fields of ``Objectives``, in their order


_seconds, _share, _factor = partial(_objective, "duration"), partial(_objective, "share"), partial(_objective, "factor")
_count, _sigmas, _url = partial(_objective, "count"), partial(_objective, "sigma"), partial(_objective, "url")
_usd = partial(_objective, "usd")
_ANY = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """Where alerts begin. Durations in seconds, shares from 0 to 1, factors as multiples of a service's own average.

    Each field's metadata has ``unit``, ``help``, and ``between`` (lowest and highest allowed) or ``among`` (all
    that are allowed); ``flag(name)`` is its command line option.
    """

    p95: float = _seconds(30.0, (0.1, 600), "95th percentile of a call's duration")
    first_chunk: float = _seconds(5.0, (0.05, 600), "95th percentile of the time to the first chunk of a stream")
    error_rate: float = _share(0.05, (0.0001, 1), "share of calls that fail, a warning")
    error_rate_critical: float = _share(0.25, (0.0001, 1), "share of calls that fail, critical")
    slo: float = _share(0.99, (0.5, 0.99999), "availability: share of calls that succeed")
    latency_slo: float = _share(0.95, (0.5, 0.99999), "share of successful calls that are fast")
    latency_slo_threshold: float = _seconds(
        30.0, _ANY, "what the latency objective calls fast: a bound of a bucket", among=DURATION_BUCKETS
    )
    min_requests: int = _count(20, (1, 1e6), "calls in the window below which shares and percentiles raise no alert")
    min_failures: int = _count(5, (1, 1e6), "failed calls in the window that are enough to judge with fewer calls")
    min_answers: int = _count(50, (1, 1e6), "calls in the window below which lengths of answers raise no alert")
    min_priced: int = _count(1, (1, 1e6), "priced calls below which a budget raises no alert")
    min_runs: int = _count(10, (1, 1e6), "runs in 15 minutes below which agents and tools raise no alert")
    output_tokens_factor: float = _factor(2.0, (1.05, 100), "mean output tokens over their daily average")
    output_drop: float = _share(0.30, (0.01, 0.99), "fall of mean output tokens below their daily average")
    output_variance_factor: float = _factor(2.0, (1.05, 100), "spread of output tokens over its daily average")
    output_variance_drop: float = _share(
        0.30, (0.01, 0.99), "fall of the spread of output tokens below its daily average"
    )
    budget_warning: float = _factor(0.8, (0.01, 100), "spend over its budget that is a warning")
    budget_reached: float = _factor(1.0, (0.01, 100), "spend over its budget that is critical")
    daily_budget_factor: float = _factor(1.5, (0.01, 100), "today's spend over the budget that pages again")
    monthly_budget_factor: float = _factor(1.5, (0.01, 100), "this month's spend over the budget that pages again")
    budget_forecast_factor: float = _factor(1.0, (0.01, 100), "spend expected at the period's end over its budget")
    cost_per_request_factor: float = _factor(3.0, (1.05, 1000), "mean cost of a call over its daily average")
    fallback_rate: float = _share(0.10, (0.0001, 1), "share of calls that a fallback served, a warning")
    fallback_critical: float = _share(0.50, (0.0001, 1), "share of calls that a fallback served, critical")
    cache_hit_ratio: float = _share(0.50, (0.0001, 1), "share of response cache look-ups that hit")
    cache_min_lookups: int = _count(20, (1, 1e6), "look-ups in 15 minutes up to which the cache raises no alert")
    prompt_cache_drop: float = _share(0.50, (0.01, 0.99), "fall of the cached share of input below its daily average")
    breaker_stuck: float = _seconds(900.0, (60, 86_400), "how long a circuit breaker may stay open")
    rate_limit_left: float = _share(0.10, (0.001, 0.99), "what is left of a rate limit, a warning")
    rate_limit_critical: float = _share(0.02, (0.0001, 0.99), "what is left of a rate limit, critical")
    rate_limit_refused: float = _share(0.05, (0.0001, 1), "share of calls that the provider refuses by a rate limit")
    zscore_warning: float = _sigmas(2.0, (1, 20), "distance from the baseline that is a warning")
    zscore_critical: float = _sigmas(3.0, (1, 20), "distance from the baseline that is critical")
    zscore_grave: float = _sigmas(
        6.0, (1, 100), "shift of recent calls that is critical as soon as it has lasted 2 minutes"
    )
    min_change: float = _share(0.10, (0, 1), "change of a mean below which no distance is an anomaly")
    min_samples: int = _count(20, (2, 280), "means of 5 minutes, one after the other, that make a baseline")
    anomalous_share_warning: float = _share(0.15, (0.001, 1), "share of calls that are anomalous, a warning")
    anomalous_share_critical: float = _share(0.08, (0.001, 1), "share of calls that are critically anomalous")
    finish_reason_factor: float = _factor(
        3.0, (1.05, 1000), "share of truncated or filtered answers over its daily average"
    )
    finish_reason_share: float = _share(
        0.05, (0.0001, 1), "share of truncated or filtered answers that is never an alert"
    )
    answer_problems: float = _share(0.05, (0.0001, 1), "share of answers that go wrong without an error, by kind")
    guardrail_blocked: float = _share(0.10, (0.0001, 1), "share of a guardrail's checks that is never an alert")
    usage_unknown_share: float = _share(0.05, (0.0001, 1), "share of calls without usage")
    incomplete_share: float = _share(0.05, (0.0001, 1), "share of calls without a known price")
    agent_failures: float = _share(0.20, (0.0001, 1), "share of an agent's runs that fail")
    tool_failures: float = _share(0.20, (0.0001, 1), "share of a tool's runs that fail")
    run_cost: float = _usd(1.0, (0.0001, 1e6), "mean cost of an agent's outermost run, US dollars")
    tool_repeats: int = _count(5, (1, 1e6), "repeated tool calls in 15 minutes that are a warning")
    runaway_repeats: int = _count(20, (1, 1e6), "repeated tool calls in 15 minutes that are critical")
    price_table_age: float = _seconds(90 * 86_400.0, (86_400, 1e9), "age of the price table")
    grafana_url: str = _url("http://localhost:3000", _ANY, "where alerts link to dashboards")
    runbook_url: str = _url(
        "https://github.com/otel-llm/otel-llm/blob/main/docs/runbook.md", _ANY, "where alerts link to the runbook"
    )

    def __post_init__(self) -> None:
        if problems := [*_outside(self), *_contradictions(self)]:
            raise ObjectiveError(problems)

    @classmethod
    def parse(cls, given: Mapping[str, str | None]) -> Objectives:
        """Read what a user wrote, by field name (``{"p95": "20s"}``); None keeps the default.

        Raises:
            ObjectiveError: with one problem for each bad value, in the order given.

        """
        units = {spec.name: spec.metadata["unit"] for spec in fields(cls)}
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, text in given.items():
            if text is None:
                continue
            try:
                values[name] = _READ[units[name]](text.strip())
            except KeyError:
                problems.append(f"{name} is no objective")
            except ValueError as error:
                problems.append(f"{flag(name)} {text!r}: {error}")
        problems += _out_of_range(values)
        if problems:
            raise ObjectiveError(problems)
        return replace(cls(), **values)


def flag(name: str) -> str:
    """The command line option of a field: ``daily_budget_factor`` is ``--daily-budget-factor``."""
    return "--" + name.replace("_", "-")


def allowed(name: str) -> str:
    """What a field may be, in words; empty where anything of its unit may."""
    meta = next(spec.metadata for spec in fields(Objectives) if spec.name == name)
    if meta["among"]:
        return "one of " + ", ".join(show(value, meta["unit"]) for value in meta["among"])
    if meta["unit"] == "url":
        return ""
    low, high = meta["between"]
    return f"{show(low, meta['unit'])} to {show(high, meta['unit'])}"


def _out_of_range(values: Mapping[str, Any]) -> list[str]:
    problems = []
    for spec in fields(Objectives):
        meta, value = spec.metadata, values.get(spec.name)
        if value is None or meta["unit"] == "url":
            continue
        low, high = meta["between"]
        if value not in meta["among"] if meta["among"] else not low <= value <= high:
            problems.append(f"{flag(spec.name)} {show(value, meta['unit'])}: must be {allowed(spec.name)}")
    return problems


def _outside(objectives: Objectives) -> list[str]:
    return _out_of_range({spec.name: getattr(objectives, spec.name) for spec in fields(objectives)})


def _contradictions(it: Objectives) -> list[str]:
    if it.zscore_warning >= it.zscore_critical:
        return [f"--zscore-warning {it.zscore_warning:g}: must be below --zscore-critical {it.zscore_critical:g}"]
    return []


def _defaults() -> Objectives:
    """``Objectives()``, as a start needs it: its values stand above and need neither checks nor methods (a test holds both to the same)."""
    defaults = object.__new__(Objectives)
    for name, spec in zip(Objectives.__annotations__, _SPECS, strict=True):
        object.__setattr__(defaults, name, spec.default)
    return defaults


DEFAULT = _defaults()
