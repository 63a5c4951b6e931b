"""Answers judged by the length of the prompt, what is kept of that, and how much memory a model takes."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc
from math import log

import pytest
from window_calls import Call, feed, gauges, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.signals import KNOWN, Plain, Reading
from otel_llm.aggregate.window.sketch import WIDTH, index
from otel_llm.aggregate.window.slices import Slice
from otel_llm.aggregate.window.trend import Trend
from otel_llm.aggregate.window.watch import Watch

START = 1_700_000_040.0
OUTPUT = ("otel_llm_zscore", "output_tokens", "shift")


def mixed(start: float, seconds: int, every: int, factor: float = 1.0) -> list[Call]:
    """Short prompts with short answers; one in ``every`` is long and has a long answer."""
    return [
        call._replace(
            input_tokens=100 if number % every else 5000,
            output_tokens=max(1, int(call.output_tokens * factor * (0.2 if number % every else 4))),
        )
        for number, call in enumerate(steady(start, seconds, seed=int(start) % 97))
    ]


def test_a_new_mix_of_prompts_is_no_anomaly_of_answers_and_shorter_answers_are() -> None:
    engine = Engine()
    feed(engine, mixed(START, 3600, 10))
    feed(engine, mixed(START + 3600, 180, 2))
    assert abs(gauges(engine, START + 3780)[OUTPUT]) < 3
    feed(engine, mixed(START + 3780, 120, 2, factor=0.5))
    assert gauges(engine, START + 3900)[OUTPUT] < -3


def minute(calls: int, prompt: int | None, answer: int) -> Slice:
    made = Slice()
    for _ in range(calls):
        length = made.output_tokens.add(answer)
        if prompt is not None:
            (made.output_tokens.joint or made.output_tokens.of_lengths()).add(index(prompt), max(length, 0))
    return made


def test_what_a_minute_says_changes_its_meaning_once() -> None:
    reading, trends = Reading(), {signal: Trend(0.1, 0.03) for signal in ("latency", "output_tokens", "cost")}

    def read(content: Slice) -> tuple[float, float, float]:
        return reading.read(content, trends)["output_tokens"]

    count, total, _ = read(minute(10, None, 200))
    assert (count, total / count) == (10, pytest.approx(log(200), abs=WIDTH))
    trends["output_tokens"].close(1, count, total, 300.0)
    assert read(minute(int(KNOWN), 100, 200)) == (0.0, 0.0, 0.0)  # prompts are told from now on: nothing is known yet
    assert trends["output_tokens"].minutes.last == -1
    count, total, _ = read(minute(10, 100, 80))
    assert (count, total / count) == (10, pytest.approx(log(80 / 200), abs=2 * WIDTH))
    assert read(minute(10, None, 80)) == (0.0, 0.0, 0.0)  # a minute that tells none is not held against the others


def test_the_plain_length_is_known_from_twenty_calls_on() -> None:
    plain = Plain()
    plain.learn(15, 75.0, 390.0)
    assert not plain.known
    plain.learn(10, 50.0, 260.0)
    assert plain.known
    assert (plain.centre, plain.spread) == (pytest.approx(5.0), pytest.approx(1.0))


def test_an_empty_answer_is_as_short_as_one_of_a_token() -> None:
    engine = Engine()
    feed(engine, [call._replace(output_tokens=0) for call in steady(START, 60)])
    (track,) = engine.tracks.values()
    joints = [one.output_tokens.joint for one in track.cells.values()]
    assert {total for joint in joints if joint for _, _, total in joint.items()} == {0}


def test_what_is_known_of_prompts_outlives_a_restart() -> None:
    watch = Watch()
    for number in range(30):
        watch.close(number, minute(30, 100, 200))
    again, restored = Watch(), Watch()
    again.take_up(json.loads(json.dumps(watch.learned())))
    restored.load(watch.dump())
    for one in (again, restored):
        assert one.reading.prompts.usual(index(100) // 10) == pytest.approx(index(200), abs=1)
        assert one.reading.plain.centre == pytest.approx(log(200), abs=WIDTH)
    assert again.trends["output_tokens"].day == pytest.approx(watch.trends["output_tokens"].day, rel=1e-3)
    older = {name: part for name, part in watch.learned().items() if name in ("trends", "lengths")}
    upgraded = Watch()
    upgraded.take_up(older)  # of a version that knew no prompts: its answers meant something else
    assert upgraded.trends["output_tokens"].day == (0.0, 0.0, 0.0)
    assert upgraded.trends["calls"].weights == pytest.approx(list(watch.trends["calls"].weights), rel=1e-3)


def test_errors_of_a_slice_that_is_complete_stay_its_own() -> None:
    one, other, failed = Slice(), Slice(), Slice()
    failed.failed("timeout", (1, 2, None), 0.5)
    for each in (one, other):
        each.freeze()
    one.merge(failed)
    assert (one.errors, one.failed_tokens) == ({"timeout": 1}, {"input": 1, "output": 2})
    assert (other.errors, other.failed_tokens) == ({}, {})
    other.thaw()
    other.failed("timeout", (None, None, None), None)
    assert Slice().errors == {}
    assert other.errors == {"timeout": 1}


def test_a_model_takes_less_than_half_a_megabyte() -> None:
    dice = random.Random(7)

    def drawn(typical: float) -> float:
        return typical * dice.lognormvariate(0, 0.8)

    def busy(seconds: int) -> Engine:
        engine = Engine()
        for half in range(2 * seconds):
            call = {"duration": drawn(1), "output_tokens": int(drawn(200)), "cost": drawn(0.002)}
            engine.record(
                ("openai", "gpt"),
                START + half / 2,
                operation="chat",
                error_type="",
                input_tokens=500,
                thinking_tokens=None,
                **call,
            )
        engine.forget(START + seconds)
        return engine

    busy(120)  # modules that the first baseline loads are no part of a model
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        engine = busy(3600)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(engine.tracks) == 1
    assert taken < 500_000
