"""Is one endpoint scrapeable, complete and within bounds: findings about a page, against the catalogue."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from otel_llm.core.catalogue import BY_NAME, METRICS, shown
from otel_llm.core.metric import Metric

from . import samples, scrape, view
from .findings import Finding, some

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .samples import Labels, Page
    from .scrape import Answer, Endpoint

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
KNOWN_TYPES = ("text/plain", "application/openmetrics-text", "application/vnd.google.protobuf")
ALWAYS = ("otel_llm_build_info", "otel_llm_processes", "otel_llm_series")
SCRAPE_TIMEOUT = 10.0  # seconds; Prometheus's default
_EXTRA = {"le", "quantile", "job", "instance"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is too much."""

    series: int = 20_000
    label_values: int = 200


def inspect(endpoint: Endpoint, at: float, bounds: Bounds) -> tuple[Page, list[Finding]]:
    """Everything there is to say of ``endpoint``. Raises Problem where there is no page of ours at all."""
    answer = scrape.fetch(endpoint)
    page = samples.parse(answer.text, at, endpoint.url)
    findings = [_scraped(answer), _content_type(answer), _openmetrics(endpoint)]
    findings += [*_complete(page), *_names(page), _labels(page), _values(page)]
    findings += [*_cardinality(page, bounds), *quality(page)]
    return page, findings


def _scraped(answer: Answer) -> Finding:
    says = f"{len(answer.text) / 1024:.0f} KiB in {answer.seconds * 1000:.0f} ms"
    if answer.seconds > SCRAPE_TIMEOUT / 2:
        return Finding("warn", "scrape", says, f"Prometheus gives up after {SCRAPE_TIMEOUT:g} s: raise scrape_timeout")
    return Finding("ok", "scrape", says)


def _content_type(answer: Answer) -> Finding:
    kind = answer.content_type.split(";")[0].strip()
    if kind in KNOWN_TYPES:
        return Finding("ok", "content type", kind)
    return Finding("fail", "content type", f"{kind or 'none'}: Prometheus 3 will not read it",
                   f"serve it as {KNOWN_TYPES[0]}; version=0.0.4")  # fmt: skip


def _openmetrics(endpoint: Endpoint) -> Finding:
    answer = scrape.fetch(endpoint, OPENMETRICS)
    if "openmetrics" not in answer.content_type:
        return Finding("note", "OpenMetrics", "not offered: no exemplars, all else works")
    try:
        families = list(openmetrics(answer.text))  # type: ignore[no-untyped-call]
    except (ValueError, KeyError) as error:
        return Finding("fail", "OpenMetrics", f"does not parse: {str(error)[:80]}", "please report this to otel-llm")
    count = sum(1 for family in families for sample in family.samples if sample.exemplar)
    return Finding("ok", "OpenMetrics", f"parses, {count} exemplar{'s' if count != 1 else ''}")


def vocabulary(page: Page) -> str:
    """Which ``OTEL_LLM_SEMCONV`` the page looks like."""
    old, new = (
        any(f"{name}_count" in page.series for name in names) for names in (view.DURATION[:1], view.DURATION[1:])
    )
    return "both" if old and new else "latest" if new else "released"


def _present(page: Page, metric: Metric) -> bool:
    return any(name in page.series for name in metric.samples)


def _complete(page: Page) -> Iterable[Finding]:
    wanted = shown(vocabulary(page))
    missing = [name for name in ALWAYS if name not in page.series]
    if missing:
        yield Finding(
            "fail", "complete", f"lacks {', '.join(missing)}", "is another exporter hiding otel-llm's metrics?"
        )
    there = [metric for metric in wanted if _present(page, metric)]
    if not any(f"{name}_count" in page.series for name in view.DURATION):
        yield Finding("warn", "calls", "none observed yet", "make one LLM call, then check again (otel-llm doctor)")
    quiet = [metric.name for metric in wanted if not _present(page, metric)]
    yield Finding("ok", "complete", f"{len(there)} of {len(wanted)} metrics have data")
    if quiet:
        yield Finding("note", "not seen yet", some(quiet) + " (no such event so far)")


def _names(page: Page) -> Iterable[Finding]:
    our_names = {name for metric in METRICS for name in (*metric.samples, metric.family, f"{metric.family}_created")}
    ours = [name for name in page.series if name.startswith(("otel_llm_", "gen_ai_client_"))]
    strange = [name for name in ours if name not in our_names]
    if strange:
        yield Finding("warn", "names", f"not in the catalogue: {some(strange)}",
                      "another version of otel-llm, or a second instrumentation, writes them")  # fmt: skip
    kinds = [
        metric.name for metric in METRICS if page.kinds.get(metric.family, metric.kind) not in (metric.kind, "unknown")
    ]
    if kinds:
        yield Finding(
            "fail", "types", f"of another type than the catalogue's: {some(kinds)}", "a second instrumentation?"
        )


