"""Circuit breakers of four libraries, opened, half opened and closed, and home-made ones that tell of themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import aiobreaker
import circuitbreaker
import purgatory
import pybreaker
import pytest

import otel_llm
from otel_llm.outputs import alerts
from otel_llm.reliability import breakers
from otel_llm.testing import Captured, capture

STEPS = "otel_llm_circuit_breaker_transitions_total"
STATE = "otel_llm_circuit_breaker_state"
AROUND = [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


@pytest.fixture
def captured() -> Iterator[Captured]:
    breakers._breakers.clear()
    with capture("openai") as captured:
        yield captured


def boom() -> None:
    raise RuntimeError("the provider is down")


def fine() -> str:
    return "served"


def steps(captured: Captured, name: str) -> list[tuple[str, str]]:
    """The steps the breaker took, in order."""
    taken = [event for event in captured.events if event.metric == STEPS and event.value]
    return [event.labels[1:3] for event in taken if event.labels[0] == name]


def state(captured: Captured, name: str) -> str:
    return [event.labels[1] for event in captured.events if event.metric == STATE and event.labels[0] == name][-1]


def test_pybreaker(captured: Captured) -> None:
    breaker = pybreaker.CircuitBreaker(fail_max=2, reset_timeout=0, name="py-one")
    assert (steps(captured, "py-one"), state(captured, "py-one")) == ([], "closed")
    with pytest.raises(RuntimeError):
        breaker.call(boom)
    assert steps(captured, "py-one") == []
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(boom)
    assert (steps(captured, "py-one"), state(captured, "py-one")) == ([("closed", "open")], "open")
    assert breaker.call(fine) == "served"
    assert (steps(captured, "py-one"), state(captured, "py-one")) == (AROUND, "closed")


def test_pybreaker_made_before_and_moved_by_hand() -> None:
    breakers._breakers.clear()
    breaker = pybreaker.CircuitBreaker(name="py-early")
    with capture("openai") as captured:
        breaker.open()
        breaker.half_open()
        breaker.close()
        assert steps(captured, "py-early") == AROUND
    breaker.open()
    assert steps(captured, "py-early") == AROUND
    assert breaker.listeners == ()


def test_pybreaker_without_a_name(captured: Captured) -> None:
    pybreaker.CircuitBreaker().open()
    assert steps(captured, "pybreaker") == [("closed", "open")]


def test_aiobreaker(captured: Captured) -> None:
    breaker = aiobreaker.CircuitBreaker(fail_max=1, timeout_duration=dt.timedelta(microseconds=1), name="aio-one")
    assert state(captured, "aio-one") == "closed"
    with pytest.raises(aiobreaker.CircuitBreakerError):
        breaker.call(boom)
    assert breaker.call(fine) == "served"
    assert (steps(captured, "aio-one"), state(captured, "aio-one")) == (AROUND, "closed")


def test_purgatory(captured: Captured) -> None:
    factory = purgatory.SyncCircuitBreakerFactory(default_threshold=2, default_ttl=0)
    for _ in range(2):
        with pytest.raises(RuntimeError), factory.get_breaker("purgatory-one"):
            boom()
    with factory.get_breaker("purgatory-one"):
        fine()
    assert (steps(captured, "purgatory-one"), state(captured, "purgatory-one")) == (AROUND, "closed")


async def test_purgatory_async(captured: Captured) -> None:
    factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=1)
    with pytest.raises(RuntimeError):
        async with await factory.get_breaker("purgatory-two"):
            boom()
    assert (steps(captured, "purgatory-two"), state(captured, "purgatory-two")) == ([("closed", "open")], "open")


def test_circuitbreaker(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now)
    breaker = circuitbreaker.CircuitBreaker(failure_threshold=2, recovery_timeout=10, name="plain-one")
    failing, serving = breaker.decorate(boom), breaker.decorate(fine)
    assert state(captured, "plain-one") == "closed"
    for _ in range(2):
        with pytest.raises(RuntimeError):
            failing()
    with pytest.raises(circuitbreaker.CircuitBreakerError):
        serving()
    assert steps(captured, "plain-one") == [("closed", "open")]
    now += 11
    with pytest.raises(RuntimeError):
        failing()
    assert steps(captured, "plain-one")[1:] == [("open", "half_open"), ("half_open", "open")]
    now += 11
    assert serving() == "served"
    assert (steps(captured, "plain-one")[3:], state(captured, "plain-one")) == (AROUND[1:], "closed")


def test_a_counter_is_born_at_zero(captured: Captured) -> None:
    otel_llm.circuit_breaker("born")
    born = [(event.labels[1:3], event.value) for event in captured.events if event.metric == STEPS]
    assert sorted(born) == sorted(
        ((before, after), 0.0) for before in breakers.STATES for after in breakers.STATES if before != after
    )


def test_a_home_made_breaker(captured: Captured) -> None:
    told: list[Any] = []
    remove = alerts.on_anomaly(told.append)
    breaker = otel_llm.circuit_breaker("home-made")
    assert otel_llm.circuit_breaker("home-made") is breaker
    breaker.opened()
    breaker.opened()
    with pytest.raises(RuntimeError), breaker:
        boom()
    with breaker:
        fine()
    assert steps(captured, "home-made") == [*AROUND[:2], ("half_open", "open"), ("open", "half_open"), AROUND[2]]
    if callable(remove):
        remove()


def test_our_bugs_stay_with_us(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_llm.core.guard import Guard
    from otel_llm.reliability import _states

    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(_states, "circuit_breaker", lambda _: boom())
    breaker = pybreaker.CircuitBreaker(fail_max=1, name="py-buggy")
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(boom)
    assert breaker.current_state == "open"


def test_all_is_put_back() -> None:
    opened, left = vars(pybreaker.CircuitOpenState)["__init__"], vars(circuitbreaker.CircuitBreaker)["__exit__"]
    before = [opened.__code__, left.__code__]
    with capture("openai"):
        assert vars(pybreaker.CircuitOpenState)["__init__"] is opened
        assert opened.__code__ is not before[0]  # watched in place: a function stays the object that it is
    assert [opened.__code__, left.__code__] == before
