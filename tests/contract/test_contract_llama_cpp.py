"""llama-cpp-python under us, on a stand-in: the engine itself is built from source and wants a model's weights."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_content import ON, captured, said

from otel_llm.core.config import Config
from otel_llm.testing import Captured, capture

ENGINES = Path(__file__).parents[1] / "support" / "engines"
SAID: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Captured]]:
    monkeypatch.syspath_prepend(str(ENGINES))
    module = importlib.import_module("llama_cpp.llama")
    with capture("llama_cpp") as captured:
        yield module.Llama("/srv/models/small-q4.gguf"), captured
    for name in [name for name in sys.modules if name.partition(".")[0] == "llama_cpp"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("use", "operation", "tokens"),
    [
        (lambda llama: llama("hi", temperature=0.5), "text_completion", (7, 3)),
        (lambda llama: llama.create_completion("hi"), "text_completion", (7, 3)),
        (lambda llama: llama.create_chat_completion(SAID), "chat", (7, 3)),
        (lambda llama: llama.create_embedding("hi"), "embeddings", (7, None)),
    ],
)
def test_one_call(engine: Any, use: Any, operation: str, tokens: tuple[int, int | None]) -> None:
    llama, captured = engine
    assert use(llama)["model"] == "/srv/models/small-q4.gguf"
    call = captured.call
    assert (call.provider, call.operation, call.error_type, call.server_address) == ("llama_cpp", operation, "", "")
    assert (call.request_model, call.response_model) == ("small-q4.gguf", "small-q4.gguf")
    assert (call.input_tokens, call.output_tokens) == tokens


@pytest.mark.parametrize("chat", [False, True])
def test_a_stream_is_one_call_of_unknown_tokens(engine: Any, chat: bool) -> None:
    llama, captured = engine
    pieces = list(llama.create_chat_completion(SAID, stream=True) if chat else llama("hi", stream=True))
    assert len(pieces) == 4
    call = captured.call
    assert (call.stream, call.finish_reasons, call.error_type) == (True, ("length",), "")
    assert (call.input_tokens, call.output_tokens) == (None, None)
    assert call.usage_unknown
    assert call.first_chunk is not None


@pytest.mark.parametrize(
    "use",
    [
        lambda llama: llama("hi"),
        lambda llama: list(llama("hi", stream=True)),
        lambda llama: llama.create_chat_completion(SAID),
        lambda llama: list(llama.create_chat_completion(SAID, stream=True)),
    ],
)
def test_content(engine: Any, use: Any) -> None:
    llama, _ = engine
    assert content_of(use, llama, Config()) == {}
    told = content_of(use, llama, ON)
    assert [said(message) for message in told["gen_ai.input.messages"]] == ["hi"]
    (answer,) = told["gen_ai.output.messages"]
    assert (answer["role"], said(answer)) == ("assistant", "Hello from here")
    assert answer["finish_reason"] in ("stop", "length")


def content_of(use: Any, llama: Any, config: Config) -> dict[str, Any]:
    with captured("llama_cpp", config) as told:
        use(llama)
    return told


def test_a_stream_left_early(engine: Any) -> None:
    llama, captured = engine
    stream = llama("hi", stream=True)
    next(stream)
    stream.close()
    assert captured.call.error_type == "abandoned"


def test_what_it_raises_reaches_the_caller(engine: Any) -> None:
    llama, captured = engine
    with pytest.raises(ValueError, match="context window"):
        llama.create_chat_completion([{"role": "user", "content": "too long"}])
    assert captured.call.error_type
    assert captured.open == 0
