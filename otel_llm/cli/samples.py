"""A parsed /metrics page, and several of them added up."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from otel_llm.core.catalogue import METRICS

from . import latency
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Labels = tuple[tuple[str, str], ...]
Status = dict[str, Any]
MODEL = ("gen_ai_provider_name", "gen_ai_request_model")


@dataclass(frozen=True, slots=True)
class Page:
    """Samples by name and labels. ``kinds`` holds the type of each family as the page declares it."""

    at: float  # seconds since the epoch
    series: Mapping[str, Mapping[Labels, float]]
    kinds: Mapping[str, str] = field(default_factory=dict)
    status: Status | None = None  # what /status.json says, where there is one

    def rows(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Every sample of ``name`` with its labels."""
        for labels, value in self.series.get(name, {}).items():
            yield dict(labels), value

    def total(self, name: str, **where: str) -> float | None:
        """The sum over the samples whose labels match; None where there is none, which is not the same as 0."""
        values = [value for labels, value in self.rows(name) if _matches(labels, where)]
        return sum(values) if values else None

    def by(self, name: str, *keys: str, **where: str) -> dict[tuple[str, ...], float]:
        """Sums by the values of ``keys``; a label that is absent is empty."""
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        for labels, value in self.rows(name):
            if _matches(labels, where):
                sums[tuple(labels.get(key, "") for key in keys)] += value
        return dict(sums)


def _matches(labels: Mapping[str, str], where: Mapping[str, str]) -> bool:
    return all(labels.get(key, "") == value for key, value in where.items())


