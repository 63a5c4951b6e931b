"""transformers itself, with a random model of a few parameters that is made on the spot: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from otel_llm.core.guard import Guard
from otel_llm.testing import Captured, capture

WORDS = ("<unk>", "<eos>", "two", "words", "three", "here", "hi", "a", "b", "c")
SAID: Any = [{"role": "user", "content": "three words here"}]


@pytest.fixture(scope="module")
def pipeline() -> Any:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", eos_token="<eos>", pad_token="<eos>"
    )
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=64,
        )
    )  # fmt: skip
    model.generation_config.eos_token_id = None  # an answer ends at its length alone
    model.generation_config.pad_token_id = 1
    return transformers.pipeline("text-generation", model=model, tokenizer=tokenizer)


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture("transformers") as captured:
        yield captured
    assert dict(Guard.errors) == {}


@pytest.mark.parametrize(
    ("given", "operation", "tokens"),
    [
        ("two words", "text_completion", (2, 3)),
        (SAID, "chat", (3, 3)),
        (["two words", "hi"], "text_completion", (3, 6)),
    ],
)
def test_one_call(pipeline: Any, captured: Captured, given: Any, operation: str, tokens: tuple[int, int]) -> None:
    assert pipeline(given, max_new_tokens=3)
    call = captured.call
    assert (call.provider, call.operation, call.error_type, call.usage_unknown) == ("transformers", operation, "", "")
    assert (call.input_tokens, call.output_tokens) == tokens
    assert call.duration > 0


def test_the_host_gets_the_same(pipeline: Any) -> None:
    bare = pipeline("two words", max_new_tokens=5, do_sample=False)
    with capture("transformers"):
        assert pipeline("two words", max_new_tokens=5, do_sample=False) == bare


def test_what_is_read_by_a_streamer(pipeline: Any, captured: Captured) -> None:
    streamer = transformers.TextIteratorStreamer(pipeline.tokenizer)
    pipeline("two words", max_new_tokens=3, streamer=streamer)
    assert len(list(streamer)) > 3
    assert (captured.call.input_tokens, captured.call.output_tokens) == (2, 3)


def test_several_answers_are_of_unknown_length(pipeline: Any, captured: Captured) -> None:
    pipeline("two words", max_new_tokens=3, num_return_sequences=2, do_sample=True)
    assert (captured.call.input_tokens, captured.call.usage_unknown != "") == (None, True)


def test_a_failure_is_one_call(pipeline: Any, captured: Captured) -> None:
    with pytest.raises(ValueError, match="max_new_tokens"):
        pipeline("two words", max_new_tokens=-1)
    assert captured.call.error_type in ("invalid_request", "_OTHER")
