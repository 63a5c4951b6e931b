"""What boards show of processes and of what each of them knows itself, folded over all of them."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import born

from .made import Context, Recording, summed

_PM = recorded.PROVIDER_MODEL
_PARTS = ("samples", "mean", "stddev", "shifted_seconds")


def own(it: Context) -> list[Recording]:
    """Baselines and distances from them: of all processes the worst."""
    signal = it.by(*_PM, "signal")
    change = BY_NAME["otel_llm_output_tokens_change_ratio"].selector()
    baseline = f"max by ({', '.join(signal)})"
    return [
        # each side once: to look up the series of all pods is what costs
        *(
            Recording(side, f"{fold} by ({', '.join((*signal, 'kind'))}) ({BY_NAME['otel_llm_zscore'].selector()})")
            for fold, side in (("max", recorded.OWN_HIGHEST), ("min", recorded.OWN_LOWEST))
        ),
        # without the sides' names: over a range they would be two series, which promtool cannot backfill as one
        Recording(recorded.OWN_ZSCORE, _worst(f"1 * {recorded.OWN_HIGHEST}", f"1 * {recorded.OWN_LOWEST}")),
        *(
            Recording(recorded.OWN_BASELINE, f"{baseline} ({BY_NAME[f'otel_llm_baseline_{part}'].selector()})", {"part": part})
            for part in _PARTS
        ),
        Recording(recorded.OUTPUT_CHANGE, _worst(*(f"{fold} by ({it.model}) ({change})" for fold in ("max", "min")))),
    ]  # fmt: skip


def processes(it: Context) -> list[Recording]:
    """Who is there, since when, with which versions, and what scraping costs."""
    names = it.of_service
    steps = born(
        BY_NAME["otel_llm_circuit_breaker_transitions_total"], it.over(normal.SHORT), it.by("breaker", "to_state")
    )
    start = BY_NAME["otel_llm_start_time_seconds"].selector()
    targets = f"and on (job, instance) {recorded.SEEN}"

    def most(name: str) -> str:
        return f"max by ({', '.join(it.by('instance'))}) ({BY_NAME[name].selector()})"

    def count(name: str, *labels: str) -> str:
        return f"count by ({', '.join(it.by(*labels))}) ({BY_NAME[name].selector()})"

    return [
        Recording(recorded.BREAKER_STEPS, steps),
        Recording(recorded.TARGETS, f"count by ({names}) (up == 1 {targets})", {"state": "up"}),
        Recording(recorded.TARGETS, f"count by ({names}) (up == 0 {targets})", {"state": "down"}),
        Recording(
            recorded.STARTED, f"count by ({names}) (max by ({names}, instance) ({start}) > time() - {it.clock.seconds(normal.SHORT):g})"
        ),
        Recording(recorded.PROCESSES, summed(it.by("state"), BY_NAME["otel_llm_processes"].selector())),
        Recording(recorded.SERIES, most("otel_llm_series")),
        Recording(recorded.SCRAPE, most("otel_llm_scrape_duration_seconds")),
        Recording(recorded.WATCHED, count("otel_llm_instrumented", "library", "version")),
        Recording(recorded.VERSIONS, count("otel_llm_build_info", "version")),
    ]  # fmt: skip


def _worst(high: str, low: str) -> str:
    """What is farthest from zero of the highest and the lowest, with its sign."""
    return f"{high} > -1 * {low}\nor\n{low}"
