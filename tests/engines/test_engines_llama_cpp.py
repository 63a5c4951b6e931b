"""llama-cpp-python itself, built from its source, with a random model of a few parameters that gguf writes on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import pytest

from otel_llm.core.guard import Guard
from otel_llm.testing import Captured, capture

WIDTH, HEADS, LAYERS, HIDDEN = 32, 2, 1, 64
SAID: Any = [{"role": "user", "content": "three words here"}]
WORDS = [
    "<unk>",
    "<s>",
    "</s>",
    *(f"<0x{byte:02X}>" for byte in range(256)),
    *(f"\u2581{word}" for word in ("two", "three", "words", "here")),
]


def written(path: Path) -> Path:
    """A model of Llama's shape with random weights, whose words are the ones above and all bytes."""
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(WORDS)
    writer.add_token_scores([0.0] * len(WORDS))
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * (len(WORDS) - 259)]
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {
        "token_embd": (len(WORDS), WIDTH), "output": (len(WORDS), WIDTH), "output_norm": (WIDTH,),
        **{f"blk.{block}.{name}": shape for block in range(LAYERS) for name, shape in (
            ("attn_norm", (WIDTH,)), ("attn_q", (WIDTH, WIDTH)), ("attn_k", (WIDTH, WIDTH)), ("attn_v", (WIDTH, WIDTH)),
            ("attn_output", (WIDTH, WIDTH)), ("ffn_norm", (WIDTH,)), ("ffn_gate", (HIDDEN, WIDTH)), ("ffn_up", (HIDDEN, WIDTH)),
            ("ffn_down", (WIDTH, HIDDEN)),
        )},
    }  # fmt: skip
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.1, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("models") / "tiny-f32.gguf")


@pytest.fixture(scope="module")
def llama(file: Path) -> Any:
    return llama_cpp.Llama(str(file), n_ctx=128, n_threads=1, seed=1, verbose=False, chat_format="llama-2")


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture("llama_cpp") as captured:
        yield captured
    assert dict(Guard.errors) == {}


Use = Callable[[Any], Any]
NEVER: Any = {
    "max_tokens": 3,
    "logit_bias": {2: -100.0},
}  # the answer ends at its length alone, or at the end of its last letter


@pytest.mark.parametrize(
    ("use", "operation"),
    [
        (lambda llama: llama("two words", **NEVER), "text_completion"),
        (lambda llama: llama.create_completion("two words", **NEVER), "text_completion"),
        (lambda llama: llama.create_chat_completion(SAID, **NEVER), "chat"),
    ],
    ids=["call", "completion", "chat"],
)
def test_one_call(llama: Any, captured: Captured, use: Use, operation: str) -> None:
    usage = use(llama)["usage"]
    call = captured.call
    assert (call.provider, call.operation, call.error_type, call.usage_unknown) == ("llama_cpp", operation, "", "")
    assert (call.request_model, call.response_model) == ("tiny-f32.gguf", "tiny-f32.gguf")
    assert (call.input_tokens, call.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert min(usage["prompt_tokens"], usage["completion_tokens"]) >= 3
    assert call.finish_reasons == ("length",)
    assert 0 < call.duration < 60


@pytest.mark.parametrize("chat", [False, True])
def test_a_stream(llama: Any, captured: Captured, chat: bool) -> None:
    asked = (
        llama.create_chat_completion(SAID, stream=True, **NEVER) if chat else llama("two words", stream=True, **NEVER)
    )
    pieces = list(asked)
    call = captured.call
    assert pieces[-1]["choices"][0]["finish_reason"] == "length"
    assert (call.stream, call.finish_reasons, call.error_type) == (True, ("length",), "")
    assert (call.input_tokens, call.output_tokens, call.usage_unknown != "") == (None, None, True)
    assert call.first_chunk is not None
    assert call.first_chunk <= call.duration


def test_a_stream_that_is_left(llama: Any, captured: Captured) -> None:
    stream = llama("two words", stream=True, **NEVER)
    next(stream)
    stream.close()
    assert captured.call.error_type == "abandoned"


def test_embeddings(file: Path, captured: Captured) -> None:
    model = llama_cpp.Llama(str(file), n_ctx=128, n_threads=1, verbose=False, embedding=True)
    told = model.create_embedding("two words")
    assert len(told["data"]) == 1
    call = captured.call
    assert (call.operation, call.input_tokens) == ("embeddings", told["usage"]["prompt_tokens"])


def test_a_failure_is_one_call(llama: Any, captured: Captured) -> None:
    with pytest.raises(ValueError, match="context window"):
        llama("two words " * 500, max_tokens=3)
    assert (
        captured.call.error_type == "_OTHER"
    )  # a plain ValueError: only its text, which may quote the prompt, says more


def test_the_host_gets_the_same(llama: Any) -> None:
    def told() -> Any:
        return llama("two words", temperature=0.0, **NEVER)["choices"]

    bare = told()
    with capture("llama_cpp"):
        assert told() == bare
