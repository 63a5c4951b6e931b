"""Latency and streaming: how slow, which model, how streams feel, and where else the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_llm.ops import recorded

from .model import NEUTRAL, WARN, Board, Panel, Query, Row
from .parts import (
    BY_MODEL,
    BY_SERVICE,
    CALLS,
    COUNT,
    MODEL,
    OK,
    PM,
    SECONDS,
    SHARE,
    TOKEN_RATE,
    WHO,
    bars,
    calls_to_click,
    heat,
    lines,
    slow_traces,
    stat,
)
from .queries import LABEL, RATE, Queries, most, ratio

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "How long calls take, retries included. Percentiles come from histograms, so they are right across processes and over any "
    "time. With the recording rules, these are the series that the alerts judge."
)
STREAMS = "No streamed call in this time range"


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("How slow is it?", (*_now(q, o), *_course(q, o))),
        Row("Which model is slow?", _models(q, o)),
        Row("How do streams feel?", _streams(q, o)),
        Row("Where else does the time go?", _elsewhere(q, o), folded=True),
    )
    return Board("otel-llm-latency", "LLM / Latency and streaming", DESCRIPTION, rows)


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    def quantile(key: str, title: str, level: float, **more: Any) -> Panel:
        now = () if q.rules else (q.gauge("otel_llm_latency_seconds", quantile=f"{level:g}"),)
        expr = q.first(q.quantile(level, "duration", **OK), *now)
        words = f"{level:.0%} of successful calls are faster, all picked models together."
        return stat(key, title, SECONDS, Query(expr, title, instant=True), words, sparkline=False, **more)

    window = () if q.rules else (q.gauge("otel_llm_latency_seconds", by=WHO, quantile="0.95"),)
    p95 = q.pick(q.rule(recorded.DURATION, by=WHO, quantile="0.95"), q.quantile(0.95, "duration", WHO, **OK), *window)
    first = Query(q.quantile(0.95, "first_chunk"), "first chunk")
    speed = ratio(q.total("output"), q.total("duration", **OK))
    return (
        quantile("p50", "p50", 0.5, base=NEUTRAL),
        quantile("p95", "p95", 0.95, steps=((o.p95, WARN),)),
        quantile("p99", "p99", 0.99, base=NEUTRAL),
        stat(
            "slowest", "Slowest model, p95", SECONDS, Query(f"topk(1, {p95})", BY_SERVICE, instant=True),
            "The model whose p95 is the longest, with its service; orange from the alert's limit on.", sparkline=False,
            steps=((o.p95, WARN),),
        ),
        stat(
            "first", "First chunk p95", SECONDS, first, "95 % of streams show their first output sooner.",
            steps=((o.first_chunk, WARN),), empty="No streams",
        ),
        stat(
            "speed", "Output speed", TOKEN_RATE, Query(speed, "speed"),
            "Output tokens for each second of call time, all models together.", base=NEUTRAL, decimals=0,
        ),
    )


def _course(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    levels = [(0.99, "p99"), (0.95, "p95"), (0.5, "p50")]
    queries = [Query(q.quantile(level, "duration", **OK), name, exemplar=not q.rules and level > 0.9) for level, name in levels]  # noqa: PLR2004
    queries += calls_to_click(q, "duration", **OK)
    return (
        lines(
            "percentiles", "Latency percentiles", SECONDS, queries,
            "Of successful calls. Each dot is one call: click it for its trace. The dashed line is the alert's on p95.",
            width=12, steps=((o.p95, WARN),), links=slow_traces(o), log=True,
        ),
        heat(
            "heatmap", "How long calls take", SECONDS, q.buckets("duration", **OK),
            "Successful calls by duration; two bands mean two kinds of calls, which no percentile shows.", width=12,
        ),
    )


def _models(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    p95 = q.pick(q.rule(recorded.DURATION, quantile="0.95"), q.quantile(0.95, "duration", PM, **OK))
    p50 = q.pick(q.rule(recorded.DURATION, quantile="0.5"), q.quantile(0.5, "duration", PM, **OK))
    window = () if q.rules else (q.gauge("otel_llm_latency_seconds", by=PM, quantile="0.95"),)
    now = Query(most(q.first(p95, *window), 15), BY_MODEL, instant=True)
    slowest = [Query(most(p95), BY_MODEL, exemplar=not q.rules), *calls_to_click(q, "duration", **OK)]
    return (
        lines(
            "p95_by_model", "p95, ten slowest models", SECONDS, slowest,
            "95th percentile of successful calls by model, as the alert sees it where the recording rules are loaded.",
            steps=((o.p95, WARN),), links=slow_traces(o), log=True,
        ),
        lines(
            "p50_by_model", "p50, ten slowest models", SECONDS, [Query(most(p50), BY_MODEL)],
            "Median of successful calls by model: what most users feel.", log=True,
        ),
        bars(
            "compare", "Models compared, p95 now", SECONDS, now, "The fifteen slowest models of the last five minutes.",
            steps=((o.p95, WARN),), base="green", low=0,
        ),
    )


def _streams(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    first = q.pick(q.rule(recorded.FIRST_CHUNK, quantile="0.95"), q.quantile(0.95, "first_chunk", PM))
    gaps = [Query(q.quantile(level, "chunk_gap"), name) for level, name in ((0.99, "p99"), (0.95, "p95"), (0.5, "p50"))]
    speed = ratio(q.total("output", PM), q.total("duration", PM, **OK))
    return (
        lines(
            "first_by_model", "Time to first chunk p95, ten slowest", SECONDS,
            [Query(most(first), MODEL, exemplar=not q.rules), *calls_to_click(q, "first_chunk")],
            "How long a user looks at an empty screen. The dashed line is the alert's.", width=6,
            steps=((o.first_chunk, WARN),), empty=STREAMS, log=True,
        ),
        heat(
            "first_heatmap", "Time to first chunk", SECONDS, q.buckets("first_chunk"),
            "Streams by the time to their first output.", width=6, empty=STREAMS,
        ),
        lines(
            "gaps", "Time between chunks", SECONDS, gaps, "Long gaps look like a stutter; a p99 of seconds is a stall.",
            width=6, empty=STREAMS,
        ),
        lines(
            "speed_by_model", "Output speed by model", TOKEN_RATE, [Query(most(speed), MODEL)],
            "Output tokens for each second of call time; the ten fastest models.", width=6,
            empty="No call with output tokens",
        ),
    )


def _where(q: Queries) -> tuple[Panel, ...]:
    """Servers are no label of the records: pods could reach hundreds of them."""
    if q.rules:
        return ()
    by_server = most(q.quantile(0.95, "duration", ("server_address",), **OK))
    return (
        lines(
            "by_server", "p95 by server", SECONDS, [Query(by_server, "{{server_address}}")],
            "One region or proxy that is slower than the others.", width=6, log=True,
        ),
    )


def _elsewhere(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    waits = ratio(q.rate("otel_llm_retry_wait_seconds_total", PM), q.total("duration", PM))
    failed = q.quantile(0.95, "duration", ("error_type",), error_type="!=")
    return (
        lines(
            "in_flight", "Open calls", COUNT, [Query(most(q.gauge("otel_llm_in_flight_requests", PM)), MODEL)],
            "Calls that are waiting for an answer now. Growing while calls per second do not: the provider is slowing down.",
            width=6, low=0, stack="normal", empty="No open call was seen",
        ),
        lines(
            "waiting", "Share of time spent waiting to retry", SHARE, [Query(most(waits), MODEL)],
            "Of the duration of calls, the part in which the client slept before another attempt.", width=6, low=0,
            empty="No retry in this time range",
        ),
        lines(
            "failed_latency", "p95 of failed calls by error", SECONDS, [Query(failed, "{{error_type}}")],
            "How long callers wait for a failure: timeouts that are longer than users wait help nobody.", width=6,
            steps=((o.p95, WARN),), empty="Nothing failed in this time range",
        ),
        *_where(q),
        lines(
            "by_label", "p95 by $label", SECONDS,
            [Query(most(q.quantile(0.95, "duration", (LABEL,), **OK)), "{{$label}}")],
            "The ten slowest values of the custom label that is picked above (OTEL_LLM_METRIC_LABELS); without it, one line without a "
            "name.",
            width=12, steps=((o.p95, WARN),), log=True,
        ),
        lines(
            "by_operation", "Calls by operation", CALLS,
            [Query(q.rate("duration", ("gen_ai_operation_name",), RATE), "{{gen_ai_operation_name}}")],
            "Chats, embeddings and the rest; percentiles of a mix move when the mix does.", width=12, low=0,
            stack="normal",
        ),
    )
