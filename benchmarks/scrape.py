"""What a scrape costs the host: time, size and the longest stall, against prometheus_client's own for the same series.

``python benchmarks/scrape.py [--quick]`` prints JSON. Every figure is the median (of stalls the least) of rounds that
alternate between the two.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import threading
import time
from collections.abc import Callable
from itertools import cycle

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client import Histogram as ClientHistogram

from otel_llm.aggregate import Store, decode, encode
from otel_llm.aggregate.kinds import grouped
from otel_llm.cluster import text
from otel_llm.cluster.families import StoreFamilies
from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.exposition.collector import Collector

AT = 1_763_711_000.0
LINES = (100, 1_000, 10_000, 50_000)


def call(model: int, at: float = AT, error: str = "") -> Observation:
    return Observation(
        at=at, provider="openai", request_model=f"gpt-5-{model}", operation="chat", response_model=f"gpt-5-{model}-2026",
        server_address="api.openai.com", error_type=error, duration=0.8 + model % 7 / 10, stream=True, first_chunk=0.21,
        chunk_gaps=((1, 40), (2, 9)), chunk_gap_sum=0.7, input_tokens=812, output_tokens=233, cache_read_tokens=512,
        thinking_tokens=64, cost=0.00213, cost_source="prices", finish_reasons=("stop",), trace_id="a" * 32, span_id="b" * 16,
    )  # fmt: skip


def filled(lines: int) -> Store:
    """A store that shows about ``lines`` samples of calls of many models."""
    store = Store(Config(max_label_values=100_000))
    model = 0
    while not model or _lines(store) < lines:
        for _ in range(max(1, lines // 2000)):
            store.apply(call(model))
            model += 1
    return store


def _lines(store: Store) -> int:
    return sum(
        len(view.rows) * (len(view.metric.buckets) + 3 if view.metric.buckets else 1) for view in store.views(AT)
    )


def same_in_client(store: Store) -> CollectorRegistry:
    """prometheus_client's own metrics with the labels and values of ``store``."""
    registry = CollectorRegistry()
    for name, help, labels, buckets, kind, rows in _content(store):  # noqa: A001
        if kind == "histogram":
            histogram = ClientHistogram(name, help, labels, buckets=buckets, registry=registry)
            for values in rows:
                histogram.labels(*values).observe(1.0)
        else:
            number = (Counter if kind == "counter" else Gauge)(name, help, labels, registry=registry)
            for values in rows:
                (number.labels(*values) if labels else number).inc(1.5)
    return registry


def _content(store: Store):
    for view in store.views(AT):
        rows = [row.labels for row in view.rows]
        yield view.metric.name, view.metric.help, view.names, view.metric.buckets, view.metric.kind, rows


def stall(work: Callable[[], object]) -> float:
    """Longest time, in seconds, that another thread which wants to run a little each half millisecond was kept waiting."""
    gaps: list[float] = []
    done = threading.Event()

    def beat() -> None:
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.0005)
            now = time.perf_counter()
            gaps.append(now - last - 0.0005)
            last = now

    thread = threading.Thread(target=beat)
    thread.start()
    time.sleep(0.01)
    gaps.clear()
    work()
    done.set()
    thread.join()
    return max(gaps)


def stretches(work: Callable[[], object]) -> float:
    """The longest CPU time, in seconds, for which a scrape keeps the interpreter to itself: between two of its rests. Other load does
    not count."""
    marks = [time.thread_time()]
    rest = text._sleep

    def resting(seconds: float) -> None:
        marks.append(time.thread_time())
        rest(seconds)
        marks.append(time.thread_time())

    text._sleep = resting
    try:
        work()
    finally:
        text._sleep = rest
    marks.append(time.thread_time())
    return max(end - begin for begin, end in zip(marks[::2], marks[1::2], strict=True))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def per_call(work: Callable[[], object], number: int) -> float:
    began = time.perf_counter()
    for _ in range(number):
        work()
    return (time.perf_counter() - began) / number * 1e6


