"""Faults of a provider, planted under a real client, and all that people get of them: gauge, handlers, page, and the rule in Prometheus.

Each signal has a fault of its own. Times are seconds, and minutes, after the fault began.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pytest
from agreement import disagreements
from planted import CALM, MODEL, STEP, Answer, Fault, Service


def _loop(call: Answer, _: random.Random) -> None:
    call.again = 19


def _spend(call: Answer, _: random.Random) -> None:
    call.again, call.given, call.output = 3, call.given * 4, call.output * 2


def _fail(call: Answer, dice: random.Random) -> None:
    call.status = 503 if dice.random() < 0.5 else 200


def _late(call: Answer, _: random.Random) -> None:
    call.first, call.seconds = call.first * 6, call.seconds + call.first * 5


def _prompts(call: Answer, _: random.Random) -> None:
    call.given *= 5


def _refuse(call: Answer, dice: random.Random) -> None:
    call.refusal = dice.random() < 0.4


def _alike(call: Answer, _: random.Random) -> None:
    call.output = 200


def _short(call: Answer, dice: random.Random) -> None:
    call.output = 12 if dice.random() < 0.5 else call.output


def _long(call: Answer, dice: random.Random) -> None:
    if dice.random() < 0.5:
        call.output, call.seconds = 2000, 17.0


def _slow(call: Answer, dice: random.Random) -> None:
    call.seconds *= 12 if dice.random() < 0.5 else 1


class Plant(NamedTuple):
    """A fault, how the client asks, and what it is called: anomaly, side, gravest severity for handlers; value now and before, of which
    the second is in one unit with the first; alert and gravest severity on the page, and the minutes until both are there."""

    way: str
    fault: Fault
    kind: str
    severity: str
    now: tuple[float, float]
    before: tuple[float, float]
    handled: float  # seconds
    alert: str
    level: str
    minutes: int
    side: str = "high"


PLANTS = {
    "calls": Plant("plain", _loop, "call_rate_spike", "critical", (150, 165), (7, 9), 195, "LLMAnomaly", "critical", 6),
    "spend": Plant("async", _spend, "spend_spike", "critical", (0.2, 0.6), (0.02, 0.04), 375, "LLMAnomaly", "critical", 9),
    "errors": Plant("async", _fail, "error_spike", "critical", (0.2, 0.9), (0, 0.03), 375, "LLMErrorRateHigh", "critical", 7),
    "time_to_first_chunk": Plant(
        "stream", _late, "first_chunk_spike", "critical", (2, 3), (0.35, 0.5), 195, "LLMAnomaly", "critical", 6
    ),
    "input_tokens": Plant(
        "async", _prompts, "input_length_anomaly", "warning", (2500, 4500), (600, 800), 375, "LLMAnomaly", "warning", 8
    ),
    "answer_problems": Plant(
        "plain", _refuse, "answer_problem_spike", "warning", (0.2, 0.7), (0, 0.02), 375, "LLMAnswerProblems", "warning", 9
    ),
    "output_spread": Plant(
        "stream", _alike, "output_variance_anomaly", "warning", (0, 0.1), (0.25, 0.35), 435, "LLMAnomaly", "warning", 9, "low"
    ),
    "output_short": Plant(
        "async stream", _short, "short_answers", "warning", (0.15, 0.9), (0.02, 0.08), 435, "LLMAnomaly", "warning", 9
    ),
    "output_long": Plant(
        "plain", _long, "long_answers", "warning", (0.2, 0.8), (0.02, 0.08), 435, "LLMAnomaly", "warning", 9
    ),
    "latency_slow": Plant(
        "async stream", _slow, "slow_calls", "warning", (0.15, 0.9), (0.02, 0.08), 435, "LLMAnomaly", "warning", 9
    ),
}  # fmt: skip


@pytest.mark.parametrize("signal", PLANTS)
def test_what_is_planted_reaches_people(signal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = PLANTS[signal]
    service = Service(plant.way, plant.fault)
    seen = service.run(monkeypatch)

    at, farthest = service.first(signal, "shift", low=plant.side == "low")
    assert 0 < at <= 180, (at, farthest)

    told = service.told(plant.kind, plant.severity)
    assert told, [str(one.anomaly) for one in service.heard]
    second, anomaly = told[0]
    assert 0 < second <= plant.handled
    assert (anomaly.provider, anomaly.model, anomaly.direction) == ("openai", MODEL, plant.side)
    assert plant.now[0] <= anomaly.value <= plant.now[1], str(anomaly)
    assert anomaly.baseline is not None
    assert plant.before[0] <= anomaly.baseline <= plant.before[1], str(anomaly)
    assert anomaly.z_score is not None
    assert abs(anomaly.z_score) >= 3
    if plant.severity == "warning":
        assert not service.told(plant.kind, "critical")  # another mix of requests never pages

    about = {fact for page in seen.page[CALM:] for fact in page if fact[0] == plant.alert}
    mine = {fact for fact in about if plant.alert != "LLMAnomaly" or f"|{signal}|{plant.side}|" in fact[2]}
    levels = {level for _, level, _ in mine}
    assert plant.level in levels, (about, seen.page[CALM:])
    assert "critical" not in levels or plant.level == "critical"
    first = next(
        minute for minute, page in enumerate(seen.page[CALM:], 1) if any(fact[1] == plant.level for fact in page & mine)
    )
    assert first <= plant.minutes
    assert disagreements(seen, STEP, tmp_path, CALM + 1, CALM + service.lasts) == ""
