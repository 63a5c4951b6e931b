"""Pages of a service that does not exist, with values that tests know: what /metrics would say of three models."""

from __future__ import annotations

import math
from collections.abc import Iterator

from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.series import DURATION_BUCKETS

MODELS = (
    # provider, model, calls, failed, median, p95, p99, max, calls/s, input, output, thinking, cached, cost, $/h, $/call
    ("openai", "gpt-4.1", 400, 20, 1.25, 4.0, 6.5, 9.75, 2.0, 480_000, 84_000, 0, 120_000, 1.632, 29.376, 0.00408),
    ("anthropic", "claude-sonnet-4-5", 200, 0, 2.0, 5.5, 8.0, 12.0, 1.0, 240_000, 42_000, 0, 160_000, 1.35, 24.3, 0.00675),
    ("openai", "gpt-5-mini", 100, 0, 0.8, 2.5, 3.5, 4.25, 0.5, 120_000, 21_000, 14_000, 0, 0.072, 1.296, 0.00072),
)  # fmt: skip
ERRORS = (("rate_limit", 12), ("server_error", 8))
ZSCORES = (
    ("openai", "gpt-4.1", "latency", 4.25, 5.0), ("openai", "gpt-4.1", "cost", 0.5, 1.75),
    ("anthropic", "claude-sonnet-4-5", "output_tokens", -2.5, -1.5), ("openai", "gpt-5-mini", "latency", -0.25, 3.5),
)  # fmt: skip
TENANTS = (("acme", 0.75), ("globex", 0.25))


class Page:
    """Lines of the text format, family by family."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, sample: str, value: float, **labels: object) -> None:
        """One sample; its family is the catalogue's."""
        family = next((name for name, metric in BY_NAME.items() if sample in metric.samples), sample)
        text = ",".join(f'{key}="{each}"' for key, each in labels.items())
        self._lines.setdefault(family, []).append(f"{sample}{{{text}}} {value!r}")

    def text(self) -> str:
        """The page."""
        return "".join(f"{line}\n" for line in self._all())

    def _all(self) -> Iterator[str]:
        for family, lines in self._lines.items():
            kind = BY_NAME[family].kind if family in BY_NAME else "gauge"
            yield f"# HELP {family} about {family}"
            yield f"# TYPE {family} {kind}"
            yield from lines


def quiet() -> Page:
    """A service that has not made a call yet."""
    page = Page()
    page.add("otel_llm_build_info", 1.0, version="0.2.0")
    page.add("otel_llm_processes", 4.0, state="live")
    page.add("otel_llm_processes", 1.0, state="exited")
    page.add("otel_llm_series", 123.0)
    page.add("otel_llm_scrape_duration_seconds", 0.002)
    return page


def busy(calls: float = 1.0) -> Page:
    """A service with three models and two tenants; ``calls`` multiplies what counters say."""
    page = quiet()
    for row in MODELS:
        _model(page, row, calls)
    for kind, count in ERRORS:
        _duration(page, "openai", "gpt-4.1", "acme", count * calls, 0.3, kind)
        page.add("otel_llm_error_ratio", count / 400, gen_ai_provider_name="openai", gen_ai_request_model="gpt-4.1",
                 error_type=kind)  # fmt: skip
    for provider, model, signal, shift, peak in ZSCORES:
        for kind, value in (("shift", shift), ("peak", peak)):
            page.add("otel_llm_zscore", value, gen_ai_provider_name=provider, gen_ai_request_model=model,
                     signal=signal, kind=kind)  # fmt: skip
    _around(page, calls)
    return page