def scrapes(lines: int, rounds: int) -> dict[str, float]:
    store = filled(lines)
    source = StoreFamilies(store, clock=lambda: AT)
    ours, om = lambda: source.text(openmetrics=False), lambda: source.text(openmetrics=True)
    registry = same_in_client(store)
    theirs = lambda: generate_latest(registry)  # noqa: E731
    whole = Collector(Config(), source, CollectorRegistry())
    first = timed(ours)
    columns: dict[str, list[float]] = {name: [] for name in ("ours", "openmetrics", "client", "collector")}
    stalls: dict[str, list[float]] = {"ours": [], "client": []}
    for _ in range(rounds):
        gc.collect()
        columns["ours"].append(timed(ours))
        columns["client"].append(timed(theirs))
        columns["openmetrics"].append(timed(om))
        columns["collector"].append(timed(lambda: list(whole.collect())))
        stalls["ours"].append(stall(ours))
        stalls["client"].append(stall(theirs))
    result = {f"{name}_ms": round(statistics.median(times) * 1e3, 2) for name, times in columns.items()}
    return {
        "lines": _lines(store), "bytes": len(ours()), "first_ms": round(first * 1e3, 2), **result,
        "ratio": round(result["ours_ms"] / result["client_ms"], 3),
        "stretch_ms": round(statistics.median(stretches(ours) for _ in range(rounds)) * 1e3, 2),
        **{f"{name}_stall_ms": round(min(times) * 1e3, 2) for name, times in stalls.items()},
        "dump_ms": round(statistics.median(timed(store.dump) for _ in range(rounds)) * 1e3, 2),
    }  # fmt: skip


def records(rounds: int) -> dict[str, float]:
    store = filled(10_000)
    calls = cycle([call(model) for model in range(50)])
    failed = call(1, error="rate_limit")
    payload = encode(call(1))
    work = {
        "encode_us": lambda: encode(failed),
        "decode_us": lambda: decode(payload),
        "apply_us": lambda: store.apply(next(calls)),
        "decode_and_apply_us": lambda: store.apply(decode(payload)),
    }
    return {
        name: round(statistics.median(per_call(run, 5_000) for _ in range(rounds)), 2) for name, run in work.items()
    }


def drains(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds of CPU that the leader takes for a record, by what a call is and how many records of one kind a drain has: rounds
    in turn, the best of each, as the machine is shared."""
    cases = {
        f"{name}, {number} of a kind": (made, number)
        for name, made in (("plain", plain), ("stream", streamed))
        for number in (1, 10, 20, 50, 100, 1000)
    }
    stores = {name: _judging(made) for name, (made, _) in cases.items()}
    best = dict.fromkeys(cases, float("inf"))
    rng = random.Random(2)
    for _ in range(rounds * 4):
        for name, (made, number) in cases.items():
            frames = [(encode(made(rng, AT + 3001.0)), 1, place) for place in range(number)]
            began = time.thread_time()
            stores[name].apply_all(grouped(frames), AT + 3001.0, [])
            best[name] = min(best[name], (time.thread_time() - began) / number)
    return {"us_per_record": {name: round(seconds * 1e6, 1) for name, seconds in best.items()}}


def plain(rng: random.Random, at: float) -> Observation:
    output = int(rng.lognormvariate(5.3, 0.8))
    return call(1, at)._replace(
        duration=0.3 + output * 0.012, output_tokens=output, cost=output * 1e-5, stream=False, first_chunk=None, chunk_gaps=(),
        chunk_gap_sum=0.0,
    )  # fmt: skip


def streamed(rng: random.Random, at: float) -> Observation:
    gaps = ((1, rng.randrange(9, 60)), (2, 9))
    return plain(rng, at)._replace(
        stream=True, first_chunk=0.25 * rng.lognormvariate(0, 0.4), chunk_gaps=gaps, chunk_gap_sum=0.7
    )


def _judging(made: Callable[[random.Random, float], Observation]) -> Store:
    """A store that has baselines to judge calls by."""
    store, rng = Store(Config()), random.Random(1)
    for second in range(0, 3000, 3):
        store.apply(made(rng, AT + second))
        if second % 30 == 0:
            store.tend(AT + second)
    store.views(AT + 3000)
    return store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds, no 50,000 lines")
    quick = parser.parse_args().quick
    rounds = 3 if quick else 9
    sizes = LINES[:3] if quick else LINES
    result = {
        "scrape": [scrapes(lines, rounds) for lines in sizes],
        "record": records(rounds),
        "leader": drains(rounds),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
