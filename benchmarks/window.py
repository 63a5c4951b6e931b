"""What the window of a model takes: bytes, the time of a scrape, and the time of preparing baselines.

``python benchmarks/window.py [--quick]`` prints JSON. Bytes are counted object by object, so they are the same each time. Times are
of this process's CPU, over simulated time in which a clerk ticks twice a second and a scraper looks each 15 seconds.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time
from itertools import pairwise
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from otel_llm.aggregate import Store
from otel_llm.aggregate.window import Engine
from otel_llm.core.config import Config
from otel_llm.core.model import Observation

AT = 1_795_262_400.0
HOUR, DAY = 3600.0, 86400.0
SCRAPE, TICK = 15.0, 0.5
SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Config)  # of all models


def size(root: object) -> int:
    """Bytes of ``root`` and of all that it alone leads to, each object once."""
    total, visited, ahead = 0, {}, [root]
    while ahead:
        one = ahead.pop()
        if id(one) in visited or one is None or isinstance(one, SHARED) or (type(one) is int and -5 <= one <= 256):
            continue
        visited[id(one)] = one  # so that no other object gets its id
        total += sys.getsizeof(one)
        ahead += gc.get_referents(one)
    return total


def call(rng: random.Random, at: float, model: str = "model") -> Observation:
    """One streamed call with all that a provider reports."""
    output, prompt = int(rng.lognormvariate(5.3, 0.8)), int(rng.lognormvariate(6.5, 0.9))
    return Observation(
        at, "openai", model, "chat", model, "api.openai.com", "", 0.3 + output * 0.012 * rng.lognormvariate(0.0, 0.25),
        stream=True, first_chunk=0.25 * rng.lognormvariate(0.0, 0.4), chunk_gaps=((1, 40), (2, 9)), chunk_gap_sum=0.7,
        input_tokens=prompt, output_tokens=output, cache_read_tokens=prompt // 2, thinking_tokens=8,
        cost=prompt * 2.5e-6 + output * 1e-5, cost_source="prices", finish_reasons=("stop",), trace_id="a" * 32, span_id="b" * 16,
    )  # fmt: skip


def fill(store: Store, begin: float, seconds: float, rate: float, models: int = 1, every: float = 5.0) -> float:
    """Apply ``rate`` calls a second of each of some models, with a clerk that ticks; returns the moment after them."""
    rng, tick = random.Random(1), begin
    for number in range(int(seconds * rate)):
        at = begin + number / rate
        while tick <= at:
            store.tend(tick)
            tick += every
        for model in range(models):
            store.apply(call(rng, at, f"model-{model}"))
    store.tend(begin + seconds)
    return begin + seconds


def held(store: Store) -> dict[str, int]:
    """Bytes of the window, and of all that a store holds."""
    gc.collect()
    return {"window": size(engine(store)), "all": size(store._state)}


def engine(store: Store) -> Engine:
    return store._state.engine


def memory(rate: float, seconds: float, models: int = 1) -> dict[str, Any]:
    """Bytes of one model of ``models`` after some time. Of a long time, all but the last 70 minutes have a tenth of the calls."""
    store = Store(Config())
    at = fill(store, AT, seconds - 70 * 60, rate / 10 if rate > 1 else rate, models)
    fill(store, at, 70 * 60, rate, models)
    return {
        "calls/s": rate,
        "hours": seconds / HOUR,
        "models": models,
        **{name: total // models for name, total in held(store).items()},
    }


def scrapes(models: int, rate: float, *, clerk: bool) -> dict[str, Any]:
    """Milliseconds of a scrape's window over a quarter of an hour, after one that lets baselines settle, and for which it has the
    store's lock at a stretch; per second of the clerk."""
    store = Store(Config())
    window, begin = engine(store), fill(store, AT, 65 * 60, rate, models)
    rng, first, others, ticks, stretches = random.Random(2), [], [], [], []
    for number in range(int(900 / TICK)):
        now = begin + number * TICK
        if clerk:
            ticks.append(_timed(lambda now=now: store.tend(now)))
        if now % (1 / rate) < TICK:
            for model in range(models):
                store.apply(call(rng, now, f"model-{model}"))
        if now % SCRAPE == 0:
            (others if now % 60 else first).append(_timed(lambda now=now: sum(1 for _ in window.gauges(now))))
            stretches.append(_stretch(store, now))
    return {
        "models": models, "clerk": clerk, "first_ms": _median(first), "first_worst_ms": round(max(first), 2),
        "others_ms": _median(others), "others_worst_ms": round(max(others), 2),
        "hold_ms": _median(stretches), "hold_worst_ms": round(max(stretches), 2),
        **({"tick_worst_ms": round(max(ticks), 2), "clerk_ms_per_second": round(sum(ticks) / 900, 3)} if clerk else {}),
    }  # fmt: skip


def _stretch(store: Store, now: float) -> float:
    """Milliseconds for which a scrape at ``now`` has the store's lock at a stretch, at most."""
    marks = [time.process_time()]
    store.views(now, lambda: marks.append(time.process_time()))
    marks.append(time.process_time())
    return max(end - begin for begin, end in pairwise(marks)) * 1e3


def _timed(work: Any) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def _median(times: list[float]) -> float:
    return round(statistics.median(times), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one model at two calls a second for six hours, 20 models scraped"
    )
    quick = parser.parse_args().quick
    rates = (
        ((2.0, 6 * HOUR),) if quick else tuple((rate, time) for rate in (0.01, 2.0, 20.0) for time in (DAY, 2 * DAY))
    )
    models = 20 if quick else 100
    result = {
        "memory": [memory(rate, time) for rate, time in rates] + ([] if quick else [memory(0.1, 2 * HOUR, 100)]),
        "scrape": [scrapes(models, 0.1, clerk=clerk) for clerk in (True, False)],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
