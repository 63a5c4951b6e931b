"""transformers under us, on a stand-in: the library itself wants torch and a model's weights."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_content import ON, captured, said

from otel_llm.testing import Captured, capture

ENGINES = Path(__file__).parents[1] / "support" / "engines"
SAID: Any = [{"role": "user", "content": "three words here"}]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Captured]]:
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "transformers"}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(ENGINES))
    module = importlib.import_module("transformers.pipelines.text_generation")
    with capture("transformers") as captured:
        yield module.TextGenerationPipeline(), captured
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("given", "operation", "tokens"),
    [("two words", "text_completion", (2, 3)), ("", "text_completion", (0, 3)), (SAID, "chat", (3, 3)),
     (["two words", "one"], "text_completion", (3, 6))],
)  # fmt: skip
def test_one_call(pipeline: Any, given: Any, operation: str, tokens: tuple[int, int]) -> None:
    pipe, captured = pipeline
    pipe(given, max_new_tokens=3)
    call = captured.call
    assert (call.provider, call.operation, call.request_model) == ("transformers", operation, "small/instruct")
    assert (call.input_tokens, call.output_tokens, call.usage_unknown) == (*tokens, "")
    assert (call.error_type, call.server_address) == ("", "")


@pytest.mark.parametrize(
    ("given", "options"),
    [("two words", {"num_return_sequences": 2}), (["two words", "one"], {"batch_size": 2})],
)
def test_what_is_filled_up_is_not_counted(pipeline: Any, given: Any, options: dict[str, int]) -> None:
    pipe, captured = pipeline
    pipe(given, **options)
    call = captured.call
    assert (call.input_tokens, call.output_tokens) == (None, None)
    assert call.usage_unknown


@pytest.mark.parametrize(
    ("given", "asked", "answers"),
    [
        ("two words", ["two words"], ["two words Hello from here"]),  # a text comes back with its prompt
        (SAID, ["three words here"], ["Hello from here"]),
        (["two words", "one"], ["two words", "one"], ["two words Hello from here", "one Hello from here"]),
    ],
)
def test_content(pipeline: Any, given: Any, asked: list[str], answers: list[str]) -> None:
    pipe, _ = pipeline
    with captured("transformers", ON) as told:
        pipe(given)
    assert [said(message) for message in told["gen_ai.input.messages"]] == asked
    assert [said(message) for message in told["gen_ai.output.messages"]] == answers


def test_what_it_raises_reaches_the_caller(pipeline: Any) -> None:
    pipe, captured = pipeline
    with pytest.raises(RuntimeError, match="longer than the model's context"):
        pipe("too long")
    assert captured.call.error_type
    assert captured.open == 0
