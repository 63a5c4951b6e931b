"""Error budgets: the share of bad calls over each window, for availability and latency."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.ops import recorded

from .made import Context, Recording


def slo(it: Context) -> list[Recording]:
    """The objectives, and the windows that pages are about."""
    o = it.objectives
    return [
        Recording(recorded.SLO_OBJECTIVE, f"vector({o.slo:.10g})", {"slo": "availability"}),
        Recording(recorded.SLO_OBJECTIVE, f"vector({o.latency_slo:.10g})", {"slo": "latency"}),
        Recording(recorded.SLO_CALLS + "5m", recorded.CALLS),
        Recording(recorded.SLO_ERRORS + "5m", recorded.ERRORS, {"slo": "availability"}),
        Recording(
            recorded.SLO_ERRORS + "5m", f"{recorded.SLOW_CALLS}\n/\n({recorded.OK_CALLS} > 0)", {"slo": "latency"}
        ),
        *(rule for seconds in normal.SLO_WINDOWS if normal.SHORT < seconds <= _HOUR for rule in _window(it, seconds)),
    ]


_HOUR = 3_600


def slo_long(it: Context) -> list[Recording]:
    """The windows of hours and days, which move slowly."""
    return [rule for seconds in normal.SLO_WINDOWS if seconds > _HOUR for rule in _window(it, seconds)]


def _window(it: Context, seconds: float) -> list[Recording]:
    name = normal.duration(seconds)

    def share(part: str, whole: str) -> str:
        return f"{it.total(part, seconds)}\n/\n({it.total(whole, seconds)} > 0)"

    calls = f"{it.total(recorded.CALLS, seconds)} / {it.clock.seconds(seconds):g}"
    return [
        Recording(recorded.SLO_CALLS + name, calls),
        Recording(recorded.SLO_ERRORS + name, share(recorded.FAILED_CALLS, recorded.CALLS), {"slo": "availability"}),
        Recording(recorded.SLO_ERRORS + name, share(recorded.SLOW_CALLS, recorded.OK_CALLS), {"slo": "latency"}),
    ]


def slo_period(it: Context) -> list[Recording]:
    """How much of the error budget of the last 30 days is left, each hour weighing what its calls weigh."""
    period = f"[{it.over(normal.SLO_PERIOD)}:{it.over(3600)}]"
    calls, bad = recorded.SLO_CALLS + "1h", recorded.SLO_ERRORS + "1h"
    weighed = f"({bad} * on ({it.model}) group_left () {calls})"
    share = (
        f"(\n  sum_over_time({weighed}{period})\n  / on ({it.model}) group_left ()\n  sum_over_time({calls}{period})\n)"
    )
    left = f"1 -\n{share}\n/ on (slo) group_left ()\n(1 - {recorded.SLO_OBJECTIVE})"
    return [Recording(recorded.SLO_BUDGET_LEFT, left)]