def _labels(page: Page) -> Finding:
    wrong = [
        name
        for metric in METRICS
        for name in metric.samples
        if any(
            not set(metric.labels) <= {key for key, _ in labels} | _optional(metric)
            for labels in page.series.get(name, {})
        )
    ]
    if wrong:
        return Finding(
            "fail", "labels", f"lacking on {some(wrong)}", "is a relabelling rule or a second library in the way?"
        )
    return Finding("ok", "labels", "as in the catalogue")


def _optional(metric: Metric) -> set[str]:
    """Labels that a sample may leave out because an absent label and an empty one are the same."""
    return {
        label for label in metric.labels if label in ("error_type", "gen_ai_response_model", "server_address", "budget")
    }


def _values(page: Page) -> Finding:
    bad = [
        name
        for name, rows in page.series.items()
        if name in BY_NAME or name.startswith("otel_llm_")
        for value in rows.values()
        if math.isnan(value)
        or (math.isinf(value) and not name.endswith("_bucket"))
        or (name.endswith("_total") and value < 0)
    ]
    if bad:
        return Finding(
            "fail", "values", f"not finite or negative: {some(sorted(set(bad)))}", "please report this to otel-llm"
        )
    return Finding("ok", "values", "all finite")


def _cardinality(page: Page, bounds: Bounds) -> Iterable[Finding]:
    ours = {name: rows for name, rows in page.series.items() if name.startswith(("otel_llm_", "gen_ai_"))}
    count = sum(len(rows) for rows in ours.values())
    widest = max(ours, key=lambda name: len(ours[name]))
    says = f"{count} of at most {bounds.series}; most in {widest} ({len(ours[widest])})"
    if count > bounds.series:
        yield Finding("fail", "series", says, "fewer OTEL_LLM_METRIC_LABELS, or a lower OTEL_LLM_MAX_LABEL_VALUES")
    else:
        yield Finding("ok", "series", says)
    label, values = max(_label_values(ours).items(), key=lambda item: len(item[1]))
    status = "fail" if len(values) > bounds.label_values + 1 else "ok"
    yield Finding(status, "label values", f"most in {label}: {len(values)} of at most {bounds.label_values}",  # type: ignore[arg-type]
                  "" if status == "ok" else "ids or user text must not be labels: see docs/metrics.md")  # fmt: skip
    overflow = page.by("otel_llm_label_overflow_total", "label")
    spilt = [f"{key} ({number:.0f})" for (key,), number in overflow.items() if number]
    if spilt:
        yield Finding(
            "warn",
            "overflow",
            f"values became _other: {some(spilt)}",
            "raise OTEL_LLM_MAX_LABEL_VALUES if they are wanted",
        )


def _label_values(series: Mapping[str, Mapping[Labels, float]]) -> dict[str, set[str]]:
    values: dict[str, set[str]] = defaultdict(set)
    for key, value in chain.from_iterable(labels for rows in series.values() for labels in rows):
        if key not in _EXTRA:
            values[key].add(value)
    return values


def quality(page: Page) -> Iterable[Finding]:
    """What the service itself says is wrong: own errors, models without a price, calls without usage."""
    calls = sum(view.requests(page)[0].values())
    if errors := page.total("otel_llm_internal_errors_total"):
        yield Finding(
            "warn",
            "own errors",
            f"otel-llm swallowed {errors:.0f} of its own",
            "run otel-llm doctor, read the service's log",
        )
    if unpriced := page.by("otel_llm_unpriced_requests_total", "gen_ai_request_model"):
        models = sorted(model for (model,), count in unpriced.items() if count)
        if models:
            yield Finding(
                "warn",
                "unpriced",
                f"no price for {some(models)}",
                "add them to OTEL_LLM_PRICES_FILE (otel-llm prices)",
            )
    unknown = page.total("otel_llm_usage_unknown_total") or 0.0
    if calls and unknown / calls > 0.01:  # noqa: PLR2004 - as the alert's
        yield Finding(
            "warn",
            "usage",
            f"{unknown:.0f} of {calls:.0f} calls brought no token counts",
            "streams of chat.completions: ask for stream_options={'include_usage': True}",
        )
