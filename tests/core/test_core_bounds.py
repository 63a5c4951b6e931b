"""Nothing grows: not with model names that a client makes up, not with calls, not with the length of a stream."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from otel_llm.aggregate import Store, decode, encode
from otel_llm.calls import limits
from otel_llm.cluster.families import StoreFamilies
from otel_llm.core import dispatch
from otel_llm.core.config import Config
from otel_llm.core.model import Observation, Record, Usage
from otel_llm.pricing import Prices
from otel_llm.testing import capture

REPLY = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}  # fmt: skip


def chunk(**delta: Any) -> bytes:
    body = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta}],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def answer(request: httpx2.Request) -> httpx2.Response:
    asked = json.loads(request.content)
    if asked.get("stream"):
        pieces = iter([chunk(content="hi")] * asked["max_tokens"])
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Stream(pieces))
    return httpx2.Response(200, json={**REPLY, "model": asked["model"]})


class Stream(httpx2.SyncByteStream):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    transport = httpx2.MockTransport(answer)
    with openai.OpenAI(
        api_key="test-key", base_url="http://llm/v1", http_client=httpx2.Client(transport=transport)
    ) as client:
        yield client


def ask(client: openai.OpenAI, model: str, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], **more)


def test_made_up_model_names_stay_within_the_bound(client: openai.OpenAI) -> None:
    config = Config(max_label_values=20)
    store = Store(config)
    with capture("openai", config=config):
        dispatch.listen(store.apply)
        for number in range(10_000):
            ask(client, f"made-up-{number}" + "x" * (number % 300))
    text = StoreFamilies(store).text(openmetrics=False).decode()
    models = {
        line.split('gen_ai_request_model="')[1].split('"')[0]
        for line in text.splitlines()
        if 'gen_ai_request_model="' in line
    }
    assert len(models) == 21  # the bound, and _other
    assert "_other" in models
    assert max(map(len, models)) <= 128
    counted = [line for line in text.splitlines() if line.startswith("gen_ai_client_operation_duration_seconds_count")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) == 10_000
    assert 'otel_llm_label_overflow_total{label="gen_ai_request_model"}' in text


def test_calls_leave_nothing_behind(client: openai.OpenAI) -> None:
    """At one moment, as a minute that begins has a price of its own."""
    store = Store(Config())

    def apply(record: Record) -> None:
        store.apply(record._replace(at=1_790_000_000.0))

    def held(calls: int) -> int:
        for _ in range(calls):
            ask(client, "m")
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    with capture("openai") as captured:
        dispatch.listen(apply)
        held(200)
        tracemalloc.start()
        try:
            before = held(200)
            after = held(2_000)
        finally:
            tracemalloc.stop()
        assert captured.open == 0
    assert after - before < 200_000  # 100 bytes a call would be as much


def test_names_without_end_are_kept_nowhere(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound in number is none in bytes: each name here has 100 kB, as asked for, as answered, and in the price table's memory."""
    monkeypatch.setattr(limits.STATE, "on", True)  # what a guard remembers of calls is bounded, too
    store, prices = Store(Config(max_label_values=5)), Prices(Config())

    def held(calls: range) -> int:
        for number in calls:
            ask(client, f"{number}" + "x" * 100_000)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def count(record: Record) -> None:
        store.apply(decode(encode(record)))
        if isinstance(record, Observation):
            usage = Usage(record.input_tokens, record.output_tokens)
            prices.load().price(record.provider, record.request_model, record.response_model, usage, record.at)

    with capture("openai", config=Config(max_label_values=5)):
        dispatch.listen(count)
        held(range(20))
        tracemalloc.start()
        try:
            before = held(range(20, 40))
            growth = held(range(40, 120)) - before
        finally:
            tracemalloc.stop()
    assert growth < 1_000_000  # eighty names that are kept would be 8 MB


def test_a_stream_keeps_nothing_per_chunk(client: openai.OpenAI) -> None:
    """With the caller dropping each chunk, what is held in the middle does not depend on how many have gone by."""

    def held(chunks: int) -> int:
        stream = ask(client, "m", stream=True, max_tokens=chunks)
        for number, _ in enumerate(stream):
            if number == chunks - 1:
                gc.collect()
                return tracemalloc.get_traced_memory()[0]
        raise AssertionError("the stream ended early")

    with capture("openai"):
        held(10)
        tracemalloc.start()
        try:
            short, long = held(10), held(5_000)
        finally:
            tracemalloc.stop()
    assert long - short < 100_000  # 20 bytes a chunk would be as much