def _model(page: Page, row: tuple[object, ...], calls: float) -> None:
    provider, model, count, failed, *latency, rate, given, said, thought, cached, cost, per_hour, per_call = row
    names = {"gen_ai_provider_name": provider, "gen_ai_request_model": model}
    chat = {**names, "gen_ai_operation_name": "chat"}
    for tenant, share in TENANTS:
        _duration(page, str(provider), str(model), tenant, (count - failed) * share * calls, float(latency[0]))
        page.add("otel_llm_cost_usd_total", cost * share * calls, **chat, cost_source="prices", tenant=tenant)
        for part, tokens in (
            ("input", given),
            ("output", said),
            ("reasoning_output", thought),
            ("cache_read_input", cached),
        ):
            page.add(f"gen_ai_client_inference_usage_{part}_tokens_total", tokens * share * calls, **chat,
                     gen_ai_token_modality="text", tenant=tenant)  # fmt: skip
    for rank, value in zip(("0.5", "0.95", "0.99", "1"), latency, strict=True):
        page.add("otel_llm_latency_seconds", value, **names, quantile=rank)
    page.add("otel_llm_requests_per_second", rate, **names)
    page.add("otel_llm_cost_usd_per_hour", per_hour, **names)
    page.add("otel_llm_cost_usd_per_request", per_call, **names)
    page.add("otel_llm_in_flight_requests", rate * 3, **chat)
    for kind, tokens in (("input", given), ("output", said), ("thinking", thought)):
        page.add("otel_llm_tokens_per_second", tokens / 200, **names, gen_ai_token_type=kind)


def _duration(page: Page, provider: str, model: str, tenant: str, count: float, median: float, error: str = "") -> None:
    name = "gen_ai_client_operation_duration_seconds"
    labels = {
        "gen_ai_provider_name": provider, "gen_ai_request_model": model, "gen_ai_operation_name": "chat",
        "gen_ai_response_model": model, "server_address": "example.test", "error_type": error, "tenant": tenant,
    }  # fmt: skip
    for bound in (*DURATION_BUCKETS, math.inf):
        share = 1 / (1 + (median / bound) ** 3) if bound < 600 else 1.0
        page.add(f"{name}_bucket", float(round(count * share)), **labels, le="+Inf" if math.isinf(bound) else bound)
    page.add(f"{name}_sum", count * median * 1.2, **labels)
    page.add(f"{name}_count", count, **labels)


def _around(page: Page, calls: float) -> None:
    chat = {
        "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-4.1", "gen_ai_operation_name": "chat",
    }  # fmt: skip
    for result, count in (("hit", 30), ("miss", 70)):
        page.add("otel_llm_cache_requests_total", count * calls, **chat, cache="answers", result=result)
    page.add("otel_llm_cache_hit_ratio", 0.3, gen_ai_provider_name="openai", gen_ai_request_model="gpt-4.1")
    page.add("otel_llm_fallback_ratio", 0.035, gen_ai_provider_name="openai", gen_ai_request_model="gpt-4.1")
    page.add(
        "otel_llm_fallbacks_total",
        14 * calls,
        **chat,
        from_model="gpt-4.1",
        to_model="claude-sonnet-4-5",
        reason="error",
    )
    for breaker, current in (("anthropic", "closed"), ("openai", "open")):
        for state in ("closed", "half_open", "open"):
            page.add("otel_llm_circuit_breaker_state", float(state == current), breaker=breaker, state=state)
    page.add("otel_llm_cache_savings_usd_total", 0.42 * calls, **chat)
    for period, spend, budget in (("day", 3.054 * calls, 4.0), ("month", 61.5 * calls, 50.0)):
        scope = {"period": period, "budget": ""}
        page.add("otel_llm_spend_usd", spend, **scope)
        page.add("otel_llm_budget_usd", budget, **scope)
        page.add("otel_llm_budget_used_ratio", spend / budget, **scope)
        page.add("otel_llm_budget_forecast_ratio", 1.5 * spend / budget, **scope)
    for kind, remaining, limit in (("requests", 420.0, 500.0), ("tokens", 12_000.0, 200_000.0)):
        page.add("otel_llm_rate_limit_remaining", remaining, **chat, kind=kind)
        page.add("otel_llm_rate_limit_limit", limit, **chat, kind=kind)
    page.add("otel_llm_unpriced_requests_total", 3.0 * calls, **chat)
    page.add("otel_llm_usage_unknown_total", 30.0 * calls, **chat, reason="stream_without_usage")
