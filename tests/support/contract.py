"""What every client library must be like under us: the same for the host, and each call observed once.

A provider's test file names a ``Kit`` and subclasses ``Contract``; all scenarios are here, written once.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import conformance
import pytest
from contract_content import TEXT, ContentScenarios, needs
from contract_cost import CostScenarios
from contract_guard import GuardScenarios
from contract_words import WordScenarios
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_llm import clients
from otel_llm.calls.declarations import Replace, Retry
from otel_llm.core.guard import Guard
from otel_llm.core.model import Reader
from otel_llm.core.series import ERROR_TYPES
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

Make = Callable[[str], Any]  # base URL of the loopback -> client
Ask = Callable[[Any, str], Any]  # client, model -> what the SDK returns


@dataclass(frozen=True, kw_only=True)
class Kit:
    """How to use one client library. What a library does not have is None, and its scenarios are not collected."""

    library: str  # the declaration's name
    provider: str  # gen_ai.provider.name of calls to the loopback
    operation: str = "chat"
    make: Make | None = None
    make_async: Make | None = None
    plain: Ask | None = None
    plain_async: Ask | None = None
    stream: Ask | None = None  # returns what is iterated
    stream_async: Ask | None = None  # awaits to (or is) what is iterated
    manager: Ask | None = None  # a context manager of a stream
    manager_async: Ask | None = None
    raw: Ask | None = None  # performs and parses a raw call
    raw_async: Ask | None = None
    usage: tuple[int, int] = (100, 20)
    stream_usage: tuple[int | None, int | None] = (100, 20)
    thinking: tuple[int, int] | None = (84, 64)  # output tokens, thinking tokens for the model "thinking"
    cached: tuple[int, int, int] | None = (100, 30, 10)  # input, read, write for the model "cached"
    model: str = "gpt-x"
    retried: str | None = "fail-429-2"  # a model whose first two requests are refused; None where the SDK never retries
    statuses: tuple[tuple[int, str], ...] = (
        (400, "invalid_request"), (401, "authentication"), (403, "permission"), (404, "not_found"), (500, "server_error"),
    )  # fmt: skip
    cut_error: tuple[str, ...] = (
        "connection",
    )  # error types of a stream that is cut; "" where the SDK does not notice
    close: Callable[[Any], Any] | None = None  # how to close a client; sync or async
    # the server, a context manager; not the loopback where the protocol is not HTTP
    serve: Callable[[], Any] = Loopback
    address: str = "127.0.0.1"  # server.address of its calls; empty where the client does not tell
    faults: tuple[str, ...] = ("malformed", "empty", "sse-error", "cut-3", "drop")  # that the server can have
    talk: Ask | None = None  # sends ``contract_content.CONVERSATION``
    instructed: Ask | None = None  # sends a system instruction beside the messages
    content: bool = True  # messages are captured, where that is asked for
    answers: str = TEXT  # what it says, as it is captured; empty where the library's answers are not
    calls_tools: bool = True
    switches: bool = True  # a guard can send its calls to another model
    prefix: str = ""  # of models' names as callers write them
    greets: str = r"^$"  # what a client asks for when it is made: paths that match

    def has(self, *names: str) -> bool:
        return all(getattr(self, name) not in (None, "", False) for name in names)


class Seen:
    """What a host sees of a call: the type, the dump and the error, comparable between bare and watched."""

    @staticmethod
    def of(value: Any) -> Any:
        if isinstance(value, list):
            return [Seen.of(item) for item in value]
        if isinstance(value, tuple):
            return tuple(Seen.of(item) for item in value)
        dump = getattr(value, "model_dump", None)
        if callable(dump):
            return type(value).__qualname__, _stable(dump(warnings=False))
        return type(value).__qualname__, _stable(value)


def _stable(value: Any) -> Any:
    """Without what differs from call to call by nature: ids and times."""
    if isinstance(value, dict):
        return {key: _stable(part) for key, part in value.items() if key not in _VARYING}
    if isinstance(value, (list, tuple)):
        return [_stable(part) for part in value]
    if isinstance(value, str):
        return re.sub(r"\d{8}", "#", value)
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    return repr(type(value))


_VARYING = {
    "id",
    "created",
    "created_at",
    "item_id",
    "response_id",
    "sequence_number",
    "completed_at",
    "_request_id",
    "generation_id",
}
_HEADERS = {"traceparent", "tracestate", "baggage", "idempotency-key", "x-stainless-read-timeout", "amz-sdk-invocation-id", "x-amz-date",
            "authorization", "x-idempotency-key", "content-length", "x-amzn-trace-id", "x-ms-client-request-id"}  # fmt: skip


@dataclass
class Bench:
    """A loopback, an in-memory span exporter and the captured calls."""

    server: Loopback
    spans: InMemorySpanExporter
    captured: Captured

    @property
    def span(self) -> Any:
        gc.collect()
        spans = [span for span in self.spans.get_finished_spans() if span.instrumentation_scope.name == "contract"]
        assert len(spans) == 1, [span.name for span in spans]
        return spans[0]

    def ended_once(self) -> Any:
        """The one call, after all that may end it late has been collected."""
        call = self.captured.call
        assert self.captured.open == 0
        assert self.span.end_time is not None
        return call


class Contract(ContentScenarios, CostScenarios, GuardScenarios, WordScenarios):
    """The scenarios. ``kit`` is the subclass's."""

    kit: ClassVar[Kit]

    @pytest.fixture
    def server(self) -> Any:
        with self.kit.serve() as server:
            yield server

    @pytest.fixture
    def bench(self, server: Loopback) -> Any:
        exporter = InMemorySpanExporter()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(exporter))
        with capture(self.kit.library, tracer=traces.get_tracer("contract")) as captured:
            yield Bench(server, exporter, captured)
        ours = [span for span in exporter.get_finished_spans() if span.name != "caller"]  # which is the test's own
        conformance.assert_conform(ours)
        traces.shutdown()

    # one call of each shape

    @needs("make", "plain")
    def test_plain(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: self.kit.plain(client, self.kit.model))
        self.check_success(bench, *self.kit.usage)

    @needs("make_async", "plain_async")
    async def test_plain_async(self, bench: Bench) -> None:
        await with_async_client(self.kit, bench.server.url, lambda client: self.kit.plain_async(client, self.kit.model))
        self.check_success(bench, *self.kit.usage)

    @needs("make", "stream")
    def test_stream(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: list(self.kit.stream(client, self.kit.model)))
        call = self.check_success(bench, *self.kit.stream_usage)
        assert call.stream
        assert call.first_chunk is not None
        assert 0 < call.first_chunk <= call.duration
        assert sum(count for _, count in call.chunk_gaps) >= 3

    @needs("make_async", "stream_async")
    async def test_stream_async(self, bench: Bench) -> None:
        await with_async_client(
            self.kit, bench.server.url, lambda client: drained(self.kit.stream_async(client, self.kit.model))
        )
        call = self.check_success(bench, *self.kit.stream_usage)
        assert call.stream
        assert call.first_chunk is not None

    @needs("make", "manager")
    def test_manager(self, bench: Bench) -> None:

        def use(client: Any) -> None:
            with self.kit.manager(client, self.kit.model) as stream:
                list(stream)

        with_client(self.kit, bench.server.url, use)
        self.check_success(bench, *self.kit.stream_usage)

    @needs("make_async", "manager_async")
    async def test_manager_async(self, bench: Bench) -> None:

        async def use(client: Any) -> None:
            async with self.kit.manager_async(client, self.kit.model) as stream:
                async for _ in stream:
                    pass

        await with_async_client(self.kit, bench.server.url, use)
        self.check_success(bench, *self.kit.stream_usage)

    @needs("make", "raw")
    def test_raw(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: self.kit.raw(client, self.kit.model))
        self.check_success(bench, *self.kit.usage)

    @needs("make_async", "raw_async")
    async def test_raw_async(self, bench: Bench) -> None:
        await with_async_client(self.kit, bench.server.url, lambda client: self.kit.raw_async(client, self.kit.model))
        self.check_success(bench, *self.kit.usage)

    # tokens as the provider means them

    @needs("make", "plain", "thinking")
    def test_thinking_is_part_of_output(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: self.kit.plain(client, f"{self.kit.model}-thinking"))
        call = bench.ended_once()
        assert (call.output_tokens, call.thinking_tokens) == self.kit.thinking

    @needs("make", "plain", "cached")
    def test_cached_is_part_of_input(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: self.kit.plain(client, f"{self.kit.model}-cached"))
        call = bench.ended_once()
        read, written = call.cache_read_tokens, call.cache_write_tokens
        assert (call.input_tokens, read, written or 0) == self.kit.cached

    @needs("make", "plain")
    def test_no_usage_is_unknown_and_not_zero(self, bench: Bench) -> None:
        with_client(
            self.kit, bench.server.url, lambda client: attempt(self.kit.plain, client, f"{self.kit.model}-nousage")
        )
        call = bench.ended_once()
        if not call.error_type:
            assert (call.input_tokens, call.output_tokens) == (None, None)
            assert call.usage_unknown

    # streams that end early

    @needs("make", "stream")
    def test_left_early(self, bench: Bench) -> None:

        def use(client: Any) -> None:
            stream = self.kit.stream(client, f"{self.kit.model}-chunks-50")
            for _ in stream:
                break
            _method(stream, "close", "__exit__")()

        with_client(self.kit, bench.server.url, use)
        assert bench.ended_once().error_type == "abandoned"

    @needs("make_async", "stream_async")
    async def test_left_early_async(self, bench: Bench) -> None:

        async def use(client: Any) -> None:
            stream = await opened(self.kit.stream_async(client, f"{self.kit.model}-chunks-50"))
            async for _ in stream:
                break
            closing = _method(stream, "aclose", "close", "__aexit__")()
            if inspect.isawaitable(closing):
                await closing

        await with_async_client(self.kit, bench.server.url, use)
        assert bench.ended_once().error_type == "abandoned"

    @needs("make", "stream")
    def test_dropped(self, bench: Bench) -> None:

        def use(client: Any) -> None:
            stream = self.kit.stream(client, f"{self.kit.model}-chunks-50")
            next(iter(stream))
            del stream
            gc.collect()

        with_client(self.kit, bench.server.url, use)
        assert bench.ended_once().error_type == "abandoned"

    @needs("make", "stream")
    def test_cut_by_the_server(self, bench: Bench) -> None:
        with_client(
            self.kit,
            bench.server.url,
            lambda client: attempt(lambda c, m: list(self.kit.stream(c, m)), client, f"{self.kit.model}-cut-3"),
        )
        assert bench.ended_once().error_type in self.kit.cut_error

    @needs("make_async", "plain_async")
    async def test_cancelled(self, bench: Bench) -> None:

        async def use(client: Any) -> None:
            task = asyncio.ensure_future(self.kit.plain_async(client, f"{self.kit.model}-hang"))
            await asyncio.to_thread(bench.server.wait_for, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        await with_async_client(self.kit, bench.server.url, use)
        assert bench.ended_once().error_type == "cancelled"

    # refusals

    @needs("make", "plain")
    def test_refused(self, bench: Bench) -> None:
        for status, expected in self.kit.statuses:
            model = f"{self.kit.model}-fail-{status}-noretry"
            with_client(
                self.kit,
                bench.server.url,
                lambda client, model=model: attempt(self.kit.plain, client, model, fails=True),
            )
            call = bench.ended_once()
            assert call.error_type == expected, status
            assert call.error_type in ERROR_TYPES
            span = bench.span
            assert span.attributes["error.type"] == expected
            assert span.attributes["exception.type"]
            assert not span.status.is_ok
            assert span.status.description in span.attributes["exception.type"]
            bench.captured.clear()
            bench.spans.clear()

    @needs("make_async", "plain_async")
    async def test_refused_async(self, bench: Bench) -> None:
        model = f"{self.kit.model}-fail-400"
        await with_async_client(
            self.kit, bench.server.url, lambda client: attempt_async(self.kit.plain_async, client, model)
        )
        assert bench.ended_once().error_type == "invalid_request"

    @needs("make", "plain", "retried")
    def test_retries_are_one_call(self, bench: Bench) -> None:
        with_client(
            self.kit, bench.server.url, lambda client: self.kit.plain(client, f"{self.kit.model}-{self.kit.retried}")
        )
        call = bench.ended_once()
        assert call.error_type == ""
        assert bench.captured.count("otel_llm_retries_total", "rate_limit") == 2
        assert bench.span.attributes["http.request.resend_count"] == 2

    # the host

    @needs("make", "plain")
    def test_the_host_sees_the_same(self, server: Loopback) -> None:
        asks = [ask for ask in (self.kit.plain, self.kit.raw, self.whole(self.kit.stream)) if ask is not None]
        words = ("thinking", "cached", "tools", "nousage", "length", "fail-400", "fail-500-noretry", *self.kit.faults)
        models = [self.kit.model, *(f"{self.kit.model}-{word}" for word in words if word != "drop")]
        cases = [(ask, model) for ask in asks for model in models]
        cases += [(asks[0], f"{self.kit.model}-drop")] if "drop" in words else []

        def all_of(client: Any) -> list[Any]:
            return [self.outcome(ask, client, model) for ask, model in cases]

        bare = with_client(self.kit, server.url, all_of)
        wire = [wired(request) for request in server.requests]
        server.clear()
        with capture(self.kit.library) as captured:
            seen = with_client(self.kit, server.url, all_of)
            assert len(captured.calls) == len(cases), captured.calls
        assert_same(seen, bare)
        assert_same([wired(request) for request in server.requests], wire)

    @needs("make_async", "plain_async")
    async def test_the_host_sees_the_same_async(self, server: Loopback) -> None:

        async def all_of(client: Any) -> list[Any]:
            asks = [self.kit.plain_async, self.kit.raw_async, self.whole_async(self.kit.stream_async)]
            models = [
                self.kit.model,
                *(
                    f"{self.kit.model}-{word}"
                    for word in ("tools", "fail-400", *self.kit.faults)
                    if word not in ("sse-error", "drop")
                ),
            ]
            return [await self.outcome_async(ask, client, model) for ask in asks if ask is not None for model in models]

        bare = await with_async_client(self.kit, server.url, all_of)
        server.clear()
        with capture(self.kit.library):
            seen = await with_async_client(self.kit, server.url, all_of)
        assert_same(seen, bare)

    @needs("make", "plain")
    def test_our_bugs_hurt_nobody(self, server: Loopback) -> None:
        asks = [ask for ask in (self.kit.plain, self.whole(self.kit.stream)) if ask is not None]
        bare = with_client(
            self.kit, server.url, lambda client: [self.outcome(ask, client, self.kit.model) for ask in asks]
        )
        with capture(self.kit.library, price=_raise, sinks=(_Buggy(),)) as captured:
            Guard.strict = False
            errors = sum(Guard.errors.values())
            seen = with_client(
                self.kit, server.url, lambda client: [self.outcome(ask, client, self.kit.model) for ask in asks]
            )
            assert seen == bare
            assert captured.open == 0
            assert len(captured.calls) == len(asks)
            assert sum(Guard.errors.values()) >= errors + 3 * len(asks)

    def test_uninstrumenting_restores_the_very_same(self) -> None:
        before = self.patched()
        with capture(self.kit.library) as captured:
            assert not [
                name for installed in captured.installed for name in installed.missing if name not in self.may_miss()
            ]
            assert captured.installed[0].patched
            assert self.patched() != before
        assert self.patched() == before

    @needs("make", "stream")
    def test_the_callers_span_is_current_again(self, bench: Bench) -> None:
        from opentelemetry import trace

        caller = bench_tracer(bench).start_span("caller")
        with trace.use_span(caller, end_on_exit=True):

            def use(client: Any) -> None:
                for _ in self.kit.stream(client, self.kit.model):
                    assert trace.get_current_span() is caller
                assert trace.get_current_span() is caller

            with_client(self.kit, bench.server.url, use)
        spans = {span.name: span for span in bench.spans.get_finished_spans()}
        child = next(span for name, span in spans.items() if name != "caller")
        assert child.parent.span_id == caller.get_span_context().span_id

    @needs("make", "plain")
    def test_metrics_do_not_need_spans(self, server: Loopback) -> None:
        tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("contract")
        with capture(self.kit.library, tracer=tracer) as captured:
            with_client(self.kit, server.url, lambda client: self.kit.plain(client, self.kit.model))
            assert (captured.call.input_tokens, captured.call.output_tokens) == self.kit.usage
            assert captured.call.trace_id == ""

    # helpers

    def may_miss(self) -> set[str]:
        """Hooks that this version of the library does not have: those that another stands in for, and what a kit adds."""
        retries = [hook for hook in clients.load(self.kit.library).hooks if isinstance(hook, Retry)]
        replaced = {(hook.module, hook.unless) for hook in retries}
        return {
            f"{hook.module}:{target}"
            for hook in retries
            if any((hook.module, target) in replaced for target in hook.targets)
            for target in hook.targets
        }

    def patched(self) -> list[Any]:
        found = []
        for hook in clients.load(self.kit.library).hooks:
            if importlib.util.find_spec(hook.module.split(".")[0]) is None or not _there(hook.module):
                continue
            module = importlib.import_module(hook.module)
            for target in (hook.target,) if isinstance(hook, Replace) else hook.targets:
                *path, name = target.split(".")
                parent: Any = module
                for part in path:
                    parent = getattr(parent, part, None)
                value = None if parent is None else vars(parent).get(name)
                function = getattr(value, "__func__", value)  # around it in place, its code is another
                found.append((target, id(value), id(getattr(function, "__code__", None))))
        return found

    def check_success(self, bench: Bench, input_tokens: int | None, output_tokens: int | None) -> Any:
        call, span = bench.ended_once(), bench.span
        assert call.error_type == ""
        assert (call.provider, call.operation, call.request_model) == (
            self.kit.provider,
            self.kit.operation,
            self.kit.model,
        )
        assert (call.input_tokens, call.output_tokens) == (input_tokens, output_tokens)
        assert bool(call.usage_unknown) is (input_tokens is None and output_tokens is None)
        assert call.server_address == self.kit.address
        assert call.duration > 0
        assert span.name == f"{self.kit.operation} {self.kit.model}"
        assert span.kind.name == "CLIENT"
        attributes = span.attributes
        assert attributes["gen_ai.provider.name"] == self.kit.provider
        assert attributes["gen_ai.operation.name"] == self.kit.operation
        assert attributes["gen_ai.request.model"] == self.kit.model
        assert attributes.get("gen_ai.usage.input_tokens") == input_tokens
        assert attributes.get("gen_ai.usage.output_tokens") == output_tokens
        assert "error.type" not in attributes
        assert call.trace_id == format(span.context.trace_id, "032x")
        return call

    @staticmethod
    def whole_async(ask: Ask | None) -> Ask | None:
        return None if ask is None else lambda client, model: drained(ask(client, model))

    @staticmethod
    def outcome(ask: Ask, client: Any, model: str) -> Any:
        try:
            return Seen.of(ask(client, model))
        except Exception as error:
            return type(error).__qualname__, varied(str(error))

    @staticmethod
    async def outcome_async(ask: Ask, client: Any, model: str) -> Any:
        try:
            return Seen.of(await ask(client, model))
        except Exception as error:
            return type(error).__qualname__, varied(str(error))


def assert_same(seen: list[Any], bare: list[Any]) -> None:
    """Equal, and if not, where."""
    for index, (ours, theirs) in enumerate(zip(seen, bare, strict=True)):
        assert ours == theirs, f"scenario {index}:\n{ours}\n{theirs}"


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def varied(text: str) -> str:
    """An error's text without the ids and ports in it."""
    return re.sub(r"0x[0-9a-f]+|[0-9a-f-]{16,}|req_\w+|:\d{4,5}\b", "", text)


def _raise(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug of ours")


class _Buggy:
    """A sink full of bugs, which makes readers as bad as itself."""

    def opened(self, call: Any) -> None:
        call.request.reader = Reader(_raise, _raise)
        call.read_chunk = _raise
        raise RuntimeError("a bug of ours")

    def closed(self, call: Any, seen: Any) -> None:
        raise RuntimeError("a bug of ours")


def bench_tracer(bench: Bench) -> Any:
    return bench.captured.observer.sinks[0]._tracer


def wired(request: Any) -> Any:
    headers = {key: value for key, value in request.headers.items() if key.lower() not in _HEADERS and key != "host"}
    return request.method, request.path, headers, request.body if isinstance(request.body, dict) else None


def attempt(ask: Ask, client: Any, model: str, *, fails: bool = False) -> Any:
    try:
        result = ask(client, model)
    except Exception as error:
        return error
    assert not fails, f"{model} did not fail"
    return result


async def attempt_async(ask: Ask, client: Any, model: str) -> Any:
    try:
        return await ask(client, model)
    except Exception as error:
        return error


async def opened(stream: Any) -> Any:
    return await stream if inspect.isawaitable(stream) else stream


async def drained(stream: Any) -> list[Any]:
    return [item async for item in await opened(stream)]


def with_client(kit: Kit, url: str, use: Callable[[Any], Any]) -> Any:
    """Use a fresh client, and close it: warnings about unclosed sockets are errors here."""
    client = kit.make(url)
    try:
        return use(client)
    finally:
        _closing(kit, client, "close", "__exit__")()


async def with_async_client(kit: Kit, url: str, use: Callable[[Any], Awaitable[Any]]) -> Any:
    client = kit.make_async(url)
    try:
        return await use(client)
    finally:
        closed = _closing(kit, client, "aclose", "close", "__aexit__")()
        if inspect.isawaitable(closed):
            await closed


def _closing(kit: Kit, client: Any, *names: str) -> Callable[[], Any]:
    return _method(client, *names) if kit.close is None else lambda: kit.close(client)


def _method(of: Any, *names: str) -> Callable[[], Any]:
    for name in names:
        method = getattr(of, name, None)
        if callable(method):
            return partial(method, None, None, None) if name.startswith("__") else method
    return lambda: None
