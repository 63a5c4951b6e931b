"""What is usual outlives a restart: the first calls of a start are judged by those of the start before, however that one ended."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest
from cluster_lab import Worker, call, crash, until

KEY = ("openai", "gpt-4o")


def _kill(one: Worker) -> None:
    crash(one)
    one._membership.leave()


def _record(workers: list[Worker], seconds: int, factor: float) -> None:
    """A call each second until now, by one worker after the other."""
    dice, now = random.Random(3), time.time()
    for second in range(seconds, 0, -1):
        one = workers[second % len(workers)]
        one.append(call(at=now - second, duration=factor * dice.lognormvariate(0, 0.3)))


def _answered(one: Worker, calls: int) -> None:
    until(lambda: one.stats()["since_start"]["calls"] == calls)


@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("end", [Worker.stop, _kill], ids=["stopped", "killed"])
def test_a_new_start_is_judged_by_the_one_before(
    serve: Callable[..., Worker], end: Callable[[Worker], None], number: int
) -> None:
    first = [serve("a") for _ in range(number)]
    _record(first, 1800, 1.0)
    _answered(first[-1], 1800)
    for one in first:
        end(one)

    second = [serve("b") for _ in range(number)]
    verdict = until(lambda: second[-1].check(KEY, "latency", 9.0))  # before its first call
    assert verdict[3:5] == ("critical", "high")
    assert verdict[5] == pytest.approx(1.05, rel=0.1)
    assert second[-1].stats()["since_start"]["calls"] == 0

    _record(second, 90, 4.0)
    _answered(second[-1], 90)
    judged = {(one["signal"], one["kind"]): one["zscore"] for one in second[0].stats()["zscores"]}
    assert judged["latency", "shift"] >= 3
    assert second[0].check(KEY, "latency", 1.0)[3] == ""  # four seconds have not become what is usual
    (line,) = {text for text in _texts(second[0]) if "latency is" in text}
    assert "since this start of the service, against what was usual before" in line


def _texts(one: Worker) -> list[str]:
    """Every line of the page about a condition, with what goes with it."""
    return [json.dumps(condition) for condition in one.status()["conditions"]]
