"""One process that is measured: a client on a mock transport, watched in one way, doing what it is told on its standard input.

Runs in the environment of a peer, with nothing of ours in it. Each line in is a command and a number; each line out a JSON
number or list. Times are processor time of this process, in microseconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import inspect
import json
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
from opentelemetry import trace

try:
    import httpx2 as http
except ImportError:
    import httpx as http  # type: ignore[no-redef]

MODEL = "gpt-4o"
MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE = {
    "prompt_tokens": 812, "completion_tokens": 233, "total_tokens": 1045,
    "prompt_tokens_details": {"cached_tokens": 512, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
}  # fmt: skip
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-2024-08-06", "service_tier": "default"}
ANSWER = json.dumps({
    **HEAD, "object": "chat.completion", "usage": USAGE,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}).encode()  # fmt: skip
BODY = {"model": MODEL, "messages": MESSAGES, "temperature": 0.5}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps({**HEAD, "object": "chat.completion.chunk", **fields}).encode() + b"\n\n"


CHUNK = event(choices=[{"index": 0, "delta": {"content": "hello"}}])
LAST = (
    event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    event(choices=[], usage=USAGE),
    b"data: [DONE]\n\n",
)


class Server:
    """Answers without a socket: what is measured is the client and who watches it."""

    chunks = 100

    def __call__(self, request: Any) -> Any:
        if b'"stream":true' not in request.content:
            return http.Response(200, headers={"content-type": "application/json"}, content=ANSWER)
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=self.events())

    async def answer(self, request: Any) -> Any:
        if b'"stream":true' not in request.content:
            return self(request)
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=self.events_async())

    def events(self) -> Iterator[bytes]:
        for _ in range(self.chunks):
            yield CHUNK
        yield from LAST

    async def events_async(self) -> AsyncIterator[bytes]:
        for piece in self.events():
            yield piece


SERVER = Server()
CLIENT = openai.OpenAI(
    api_key="test-key", base_url="http://mock.example/v1", http_client=http.Client(transport=http.MockTransport(SERVER))
)
ASYNC = openai.AsyncOpenAI(
    api_key="test-key", base_url="http://mock.example/v1",
    http_client=http.AsyncClient(transport=http.MockTransport(SERVER.answer)),
)  # fmt: skip
ASKED = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": MODEL,
    "server.address": "mock.example", "gen_ai.request.temperature": 0.5,
}  # fmt: skip
SAID = {
    "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ("stop",), "gen_ai.usage.input_tokens": 812, "gen_ai.usage.output_tokens": 233,
    "gen_ai.usage.cache_read.input_tokens": 512, "gen_ai.usage.reasoning.output_tokens": 64,
}  # fmt: skip


class Watched:
    """The client under one way of watching; ``call`` is one plain call."""

    def __init__(self, mode: str) -> None:
        self.call: Callable[[], Any] = lambda: CLIENT.chat.completions.create(**BODY)
        self.acall: Callable[[], Any] = lambda: ASYNC.chat.completions.create(**BODY)
        self.rest: list[Callable[[], Any]] = []  # the work that calls leave to other threads
        if mode not in ("bare", "metrics"):
            self.tracing(sampled=mode != "sampled")
        began = time.perf_counter()
        getattr(self, mode if mode not in ("metrics", "sampled", "content", "budgets") else "full")()
        self.took = (time.perf_counter() - began) * 1e3

    def tracing(self, *, sampled: bool) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

        class Nowhere(SpanExporter):
            def export(self, spans: Any) -> Any:
                return SpanExportResult.SUCCESS

        self.processor = BatchSpanProcessor(Nowhere())
        self.provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
        self.provider.add_span_processor(self.processor)
        trace.set_tracer_provider(self.provider)
        self.rest.append(self.processor.force_flush)

    def meter(self) -> Any:
        from opentelemetry.metrics import set_meter_provider
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        provider = MeterProvider([InMemoryMetricReader()])
        set_meter_provider(provider)
        return provider

    def bare(self) -> None: ...

    def span(self) -> None:
        """A span with the attributes of the conventions, written by hand around the call: the floor of all who make one."""
        tracer, call, acall = trace.get_tracer("bench"), self.call, self.acall
        named = {"name": f"chat {MODEL}", "kind": trace.SpanKind.CLIENT, "attributes": ASKED}

        def spanned() -> Any:
            with tracer.start_as_current_span(**named) as span:
                result = call()
                span.set_attributes(SAID)
            return result

        async def spanned_async() -> Any:
            with tracer.start_as_current_span(**named) as span:
                result = await acall()
                span.set_attributes(SAID)
            return result

        self.call, self.acall = spanned, spanned_async

    def floor(self) -> None:
        """What we depend on, without us: spans by the SDK, and prometheus_client with a page to show."""
        import prometheus_client

        self.span()
        prometheus_client.generate_latest()

    def full(self) -> None:
        import otel_llm
        from otel_llm import runtime

        otel_llm.instrument("openai")
        watching = runtime.current()
        assert watching is not None
        watching.prices.load()
        self.rest.append(watching.member._tick)

    def labels(self) -> None:
        """Calls with two labels of the caller's."""
        self.full()
        import otel_llm

        self.inside(lambda: otel_llm.labels(tenant="acme", feature="search"))

    def guard(self) -> None:
        """Calls under a budget that acts, shared by all workers."""
        self.full()
        import otel_llm

        otel_llm.guard(CLIENT, budget=1e6)

    def bridge(self) -> None:
        """Calls in the run of an agent, which another library's span reports; that span's own price is among it."""
        self.full()
        tracer = trace.get_tracer("agents")
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
        self.inside(lambda: tracer.start_as_current_span("invoke_agent planner", attributes=attributes))

    def inside(self, place: Callable[[], Any]) -> None:
        """Make each call in a ``with`` block of its own."""
        call = self.call

        def placed() -> Any:
            with place():
                return call()

        self.call = placed

    def hold(self) -> None:
        """Have our own thread do nothing by itself: what it does is measured by ``rest``, and not while others are measured."""
        ours = sys.modules.get("otel_llm.runtime")
        watching = ours.current() if ours is not None else None
        if watching is not None and watching.member._clerk.at_work:
            watching.member._clerk.dismiss(5.0)

    def openai_v2(self) -> None:
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=self.provider, meter_provider=self.meter())

    def genai(self) -> None:
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=self.provider, meter_provider=self.meter())

    def openinference(self) -> None:
        from openinference.instrumentation import TraceConfig
        from openinference.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(
            tracer_provider=self.provider, config=TraceConfig(hide_inputs=True, hide_outputs=True)
        )

    def openlit(self) -> None:
        import openlit
        from opentelemetry._logs import set_logger_provider
        from opentelemetry.sdk._logs import LoggerProvider

        self.meter()
        set_logger_provider(LoggerProvider())  # else it prints each event
        openlit.init(capture_message_content=False, disable_batch=False, disabled_instrumentors=["httpx"])

    def traceloop(self) -> None:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=self.provider, meter_provider=self.meter())

    def logfire(self) -> None:
        import logfire

        logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[self.processor])
        logfire.instrument_openai()


