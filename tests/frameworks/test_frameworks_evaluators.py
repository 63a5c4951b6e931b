"""Evaluator libraries, run for real: each result counts once, by the evaluator's name. In an environment of the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import autoevals
import inspect_ai
import pytest
from deepeval.metrics import BaseMetric, ExactMatchMetric
from deepeval.test_case import LLMTestCase
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import match
from inspect_ai.solver import Generate, TaskState, solver

from otel_llm.testing import Captured, capture


@pytest.fixture
def seen() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def told(seen: Captured) -> list[tuple[str, tuple[str, ...], float]]:
    return [
        (event.metric.removeprefix("otel_llm_evaluation"), event.labels[1:], event.value)
        for event in seen.events
        if "evaluation" in event.metric
    ]


def test_autoevals(seen: Captured) -> None:
    score = autoevals.Levenshtein()(output="abcd", expected="abcx")
    assert score.score == 0.75
    assert told(seen) == [("s_total", ("", "Levenshtein", ""), 1.0), ("_score", ("", "Levenshtein"), 0.75)]


async def test_autoevals_async_and_a_scorer_inside_of_another(seen: Captured) -> None:
    await autoevals.JSONDiff().eval_async(output={"a": "x"}, expected={"a": "x"})
    assert told(seen) == [("s_total", ("", "JSONDiff", ""), 1.0), ("_score", ("", "JSONDiff"), 1.0)]


class Own(BaseMetric):
    """A metric of the host's own, made after deepeval was imported."""

    threshold = 0.5

    def measure(self, test_case: Any, *_: Any, **__: Any) -> float:
        self.score, self.success = len(test_case.actual_output) / 10, False
        return self.score

    async def a_measure(self, test_case: Any, *_: Any, **__: Any) -> float:
        return self.measure(test_case)

    def is_successful(self) -> bool:
        return bool(self.success)

    @property
    def __name__(self) -> str:
        return "Own"


async def test_deepeval(seen: Captured) -> None:
    case = LLMTestCase(input="q", actual_output="yes", expected_output="yes")
    metric = ExactMatchMetric()
    metric.measure(case)
    assert metric.score == 1
    name = metric.__name__
    await Own().a_measure(case)
    assert told(seen) == [
        ("s_total", ("", name, "pass"), 1.0), ("_score", ("", name), 1.0),
        ("s_total", ("", "Own", "fail"), 1.0), ("_score", ("", "Own"), 0.3),
    ]  # fmt: skip


@solver
def canned() -> Any:
    """Answers without a model, whose tokens would be counted with a table from the network."""

    async def solve(state: TaskState, _: Generate) -> TaskState:
        state.output = ModelOutput.from_content("mockllm/model", "hello")
        return state

    return solve


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of streams that inspect-ai leaves open
def test_inspect_ai(seen: Captured, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path))
    task = inspect_ai.Task(
        dataset=[Sample(input="say hello", target="hello"), Sample(input="x", target="y")],
        solver=canned(),
        scorer=match("exact"),
    )
    (log,) = inspect_ai.eval(task, model="mockllm/model", display="none")
    assert log.status == "success"
    found = sorted(told(seen))
    model = found[0][1][0]
    assert "mockllm" in model or model == "model"
    assert [(metric, labels[1:], value) for metric, labels, value in found] == [
        ("_score", ("match",), 0.0), ("_score", ("match",), 1.0),
        ("s_total", ("match", "C"), 1.0), ("s_total", ("match", "I"), 1.0),
    ]  # fmt: skip
