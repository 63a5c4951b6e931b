"""Stand-ins for services that nobody tuned anything on: seeded, of shapes that the other traces do not have.

Their seeds and shapes were written down before otel-llm was first run on them, and are not to be changed after what it says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mixes import DAYS, dressed, wandering
from traces import DAY, EPOCH, Numbers, Trace, rhythm

MINUTE = 60.0


def arrivals(rate: Callable[[Numbers], Numbers], burst: float, rng: np.random.Generator) -> Numbers:
    """Times of ``DAYS`` days: ``rate`` gives calls a second at seconds from the beginning, and minutes differ from it by a gamma factor
    whose standard deviation is ``burst``."""
    starts = np.arange(0, DAYS * DAY, MINUTE)
    factor = rng.gamma(1 / burst**2, burst**2, len(starts)) if burst else np.ones(len(starts))
    calls = rng.poisson(rate(starts) * factor * MINUTE)
    return EPOCH + np.sort(np.repeat(starts, calls) + rng.uniform(0, MINUTE, int(calls.sum())))


def swing(seconds: Numbers, peak: float, depth: float, power: float = 1.0) -> Numbers:
    """Between 1 - ``depth`` and 1 over the day, highest at the hour ``peak``; with ``power`` the peak is narrower."""
    wave = (1 + np.cos(2 * np.pi * (seconds / DAY - peak / 24))) / 2
    return np.asarray(1 - depth + depth * wave**power)


def drawn(
    at: Numbers, prompts: tuple[float, float], answers: tuple[float, float], rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Log-normal lengths, each by its median and deviation, with a slow drift of the answers of 0.15 over six hours."""
    drift = wandering(at, 0.15, 6 * 3600, rng)
    inputs = np.round(prompts[0] * rng.lognormal(0, prompts[1], len(at))) + 1
    return inputs, np.round(answers[0] * np.exp(drift) * rng.lognormal(0, answers[1], len(at))) + 1


def merged(parts: list[tuple[Numbers, Numbers, Numbers]], rng: np.random.Generator) -> Trace:
    at, inputs, outputs = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    return dressed(at[order], inputs[order], outputs[order], rng)


def completion(seed: int, per_second: float) -> Trace:
    """Code completion: long prompts, answers of a few tokens, a night of hardly any calls, bursts."""
    rng = np.random.default_rng(seed)
    at = arrivals(lambda seconds: per_second * swing(seconds, 15, 0.97), 0.9, rng)
    return dressed(at, *drawn(at, (1900, 0.8), (14, 0.9), rng), rng)


def changing_mix(seed: int, per_second: float) -> Trace:
    """Six tenants, each with its own hours, lengths and bursts: who calls most changes four times a day."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(6):
        share = (0.3, 0.25, 0.15, 0.12, 0.1, 0.08)[number] * per_second * 2
        peak, burst = (9, 14, 20, 2, 11, 17)[number], (0.3, 0.6, 0.2, 0.8, 0.4, 0.5)[number]
        at = arrivals(lambda seconds, share=share, peak=peak: share * swing(seconds, peak, 0.95, 2.0), burst, rng)
        prompts, answers = (250, 3000, 900, 12000, 500, 1500)[number], (180, 40, 600, 220, 12, 1100)[number]
        parts.append((at, *drawn(at, (prompts, 0.6), (answers, 0.5), rng)))
    return merged(parts, rng)


def reasoning(seed: int, per_second: float) -> Trace:
    """A reasoning model: four answers in ten think long, by a power law; the share that does wanders."""
    rng = np.random.default_rng(seed)
    at = arrivals(lambda seconds: per_second * swing(seconds, 13, 0.5), 0.3, rng)
    inputs, outputs = drawn(at, (800, 1.0), (350, 0.7), rng)
    thinks = rng.uniform(size=len(at)) < 0.4 * np.exp(wandering(at, 0.15, 3600, rng))
    return dressed(at, inputs, outputs + np.where(thinks, np.round(700 * (1 + rng.pareto(1.6, len(at)))), 0), rng)


def nights_off(seed: int, per_second: float) -> Trace:
    """Nobody calls from eight in the evening to seven in the morning, except for a job at three that lasts ten minutes."""
    rng = np.random.default_rng(seed)

    def rate(seconds: Numbers) -> Numbers:
        hour = seconds % DAY / 3600
        return per_second * (((hour >= 7) & (hour < 20)) * swing(seconds, 13, 0.5) + ((hour >= 3) & (hour < 3 + 1 / 6)))

    at = arrivals(rate, 0.25, rng)
    return dressed(at, *drawn(at, (1200, 0.7), (240, 0.8), rng), rng)


def after_weekend(seed: int, per_second: float) -> Trace:
    """Learned on a weekend of one call in seven, with other questions, judged on the Monday after it."""
    rng = np.random.default_rng(seed)
    at = arrivals(
        lambda seconds: per_second * swing(seconds, 14, 0.8) * np.where(seconds < 2 * DAY, 1 / 7, 1.0), 0.3, rng
    )
    monday = at >= EPOCH + 2 * DAY
    play, work = drawn(at, (350, 0.7), (300, 0.7), rng), drawn(at, (1600, 0.9), (160, 0.9), rng)
    return dressed(at, *(np.where(monday, *both) for both in zip(work, play, strict=True)), rng)


def sparse(seed: int, per_second: float) -> Trace:
    """One assistant with some ninety calls an hour, by day."""
    rng = np.random.default_rng(seed)
    even = np.cumsum(rng.exponential(1 / per_second, int(DAYS * DAY * per_second * 1.6)))
    at = EPOCH + rhythm(even, DAYS, phase=DAY / 3)
    return dressed(at, *drawn(at, (900, 0.8), (220, 0.7), rng), rng)


UNSEEN: dict[str, Callable[[], Trace]] = {
    "unseen, code completion in bursts": lambda: completion(101, 0.6),
    "unseen, six tenants whose mix changes": lambda: changing_mix(102, 0.5),
    "unseen, reasoning with heavy tails": lambda: reasoning(103, 0.4),
    "unseen, silent nights": lambda: nights_off(104, 0.5),
    "unseen, Monday after a weekend": lambda: after_weekend(105, 0.5),
    "unseen, 90 calls an hour": lambda: sparse(106, 0.025),
}