class Work:
    """What can be asked for, by name; each takes a number and returns what is printed."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.loop = asyncio.new_event_loop()

    def startup(self, _: int) -> float:
        return self.watched.took

    def hold(self, _: int) -> float:
        self.watched.hold()
        return self.rest(1)

    def rest(self, calls: int) -> float:
        """What the last ``calls`` calls left to other threads: spans to export, records to count."""
        gc.collect()
        began = time.process_time()
        for work in self.watched.rest:
            work()
        return (time.process_time() - began) / calls * 1e6

    def plain(self, calls: int) -> float:
        call, began = self.watched.call, time.process_time()
        for _ in range(calls):
            call()
        return (time.process_time() - began) / calls * 1e6

    def plain_async(self, calls: int) -> float:
        return self.loop.run_until_complete(self._plain_async(calls))

    async def _plain_async(self, calls: int) -> float:
        began = time.process_time()
        for _ in range(calls):
            await self.watched.acall()
        return (time.process_time() - began) / calls * 1e6

    def plain_in_loop(self, calls: int) -> float:
        """Plain calls made while an event loop runs in the thread."""

        async def blocking() -> float:
            return self.plain(calls)

        return self.loop.run_until_complete(blocking())

    def stream(self, chunks: int) -> float:
        """From the first chunk to the last: what a stream costs as a whole is not in it."""
        SERVER.chunks = chunks + 1
        chunks_of = iter(CLIENT.chat.completions.create(**STREAM))
        next(chunks_of)
        began = time.process_time()
        for _ in range(chunks):
            next(chunks_of)
        took = time.process_time() - began
        for _ in chunks_of:
            pass
        return took / chunks * 1e6

    def stream_async(self, chunks: int) -> float:
        SERVER.chunks = chunks
        return self.loop.run_until_complete(self._stream_async(chunks))

    async def _stream_async(self, chunks: int) -> float:
        SERVER.chunks = chunks + 1
        chunks_of = aiter(await ASYNC.chat.completions.create(**STREAM))
        await anext(chunks_of)
        began = time.process_time()
        for _ in range(chunks):
            await anext(chunks_of)
        took = time.process_time() - began
        async for _ in chunks_of:
            pass
        return took / chunks * 1e6

    def first_chunk(self, calls: int) -> float:
        SERVER.chunks, took = 1, 0.0
        for _ in range(calls):
            began = time.thread_time()
            stream = CLIENT.chat.completions.create(**STREAM)
            next(iter(stream))
            took += time.thread_time() - began
            for _ in stream:
                pass
        return took / calls * 1e6

    def stall(self, chunks: int) -> float:
        """From the last chunk that the caller gets to the end of its loop."""
        SERVER.chunks = chunks
        last = 0.0
        for _ in CLIENT.chat.completions.create(**STREAM):
            last = time.thread_time()
        return (time.thread_time() - last) * 1e6

    def held(self, chunks: int) -> float:
        """Bytes that a stream keeps for each chunk while it goes on."""
        return (self._kept(chunks) - self._kept(100)) / (chunks - 100)

    def _kept(self, chunks: int) -> int:
        SERVER.chunks = chunks
        kept = 0
        tracemalloc.start()
        for seen, _ in enumerate(CLIENT.chat.completions.create(**STREAM), 1):
            if seen == chunks:
                gc.collect()
                kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return kept

    def threads_1(self, calls: int) -> float:
        return self._threads(1, calls)

    def threads_8(self, calls: int) -> float:
        return self._threads(8, calls)

    def threads_32(self, calls: int) -> float:
        return self._threads(32, calls)

    def _threads(self, number: int, calls: int) -> float:
        each = max(1, calls // number)

        def work() -> None:
            for _ in range(each):
                self.watched.call()

        threads = [threading.Thread(target=work) for _ in range(number)]
        began = time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return (time.process_time() - began) / (each * number) * 1e6

    def streams(self, number: int) -> list[float]:
        """Microseconds and bytes per chunk of many streams that go on at once in one event loop."""
        return self.loop.run_until_complete(self._streams(number))

    async def _streams(self, number: int) -> list[float]:
        SERVER.chunks = 20
        open_ = [await ASYNC.chat.completions.create(**STREAM) for _ in range(number)]
        iterators = [aiter(stream) for stream in open_]
        await asyncio.gather(*[anext(iterator) for iterator in iterators])
        before, began = resident(), time.process_time()
        for _ in range(18):
            await asyncio.gather(*[anext(iterator) for iterator in iterators])
        took, grown = time.process_time() - began, resident() - before
        for stream in open_:
            closing = stream.close()
            if inspect.isawaitable(closing):  # one of the peers makes it none
                await closing
        return [took / number / 18 * 1e6, grown / number / 18]

    def scraped(self, _: int) -> int:
        """Bytes of a page of the registry."""
        import prometheus_client

        return len(prometheus_client.generate_latest())

    def resident(self, _: int) -> float:
        return resident() / 1e6

    def instructions(self, calls: int) -> float:
        """Under callgrind alone: counts start here, and each part is dumped to a file of its own.

        We read the headers of replies five times a second, which under callgrind is every call: so none, and then of each.
        """
        dump = self._counting()
        self.plain(calls)
        dump()
        for work in self.watched.rest:
            work()
        dump()
        self.stream(calls * 10)
        dump()
        self.stream(calls * 30)
        dump()
        ours: Any = sys.modules.get("otel_llm.calls.invocation", self)
        ours.REPLY_SECONDS = 0.0
        self.plain(calls)
        dump()
        return 0.0

    def misses(self, calls: int) -> float:
        """As ``instructions``, of plain calls alone."""
        dump = self._counting()
        self.plain(calls)
        dump()
        return 0.0

    def touched(self, calls: int) -> float:
        """As ``instructions``, of plain calls that each begin with an empty cache, and are dumped by themselves."""
        dump = self._counting()
        for _ in range(calls):
            self.counting.empty()
            self.plain(1)
            dump()
        return 0.0

    def later(self, calls: int) -> float:
        """As ``instructions``, of async calls, async chunks, and streams up to their first chunk, each dumped twice."""
        dump = self._counting()
        self.plain_async(30)
        self.stream_async(200)
        dump()
        self.plain_async(calls)
        dump()
        self.stream_async(calls * 10)
        dump()
        self.stream_async(calls * 30)
        dump()
        SERVER.chunks = 1
        for _ in range(calls):
            stream = CLIENT.chat.completions.create(**STREAM)
            next(iter(stream))
            dump()
            for _ in stream:
                pass
            dump()
        return 0.0

    def _counting(self) -> Callable[[], None]:
        """Begin to count, with caches that are warm, as they are in a service. Returns what dumps."""
        counting = ctypes.CDLL(os.environ["OTEL_LLM_BENCH_COUNTING"])
        ours: Any = sys.modules.get("otel_llm.calls.invocation", self)
        ours.REPLY_SECONDS = 3600.0
        self.plain(30)
        self.stream(200)
        self.watched.hold()
        self.rest(1)
        gc.disable()
        gc.set_threshold(1 << 30)  # past it, each object that is made takes a look at whether we disabled it
        self.counting = counting
        counting.begin()
        self.plain(5)
        counting.dump()
        dump: Callable[[], None] = counting.dump
        return dump


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    work = Work(Watched(sys.argv[1]))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, number = line.split()
        if name in ("held", "streams", "resident"):
            gc.collect()
        print(json.dumps(getattr(work, name)(int(number))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
