"""What happens around calls: retries, fallbacks, look-ups, rate limits, breakers."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import fell_back

from .made import Context, Recording, ratio, summed

_PM = recorded.PROVIDER_MODEL
_DAY = 86_400


def surroundings(it: Context) -> list[Recording]:
    """Rates by what they are about, the share of each limit that is left, and whether a breaker is open."""
    short = it.over(normal.SHORT)

    def rate(name: str, *labels: str) -> str:
        return BY_NAME[name].rate(short, it.by(*labels))

    away = summed(it.by("from_model"), it.total(recorded.FALLBACK_PATHS, normal.MEDIUM))
    by_cache = it.by(*_PM, "cache")
    hits, every = (
        summed(by_cache, it.total(recorded.LOOKUPS + where, normal.MEDIUM)) for where in ('{result="hit"}', "")
    )
    left, limit = BY_NAME["otel_llm_rate_limit_remaining"], BY_NAME["otel_llm_rate_limit_limit"]
    state, open_calls = BY_NAME["otel_llm_circuit_breaker_state"], BY_NAME["otel_llm_in_flight_requests"]
    worst = f"{state.selector(state='open')} or 0.5 * {state.selector(state='half_open')} or 0 * {state.selector(state='closed')}"
    last_scrape = f"max by ({', '.join(it.by('instance'))}) (timestamp({BY_NAME['otel_llm_build_info'].name}))"
    return [
        Recording(recorded.FALLBACK_PATHS, rate("otel_llm_fallbacks_total", "from_model", "to_model", "reason")),
        Recording(recorded.FALLBACKS, fell_back(away, f"({it.total(recorded.CALLS, normal.MEDIUM)})", it.of_service)),
        Recording(recorded.LOOKUPS, rate("otel_llm_cache_requests_total", *_PM, "cache", "result")),
        Recording(recorded.CACHE_HITS, ratio(hits, every)),
        Recording(
            recorded.RATE_LIMIT_LEFT, f"min by ({it.model}, kind) ({left.selector()} / ({limit.selector()} > 0))"
        ),
        Recording(recorded.RETRIES, rate("otel_llm_retries_total", *_PM, "reason")),
        Recording(recorded.RETRY_WAIT, rate("otel_llm_retry_wait_seconds_total", *_PM, "reason")),
        Recording(recorded.USAGE_UNKNOWN, rate("otel_llm_usage_unknown_total", *_PM, "reason")),
        Recording(recorded.IN_FLIGHT, summed(it.by(*_PM), open_calls.selector())),
        Recording(recorded.SEEN, f"{last_scrape}\nor\n({recorded.SEEN} > time() - {it.clock.seconds(_DAY):g})"),
        Recording(recorded.BREAKER_OPEN, f"max by ({', '.join(it.by('breaker'))}) ({worst})"),
    ]
