"""What a host can see of a client's objects beside their answers: their methods, copies, doubles, errors, and its own code inside."""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import pickle
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import httpx2
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
MESSAGES: Any = [{"role": "user", "content": "hi"}]
EVENT = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
EVENTS = {"content-type": "text/event-stream"}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture("openai", "ollama", "google_genai") as captured:
        yield captured


@pytest.fixture
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key", max_retries=0) as client:
        yield client


def async_client(server: Loopback) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="test-key", max_retries=0)


def answering(respond: Callable[[httpx2.Request], httpx2.Response]) -> openai.OpenAI:
    http = httpx2.Client(transport=httpx2.MockTransport(respond))
    return openai.OpenAI(base_url="http://llm/v1", api_key="test-key", max_retries=0, http_client=http)


def streamed(client: Any, model: str = "gpt-x-chunks-50") -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES, stream=True)


# the response below


async def test_its_methods_are_coroutine_functions(server: Loopback, captured: Captured) -> None:
    """Starlette's ``BackgroundTask(response.aclose)`` runs what is none in a thread, and never awaits it."""
    async with async_client(server) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="gpt-x-chunks-50", messages=MESSAGES, stream=True
        )
        for response in (raw.http_response, (await streamed(client)).response):
            assert inspect.iscoroutinefunction(response.aclose)
            assert inspect.iscoroutinefunction(response.aread)
            await response.aclose()
            assert response.is_closed
    assert [call.error_type for call in captured.calls] == ["abandoned"] * 2


async def test_a_read_that_is_cancelled_before_it_starts(server: Loopback, captured: Captured) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with async_client(server) as client:
            asked = client.chat.completions.with_streaming_response.create(model="gpt-x", messages=MESSAGES)
            async with asked as reply:
                reading = asyncio.ensure_future(reply.http_response.aread())
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
            assert captured.open == 0
    assert [call.error_type for call in captured.calls] == ["abandoned"]
    assert [str(warning.message) for warning in told] == []