def parse(text: str, at: float, where: str) -> Page:
    """Read the text format. Raises Problem where it is not that, or not otel-llm's."""
    series: dict[str, dict[Labels, float]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    try:
        for family in text_string_to_metric_families(text):
            kinds[family.name] = family.type
            for sample in family.samples:
                series[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    except (ValueError, KeyError, IndexError):
        raise Problem(f"{where} does not answer in Prometheus's text format: is this the port of /metrics?") from None
    _stretch(series, at)
    page = Page(at, dict(series), kinds)
    if "otel_llm_build_info" not in page.series:
        raise Problem(f"{where} serves metrics, but not otel-llm's: is otel-llm loaded there (otel-llm doctor)?")
    return page


def _stretch(series: Mapping[str, dict[Labels, float]], at: float) -> None:
    """Make rates of a service that is younger than a minute what they have been since it began: it has them over a whole minute."""
    began = max(series.get("otel_llm_start_time_seconds", {}).values(), default=-math.inf)
    if SHORTEST <= at - began < MINUTE:
        for name in _RATES:
            for labels, value in series.get(name, {}).items():
                series[name][labels] = value * MINUTE / (at - began)


MINUTE, SHORTEST = 60.0, 1.0  # seconds
_RATES = ("otel_llm_requests_per_second", "otel_llm_tokens_per_second", "otel_llm_cost_usd_per_hour")


def merge(pages: Iterable[Page]) -> Page:
    """One page for several instances of a service, by the catalogue's table of how metrics add up."""
    pages = tuple(pages)
    if len(pages) == 1:
        return pages[0]
    series: dict[str, dict[Labels, float]] = {}
    for name in dict.fromkeys(name for page in pages for name in page.series):
        metric = _METRICS.get(name)
        gathered: dict[Labels, Weighted] = defaultdict(list)
        for page in pages:
            for labels, value in page.series.get(name, {}).items():
                weight = _weight(page, metric.weight, labels) if metric is not None and metric.weight else 1.0
                gathered[labels].append((value, weight))
        combine = _COMBINE[metric.adds if metric is not None else "sum"]
        series[name] = {labels: combine(values) for labels, values in gathered.items()}
    _latencies(pages, series)
    statuses = [page.status for page in pages if page.status is not None]
    return Page(
        max(page.at for page in pages),
        series,
        pages[0].kinds,
        _statuses(statuses) if len(statuses) == len(pages) else None,
    )


def _statuses(statuses: list[Status]) -> Status:
    """The conditions of all instances, the worst first; one that several have is one."""
    conditions = {one["text"]: one for status in statuses for one in status["conditions"]}
    order = ("critical", "warning", "pending", "ended")
    spenders: dict[str, dict[str, tuple[float, float]]] = {}
    for status in statuses:
        for one in status.get("top_spenders", ()):
            values = spenders.setdefault(one["label"], {})
            for row in one["rows"]:
                usd, error = values.get(row["value"], (0.0, 0.0))
                values[row["value"]] = (usd + row["usd"], error + row["error_usd"])
    return {
        **statuses[0],
        "top_spenders": [
            {
                "label": label,
                "rows": [{"value": value, "usd": usd, "error_usd": error} for value, (usd, error) in values.items()],
            }
            for label, values in spenders.items()
        ],
        "conditions": sorted(conditions.values(), key=lambda one: (order.index(one["level"]), one["since"])),
    }


_CALLS, _ERRORS, _LATENCY = "otel_llm_requests_per_second", "otel_llm_error_ratio", "otel_llm_latency_seconds"
_METRICS = {sample: metric for metric in METRICS for sample in metric.samples}


def _weight(page: Page, weight: str, labels: Labels) -> float:
    """What the metric ``weight`` counts of the provider and model that the labels name."""
    model = {key: value for key, value in labels if key in MODEL}
    return page.total(weight, **model) or 0.0


def _calls(page: Page, model: Labels) -> float:
    return _weight(page, _CALLS, model)


Weighted = list[tuple[float, float]]


def _sum(values: Weighted) -> float:
    return sum(value for value, _ in values)


def _mean(values: Weighted) -> float:
    weight = sum(weight for _, weight in values)
    if not weight:
        return sum(value for value, _ in values) / len(values)
    return sum(value * share for value, share in values) / weight


def _largest(values: Weighted) -> float:
    return max(value for value, _ in values)


def _smallest(values: Weighted) -> float:
    return min(value for value, _ in values)


def _gravest(values: Weighted) -> float:
    """What does not add up is shown at its worst."""
    return max((value for value, _ in values), key=abs)


_COMBINE: Mapping[str, Callable[[Weighted], float]] = {
    "sum": _sum, "max": _largest, "min": _smallest, "mean": _mean, "none": _gravest,
}  # fmt: skip


def by_model(page: Page) -> Page:
    """``page`` with one window for each model, where values of labels have windows of their own: as if each were an instance."""
    apart = sorted({key for labels, _ in page.rows(_CALLS) for key in labels} - set(MODEL))
    if not apart:
        return page
    series, weights = dict(page.series), _Weights(page, (*MODEL, *apart))
    for name, values in page.series.items():
        metric = _METRICS.get(name)
        if metric is None or not metric.apart or name == _LATENCY:
            continue
        gathered: dict[Labels, Weighted] = defaultdict(list)
        for labels, value in values.items():
            weight = weights.of(metric.weight, labels) if metric.weight else 1.0
            gathered[tuple(label for label in labels if label[0] not in apart)].append((value, weight))
        combine = weights.share if name == _ERRORS else lambda _, values, how=_COMBINE[metric.adds]: how(values)
        series[name] = {labels: combine(labels, values) for labels, values in gathered.items()}
    parts: dict[Labels, list[tuple[latency.Latency, float]]] = defaultdict(list)
    for window, quantiles in latencies(page).items():
        parts[tuple(label for label in window if label[0] in MODEL)].append((quantiles, weights.of(_CALLS, window)))
    series[_LATENCY] = _mixed(parts)
    return replace(page, series=series)


class _Weights:
    """How much each window counts; ``keys`` are the labels of windows, those of the model first."""

    def __init__(self, page: Page, keys: tuple[str, ...]) -> None:
        self._page, self._keys = page, keys
        self._windows: dict[str, dict[tuple[str, ...], float]] = {}
        self._models = page.by(_CALLS, *MODEL)

    def of(self, name: str, labels: Labels) -> float:
        """What the metric ``name`` says of the window that ``labels`` name."""
        if name not in self._windows:
            self._windows[name] = self._page.by(name, *self._keys)
        values = dict(labels)
        return self._windows[name].get(tuple(values.get(key, "") for key in self._keys), 0.0)

    def share(self, labels: Labels, values: Weighted) -> float:
        """A share of all calls of a model: windows that do not say it have none."""
        of = dict(labels)
        calls = self._models.get(tuple(of.get(key, "") for key in MODEL), 0.0)
        return _sum([(value * weight, 1.0) for value, weight in values]) / calls if calls else 0.0


def latencies(page: Page) -> dict[Labels, latency.Latency]:
    """Percentiles by provider and model."""
    by_model: dict[Labels, dict[str, float]] = defaultdict(dict)
    for labels, value in page.rows(_LATENCY):
        rank = labels.pop("quantile", "")
        by_model[tuple(sorted(labels.items()))][rank] = value
    read = {model: latency.read(quantiles) for model, quantiles in by_model.items()}
    return {model: quantiles for model, quantiles in read.items() if quantiles}


def _latencies(pages: Iterable[Page], series: dict[str, dict[Labels, float]]) -> None:
    """Percentiles do not add up: those of one model on several services are mixed by its traffic on each."""
    parts: dict[Labels, list[tuple[latency.Latency, float]]] = defaultdict(list)
    for page in pages:
        for model, quantiles in latencies(page).items():
            parts[model].append((quantiles, _calls(page, model)))
    series[_LATENCY] = _mixed(parts)


def _mixed(parts: Mapping[Labels, list[tuple[latency.Latency, float]]]) -> dict[Labels, float]:
    mixed = {model: latency.mix(quantiles) for model, quantiles in parts.items()}
    return {
        tuple(sorted((*model, ("quantile", rank)))): value
        for model, quantiles in mixed.items()
        if quantiles
        for rank, value in zip(("0.5", "0.95", "0.99", "1"), quantiles, strict=True)
    }
