"""A parsed /metrics page, and several of them added up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from . import latency
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Labels = tuple[tuple[str, str], ...]
MODEL = ("gen_ai_provider_name", "gen_ai_request_model")


@dataclass(frozen=True, slots=True)
class Page:
    """Samples by name and labels. ``kinds`` holds the type of each family as the page declares it."""

    at: float  # seconds since the epoch
    series: Mapping[str, Mapping[Labels, float]]
    kinds: Mapping[str, str] = field(default_factory=dict)

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
    page = Page(at, dict(series), kinds)
    if "otel_llm_build_info" not in page.series:
        raise Problem(f"{where} serves metrics, but not otel-llm's: is otel-llm loaded there (otel-llm doctor)?")
    return page


def merge(pages: Iterable[Page]) -> Page:
    """One page for several services: what counts is added, means are weighted by traffic, verdicts are the gravest."""
    pages = tuple(pages)
    if len(pages) == 1:
        return pages[0]
    series: dict[str, dict[Labels, float]] = {}
    for name in dict.fromkeys(name for page in pages for name in page.series):
        gathered: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
        for page in pages:
            for labels, value in page.series.get(name, {}).items():
                gathered[labels].append((value, _weight(page, labels)))
        combine = _COMBINE.get(name, _sum)
        series[name] = {labels: combine(values) for labels, values in gathered.items()}
    _budgets(pages, series)
    _latencies(pages, series)
    return Page(max(page.at for page in pages), series, pages[0].kinds)


def _weight(page: Page, labels: Labels) -> float:
    """Calls per second of the provider and model that the labels name."""
    model = tuple((key, value) for key, value in labels if key in MODEL)
    return page.series.get("otel_llm_requests_per_second", {}).get(model, 0.0)


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


def _gravest(values: Weighted) -> float:
    return max((value for value, _ in values), key=abs)


_COMBINE: Mapping[str, Callable[[Weighted], float]] = {
    **dict.fromkeys(
        (
            "otel_llm_tokens_per_request", "otel_llm_error_ratio", "otel_llm_fallback_ratio",
            "otel_llm_cache_hit_ratio", "otel_llm_output_tokens_stddev", "otel_llm_output_tokens_change_ratio",
            "otel_llm_cost_usd_per_request", "otel_llm_baseline_mean", "otel_llm_baseline_stddev",
        ),
        _mean,
    ),
    **dict.fromkeys(
        (
            "otel_llm_build_info", "otel_llm_instrumented", "otel_llm_circuit_breaker_state",
            "otel_llm_scrape_duration_seconds",
        ),
        _largest,
    ),
    "otel_llm_zscore": _gravest,
}  # fmt: skip


def _budgets(pages: Iterable[Page], series: dict[str, dict[Labels, float]]) -> None:
    """A ratio of sums: used and forecast of several services weigh by their budgets."""
    for name in ("otel_llm_budget_used_ratio", "otel_llm_budget_forecast_ratio"):
        for labels in series.get(name, {}):
            pairs = [
                (page.series[name][labels], _budget(page, labels))
                for page in pages
                if labels in page.series.get(name, {})
            ]
            series[name][labels] = _mean(pairs)


def _budget(page: Page, labels: Labels) -> float:
    return page.series.get("otel_llm_budget_usd", {}).get(labels, 0.0)


def latencies(page: Page) -> dict[Labels, latency.Latency]:
    """Percentiles by provider and model."""
    by_model: dict[Labels, dict[str, float]] = defaultdict(dict)
    for labels, value in page.rows("otel_llm_latency_seconds"):
        rank = labels.pop("quantile", "")
        by_model[tuple(sorted(labels.items()))][rank] = value
    read = {model: latency.read(quantiles) for model, quantiles in by_model.items()}
    return {model: found for model, found in read.items() if found}


def _latencies(pages: Iterable[Page], series: dict[str, dict[Labels, float]]) -> None:
    """Percentiles do not add up: those of one model on several services are mixed by its traffic on each."""
    parts: dict[Labels, list[tuple[latency.Latency, float]]] = defaultdict(list)
    for page in pages:
        for model, found in latencies(page).items():
            parts[model].append((found, _weight(page, model)))
    mixed = {model: latency.mix(found) for model, found in parts.items()}
    series["otel_llm_latency_seconds"] = {
        tuple(sorted((*model, ("quantile", rank)))): value
        for model, found in mixed.items()
        if found
        for rank, value in zip(("0.5", "0.95", "0.99", "1"), found, strict=True)
    }
