"""Traffic that wanders as production does: recorded traces stretched to days, seeded mixes of tenants with rhythm, drift and batches."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from traces import DAY, EPOCH, Hour, Numbers, Trace, load, rhythm

GRID = 30.0  # seconds between two points of what wanders
THIN = "seeded, the same on 120 calls an hour"
DAYS = 3  # one to learn from, one to draw lines on, one to judge


def wandering(at: Numbers, deviation: float, seconds: float, rng: np.random.Generator) -> Numbers:
    """The logarithm of a factor that strays by ``deviation`` and forgets within ``seconds``, at times ``at``."""
    kept = np.exp(-GRID / seconds)
    steps = int((at[-1] - at[0]) / GRID) + 3
    noise = rng.normal(0, deviation * np.sqrt(1 - kept * kept), steps)
    level = np.empty(steps)
    level[0] = rng.normal(0, deviation)
    for step in range(1, steps):
        level[step] = kept * level[step - 1] + noise[step]
    return np.interp(at - at[0], np.arange(steps) * GRID, level)


class Mixed(NamedTuple):
    """A trace, and what nobody sees of it: by call the provider's speed, and by tenant and call the drift of the lengths."""

    trace: Trace
    speed: Numbers
    drift: Numbers


def dressed(at: Numbers, inputs: Numbers, outputs: Numbers, rng: np.random.Generator) -> Trace:
    """Latency from the tokens: the provider's speed wanders by 12 % within a quarter of an hour and by 15 % over the day, each call
    varies by 30 %, and one call in 200 stalls. Cost is 2.5 and 10 US dollars per million tokens."""
    return _dressed(at, inputs, outputs, rng)[0]


def _dressed(at: Numbers, inputs: Numbers, outputs: Numbers, rng: np.random.Generator) -> tuple[Trace, Numbers]:
    """Also the provider's speed at each call."""
    speed = np.exp(wandering(at, 0.12, 900, rng) + 0.15 * np.sin(2 * np.pi * (at - EPOCH) / DAY - 1))
    latency = usual_latency(inputs, outputs, speed) * rng.lognormal(0, 0.3, len(at))
    stalled = rng.uniform(size=len(at)) < 0.005
    latency = np.where(stalled, latency * rng.uniform(3, 8, len(at)), latency)
    return Trace(at, latency, outputs, inputs * 2.5e-6 + outputs * 1e-5, inputs), speed


def usual_latency(inputs: Numbers, outputs: Numbers, speed: Numbers) -> Numbers:
    return 0.3 + 0.0002 * inputs + 0.018 * outputs * speed


def stretched(hour: Hour, seconds: float, load_factor: float, seed: int) -> Trace:
    """Blocks of ``seconds`` drawn from a recorded hour, at a rate that swings over the day."""
    rng = np.random.default_rng(seed)
    rate = len(hour.at) / hour.at[-1]
    block = max(2, int(seconds * rate))
    starts = rng.integers(0, len(hour.at) - block, int(DAYS * DAY * rate * load_factor * 1.6) // block + 1)
    chosen = (starts[:, None] + np.arange(block)).ravel()
    at = rhythm(np.cumsum(np.diff(hour.at, prepend=0.0)[chosen]) / load_factor, DAYS)
    chosen = chosen[: len(at)]
    return dressed(EPOCH + at, hour.inputs[chosen], hour.outputs[chosen], rng)


def rows(path: Path) -> Hour:
    """A CSV file of seconds, input tokens, output tokens; packed or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        at, inputs, outputs = np.array([row[:3] for row in list(csv.reader(file))[1:]], float).T
    return Hour(at, inputs, outputs)


TENANTS = 4
SHARES, PROMPTS, ANSWERS = (
    (0.4, 0.3, 0.2, 0.1),
    tuple(300 * 2.5**number for number in range(TENANTS)),
    (80, 500, 30, 900),
)
DRIFT, OF_PROMPTS, OF_ANSWERS = 0.35, 0.5, 0.6  # of logarithms: over hours, and of single calls


def tenants(seed: int, per_second: float, *, batches: bool) -> Trace:
    """Four tenants with lengths of their own that drift over hours, each with its own time of the day; with a batch every hour."""
    return mixed(seed, per_second, DAYS, batches=batches).trace


def mixed(seed: int, per_second: float, days: int, *, batches: bool = False) -> Mixed:
    """As ``tenants``, with what is hidden in it."""
    rng = np.random.default_rng(seed)
    parts, drifts = [], []
    for number in range(TENANTS):
        share = SHARES[number] * per_second
        even = np.cumsum(rng.exponential(1 / share, int(days * DAY * share * 1.6)))
        at = EPOCH + rhythm(even, days, phase=number * DAY / TENANTS * 2 / 3)
        drift = wandering(at, DRIFT, 4 * 3600, rng)
        drifts.append((at, drift))
        parts.append(_lengths(at, PROMPTS[number], ANSWERS[number], rng, drift))
    if batches:
        moments = EPOCH + np.arange(days * 24) * 3600 + 1200 + rng.uniform(0, 60, days * 24)
        at = np.concatenate([start + np.sort(rng.uniform(0, 360, int(per_second * 180))) for start in moments])
        parts.append(_lengths(at, 4000, 150, rng, wandering(at, 0.05, 4 * 3600, rng)))
    at, inputs, outputs = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    trace, speed = _dressed(at[order], inputs[order], outputs[order], rng)
    return Mixed(trace, speed, np.stack([np.interp(trace.at, *drift) for drift in drifts]))


def _lengths(
    at: Numbers, inputs: float, outputs: float, rng: np.random.Generator, drift: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    return (
        at,
        np.round(inputs * rng.lognormal(0, OF_PROMPTS, len(at))) + 1,
        np.round(outputs * np.exp(drift) * rng.lognormal(0, OF_ANSWERS, len(at))) + 1,
    )


def servegen(path: Path, seed: int) -> Trace:
    recorded = rows(path)
    rng = np.random.default_rng(seed)
    first = recorded.at <= DAYS * DAY
    at = EPOCH + recorded.at[first] + rng.uniform(0, 1e-3, int(first.sum()))
    order = np.argsort(at, kind="stable")
    return dressed(at[order], recorded.inputs[first][order], recorded.outputs[first][order], rng)


def _mooncake(path: Path) -> Trace:
    recorded = rows(path)
    spread = np.sort(
        recorded.at + np.random.default_rng(0).uniform(0, 3, len(recorded.at))
    )  # stamps are in steps of 3 s
    return stretched(recorded._replace(at=spread), 60, 0.5, 12)


def traffic(folder: Path) -> dict[str, Callable[[], Trace]]:
    """By name; those whose recording is not in ``folder`` are left out."""
    files = {
        "Azure conversations, blocks of 60 s": (
            "azure_llm_2023_conv.csv", lambda path: stretched(load(str(path))[0], 60, 0.4, 11),
        ),
        "Mooncake conversations, blocks of 60 s": ("mooncake_conversation.csv", _mooncake),
        "ServeGen, client 110": ("servegen_client110_4days.csv.gz", lambda path: servegen(path, 13)),
    }  # fmt: skip
    found = {
        name: lambda path=folder / file, make=make: make(path)
        for name, (file, make) in files.items()
        if (folder / file).is_file()
    }
    return found | {
        "seeded, four tenants that drift": lambda: tenants(21, 1.0, batches=False),
        "seeded, the same with a batch each hour": lambda: tenants(22, 1.0, batches=True),
        THIN: lambda: tenants(23, 1 / 30, batches=False),
    }
