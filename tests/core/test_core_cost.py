"""What a call costs us stays what it is: Python functions of ours per call and per chunk, which no load on the machine changes."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.aggregate import encode
from otel_llm.calls import context, limits, runs
from otel_llm.calls.install import Installed
from otel_llm.calls.observer import Observer
from otel_llm.clients import load
from otel_llm.core import dispatch
from otel_llm.outputs.spans import Spans

OURS = str(Path(otel_llm.__file__).parent)
PER_CALL, PER_STREAM, PER_CHUNK = 60, 85, 5  # 45, 65 and 4 when this was written
HEAD = {"id": "c", "created": 1, "model": "gpt-4o"}
USAGE = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 4}}
MESSAGES: Any = [{"role": "user", "content": "hi"}]


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps({**HEAD, "object": "chat.completion.chunk", **fields}).encode() + b"\n\n"


class Server:
    """Answers a stream with as many chunks as it is told, everything else at once."""

    chunks = 0

    def __call__(self, request: Any) -> Any:
        if b'"stream":true' in request.content:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=self.events())
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
        return httpx2.Response(200, json={**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})

    def events(self) -> Iterator[bytes]:
        for _ in range(self.chunks):
            yield event(choices=[{"index": 0, "delta": {"content": "hello"}}])
        yield b"data: [DONE]\n\n"


class Bench:
    """A client on a transport without a socket."""

    def __init__(self) -> None:
        self.server = Server()
        self.http = httpx2.Client(transport=httpx2.MockTransport(self.server))
        self.client = openai.OpenAI(api_key="test-key", base_url="http://mock.example/v1", http_client=self.http)

    def call(self) -> None:
        self.client.chat.completions.create(model="gpt-4o", messages=MESSAGES, temperature=0.5)

    def stream(self, chunks: int, at_last: Callable[[], object] = lambda: None) -> None:
        self.server.chunks = chunks
        for seen, _ in enumerate(
            self.client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True), 1
        ):
            if seen == chunks:
                at_last()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(limits.STATE, "on", False)  # the process of a service that has neither a guard
    monkeypatch.setattr(runs.STATE, "used", False)  # nor agents
    monkeypatch.setattr(context, "baggage_keys", frozenset())  # nor labels in baggage
    provider = TracerProvider(shutdown_on_exit=False)
    made = Bench()
    installed = Installed.of(load("openai"), Observer((Spans(provider.get_tracer("test")),)), lambda _: True)
    dispatch.listen(encode)
    for _ in range(3):
        made.call()
        made.stream(3)
    yield made
    dispatch.listen()
    installed.uninstall()
    made.http.close()
    provider.shutdown()


def functions(work: Callable[[], object]) -> int:
    """How many Python functions of ours ``work`` enters."""
    count = 0

    def profile(frame: Any, kind: str, _: object) -> None:
        nonlocal count
        if kind == "call" and frame.f_code.co_filename.startswith(OURS):
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_call_enters_few_functions_of_ours(bench: Bench) -> None:
    assert 20 < functions(bench.call) <= PER_CALL


def test_a_stream_of_one_chunk_enters_few_functions_of_ours(bench: Bench) -> None:
    assert 30 < functions(lambda: bench.stream(1)) <= PER_STREAM


def test_a_chunk_enters_few_functions_of_ours(bench: Bench) -> None:
    short, long = functions(lambda: bench.stream(10)), functions(lambda: bench.stream(110))
    assert 0 < (long - short) / 100 <= PER_CHUNK


def test_nothing_is_kept_of_a_chunk(bench: Bench) -> None:
    """What lives at the last chunk of a long stream and not at that of a short one, in our lines."""

    def kept(chunks: int) -> int:
        found = 0

        def look() -> None:
            nonlocal found
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"{OURS}/*")])
            found = sum(trace.size for trace in ours.traces)

        tracemalloc.start()
        bench.stream(chunks, look)
        tracemalloc.stop()
        return found

    kept(10)
    # one reference to each of 900 chunks would be 7,200 bytes; what other threads of ours make meanwhile is less
    assert kept(1000) - kept(100) < 5000


def test_a_plain_call_leaves_nothing_behind(bench: Bench) -> None:
    def living() -> int:
        gc.collect()
        return len(gc.get_objects())

    bench.call()
    before = living()
    for _ in range(50):
        bench.call()
    assert living() - before < 25
