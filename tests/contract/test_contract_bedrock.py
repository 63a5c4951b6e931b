"""Bedrock through boto3 and aiobotocore under the contract: Converse and InvokeModel, with their streams, and what is beside them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import aiobotocore.eventstream
import aiobotocore.session
import boto3
import botocore.endpoint
import botocore.response
import pytest
from aiobotocore.config import AioConfig
from botocore.config import Config
from contract import Bench, Contract, Kit, drained
from contract_content import ARGUMENTS, INSTRUCTION, TEXT, said

from otel_llm.testing import capture

try:
    from aiobotocore.httpxsession import HttpxSession
except ImportError:  # the oldest has aiohttp alone
    HttpxSession = None

# A stream that is dropped leaves its socket to the collector, with botocore and aiobotocore alone as well.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:Exception ignored in. <{what}:pytest.PytestUnraisableExceptionWarning")
    for what in ("socket", "function Connection.__del__")
]
MESSAGES: Any = [{"role": "user", "content": [{"text": "hi"}]}]
CLAUDE = "anthropic.claude-x"
WITHOUT_CACHE = "meta.llama-x"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test-key", "aws_secret_access_key": "test-secret"}
STATUSES = (
    (400, "invalid_request"), (403, "permission"), (404, "not_found"), (408, "timeout"), (424, "server_error"), (500, "server_error"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None, time=time.time))


def make(url: str, service: str = "bedrock-runtime", attempts: int = 3) -> Any:
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    return boto3.client(service, endpoint_url=url, config=config, **KEYS)


class AsyncClient:
    """An aiobotocore client that is opened at its first call, as its context manager would."""

    def __init__(self, url: str, **options: Any) -> None:
        config = AioConfig(retries={"mode": "standard", "total_max_attempts": 3}, **options)
        self._context = aiobotocore.session.get_session().create_client(
            "bedrock-runtime", endpoint_url=url, config=config, **KEYS
        )
        self._client: Any = None

    async def call(self, method: str, **params: Any) -> Any:
        if self._client is None:
            self._client = await self._context.__aenter__()
        return await getattr(self._client, method)(**params)

    async def close(self) -> None:
        if self._client is not None:
            await self._context.__aexit__(None, None, None)


def over_httpx(url: str) -> AsyncClient:
    return AsyncClient(url, http_session_cls=HttpxSession)


def asked(model: str) -> dict[str, Any]:
    return {"modelId": model, "messages": MESSAGES, "inferenceConfig": {"maxTokens": 9, "temperature": 0.5}}


def given(model: str) -> dict[str, Any]:
    return {"modelId": model, "body": json.dumps({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9})}


def streamed(client: Any, method: str, key: str, params: dict[str, Any]) -> Any:
    return getattr(client, method)(**params)[key]


async def streamed_async(client: AsyncClient, method: str, key: str, params: dict[str, Any]) -> Any:
    return (await client.call(method, **params))[key]


def invoke(client: Any, model: str) -> Any:
    return json.loads(client.invoke_model(**given(model))["body"].read())


async def invoke_async(client: AsyncClient, model: str) -> Any:
    body = (await client.call("invoke_model", **given(model)))["body"]
    return json.loads(await body.read())


COMMON: dict[str, Any] = {
    "library": "bedrock",
    "provider": "aws.bedrock",
    "model": CLAUDE,
    "make": make,
    "make_async": AsyncClient,
    "statuses": STATUSES,
    "cut_error": ("connection", "parse"),
    "cached": (100, 30, 10),
}
NEW = hasattr(botocore.response.StreamingBody, "readinto")  # the oldest botocore with Converse lacks what came later
new = pytest.mark.skipif(not NEW, reason="not in this botocore")
has_httpx = pytest.mark.skipif(HttpxSession is None, reason="not in this aiobotocore")


class Bedrock(Contract):
    """What all kits of Bedrock have in common."""

    def may_miss(self) -> set[str]:
        """Older versions of aiobotocore parse events by the method that they inherit from botocore, which is watched."""
        own = "_parse_event" in vars(aiobotocore.eventstream.AioEventStream)
        return super().may_miss() | (set() if own else {"aiobotocore.eventstream:AioEventStream._parse_event"})


class TestConverse(Bedrock):
    kit = Kit(
        **{**COMMON, "cached": COMMON["cached"] if NEW else None},
        plain=lambda client, model: client.converse(**asked(model)),
        plain_async=lambda client, model: client.call("converse", **asked(model)),
        stream=lambda client, model: streamed(client, "converse_stream", "stream", asked(model)),
        stream_async=lambda client, model: streamed_async(client, "converse_stream", "stream", asked(model)),
        thinking=None,
        instructed=lambda client, model: client.converse(**asked(model), system=[{"text": INSTRUCTION}]),
    )

    def test_content_of_blocks(self, server: Any) -> None:
        """What a tool was asked and answered, what was thought, and a picture, which is named and not kept."""
        thought = {"reasoningContent": {"reasoningText": {"text": "Let me think."}}}
        call = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": ARGUMENTS}}
        answer = {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}}
        picture = {"image": {"format": "png", "source": {"bytes": b"x"}}}
        conversation: Any = [
            {"role": "user", "content": [{"text": "hi"}, picture]},
            {"role": "assistant", "content": [*([thought] if NEW else []), call]},
            {"role": "user", "content": [answer]},
        ]
        told = self.content_of(server, lambda client, model: client.converse(modelId=model, messages=conversation))
        first, second, third = (message["parts"] for message in told["gen_ai.input.messages"])
        assert first == [{"type": "text", "content": "hi"}, {"type": "image"}]
        assert second[:-1] == ([{"type": "reasoning", "content": "Let me think."}] if NEW else [])
        assert second[-1] == {"type": "tool_call", "id": "t1", "name": "get_weather", "arguments": ARGUMENTS}
        assert third == [{"type": "tool_call_response", "id": "t1", "response": "sunny"}]


class TestInvoke(Bedrock):
    kit = Kit(
        **COMMON,
        content=False,  # its bodies are the caller's alone
        plain=invoke,
        plain_async=invoke_async,
        stream=lambda client, model: streamed(client, "invoke_model_with_response_stream", "body", given(model)),
        stream_async=lambda client, model: streamed_async(
            client, "invoke_model_with_response_stream", "body", given(model)
        ),
        thinking=None,
    )

    @pytest.mark.parametrize("model", [CLAUDE, "amazon.nova-x"])
    def test_content_of_a_streamed_body(self, server: Any, model: str) -> None:
        """A stream passes through our hands, so that what it says can be kept, where its shape is known."""

        def ask(client: Any, _: str) -> Any:
            return list(client.invoke_model_with_response_stream(**given(model))["body"])

        told = self.content_of(server, ask)
        assert said(told["gen_ai.input.messages"][0]) == "hi"
        assert said(told["gen_ai.output.messages"][0]) == TEXT


class TestOverHttpx(Bedrock):
    """aiobotocore without aiohttp."""

    kit = Kit(
        **{**COMMON, "make": None, "make_async": over_httpx},
        plain_async=lambda client, model: client.call("converse", **asked(model)),
        raw_async=invoke_async,
    )

    async def test_a_stream_is_what_it_is_without_us(self, server: Any) -> None:
        """aiobotocore 3.10 asks httpx's response for something that aiohttp's alone has, and raises."""

        async def streamed_once() -> Any:
            client = over_httpx(server.url)
            outcome = await self.outcome_async(
                lambda client, model: drained(streamed_async(client, "converse_stream", "stream", asked(model))),
                client,
                CLAUDE,
            )
            await client.close()
            return outcome

        bare = await streamed_once()
        with capture("bedrock") as captured:
            assert await streamed_once() == bare
        assert (captured.call.stream, captured.open) == (True, 0)
        assert bool(captured.call.error_type) is isinstance(bare, tuple)


if HttpxSession is None:
    del TestOverHttpx


@pytest.fixture
def client(server: Any) -> Any:
    made = make(server.url)
    yield made
    made.close()


def _entered(body: Any) -> bytes:
    with body as raw:
        return raw.read()  # type: ignore[no-any-return]


def _into(body: Any) -> bytes:
    buffer = bytearray(4096)
    return bytes(buffer[: body.readinto(buffer)])


SYNC_WAYS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: body.read(),
    "read in pieces": lambda body: b"".join(iter(lambda: body.read(16), b"")),
    "iter_chunks": lambda body: b"".join(body.iter_chunks(7)),
    "iter_lines": lambda body: b"".join(body.iter_lines()),
    "iteration": b"".join,
    "next": lambda body: b"".join(iter(lambda: next(body, b""), b"")),
    "with": _entered,
    **({"readinto": _into} if NEW else {}),
    "readlines": lambda body: b"".join(body.readlines()),
}


async def _joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def _entered_async(body: Any) -> bytes:
    async with body as inside:
        return await inside.read()  # type: ignore[no-any-return]


async def _pieces_async(body: Any) -> bytes:
    pieces = b""
    while piece := await body.read(16):
        pieces += piece
    return pieces


ASYNC_WAYS: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: body.read(),
    "read in pieces": _pieces_async,
    "iter_chunks": lambda body: _joined(body.iter_chunks(7)),
    "iter_lines": lambda body: _joined(body.iter_lines()),
    "iteration": _joined,
    "with": _entered_async,
}


class TestBodies(Bedrock):
    """An InvokeModel's body is the caller's: nothing of it is read before, and it can be read in every way."""

    kit = Kit(library="bedrock", provider="aws.bedrock")

    @pytest.mark.parametrize("way", SYNC_WAYS)
    def test_body(self, bench: Bench, client: Any, way: str) -> None:
        reply = client.invoke_model(**given(CLAUDE))
        assert type(reply["body"]).__module__ == "botocore.response"
        assert json.loads(SYNC_WAYS[way](reply["body"]))["content"][0]["text"] == "Hello from the loopback server."
        call = bench.ended_once()
        assert (call.input_tokens, call.output_tokens) == (100, 20)

    @pytest.mark.parametrize("make_async", [AsyncClient, pytest.param(over_httpx, marks=has_httpx)])
    @pytest.mark.parametrize("way", ASYNC_WAYS)
    async def test_async_body(self, bench: Bench, way: str, make_async: Any) -> None:
        client = make_async(bench.server.url)
        reply = await client.call("invoke_model", **given(CLAUDE))
        assert json.loads(await ASYNC_WAYS[way](reply["body"]))["usage"]["output_tokens"] == 20
        await client.close()
        assert (bench.ended_once().input_tokens, bench.ended_once().output_tokens) == (100, 20)


VENDORS = (
    "anthropic.claude-x", "amazon.titan-text-x", "amazon.nova-x", "meta.llama-x", "mistral.x", "cohere.command-x", "ai21.jamba-x",
    "openai.gpt-oss-x", "deepseek.r1-x",
)  # fmt: skip
ARN = "arn:aws:bedrock:us-east-1:"
MODELS = {
    "us.anthropic.claude-x": "us.anthropic.claude-x",
    f"{ARN}:foundation-model/anthropic.claude-x-v1:0": "anthropic.claude-x-v1:0",
    f"{ARN}123456789012:inference-profile/eu.anthropic.claude-x": "eu.anthropic.claude-x",
    f"{ARN}123456789012:default-prompt-router/anthropic.claude:1": "anthropic.claude:1",
    f"{ARN}123456789012:application-inference-profile/abc": "application-inference-profile/abc",
    f"{ARN}123456789012:provisioned-model/abc": "provisioned-model/abc",
}


class TestSpecifics(Bedrock):
    """What is Bedrock's own."""

    kit = Kit(library="bedrock", provider="aws.bedrock")

    @pytest.mark.parametrize("model", VENDORS)
    def test_every_vendors_stream_tells_what_it_used_and_why_it_ended(
        self, bench: Bench, client: Any, model: str
    ) -> None:
        list(client.invoke_model_with_response_stream(**given(model))["body"])
        call = bench.ended_once()
        assert (call.input_tokens, call.output_tokens, call.finish_reasons) == (100, 20, ("stop",))
        assert call.first_chunk is not None
        assert sum(count for _, count in call.chunk_gaps) == 4

    @pytest.mark.parametrize("model", VENDORS)
    def test_every_vendors_answer_is_counted_by_its_headers(self, bench: Bench, client: Any, model: str) -> None:
        client.invoke_model(**given(model))["body"].close()
        assert (bench.ended_once().input_tokens, bench.ended_once().output_tokens) == (100, 20)

    @pytest.mark.parametrize("model", ["amazon.titan-embed-x", "cohere.embed-x"])
    def test_embeddings(self, bench: Bench, client: Any, model: str) -> None:
        client.invoke_model(modelId=model, body=b"{}")["body"].close()
        call = bench.ended_once()
        assert (call.operation, call.input_tokens, call.output_tokens) == ("embeddings", 8, None)

    @pytest.mark.parametrize("model", MODELS)
    def test_the_model_behind_a_profile_or_an_arn(self, bench: Bench, client: Any, model: str) -> None:
        client.converse(modelId=model, messages=MESSAGES)
        assert bench.ended_once().request_model == MODELS[model]

    @new
    def test_what_a_prompt_router_chose_is_a_fallback(self, bench: Bench, client: Any) -> None:
        router = f"{ARN}123456789012:default-prompt-router/anthropic.claude-fallback:1"
        client.converse(modelId=router, messages=MESSAGES)
        chosen = "anthropic.claude-haiku-4-5-20251001-v1:0"
        assert bench.ended_once().response_model == chosen
        told = ("anthropic.claude-fallback:1", chosen, "prompt_router")
        assert bench.captured.count("otel_llm_fallbacks_total", *told) == 1

    @new
    def test_cached_tokens_of_a_converse_stream(self, bench: Bench, client: Any) -> None:
        list(client.converse_stream(**asked(f"{CLAUDE}-cached"))["stream"])
        call = bench.ended_once()
        assert (call.input_tokens, call.cache_read_tokens, call.cache_write_tokens) == (100, 30, 10)

    def test_a_failure_within_a_stream(self, bench: Bench, client: Any) -> None:
        with pytest.raises(client.exceptions.ClientError) as raised:
            list(client.converse_stream(**asked(f"{CLAUDE}-sse-error"))["stream"])
        assert raised.value.response["Error"]["Code"] == "throttlingException"
        assert bench.ended_once().error_type == "rate_limit"

    def test_a_tool_that_is_called(self, bench: Bench, client: Any) -> None:
        list(client.converse_stream(**asked(f"{CLAUDE}-tools"))["stream"])
        assert bench.ended_once().finish_reasons == ("tool_calls",)

    @new
    def test_what_was_asked_is_on_the_span(self, bench: Bench, client: Any) -> None:
        client.converse(**asked(CLAUDE), serviceTier={"type": "flex"})
        told = bench.span.attributes
        assert (told["gen_ai.request.max_tokens"], told["gen_ai.request.temperature"]) == (9, 0.5)
        assert told["otel_llm.bedrock.operation"] == "Converse"

    async def test_retries_async(self, bench: Bench) -> None:
        client = AsyncClient(bench.server.url)
        await client.call("converse", **asked(f"{CLAUDE}-fail-503-1"))
        await client.close()
        assert bench.ended_once().error_type == ""
        assert bench.captured.count("otel_llm_retries_total", "overloaded") == 1

    def test_an_agent(self, bench: Bench) -> None:
        client = make(bench.server.url, "bedrock-agent-runtime")
        reply = client.invoke_agent(
            agentId="AGENT", agentAliasId="ALIAS", sessionId="s1", inputText="hi", enableTrace=True
        )
        assert b"".join(event["chunk"]["bytes"] for event in reply["completion"] if "chunk" in event).startswith(
            b"Hello"
        )
        client.close()
        call = bench.ended_once()
        assert (call.operation, call.input_tokens, call.output_tokens) == ("invoke_agent", 100, 20)
        assert bench.span.attributes["gen_ai.agent.id"] == "AGENT"

    @new
    def test_an_inline_agent(self, bench: Bench) -> None:
        client = make(bench.server.url, "bedrock-agent-runtime")
        reply = client.invoke_inline_agent(
            foundationModel=f"{ARN}:foundation-model/{CLAUDE}", instruction="Tell the weather, whatever is asked of you.",
            sessionId="s1", inputText="hi", enableTrace=True,
        )  # fmt: skip
        assert b"".join(event["chunk"]["bytes"] for event in reply["completion"] if "chunk" in event)
        client.close()
        call = bench.ended_once()
        assert (call.operation, call.request_model, call.stream) == ("invoke_agent", CLAUDE, True)
        assert (call.error_type, call.input_tokens, call.output_tokens) == ("", 100, 20)
        assert bench.span.attributes["gen_ai.conversation.id"] == "s1"

    @new
    @pytest.mark.parametrize("failing", ["", "-fail-400"])
    def test_token_counts(self, bench: Bench, client: Any, failing: str) -> None:
        wanted = {"converse": {"messages": MESSAGES}}
        if failing:
            with pytest.raises(client.exceptions.ClientError):
                client.count_tokens(modelId=CLAUDE + failing, input=wanted)
        else:
            assert client.count_tokens(modelId=CLAUDE, input=wanted)["inputTokens"] == 100
        call = bench.ended_once()
        assert (call.operation, call.request_model) == ("count_tokens", CLAUDE + failing)
        assert (call.error_type, call.input_tokens) == ("invalid_request" if failing else "", None)
        assert call.usage_unknown == ""

    @pytest.mark.parametrize("stream", [False, pytest.param(True, marks=new)])
    def test_retrieval_with_generation(self, bench: Bench, stream: bool) -> None:
        client = make(bench.server.url, "bedrock-agent-runtime")
        base = {"knowledgeBaseId": "KB00000001", "modelArn": f"{ARN}:foundation-model/{CLAUDE}"}
        wanted = {"type": "KNOWLEDGE_BASE", "knowledgeBaseConfiguration": base}
        action = client.retrieve_and_generate_stream if stream else client.retrieve_and_generate
        reply = action(input={"text": "hi"}, retrieveAndGenerateConfiguration=wanted)
        list(reply.get("stream", ()))
        client.close()
        call = bench.ended_once()
        assert (call.operation, call.request_model) == ("retrieve_and_generate", CLAUDE)
        assert (call.error_type, call.usage_unknown) == ("", "")

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_sagemaker_endpoint(self, bench: Bench, stream: bool) -> None:
        client = make(bench.server.url, "sagemaker-runtime")
        action = client.invoke_endpoint_with_response_stream if stream else client.invoke_endpoint
        reply = action(EndpointName="endpoint-x", Body=b"{}")
        assert b"Hello" in (
            b"".join(e["PayloadPart"]["Bytes"] for e in reply["Body"]) if stream else reply["Body"].read()
        )
        client.close()
        call = bench.ended_once()
        assert (call.provider, call.operation, call.request_model) == ("aws.sagemaker", "invoke_endpoint", "endpoint-x")
        assert (call.error_type, call.usage_unknown, call.stream) == ("", "", stream)

    def test_other_services_are_not_watched(self, bench: Bench) -> None:
        client = make(bench.server.url, "bedrock", attempts=1)
        with pytest.raises(client.exceptions.ClientError):
            client.list_foundation_models()
        client.close()
        assert bench.captured.calls == []
