"""Traffic to judge: a real hour of LLM calls stretched to days."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
HOUR, DAY = 3600.0, 86400.0
EPOCH = 1_700_006_400.0  # a midnight
RHYTHM = 0.6  # how far traffic swings around its mean over a day

# Of the conversations of the Azure LLM inference trace 2023 (CC-BY 4.0), for where the file is not at hand.
SHARES = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1)
INPUTS = (2, 29, 181, 396, 1020, 1189, 2734, 4083, 4142, 6179, 14050)
OUTPUTS = (7, 16, 41, 85, 129, 395, 424, 451, 601, 954, 1000)
CALLS = 19_366
SECONDS = 3501.7


class Trace(NamedTuple):
    """Calls by time: when they came (seconds since the epoch), and the three signals of each."""

    at: Numbers
    latency: Numbers
    output_tokens: Numbers
    cost: Numbers
    input_tokens: Numbers


class Hour(NamedTuple):
    """A recorded stretch of traffic: seconds from its start, tokens in and out."""

    at: Numbers
    inputs: Numbers
    outputs: Numbers


def load(path: str | None) -> tuple[Hour, str]:
    """The Azure trace at ``path``; a synthetic one of the same quantiles where there is none. Also what it is, for the report."""
    if path and Path(path).is_file():
        with Path(path).open(encoding="utf-8") as file:
            rows = [(datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(), row) for row in csv.DictReader(file)]
        at = np.array([seconds for seconds, _ in rows])
        inputs = np.array([float(row["ContextTokens"]) for _, row in rows])
        outputs = np.array([float(row["GeneratedTokens"]) for _, row in rows])
        return Hour(at - at[0], inputs, outputs), f"Azure LLM inference trace 2023, conversations ({len(rows)} calls)"
    return synthetic(), "synthetic trace with the quantiles of the Azure conversations of 2023"


def synthetic(seed: int = 2023) -> Hour:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, SECONDS, CALLS))
    drift = 0.08 * np.sin(at / 400) + 0.05 * np.sin(at / 90)
    inputs = np.interp(rng.uniform(size=CALLS), SHARES, INPUTS)
    outputs = np.interp(np.clip(rng.uniform(size=CALLS) + drift, 0, 1), SHARES, OUTPUTS)
    return Hour(at, np.round(inputs), np.round(outputs))


def stretch(hour: Hour, days: float, block: int, seed: int, load: float = 1.0) -> Trace:
    """Days of traffic: blocks of ``block`` neighbouring calls drawn at random, at a rate that swings over the day.

    ``load`` multiplies the rate. Latency is modelled from the tokens: the first one waits for the input, each takes 20 ms, and
    a log-normal factor of 25 % stands for the provider. Cost is 2.5 and 10 USD per million tokens.
    """
    rng = np.random.default_rng(seed)
    gaps = np.diff(hour.at, prepend=0.0)
    wanted = int(days * DAY / (hour.at[-1] / len(hour.at)) * load * (1 + RHYTHM))
    starts = rng.integers(0, len(hour.at) - block, wanted // block + 1)
    chosen = (starts[:, None] + np.arange(block)).ravel()
    at = rhythm(np.cumsum(gaps[chosen]) / load, days)
    chosen = chosen[: len(at)]
    inputs, outputs = hour.inputs[chosen], hour.outputs[chosen]
    noise = rng.lognormal(0.0, 0.25, len(at))
    latency = (0.2 + 0.0003 * inputs + 0.02 * outputs) * noise
    return Trace(EPOCH + at, latency, outputs, inputs * 2.5e-6 + outputs * 1e-5, inputs)


def rhythm(even: Numbers, days: float, phase: float = 0.0) -> Numbers:
    """Bend evenly spread times so that the rate follows a sine over the day, ``phase`` seconds late; what falls past ``days`` is cut."""
    clock = np.arange(0, days * DAY + 60, 60.0)
    turn = 2 * np.pi / DAY
    done = clock - RHYTHM / turn * (np.cos(turn * (clock - phase)) - np.cos(turn * phase))  # the sine's integral
    at = np.interp(even, done, clock)
    return at[even < done[-2]]
