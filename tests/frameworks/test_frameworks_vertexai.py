"""vertexai under the contract: over REST to the loopback, and over gRPC to what stands in front of it."""

from __future__ import annotations

import gc
import json
from typing import Any

import grpc
import pytest
import vertexai
from contract import Bench, Contract, Kit
from fake_vertex import Front
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as vertex
from google.cloud.aiplatform_v1.services.prediction_service.transports import (
    PredictionServiceGrpcAsyncIOTransport,
    PredictionServiceGrpcTransport,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from vertexai.generative_models import Content, FunctionDeclaration, GenerationConfig, GenerativeModel, Part, Tool
from vertexai.language_models import TextEmbeddingModel
from vertexai.preview import generative_models as preview
from vertexai.vision_models import ImageGenerationModel

from otel_llm.core.config import Config
from otel_llm.outputs.messages import Content as Recorded
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

MESSAGE = "hi"


@pytest.fixture(scope="module", autouse=True)
def _freeze() -> None:
    """Leave what the library has loaded out of the collections that the scenarios ask for: they take seconds otherwise."""
    gc.collect()
    gc.freeze()


def init(endpoint: str, transport: str) -> None:
    vertexai.init(
        project="p-1", location="us-central1", api_endpoint=endpoint, api_transport=transport,
        credentials=AnonymousCredentials(),
    )  # fmt: skip


def over(model: Any, name: str, client: Any) -> Any:
    """The model with ``client`` where it keeps its own: a cached property, or a property over an attribute."""
    model.__dict__.update({name: client, f"{name}_value": client})
    return model


class Rest:
    """Models over REST, as ``vertexai.init(api_transport="rest")`` has it."""

    def __init__(self, url: str) -> None:
        init(url, "rest")

    def model(self, name: str, **options: Any) -> Any:
        return GenerativeModel(name, **options)


class Grpc:
    """Models whose real client is on a channel without TLS."""

    def __init__(self, url: str) -> None:
        self.front = Front(url)
        init(self.front.host, "grpc")
        self.channel = grpc.insecure_channel(self.front.host)
        self.client = vertex.PredictionServiceClient(transport=PredictionServiceGrpcTransport(channel=self.channel))

    def model(self, name: str, **options: Any) -> Any:
        return over(GenerativeModel(name, **options), "_prediction_client", self.client)

    def close(self) -> None:
        self.channel.close()
        self.front.stop()


class AsyncGrpc:
    """The same on asyncio."""

    def __init__(self, url: str) -> None:
        self.front = Front(url)
        init(self.front.host, "grpc")
        self.channel = grpc.aio.insecure_channel(self.front.host)
        transport = PredictionServiceGrpcAsyncIOTransport(channel=self.channel)
        self.client = vertex.PredictionServiceAsyncClient(transport=transport)

    def model(self, name: str, **options: Any) -> Any:
        return over(GenerativeModel(name, **options), "_prediction_async_client", self.client)

    async def close(self) -> None:
        await self.channel.close()
        self.front.stop()


THINKS = "thoughts_token_count" in vertex.GenerateContentResponse.UsageMetadata.meta.fields
CACHES = "cached_content_token_count" in vertex.GenerateContentResponse.UsageMetadata.meta.fields
COMMON: dict[str, Any] = {
    "library": "vertexai",
    "provider": "gcp.vertex_ai",
    "model": "gemini-x",
    "retried": None,
    "thinking": (84, 64) if THINKS else None,
    "cached": (100, 30, 0) if CACHES else None,
    "cut_error": ("connection", "parse", "overloaded", "server_error", "_OTHER", ""),
}


class TestContent(Contract):
    kit = Kit(
        **COMMON,
        switches=False,  # the model belongs to the object that is asked
        operation="generate_content",
        make=Rest,
        make_async=AsyncGrpc,
        plain=lambda client, model: client.model(model).generate_content(MESSAGE),
        plain_async=lambda client, model: client.model(model).generate_content_async(MESSAGE),
        stream=lambda client, model: client.model(model).generate_content(MESSAGE, stream=True),
        stream_async=lambda client, model: client.model(model).generate_content_async(MESSAGE, stream=True),
    )


class TestChats(Contract):
    kit = Kit(
        **COMMON,
        switches=False,  # the model belongs to the object that is asked
        make=Grpc,
        make_async=AsyncGrpc,
        plain=lambda client, model: client.model(model).start_chat().send_message(MESSAGE),
        plain_async=lambda client, model: client.model(model).start_chat().send_message_async(MESSAGE),
        stream=lambda client, model: client.model(model).start_chat().send_message(MESSAGE, stream=True),
        stream_async=lambda client, model: client.model(model).start_chat().send_message_async(MESSAGE, stream=True),
    )


def named(kind: Any, name: str) -> Any:
    """A model as ``from_pretrained`` makes it, which asks for a description of it first."""
    return kind(name, f"projects/p-1/locations/us-central1/publishers/google/models/{name}")


def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Which.
    """
    return f"Rain in {city}."


class TestSpecifics(Contract):
    kit = Kit(library="vertexai", provider="gcp.vertex_ai")

    def test_functions_called_by_a_chat_are_one_operation(self, bench: Bench) -> None:
        client = Grpc(bench.server.url)
        tool = Tool(function_declarations=[FunctionDeclaration.from_func(get_weather)])
        responder = preview.AutomaticFunctionCallingResponder(max_automatic_function_calls=1)
        chat = preview.ChatSession(client.model("gemini-x-tools", tools=[tool]), responder=responder)
        assert chat.send_message(MESSAGE).text == "Hello from the loopback server."
        client.close()
        call = bench.ended_once()
        assert len(bench.server.requests) == 2
        assert (call.operation, call.input_tokens, call.output_tokens) == ("chat", 200, 40)
        assert (call.finish_reasons, bench.span.attributes["otel_llm.request.count"]) == (("stop",), 2)

    def test_what_was_asked_is_on_the_span(self, bench: Bench) -> None:
        config = GenerationConfig(
            temperature=0.7, top_k=3, max_output_tokens=9, stop_sequences=["end"], response_mime_type="application/json"
        )
        Rest(bench.server.url).model("gemini-x", generation_config=config).generate_content(MESSAGE)
        asked = {key.removeprefix("gen_ai."): value for key, value in bench.span.attributes.items()}
        assert (asked["request.temperature"], asked["request.top_k"], asked["request.max_tokens"]) == (0.7, 3, 9)
        assert (asked["request.stop_sequences"], asked["output.type"]) == (("end",), "json")
        bench.spans.clear()
        Rest(bench.server.url).model("gemini-x").generate_content(MESSAGE, generation_config={"temperature": 0.25})
        assert bench.span.attributes["gen_ai.request.temperature"] == 0.25

    @pytest.mark.skipif(not THINKS, reason="the library does not read them yet")
    def test_modalities(self, bench: Bench) -> None:
        Rest(bench.server.url).model("gemini-x-audio-image").generate_content(MESSAGE)
        assert {(way, kind): number for way, kind, number in bench.ended_once().modalities} == {
            ("input", "text"): 35, ("input", "audio"): 40, ("input", "image"): 25,
            ("output", "text"): 5, ("output", "audio"): 15,
        }  # fmt: skip

    def test_a_blocked_prompt_is_filtered(self, bench: Bench) -> None:
        Rest(bench.server.url).model("gemini-x-refusal").generate_content(MESSAGE)
        assert bench.ended_once().finish_reasons == ("content_filter",)

    def test_a_tuned_models_endpoint_is_named_without_its_project(self, bench: Bench) -> None:
        with pytest.raises(Exception, match="404"):
            Rest(bench.server.url).model("projects/p-1/locations/us-central1/endpoints/42").generate_content(MESSAGE)
        assert bench.ended_once().request_model == "endpoints/42"

    def test_where_requests_go_by_default(self, bench: Bench) -> None:
        client = Grpc(bench.server.url)
        init(client.front.host, "grpc")
        vertexai.init(api_endpoint="europe-west4-aiplatform.googleapis.com")
        client.model("gemini-x").generate_content(MESSAGE)
        client.close()
        call = bench.ended_once()
        assert (call.provider, call.server_address) == ("gcp.vertex_ai", "europe-west4-aiplatform.googleapis.com")

    def test_token_counts(self, bench: Bench) -> None:
        assert Rest(bench.server.url).model("gemini-x").count_tokens(MESSAGE).total_tokens == 100
        call = bench.ended_once()
        assert (call.operation, call.input_tokens, call.usage_unknown) == ("count_tokens", None, "")

    def test_embeddings(self, bench: Bench) -> None:
        init(bench.server.url, "rest")
        named(TextEmbeddingModel, "text-embedding-x").get_embeddings(["a", "b"], output_dimensionality=3)
        call = bench.ended_once()
        assert (call.operation, call.request_model, call.server_address) == (
            "embeddings",
            "text-embedding-x",
            "127.0.0.1",
        )
        assert (call.input_tokens, call.output_tokens) == (8, None)
        assert bench.span.attributes["gen_ai.embeddings.dimension.count"] == 3

    async def test_embeddings_async(self, bench: Bench) -> None:
        client = AsyncGrpc(bench.server.url)
        model = named(TextEmbeddingModel, "text-embedding-x")
        over(model._endpoint, "_prediction_async_client", client.client)
        await model.get_embeddings_async(["a", "b"])
        await client.close()
        assert (bench.ended_once().operation, bench.ended_once().input_tokens) == ("embeddings", 8)

    def test_images_have_no_tokens_to_miss(self, bench: Bench) -> None:
        init(bench.server.url, "rest")
        named(ImageGenerationModel, "imagen-x").generate_images("a cat", number_of_images=1)
        call = bench.ended_once()
        assert (call.operation, call.request_model, call.usage_unknown) == ("image_generation", "imagen-x", "")


class TestContents(Contract):
    """Prompts and answers, as they are captured."""

    kit = Kit(library="vertexai", provider="gcp.vertex_ai")

    def content(self, server: Any, use: Any) -> dict[str, Any]:
        exporter, traces = InMemorySpanExporter(), TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(exporter))
        spans = Spans(traces.get_tracer("content"), Recorded(Config(content="span_only")))
        with capture("vertexai", capture=True, sinks=(spans,)):
            use(Rest(server.url))
        traces.shutdown()
        (span,) = exporter.get_finished_spans()
        return {
            name: json.loads(text)
            for name, text in span.attributes.items()
            if name.endswith(("messages", "instructions"))
        }

    def test_a_conversation_of_the_librarys_own_objects(self, server: Any) -> None:
        contents = [
            Content(role="user", parts=[Part.from_text("hi"), Part.from_data(b"x", "image/png")]),
            Content(
                role="model", parts=[Part.from_dict({"function_call": {"name": "f", "args": {"a": [1, {"b": True}]}}})]
            ),
            Content(parts=[Part.from_function_response("f", {"content": "sunny"})]),
        ]
        told = self.content(
            server, lambda client: client.model("gemini-x", system_instruction="be nice").generate_content(contents)
        )
        asked = told["gen_ai.input.messages"]
        assert [message["role"] for message in asked] == ["user", "assistant", "user"]
        assert asked[0]["parts"] == [{"type": "text", "content": "hi"}, {"type": "blob"}]
        assert asked[1]["parts"][0]["arguments"] == {"a": [1.0, {"b": True}]}
        assert asked[2]["parts"][0]["response"] == {"content": "sunny"}
        assert told["gen_ai.system_instructions"] == [{"type": "text", "content": "be nice"}]
        assert told["gen_ai.output.messages"][0]["parts"] == [
            {"type": "text", "content": "Hello from the loopback server."}
        ]

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_function_that_is_called(self, server: Any, stream: bool) -> None:
        def use(client: Rest) -> None:
            reply = client.model("gemini-x-tools").generate_content(MESSAGE, stream=stream)
            assert list(reply) if stream else reply

        (message,) = self.content(server, use)["gen_ai.output.messages"]
        assert message["parts"][0]["name"] == "get_weather"
        assert message["parts"][0]["arguments"] == {"city": "Paris"}


def test_no_other_library_counts_it_again() -> None:
    """google-genai is a dependency of the newest, and serves its other clients."""
    with Loopback() as server, capture() as captured:
        Rest(server.url).model("gemini-x").start_chat().send_message(MESSAGE)
        assert captured.call.operation == "chat"
