"""vLLM under us, on a stand-in: the engine itself wants an accelerator and a model's weights."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contract_content import ON, captured, said

from otel_llm.testing import capture

ENGINES = Path(__file__).parents[1] / "support" / "engines"
SAID: Any = [{"role": "user", "content": "three words here"}]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in's classes, and what is captured of them."""
    monkeypatch.syspath_prepend(str(ENGINES))
    outputs = importlib.import_module("vllm.outputs")
    llm = importlib.import_module("vllm.entrypoints.llm").LLM()
    engine = importlib.import_module("vllm.v1.engine.async_llm").AsyncLLM()
    with capture("vllm") as captured:
        yield SimpleNamespace(
            llm=llm, engine=engine, captured=captured, params=outputs.SamplingParams, kind=outputs.RequestOutputKind
        )
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("use", "operation", "tokens"),
    [
        (lambda found: found.llm.generate("two words"), "text_completion", (2, 3, 1)),
        (lambda found: found.llm.generate(["two words", "one"], found.params(n=2)), "text_completion", (3, 12, 2)),
        (lambda found: found.llm.chat(SAID), "chat", (3, 3, 1)),
        (lambda found: found.llm.embed(["two words", "one"]), "embeddings", (3, None, None)),
    ],
)
def test_a_batch_is_one_call(vllm: Any, use: Any, operation: str, tokens: tuple[int | None, ...]) -> None:
    assert isinstance(use(vllm), list)
    call = vllm.captured.call
    assert (call.provider, call.operation, call.request_model) == ("vllm", operation, "small/instruct")
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == tokens
    assert (call.error_type, call.usage_unknown, call.server_address) == ("", "", "")


@pytest.mark.parametrize("kind", ["CUMULATIVE", "DELTA"])
@pytest.mark.parametrize("n", [1, 2])
async def test_a_stream_counts_each_token_once(vllm: Any, kind: str, n: int) -> None:
    params = vllm.params(n=n, output_kind=vllm.kind[kind])
    assert len([output async for output in vllm.engine.generate("two words", params, "request-1")]) == 3 * n
    call = vllm.captured.call
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (2, 3 * n, 2)
    assert (call.stream, call.error_type, call.finish_reasons) == (True, "", ("length",) * n)
    assert call.first_chunk is not None


@pytest.mark.parametrize(
    ("use", "asked", "answers"),
    [
        (lambda found: found.llm.generate(["two words", "one"]), ["two words", "one"], 2),
        (lambda found: found.llm.chat(SAID), ["three words here"], 1),
    ],
)
def test_content(vllm: Any, use: Any, asked: list[str], answers: int) -> None:
    with captured("vllm", ON) as told:
        outputs = use(vllm)
    assert [said(message) for message in told["gen_ai.input.messages"]] == asked
    spoken = [answer.text for output in outputs for answer in output.outputs]
    assert [said(message) for message in told["gen_ai.output.messages"]] == spoken
    assert len(spoken) == answers


async def test_of_a_stream_only_what_was_asked_is_captured(vllm: Any) -> None:
    with captured("vllm", ON) as told:
        assert [output async for output in vllm.engine.generate("two words", vllm.params(), "request-1")]
    assert [said(message) for message in told["gen_ai.input.messages"]] == ["two words"]
    assert "gen_ai.output.messages" not in told


async def test_a_stream_left_early(vllm: Any) -> None:
    stream = vllm.engine.generate("two words", vllm.params(), "request-1")
    await anext(stream)
    await stream.aclose()
    call = vllm.captured.call
    assert (call.error_type, call.output_tokens) == ("abandoned", 1)


def test_what_it_raises_reaches_the_caller(vllm: Any) -> None:
    with pytest.raises(ValueError, match="cannot be empty"):
        vllm.llm.generate("")
    assert vllm.captured.call.error_type
    assert vllm.captured.open == 0
