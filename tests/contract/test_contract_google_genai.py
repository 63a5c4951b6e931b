"""google-genai under the contract: content, chats and interactions, on the Gemini API and on Vertex AI."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from contract import Bench, Contract, Kit, drained
from contract_content import ARGUMENTS, INSTRUCTION, TEXT, said
from google import genai
from google.genai import types
from google.genai.client import AsyncClient
from google.genai.models import Models

pytestmark = [pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")]
if not hasattr(AsyncClient, "aclose"):  # the oldest versions leave their connections to the collector
    pytestmark += [pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")]
MESSAGE = "hi"


def make(url: str, *, vertexai: bool = False, **options: Any) -> genai.Client:
    return genai.Client(api_key="test-key", vertexai=vertexai, http_options=types.HttpOptions(base_url=url, **options))


def over_httpx(client: genai.Client) -> genai.Client:
    """The client without aiohttp, which it takes for its async side wherever that is installed."""
    client._api_client._use_aiohttp = lambda: False  # type: ignore[method-assign]
    return client


def _close(client: genai.Client) -> None:
    if hasattr(client, "close"):
        client.close()


async def _aclose(client: genai.Client) -> None:
    if hasattr(client.aio, "aclose"):
        await client.aio.aclose()
    _close(client)


def close(client: genai.Client) -> Any:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _close(client)
    return _aclose(client)


def content(client: genai.Client, model: str, **config: Any) -> Any:
    return client.models.generate_content(model=model, contents=MESSAGE, config=config or None)


def content_async(client: genai.Client, model: str) -> Any:
    return client.aio.models.generate_content(model=model, contents=MESSAGE)


RETRYING = {
    "retry_options": types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.002, jitter=0.001)
} if hasattr(types, "HttpRetryOptions") else {}  # fmt: skip
VERSION = tuple(int(part) for part in genai.__version__.split(".")[:2])
GENERATED_INTERACTIONS = VERSION >= (2, 0)  # 1.x warns of its interactions
shows_all = pytest.mark.skipif(VERSION < (2, 18), reason="it hides the first stream of two")
COMMON: dict[str, Any] = {
    "library": "google_genai",
    "provider": "gcp.gemini",
    "model": "gemini-x",
    "make": lambda url: make(url, **RETRYING),
    "make_async": make,
    "close": close,
    "cached": (100, 30, 0),
    "cut_error": ("connection", "parse", "_OTHER", ""),
    "retried": "fail-429-2" if RETRYING else None,
}


class Google:
    def may_miss(self) -> set[str]:
        """Methods that came after the oldest version."""
        late = () if hasattr(Models, "segment_image") else ("recontext_image", "segment_image")
        return {f"google.genai.models:{owner}.{name}" for owner in ("Models", "AsyncModels") for name in late}


class TestContent(Google, Contract):
    kit = Kit(
        **COMMON,
        operation="generate_content",
        plain=content,
        plain_async=content_async,
        stream=lambda client, model: client.models.generate_content_stream(model=model, contents=MESSAGE),
        stream_async=lambda client, model: client.aio.models.generate_content_stream(model=model, contents=MESSAGE),
        instructed=lambda client, model: content(client, model, system_instruction=INSTRUCTION),
    )

    def test_content_of_the_librarys_own_objects(self, server: Any) -> None:
        """Contents and parts, as objects and as mappings, with what a function was asked and answered."""
        asked = types.Part(function_call=types.FunctionCall(id="c1", name="get_weather", args=ARGUMENTS))
        answered = {"function_response": {"id": "c1", "name": "get_weather", "response": {"result": "sunny"}}}
        picture = types.Part.from_bytes(data=b"x", mime_type="image/png")
        conversation: Any = [
            types.Content(role="user", parts=[types.Part(text=MESSAGE), picture]),
            types.Content(role="model", parts=[asked]),
            {"role": "user", "parts": [answered]},
        ]
        told = self.content_of(
            server, lambda client, model: client.models.generate_content(model=model, contents=conversation)
        )["gen_ai.input.messages"]
        assert [message["role"] for message in told] == ["user", "assistant", "user"]
        assert told[0]["parts"] == [{"type": "text", "content": MESSAGE}, {"type": "blob"}]
        assert told[1]["parts"] == [{"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": ARGUMENTS}]
        assert told[2]["parts"] == [{"type": "tool_call_response", "id": "c1", "response": {"result": "sunny"}}]

    def test_content_of_thoughts(self, server: Any) -> None:
        for ask in (self.kit.plain, self.whole(self.kit.stream)):
            (message,) = self.content_of(server, ask, "-thinking")["gen_ai.output.messages"]
            assert message["parts"][0] == {"type": "reasoning", "content": "Let me think."}
            assert said(message) == TEXT


class TestVertexOverHttpx(Google, Contract):
    """Vertex AI, its async side without aiohttp."""

    kit = Kit(
        **{
            **COMMON,
            "provider": "gcp.vertex_ai",
            "make": lambda url: make(url, **RETRYING, vertexai=True),
            "make_async": lambda url: over_httpx(make(url, vertexai=True)),
        },
        operation="generate_content",
        plain=content,
        plain_async=content_async,
        stream=lambda client, model: client.models.generate_content_stream(model=model, contents=MESSAGE),
        stream_async=lambda client, model: client.aio.models.generate_content_stream(model=model, contents=MESSAGE),
    )


class TestChats(Google, Contract):
    kit = Kit(
        **COMMON,
        plain=lambda client, model: client.chats.create(model=model).send_message(MESSAGE),
        plain_async=lambda client, model: client.aio.chats.create(model=model).send_message(MESSAGE),
        stream=lambda client, model: client.chats.create(model=model).send_message_stream(MESSAGE),
        stream_async=lambda client, model: client.aio.chats.create(model=model).send_message_stream(MESSAGE),
        switches=False,  # a chat holds its model
    )


class TestInteractions(Google, Contract):
    kit = Kit(
        **{**COMMON, "make_async": lambda url: make(url, **RETRYING)},
        plain=lambda client, model: client.interactions.create(model=model, input=MESSAGE),
        plain_async=lambda client, model: client.aio.interactions.create(model=model, input=MESSAGE),
        stream=lambda client, model: client.interactions.create(model=model, input=MESSAGE, stream=True),
        stream_async=lambda client, model: client.aio.interactions.create(model=model, input=MESSAGE, stream=True),
        raw=lambda client, model: client.interactions.with_raw_response.create(model=model, input=MESSAGE).parse(),
    )


if not GENERATED_INTERACTIONS:
    del TestInteractions


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}."


@pytest.fixture
def client(server: Any) -> Any:
    made = make(server.url)
    yield made
    _close(made)


class TestSpecifics(Google, Contract):
    """What the library does beyond one request and one answer."""

    kit = Kit(library="google_genai", provider="gcp.gemini")

    def test_functions_called_by_the_library_are_one_operation(self, bench: Bench, client: genai.Client) -> None:
        reply = content(client, "gemini-x-tools", tools=[get_weather])
        assert reply.text == "Hello from the loopback server."
        self.check_two_requests(bench, "generate_content")

    @shows_all
    def test_streamed_functions_are_one_operation(self, bench: Bench, client: genai.Client) -> None:
        config: Any = {"tools": [get_weather]}
        list(client.models.generate_content_stream(model="gemini-x-tools", contents=MESSAGE, config=config))
        self.check_two_requests(bench, "generate_content")

    def test_functions_in_a_chat_are_one_operation(self, bench: Bench, client: genai.Client) -> None:
        chat = client.chats.create(model="gemini-x-tools", config={"tools": [get_weather]})
        assert chat.send_message(MESSAGE).text == "Hello from the loopback server."
        self.check_two_requests(bench, "chat")

    @shows_all
    def test_streamed_functions_in_a_chat_are_one_operation(self, bench: Bench, client: genai.Client) -> None:
        chat = client.chats.create(model="gemini-x-tools", config={"tools": [get_weather]})
        list(chat.send_message_stream(MESSAGE))
        self.check_two_requests(bench, "chat")

    @shows_all
    async def test_functions_are_one_operation_async(self, bench: Bench, client: genai.Client) -> None:
        config: Any = {"tools": [get_weather]}
        await client.aio.models.generate_content(model="gemini-x-tools", contents=MESSAGE, config=config)
        self.check_two_requests(bench, "generate_content")
        bench.captured.clear()
        bench.spans.clear()
        chat = client.aio.chats.create(model="gemini-x-tools", config=config)
        await drained(chat.send_message_stream(MESSAGE))
        self.check_two_requests(bench, "chat")
        await _aclose(client)

    def check_two_requests(self, bench: Bench, operation: str) -> None:
        call = bench.ended_once()
        assert len(bench.server.requests) >= 2
        assert (call.operation, call.error_type) == (operation, "")
        assert (call.input_tokens, call.output_tokens) == (200, 40)
        assert bench.span.attributes["otel_llm.request.count"] == 2
        assert call.finish_reasons == ("stop",)

    def test_embeddings(self, bench: Bench, client: genai.Client) -> None:
        client.models.embed_content(model="gemini-embed-x", contents=["a", "b"], config={"output_dimensionality": 3})
        call = bench.ended_once()
        assert (call.operation, call.request_model) == ("embeddings", "gemini-embed-x")
        told = "usage_metadata" in types.EmbedContentResponse.model_fields  # since 3.0
        assert (call.input_tokens, call.output_tokens) == (8 if told else None, None)
        assert bench.span.attributes["gen_ai.embeddings.dimension.count"] == 3

    def test_images_have_no_tokens_to_miss(self, bench: Bench) -> None:
        vertex = make(bench.server.url, vertexai=True)
        with warnings.catch_warnings(action="ignore"):
            vertex.models.generate_images(model="imagen-x", prompt="a cat", config={"number_of_images": 1})
        call = bench.ended_once()
        assert (call.operation, call.usage_unknown) == ("image_generation", "")
        _close(vertex)

    def test_modalities(self, bench: Bench, client: genai.Client) -> None:
        content(client, "gemini-x-audio-image")
        call = bench.ended_once()
        assert {(way, kind): count for way, kind, count in call.modalities} == {
            ("input", "text"): 35, ("input", "audio"): 40, ("input", "image"): 25,
            ("output", "text"): 5, ("output", "audio"): 15,
        }  # fmt: skip

    def test_what_was_asked_is_on_the_span(self, bench: Bench, client: genai.Client) -> None:
        content(client, "models/gemini-x", temperature=0.5, top_k=3, max_output_tokens=9, stop_sequences=["end"],
                response_mime_type="application/json")  # fmt: skip
        asked = {key.removeprefix("gen_ai."): value for key, value in bench.span.attributes.items()}
        assert asked["request.model"] == "gemini-x"
        assert (asked["request.temperature"], asked["request.top_k"], asked["request.max_tokens"]) == (0.5, 3, 9)
        assert (asked["request.stop_sequences"], asked["output.type"]) == (("end",), "json")

    def test_a_blocked_prompt_is_filtered(self, bench: Bench, client: genai.Client) -> None:
        content(client, "gemini-x-refusal")
        assert bench.ended_once().finish_reasons == ("content_filter",)
