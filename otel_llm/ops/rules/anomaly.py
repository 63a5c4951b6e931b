"""What is unusual: means of the last minutes, what they were over a day, and the bands of this time of the day."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded

from .made import Context, Recording

_ODD = ("signal", "direction", "severity")


def anomaly(it: Context) -> list[Recording]:
    """Means of the last minutes, what they were over a day, and the distance in standard deviations."""
    means = {"latency": f"{recorded.SECONDS}\n/\n({recorded.OK_CALLS} > 0)", "output_tokens": recorded.OUTPUT_TOKENS,
             "cost": recorded.COST_PER_REQUEST}  # fmt: skip
    # a deviation of less than 1 % of the mean is a constant, and nothing can be judged by it
    spread = f"({recorded.BASELINE_STDDEV} > 0.01 * {recorded.BASELINE_MEAN})"
    return [
        *(Recording(recorded.SIGNAL, expr, {"signal": signal}) for signal, expr in means.items()),
        Recording(recorded.BASELINE_MEAN, baseline(it, "avg_over_time", recorded.SIGNAL)),
        Recording(recorded.BASELINE_STDDEV, baseline(it, "stddev_over_time", recorded.SIGNAL)),
        Recording(recorded.ZSCORE, f"({recorded.SIGNAL} - {recorded.BASELINE_MEAN})\n/\n{spread}"),
    ]


def baselines(it: Context) -> list[Recording]:
    """What else is judged by its own day, and the share of calls that the exporter finds anomalous."""
    odd = BY_NAME["otel_llm_anomalies_total"].rate(it.over(normal.SHORT), it.by(*recorded.PROVIDER_MODEL, *_ODD))
    part, whole = (it.total(name, normal.MEDIUM) for name in (recorded.ODD_CALLS, recorded.CALLS))
    share = f"{part}\n/ on ({it.model}) group_left ()\n({whole} > 0)"
    return [
        Recording(recorded.ODD_CALLS, odd),
        Recording(recorded.ANOMALOUS, share),
        Recording(recorded.VARIATION_BASELINE, _usual_variation(it)),
        Recording(recorded.FINISH_BASELINE, baseline(it, "avg_over_time", recorded.FINISH_REASONS)),
        Recording(recorded.PROMPT_CACHE_BASELINE, baseline(it, "avg_over_time", recorded.PROMPT_CACHE)),
    ]


def _usual_variation(it: Context) -> str:
    """By the baseline that each process judges by, which its page shows as well."""
    signal = "output_tokens"
    spread, middle = (BY_NAME[f"otel_llm_baseline_{part}"].selector(signal=signal) for part in ("stddev", "mean"))
    return f"avg by ({it.model}) (\n  {spread}\n  / ({middle} > 0)\n)"


def baseline(it: Context, function: str, name: str) -> str:
    """A day without its newest minutes, where it holds enough samples.

    Means of 5 minutes that are recorded each minute share most of their calls: only one in five counts as a sample. With
    fewer, the deviation of a quiet quarter of an hour counts as that of the day.
    """
    window = f"{name}[{it.over(normal.BASELINE)}] offset {it.over(normal.BASELINE_GAP)}"
    samples = it.objectives.min_samples * normal.SHORT // normal.MINUTE
    return f"{function}({window})\nand\ncount_over_time({window}) >= {samples}"


def seasonal(it: Context) -> list[Recording]:
    """Where a signal should be at this time of the day, for services with a rhythm.

    The band lies around the mean of the hours around this time one, two, three and seven days ago, of which there must be three. It
    is as wide as the least change that matters and two (warning) or three (critical) times the deviation between those days and the
    one that is usual within an hour. It holds nothing of the hour judged.
    """
    hour, signal = it.over(normal.SEASON_WINDOW), recorded.SIGNAL
    enough = f">= {it.objectives.min_samples}"
    usual = f"{recorded.HOUR_STDDEV}[{it.over(normal.BASELINE)}] offset {hour}"
    seasons = [
        Recording(
            recorded.SEASON,
            f"avg_over_time({signal}[{hour}] offset {it.over(offset)})\nand\n"
            f"count_over_time({signal}[{hour}] offset {it.over(offset)}) {enough}",
            {"season": season},
        )
        for season, offset in normal.SEASON_OFFSETS.items()
    ]
    return [
        Recording(
            recorded.HOUR_STDDEV, f"stddev_over_time({signal}[{hour}])\nand\ncount_over_time({signal}[{hour}]) {enough}"
        ),
        Recording(recorded.SPREAD, f"avg_over_time({usual})"),
        *seasons,
        Recording(recorded.LEVEL, signal),
        *_bands(it),
    ]


def _bands(it: Context) -> list[Recording]:
    change, season = it.objectives.min_change, recorded.SEASON
    severities = {"warning": it.objectives.zscore_warning, "critical": it.objectives.zscore_critical}
    bands = []
    for severity, sigmas in severities.items():
        margin = f"{sigmas:g} * ({recorded.SPREAD} + stddev without (season) ({season}))"
        days = f"\nand\ncount without (season) ({season}) >= {normal.SEASONS}"
        high = f"{1 + change:g} * avg without (season) ({season}) + {margin}{days}"
        low = f"clamp_min({1 - change:g} * avg without (season) ({season}) - {margin}, 0){days}"
        bands += [
            Recording(recorded.UPPER, high, {"severity": severity}),
            Recording(recorded.LOWER, low, {"severity": severity}),
        ]
    return bands
