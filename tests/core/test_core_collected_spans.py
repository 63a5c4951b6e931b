"""Streams that a garbage collection takes have their ended span as soon as it is over, and Ctrl-C is the host's also during one."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.calls import collected
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

ROUNDS = 6
HELLO: Any = [{"role": "user", "content": "hi"}]
MODEL = "m-chunks-9"
ASKED: dict[str, tuple[str, Any]] = {
    "openai": ("openai", lambda client: client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)),
    "responses": ("openai", lambda client: client.responses.create(model=MODEL, input="hi", stream=True)),
    "anthropic": (
        "anthropic",
        lambda client: client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, stream=True),
    ),
}


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setattr(collected, "WAIT", 60)  # the machine may be busy
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    gc.collect()
    gc.freeze()  # what the tests before left takes a collection's time
    gc.disable()
    with capture("openai", "anthropic", sinks=(Spans(provider.get_tracer("test")),)):
        yield exporter
    gc.enable()
    gc.unfreeze()


def cycled(stream: Any) -> None:
    kept = [stream]
    kept.append(kept)


def ended(exporter: InMemorySpanExporter) -> list[Any]:
    return [span.attributes["error.type"] for span in exporter.get_finished_spans() if span.attributes]


@pytest.mark.parametrize("ask", ASKED)
def test_sync(exporter: InMemorySpanExporter, ask: str) -> None:
    library, asked = ASKED[ask]
    with Loopback() as server:
        client: Any = (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="k")
            if library == "openai"
            else anthropic.Anthropic(base_url=server.url, api_key="k")
        )
        for number in range(ROUNDS):
            stream = asked(client)
            next(iter(stream))
            cycled(stream)
            del stream
            assert ended(exporter) == ["abandoned"] * number
            gc.collect()
            assert ended(exporter) == ["abandoned"] * (number + 1)


@pytest.mark.parametrize("kept", [False, True], ids=["dropped before", "collected with it"])
@pytest.mark.parametrize("ask", ASKED)
def test_async(exporter: InMemorySpanExporter, ask: str, kept: bool) -> None:
    """``kept``: the iterator is part of the cycle. One that is dropped before has a task of the loop's close it, and keep the stream."""
    library, asked = ASKED[ask]

    async def ran(url: str) -> None:
        client: Any = (
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k")
            if library == "openai"
            else anthropic.AsyncAnthropic(base_url=url, api_key="k")
        )
        for number in range(ROUNDS):
            stream = await asked(client)
            iterator = aiter(stream)
            await anext(iterator)
            cycled((stream, iterator if kept else None))
            del stream, iterator
            assert ended(exporter) == ["abandoned"] * number
            gc.collect()
            if not kept:
                await asyncio.wait_for(closed(exporter, number), 60)
            assert ended(exporter) == ["abandoned"] * (number + 1)

    with Loopback() as server:
        asyncio.run(ran(server.url))


async def closed(exporter: InMemorySpanExporter, before: int) -> None:
    """Asyncio revives the generators that were collected, to close them: the call is over in its next turns, or with the next collection
    where closing fails, as openai's and httpx's close each other. No other call and no clerk has part in it."""
    while len(exporter.get_finished_spans()) == before:
        await asyncio.sleep(0)
        gc.collect()


SHUTDOWN = """
import gc, os, sys
import openai, otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from otel_llm.calls import collected

class Printing(SpanExporter):
    def export(self, spans):
        print(*(span.attributes["error.type"] for span in spans), flush=True)
    def shutdown(self):
        print("shut down", flush=True)

def provide():
    provider = TracerProvider()  # which shuts itself down at the exit
    provider.add_span_processor(SimpleSpanProcessor(Printing()))
    trace.set_tracer_provider(provider)

def scarce(*_):
    raise RuntimeError("can't start new thread")

collected.start_thread = scarce
gc.disable()
if "PROVIDER_FIRST" in os.environ:
    provide()
otel_llm.instrument()
if "PROVIDER_FIRST" not in os.environ:
    provide()
stream = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key="k").chat.completions.create(
    model="m-chunks-9", messages=[{"role": "user", "content": "hi"}], stream=True)
next(stream)
kept = [stream]
kept.append(kept)
del kept, stream
gc.collect()
"""


@pytest.mark.timeout(150)
@pytest.mark.parametrize("order", [{"PROVIDER_FIRST": "1"}, {}], ids=["provider first", "provider last"])
def test_before_a_provider_shuts_down(start: Any, order: dict[str, str]) -> None:
    service = start(SHUTDOWN, bare=True, OTEL_LLM_METRICS_SERVER="off", **order)
    out, err = service.communicate(timeout=110)
    assert out.splitlines() == ["abandoned", "shut down"], err


def test_ctrl_c_during_a_collection_is_the_hosts(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that comes while the collector works is handled by the Python code that runs next: not by any of ours."""
    lost: list[Any] = []
    there = gc.callbacks[:]
    ours = [each for each in there if getattr(each, "__self__", None) in (collected.phases, collected._own)]
    assert len(ours) == 3
    many = [[number] for number in range(300_000)]  # so that a collection takes longer than the timer
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    gc.callbacks[:] = ours
    try:
        for _ in range(20):
            with pytest.raises(KeyboardInterrupt):
                interrupted()
    finally:
        gc.callbacks[:] = there
        signal.signal(signal.SIGALRM, before)
    assert lost == []
    assert len(many) == 300_000
    assert exporter.get_finished_spans() == ()


def interrupted() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    gc.collect()
    while True:  # the machine may be busy: it comes
        signal.pause()


def test_a_call_that_has_ended_has_no_finalizer() -> None:
    """One would run where the host lets go of a call, and lose a Ctrl-C that comes then."""
    calls: list[Any] = []

    class Kept:
        def opened(self, call: Any) -> None:
            calls.append(call)

        def closed(self, call: Any, seen: Any) -> None:
            assert hasattr(call, "__del__")

    with Loopback() as server, capture("openai", sinks=(Kept(),)):
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="k")
        client.chat.completions.create(model=MODEL, messages=HELLO)
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert [hasattr(call, "__del__") for call in calls] == [False, False]
