"""vLLM's own classes, imported from its wheel and driven: what computes below them wants an accelerator, and answers from a table.

``LLM`` and ``AsyncLLM`` run their own code: tasks and defaults, the loop over the engine's steps, queues of outputs, their order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from vllm import LLM, SamplingParams
from vllm.outputs import CompletionOutput, EmbeddingRequestOutput, PoolingOutput, PoolingRequestOutput, RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.output_processor import RequestOutputCollector

from otel_llm.core.guard import Guard
from otel_llm.testing import Captured, capture

SAID: Any = [{"role": "user", "content": "three words here"}]
ANSWER = [7, 8, 9]
MODEL = "small/instruct"


@pytest.fixture
def seen() -> Iterator[Captured]:
    with capture("vllm") as captured:
        yield captured
    assert Guard.errors == {}


def prompted(key: str, text: str, answers: list[CompletionOutput], *, finished: bool) -> RequestOutput:
    """An output as the engine makes it: a token for each word, the first of them from the prefix cache."""
    ids = list(range(len(text.split())))
    return RequestOutput(key, text, ids, None, answers, finished, num_cached_tokens=1)


def answered(index: int, ids: list[int], reason: str | None) -> CompletionOutput:
    return CompletionOutput(index, "x" * len(ids), list(ids), None, None, finish_reason=reason)


class Engine:
    """What ``LLM`` steps through: each step finishes one request, the last one first."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def get_num_unfinished_requests(self) -> int:
        return len(self.waiting)

    def has_unfinished_requests(self) -> bool:
        return bool(self.waiting)

    def step(self) -> list[Any]:
        return [self.waiting.pop()]


class Batches(LLM):
    """Its own code but for the start, and for the tokenizer in front of the engine."""

    def __init__(self, runner: str = "generate") -> None:
        self.llm_engine = Engine()  # type: ignore[assignment]
        self.model_config = SimpleNamespace(model=MODEL, runner_type=runner)  # type: ignore[assignment]
        self.runner_type, self.pooling_task, self.supported_tasks = runner, "embed", ("embed",)

    def get_default_sampling_params(self) -> SamplingParams:
        return SamplingParams(max_tokens=3)

    def _add_completion_requests(self, prompts: Any, params: Any, **_: Any) -> None:
        for key, text in enumerate([prompts] if isinstance(prompts, str) else prompts):
            if not text:
                raise ValueError("The decoder prompt cannot be empty")
            answers = [answered(index, ANSWER, "length") for index in range(params.n)]
            self.llm_engine.waiting.append(prompted(str(key), text, answers, finished=True))

    def _add_chat_requests(self, messages: Any, params: Any, **_: Any) -> None:
        self._add_completion_requests([messages[0]["content"]], params)

    def encode(self, prompts: Any, **_: Any) -> list[Any]:
        return [
            PoolingRequestOutput(str(key), PoolingOutput(torch.zeros(4)), list(range(len(text.split()))), 1, True)
            for key, text in enumerate(prompts)
        ]


@pytest.mark.parametrize(
    ("ask", "operation", "tokens"),
    [
        (lambda: Batches().generate("two words", use_tqdm=False), "text_completion", (2, 3, 1)),
        (lambda: Batches().generate(["two words", "one"], SamplingParams(n=2), use_tqdm=False), "text_completion", (3, 12, 2)),
        (lambda: Batches().generate(["two words", "one"]), "text_completion", (3, 6, 2)),
        (lambda: Batches().chat(SAID, use_tqdm=False), "chat", (3, 3, 1)),
        (lambda: Batches("pooling").embed(["two words", "one"], use_tqdm=False), "embeddings", (3, None, 2)),
    ],
    ids=["one", "two by two", "with a bar", "chat", "embed"],
)  # fmt: skip
def test_a_batch_is_one_call(seen: Captured, ask: Any, operation: str, tokens: tuple[int | None, ...]) -> None:
    outputs = ask()
    assert [output.request_id for output in outputs] == [str(key) for key in range(len(outputs))]  # as it sorts them
    assert {type(output) for output in outputs} == {
        EmbeddingRequestOutput if operation == "embeddings" else RequestOutput
    }
    call = seen.call
    assert (call.provider, call.operation, call.request_model) == ("vllm", operation, MODEL)
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == tokens
    assert (call.error_type, call.usage_unknown, call.server_address) == ("", "", "")


@pytest.mark.parametrize(
    "ask", [lambda: Batches("pooling").generate("x"), lambda: Batches().generate("", use_tqdm=False)], ids=["of vLLM's", "below"]
)  # fmt: skip
def test_what_it_raises_reaches_the_caller(seen: Captured, ask: Any) -> None:
    with pytest.raises(ValueError, match=r"only supported for generative models|cannot be empty"):
        ask()
    assert seen.call.error_type == "_OTHER"
    assert seen.open == 0


class Streams(AsyncLLM):
    """Its own ``generate`` and queue but for the start, and for the engine, which puts the outputs there."""

    def __init__(self) -> None:
        self.model_config = SimpleNamespace(model=MODEL)  # type: ignore[assignment]
        self.log_requests = False
        self.aborted: list[Any] = []

    def __del__(self) -> None: ...

    async def add_request(self, request_id: str, prompt: Any, params: Any, **_: Any) -> RequestOutputCollector:  # type: ignore[override]
        kind = params.output_kind
        queue = RequestOutputCollector(kind, request_id)
        self.made = self._made(str(prompt), params)
        self.queue = queue
        queue.put(next(self.made))
        return queue

    def _made(self, prompt: str, params: Any) -> Iterator[RequestOutput]:
        for at in range(1, len(ANSWER) + 1):
            ids = ANSWER[at - 1 : at] if params.output_kind is RequestOutputKind.DELTA else ANSWER[:at]
            last = at == len(ANSWER)
            answers = [answered(index, ids, "length" if last else None) for index in range(params.n)]
            yield prompted("0", prompt, answers, finished=last)

    async def abort(self, request_id: Any, internal: bool = False) -> None:
        self.aborted.append(request_id)


async def taken(engine: Streams, params: SamplingParams, *, ahead: bool = False) -> AsyncIterator[RequestOutput]:
    """The outputs of a stream, with the engine one step ahead or, where it is far ahead, with what its queue merges."""
    async for output in engine.generate("two words", params, "request-1"):
        yield output
        for made in engine.made:
            engine.queue.put(made)
            if not ahead:
                break


@pytest.mark.parametrize("ahead", [False, True], ids=["step by step", "merged"])
@pytest.mark.parametrize("kind", ["CUMULATIVE", "DELTA"])
@pytest.mark.parametrize("n", [1, 2])
async def test_a_stream_counts_each_token_once(seen: Captured, kind: str, n: int, ahead: bool) -> None:
    params = SamplingParams(n=n, output_kind=RequestOutputKind[kind])
    outputs = [output async for output in taken(Streams(), params, ahead=ahead)]
    assert len(outputs) == (2 if ahead else 3)
    call = seen.call
    assert (call.operation, call.request_model, call.stream) == ("text_completion", MODEL, True)
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (2, 3 * n, 1)
    assert (call.error_type, call.finish_reasons) == ("", ("length",) * n)
    assert call.first_chunk is not None


async def test_a_stream_left_early_is_aborted(seen: Captured) -> None:
    engine = Streams()
    stream = engine.generate("two words", SamplingParams(), "request-1")
    await anext(stream)
    await stream.aclose()
    assert engine.aborted == ["request-1"]
    assert (seen.call.error_type, seen.call.output_tokens) == ("abandoned", 1)