@pytest.mark.parametrize(
    "copied",
    [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_of_an_open_response(client: openai.OpenAI, captured: Captured, copied: Callable[[Any], Any]) -> None:
    stream = streamed(client, "gpt-x")
    next(stream)
    found = copied(stream.response)
    assert type(found) is httpx2.Response
    assert not [name for name in vars(found) if "otel_llm" in name]
    assert captured.open == 1  # the stream is still followed
    list(stream)
    assert (captured.call.stream, captured.call.error_type) == (True, "")
    assert type(stream.response) is httpx2.Response


def test_a_double_keeps_its_class(captured: Captured) -> None:
    double = mock.MagicMock(
        spec=httpx2.Response, status_code=200, is_success=True, headers=httpx2.Headers(EVENTS), extensions={},
        request=httpx2.Request("POST", "http://llm"),
    )  # fmt: skip
    double.iter_bytes.side_effect = lambda *_: iter([EVENT, b"data: [DONE]\n\n"])
    with openai.OpenAI(base_url="http://llm/v1", api_key="test-key") as client:
        with mock.patch.object(client._client, "send", return_value=double):
            stream = streamed(client)
        assert isinstance(double, httpx2.Response)
        assert len(list(stream)) == 1
    assert double.close.called
    assert isinstance(double, httpx2.Response)
    assert captured.call.error_type == "connection"  # its events end without a finish reason


def test_the_encoding_of_a_text_can_still_be_set(captured: Captured) -> None:
    """``httpx`` refuses it once somebody has looked at the text."""
    plain = httpx2.Response(200, headers={"content-type": "text/plain"}, content="gr\xfcn".encode("latin-1"))
    with answering(lambda _: plain) as client:
        raw = client.audio.transcriptions.with_raw_response.create(
            model="whisper-x", file=("a.wav", b"x"), response_format="text"
        )
        raw.http_response.encoding = "latin-1"
        assert raw.http_response.text == "gr\xfcn"
    assert (captured.call.request_model, captured.call.error_type) == ("whisper-x", "")


# errors


class Stopped(BaseException):
    """As trio's ``Cancelled``: no error, and nobody's to catch."""


def test_a_cancellation_of_another_loop(captured: Captured) -> None:
    def respond(_: httpx2.Request) -> httpx2.Response:
        raise Stopped

    with answering(respond) as client, pytest.raises(Stopped):
        client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert captured.call.error_type == "cancelled"


def test_a_cancellation_of_another_loop_in_a_stream(captured: Captured) -> None:
    class Body(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield EVENT
            raise Stopped

    with answering(lambda _: httpx2.Response(200, headers=EVENTS, stream=Body())) as client:
        stream = streamed(client)
        next(stream)
        with pytest.raises(Stopped):
            next(stream)
    assert captured.call.error_type == "cancelled"


def test_what_is_thrown_into_a_generator(server: Loopback) -> None:
    """It gives its connection back, though the host keeps the error and so the frames."""

    def thrown() -> tuple[Any, ...]:
        client = ollama.Client(host=server.url)
        stream: Any = client.chat(model="llama-chunks-50", messages=MESSAGES, stream=True)
        next(stream)
        with pytest.raises(TimeoutError) as caught:
            stream.throw(TimeoutError("the host's"))
        held = len(client._client._transport._pool.connections)  # type: ignore[attr-defined]
        client._client.close()
        return held, str(caught.value), inspect.isgenerator(stream), stream.__name__, stream.__qualname__

    bare = thrown()
    with capture("ollama") as captured:
        assert thrown() == bare
        assert bare[0] == 0
        assert captured.call.error_type == "timeout"


# the host's own code inside of a call

INSIDE = [
    ("embeddings", "embedder-x", 8),
    ("generate_content", "gemini-inner", 100),
    ("generate_content", "gemini-x-tools", 200),
]


@asynccontextmanager
async def google(server: Loopback) -> AsyncIterator[genai.Client]:
    client = genai.Client(api_key="test-key", http_options={"base_url": server.url})
    yield client
    await client.aio.aclose()
    client.close()


def calling(tool: Callable[..., Any]) -> Any:
    return {"model": "gemini-x-tools", "contents": "hi", "config": types.GenerateContentConfig(tools=[tool])}


def asking(client: genai.Client) -> Callable[..., Any]:
    def weather(city: str) -> str:
        client.models.embed_content(model="embedder-x", contents=city)
        client.models.generate_content(model="gemini-inner", contents=city)
        return "sunny"

    return weather


def asking_async(client: genai.Client) -> Callable[..., Any]:
    async def weather(city: str) -> str:
        await client.aio.models.embed_content(model="embedder-x", contents=city)
        await client.aio.models.generate_content(model="gemini-inner", contents=city)
        return "sunny"

    return weather


def told(captured: Captured) -> list[tuple[Any, ...]]:
    return [(call.operation, call.request_model, call.input_tokens) for call in captured.calls]


async def test_calls_that_a_tool_makes(server: Loopback, captured: Captured) -> None:
    async with google(server) as client:
        client.models.generate_content(**calling(asking(client)))
        assert told(captured) == INSIDE
        captured.clear()
        assert list(client.models.generate_content_stream(**calling(asking(client))))
        assert told(captured)[:2] == INSIDE[:2]
        assert [call.stream for call in captured.calls] == [False, False, True]


@pytest.mark.parametrize("tool", [asking, asking_async])
async def test_calls_that_a_tool_of_an_async_call_makes(server: Loopback, captured: Captured, tool: Any) -> None:
    async with google(server) as client:
        await client.aio.models.generate_content(**calling(tool(client)))
        assert told(captured) == INSIDE


async def test_calls_of_a_task_that_a_tool_leaves_behind(server: Loopback, captured: Captured) -> None:
    ended, tasks = asyncio.Event(), []
    async with google(server) as client:

        async def after() -> None:
            await ended.wait()
            await client.aio.models.generate_content(model="gemini-after", contents="hi")

        async def weather(city: str) -> str:
            tasks.append(asyncio.create_task(after()))
            return f"{city} is sunny"

        await client.aio.models.generate_content(**calling(weather))
        ended.set()
        await asyncio.gather(*tasks)
    assert told(captured) == [("generate_content", "gemini-x-tools", 200), ("generate_content", "gemini-after", 100)]


PLACES = {
    "cohere": ("cohere.core.http_client", "_should_retry"),
    "google_genai": ("google.genai._extra_utils", "invoke_function_from_dict_args_async"),
}


@pytest.mark.parametrize("library", PLACES)
def test_a_copy_of_a_function_of_the_library(library: str) -> None:
    module, name = PLACES[library]
    with capture(library) as captured:
        function = getattr(importlib.import_module(module), name)
        assert f"{module}:{name}" in captured.installed[0].patched
        assert pickle.loads(pickle.dumps(function)) is copy.deepcopy(function) is function


def test_who_walks_the_stack_sees_the_library_s_own_names(client: openai.OpenAI, captured: Captured) -> None:
    """vertexai names the function that it was called through in a header of each request."""
    seen: list[str] = []

    def look(_request: httpx2.Request) -> None:
        frame = inspect.currentframe()
        while frame is not None:
            if frame.f_globals.get("__name__", "").startswith("openai."):
                seen.append(frame.f_code.co_name)
            frame = frame.f_back

    client._client.event_hooks["request"].append(look)
    client.chat.completions.create(model="m", messages=[])
    ours, seen[:] = [*seen], []
    for installed in captured.installed:
        installed.uninstall()
    client.chat.completions.create(model="m", messages=[])
    assert list(dict.fromkeys(ours)) == list(dict.fromkeys(seen))
    assert "request" in seen
