"""What the best detector could find on the thin traffic: Neyman and Pearson's most powerful test.

A detector with at most one false alarm a day alarms in at most one of 720 windows of two minutes, so no detector finds a larger share
of faults within two minutes than the likelihood ratio of the calls of exactly these two minutes does at that size. The test knows what
no detector can: the distributions before and after, when the fault begins, and how fast the provider and how long each
tenant's answers are at that moment. Only which tenant a call is from it has to tell from the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from faults import Fault
from mixes import ANSWERS, OF_ANSWERS, OF_PROMPTS, PROMPTS, SHARES, TENANTS, Mixed, mixed, usual_latency
from traces import DAY, EPOCH, RHYTHM, Numbers

DAYS, SEED = 40, 99  # so many that one window in 720 is known
PER_SECOND = 1 / 30
LEAST = 4  # calls in the first two minutes, as at the moments that are judged
FALSE_A_DAY = 1.0
STALLS = np.log(np.linspace(3, 8, 21))


def _normal(values: Numbers, centre: Numbers | float, deviation: float) -> Numbers:
    return np.asarray(np.exp(-(((values - centre) / deviation) ** 2) / 2) / deviation)


def _latency(rest: Numbers) -> Numbers:
    """Density of the logarithm beyond the usual: a normal one, and stalls of three to eight times."""
    return 0.995 * _normal(rest, 0, 0.3) + 0.005 * sum(_normal(rest, stall, 0.3) for stall in STALLS) / len(STALLS)


@lru_cache(maxsize=1)
def _thin() -> tuple[Mixed, Numbers]:
    """Traffic, and by tenant and call how likely it is from that tenant, by the time of the day and the prompt."""
    whole = mixed(SEED, PER_SECOND, DAYS)
    at, prompts = whole.trace.at, np.log(whole.trace.input_tokens)
    likely = np.stack([
        SHARES[number] * (1 + RHYTHM * np.sin(2 * np.pi * ((at - EPOCH) / DAY - number / 6)))
        * _normal(prompts, np.log(PROMPTS[number]), OF_PROMPTS)
        for number in range(TENANTS)
    ])  # fmt: skip
    return whole, likely / likely.sum(0)


def _output(tokens: Numbers) -> Numbers:
    whole, likely = _thin()
    logs = np.log(np.maximum(tokens, 1.0))
    return np.asarray(sum(
        likely[number] * _normal(logs, np.log(ANSWERS[number]) + whole.drift[number], OF_ANSWERS) for number in range(TENANTS)
    ))  # fmt: skip


def _ratio(signal: str, factor: Numbers | float, *, there: bool) -> Numbers:
    """Logarithm of the likelihood ratio of each call, with the fault or without it."""
    whole, _ = _thin()
    trace = whole.trace
    if signal == "latency":
        rest = np.log(trace.latency / usual_latency(trace.input_tokens, trace.output_tokens, whole.speed))
        rest = rest + np.log(factor) if there else rest
        return np.asarray(np.log(_latency(rest - np.log(factor))) - np.log(_latency(rest)))
    tokens = np.round(trace.output_tokens * factor) if there else trace.output_tokens
    return np.asarray(np.log(_output(tokens / factor) + 1e-300) - np.log(_output(tokens) + 1e-300))


def power(fault: Fault, minutes: float) -> float:
    """Share of such faults that the most powerful test finds within ``minutes``."""
    if fault.signal == "cost":
        return 1.0  # a token has one price: the first call shows another one
    at = _thin()[0].trace.at
    starts = EPOCH + np.arange(int(DAYS * DAY / (minutes * 60))) * minutes * 60.0
    spans = np.searchsorted(at, np.stack((starts, starts + minutes * 60)))
    busy = np.diff(np.searchsorted(at, np.stack((starts, starts + 120))), axis=0)[0] >= LEAST
    factor: Numbers | float = fault.factor
    if fault.drift:  # windows follow each other, so that each call is in one of them
        factor = 1 + (fault.factor - 1) * ((at - EPOCH) % (minutes * 60)) / (fault.minutes * 60)
    sums = [
        np.diff(np.concatenate(([0.0], np.cumsum(_ratio(fault.signal, factor, there=there))))[spans], axis=0)[0]
        for there in (False, True)
    ]
    line = np.quantile(sums[0], 1 - FALSE_A_DAY * minutes * 60 / DAY)
    return float(np.mean(sums[1][busy] > line))


def best_possible(faults: Sequence[Fault], soon: float) -> dict[str, str]:
    """By fault, as in the tables: found at all, and within ``soon`` minutes."""
    return {fault.name: f"{power(fault, fault.minutes):.0%}, {power(fault, soon):.0%}" for fault in faults}
