"""What each family of senders writes, and what is read of it.

The model was asked with 120 tokens, 100 of them cached, and answered with 30, of which it thought 12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from gateway_lab import START, any_value, failed, request, span

from otel_llm.gateway import otlpjson
from otel_llm.gateway.batch import Naming
from otel_llm.gateway.dialects import recognise, speaks
from otel_llm.gateway.reading import read
from otel_llm.gateway.span import Call

FULL, PLAIN, ANTHROPIC = (120, 30, 100, None, 12), (120, 30, None, None, None), (120, 30, 60, 40, None)
IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CR, CW, CC = (f"gen_ai.usage.{kind}.input_tokens" for kind in ("cache_read", "cache_write", "cache_creation"))
RE = "gen_ai.usage.reasoning.output_tokens"
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
OLD = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}
WIRE = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 12},
}


def call(attributes: dict[str, Any], scope: str = "x", **more: Any) -> tuple[str, Call | None]:
    """The dialect of a span, and the call in it."""
    resource, (one,) = otlpjson.traces(request(span(1, attributes, **more), scope=scope), Naming()).spans[0]
    dialect = recognise(one) if speaks(one) else None
    if dialect is None:
        return "", None
    return dialect.name, read(one, dialect, resource) if dialect.kind(one) == "inference" else None


class Case(NamedTuple):
    dialect: str
    attributes: dict[str, Any]
    tokens: tuple[int | None, ...] | None
    scope: str = "x"
    provider: str = "openai"
    model: str = "gpt-4o"
    finish: tuple[str, ...] = ()
    more: Mapping[str, Any] = MappingProxyType({})


STOP = {"gen_ai.response.finish_reasons": ["stop"]}
CASES = {
    "conventions": Case("conventions", {**CHAT, IN: 120, OUT: 30, CR: 100, RE: 12, **STOP}, FULL, finish=("stop",)),
    "conventions 1.27": Case(
        "conventions", {**OLD, "gen_ai.usage.prompt_tokens": 120, "gen_ai.usage.completion_tokens": 30}, PLAIN
    ),
    "spring ai, all texts": Case(
        "conventions",
        {
            **OLD,
            IN: "120",
            OUT: "30",
            CR: "100",
            "gen_ai.response.model": "none",
            "gen_ai.response.finish_reasons": '["STOP"]',
        },
        (120, 30, 100, None, None),
        finish=("stop",),
    ),
    "spring ai embedding": Case(
        "conventions", {**OLD, "gen_ai.operation.name": "embedding", IN: "120"}, (120, None, None, None, None)
    ),
    ".net, a list as a text": Case(
        "conventions",
        {**CHAT, IN: 120, OUT: 30, RE: 12, CR: 100, "gen_ai.response.finish_reasons": '["stop"]'},
        FULL,
        finish=("stop",),
    ),
    "semantic kernel": Case(
        "conventions",
        {
            **OLD,
            IN: 120,
            OUT: 30,
            "gen_ai.response.finish_reason": "FinishReason.TOOL_CALLS",
            "server.address": "http://llm.example:8080/v1/",
        },
        PLAIN,
        finish=("tool_calls",),
    ),
    "anthropic sdk": Case(
        "anthropic_sdk",
        {
            **CHAT,
            "gen_ai.provider.name": "anthropic",
            IN: 120,
            OUT: 30,
            CR: 60,
            CW: 40,
            "anthropic.message.stop_reason": "end_turn",
        },
        ANTHROPIC,
        "com.anthropic.sdk.python",
        "anthropic",
        finish=("stop",),
    ),
    "openllmetry 0.62": Case(
        "conventions", {**CHAT, IN: 120, OUT: 30, CR: 100, "gen_ai.usage.reasoning_tokens": 12}, FULL
    ),
    "openllmetry 0.40": Case(
        "traceloop",
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 120,
            "gen_ai.usage.completion_tokens": 30,
            "gen_ai.usage.cache_read_input_tokens": 100,
            "gen_ai.completion.0.finish_reason": "stop",
        },
        (120, 30, 100, None, None),
        finish=("stop",),
    ),
    "openllmetry 0.40, zeros for unknown": Case(
        "traceloop",
        {
            "llm.request.type": "completion",
            "gen_ai.system": "Anthropic",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.usage.prompt_tokens": 0,
            "gen_ai.usage.completion_tokens": 0,
        },
        None,
        provider="anthropic",
        model="claude-sonnet-4-5",
    ),
    "openlit, anthropic": Case(
        "openlit",
        {**CHAT, "gen_ai.provider.name": "anthropic", IN: 20, OUT: 30, CR: 60, CC: 40},
        ANTHROPIC,
        "openlit.instrumentation.anthropic",
        "anthropic",
    ),
    "openlit, openai": Case(
        "openlit", {**CHAT, IN: 120, OUT: 30, CR: 100, RE: 12}, FULL, "openlit.instrumentation.openai"
    ),
    "openinference": Case(
        "openinference",
        {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o-2024-08-06",
            "llm.invocation_parameters": '{"model": "gpt-4o"}',
            "llm.token_count.prompt": 120,
            "llm.token_count.completion": 30,
            "llm.token_count.prompt_details.cache_read": 100,
            "llm.token_count.completion_details.reasoning": 12,
            "llm.finish_reason": "stop",
        },
        FULL,
        finish=("stop",),
    ),
    "openinference embedding": Case(
        "openinference",
        {
            "openinference.span.kind": "EMBEDDING",
            "llm.system": "openai",
            "embedding.model_name": "e",
            "llm.token_count.prompt": 120,
        },
        (120, None, None, None, None),
        model="e",
    ),
    "langfuse": Case(
        "langfuse",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.usage_details": json.dumps(WIRE),
        },
        FULL,
        more={"name": "OpenAI-generation"},
    ),
    "langfuse by hand": Case(
        "langfuse",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "claude-x",
            "langfuse.observation.usage_details": '{"input": 20, "output": 30, "cache_read_input_tokens": 60}',
        },
        (80, 30, 60, None, None),
        provider="anthropic",
        model="claude-x",
    ),
    "langsmith": Case(
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            IN: 120,
            OUT: 30,
            "gen_ai.usage.input_token_details": "{'cache_read': 100}",
            "langsmith.metadata.usage_metadata": '{"output_token_details": {"reasoning": 12}}',
        },
        FULL,
        "langsmith",
    ),
    "logfire": Case(
        "logfire",
        {
            **OLD,
            IN: 120,
            OUT: 30,
            CR: 100,
            "logfire.span_type": "span",
            "gen_ai.usage.raw": json.dumps(WIRE),
            "gen_ai.response.finish_reasons": '["stop"]',
        },
        FULL,
        "logfire.openai",
        finish=("stop",),
    ),
    "vercel 5": Case(
        "vercel",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "gen_ai.system": "openai.chat",
            "ai.model.id": "gpt-4o",
            "ai.usage.promptTokens": 120,
            "ai.usage.completionTokens": 30,
            "ai.response.finishReason": "tool-calls",
        },
        PLAIN,
        "ai",
        finish=("tool_calls",),
    ),
    "vercel 6": Case(
        "vercel",
        {
            "ai.operationId": "ai.streamText.doStream",
            "gen_ai.system": "openai.responses",
            "ai.model.id": "gpt-4o",
            "ai.usage.inputTokens": 120,
            "ai.usage.outputTokens": 30,
            "ai.usage.inputTokenDetails.cacheReadTokens": 100,
            "ai.usage.outputTokenDetails.reasoningTokens": 12,
        },
        FULL,
        "ai",
    ),
    "vercel embedding": Case(
        "vercel",
        {
            "ai.operationId": "ai.embed.doEmbed",
            "ai.model.provider": "openai.embedding",
            "ai.model.id": "gpt-4o",
            "ai.usage.tokens": 120,
        },
        (120, None, None, None, None),
        "ai",
    ),
    "vercel 7": Case("conventions", {**CHAT, IN: 120, OUT: 30, CR: 100}, (120, 30, 100, None, None), "gen_ai"),
    "adk 2": Case(
        "adk",
        {
            **CHAT,
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "gcp.gemini",
            IN: 120,
            OUT: 30,
            CR: 100,
            RE: 12,
        },
        FULL,
        "gcp.vertex.agent",
        "gcp.gemini",
    ),
    "adk 1": Case(
        "adk",
        {"gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "openai/gpt-4o", IN: 120, OUT: 30},
        PLAIN,
        "gcp.vertex.agent",
        more={"name": "call_llm"},
    ),
    "strands": Case(
        "strands",
        {
            **OLD,
            "gen_ai.system": "strands-agents",
            IN: 120,
            OUT: 30,
            "gen_ai.usage.prompt_tokens": 120,
            "server.address": "api.openai.com",
        },
        PLAIN,
        "strands.telemetry.tracer",
        finish=("tool_calls",),
        more={
            "events": [
                {"name": "gen_ai.choice", "attributes": [{"key": "finish_reason", "value": any_value("tool_use")}]}
            ]
        },
    ),
    "litellm": Case(
        "litellm",
        {**OLD, IN: 120, OUT: 30, "metadata.usage_object": str(WIRE), "llm.is_streaming": "False"},
        FULL,
        "litellm",
        more={"name": "litellm_request"},
    ),
    "vllm": Case(
        "vllm",
        {
            "gen_ai.usage.prompt_tokens": 120,
            "gen_ai.usage.completion_tokens": 30,
            "gen_ai.response.model": "llama",
            "gen_ai.latency.time_to_first_token": 0.25,
        },
        PLAIN,
        provider="vllm",
        model="llama",
        more={"name": "llm_request", "kind": 2},
    ),
    "claude code": Case(
        "claude_code",
        {
            "model": "claude-sonnet-4-5",
            "input_tokens": "20",
            "output_tokens": 30,
            "cache_read_tokens": 60,
            "cache_creation_tokens": 40,
            "stop_reason": "end_turn",
        },
        ANTHROPIC,
        provider="anthropic",
        model="claude-sonnet-4-5",
        finish=("stop",),
        more={"name": "claude_code.llm_request"},
    ),
    "no operation": Case(
        "unnamed", {"gen_ai.request.model": "gpt-4o", "gen_ai.system": "openai", IN: 120, OUT: 30}, PLAIN
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_dialect_says_who_what_and_how_much(name: str) -> None:
    case = CASES[name]
    dialect, read_call = call(case.attributes, case.scope, **case.more)
    assert read_call is not None
    tokens = None if read_call.tokens is None else tuple(read_call.tokens)
    expected = None if case.tokens is None else case.tokens
    assert (dialect, read_call.provider, read_call.model, tokens, read_call.finish, read_call.error) == (
        case.dialect,
        case.provider,
        case.model,
        expected,
        case.finish,
        "",
    )


@pytest.mark.parametrize(
    ("attributes", "scope", "more"),
    [
        ({"openinference.span.kind": "AGENT", "llm.token_count.prompt": 240}, "x", {}),
        ({"openinference.span.kind": "TOOL"}, "x", {}),
        ({"langfuse.observation.type": "agent"}, "langfuse-sdk", {}),
        ({"langsmith.span.kind": "chain", **CHAT}, "langsmith", {}),
        ({"ai.operationId": "ai.generateText", "ai.usage.inputTokens": 240}, "ai", {}),
        ({"ai.operationId": "ai.toolCall"}, "ai", {}),
        ({**CHAT, "gen_ai.operation.name": "invoke_agent", IN: 240}, "gen_ai", {}),
        ({**CHAT, "gen_ai.operation.name": "execute_tool"}, "x", {}),
        ({**OLD, "logfire.span_type": "pending_span"}, "logfire.openai", {}),
        ({"traceloop.span.kind": "workflow"}, "x", {}),
        ({"llm.openai.usage": "{'prompt_tokens': 120}"}, "litellm", {"name": "raw_gen_ai_request"}),
        ({**OLD, "litellm.cache_hit": True}, "litellm", {"name": "litellm_request"}),
        ({"gen_ai.agent.name": "a"}, "gcp.vertex.agent", {"name": "agent_run [a]"}),
        ({"event_loop.cycle_id": "1"}, "strands.telemetry.tracer", {"name": "Cycle 1"}),
        ({"gen_ai.usage.prompt_tokens": 1}, "vllm.llm_engine", {"name": "other"}),
        ({"input_tokens": 240}, "x", {"name": "claude_code.interaction"}),
    ],
)
def test_what_is_around_a_call_is_none(attributes: dict[str, Any], scope: str, more: dict[str, Any]) -> None:
    dialect, read_call = call(attributes, scope, **more)
    assert dialect
    assert read_call is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.system": "openai"},
        {"gen_ai.request.model": "m", IN: 1, "gen_ai.agent.name": "a"},
        {"http.method": "GET"},
    ],
)
def test_what_is_not_known_is_said_to_be_so(attributes: dict[str, Any]) -> None:
    assert call(attributes) == ("", None)


@pytest.mark.parametrize(
    ("attributes", "scope", "more", "seconds"),
    [
        ({**CHAT, "gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25}, "x", {}, 0.25),
        ({**CHAT, "gen_ai.response.time_to_first_chunk": 0.25}, "x", {}, None),
        ({"ai.operationId": "ai.streamText.doStream", "ai.response.msToFirstChunk": 250.0}, "ai", {}, 0.25),
        (
            {**CHAT, "gen_ai.request.stream": False, "gen_ai.server.time_to_first_token": 0.25},
            "openlit.instrumentation.openai",
            {},
            None,
        ),
        (
            {**CHAT, "gen_ai.request.stream": True, "gen_ai.server.time_to_first_token": 0.25},
            "openlit.instrumentation.openai",
            {},
            0.25,
        ),
        ({"ttft_ms": "250", "model": "m"}, "x", {"name": "claude_code.llm_request"}, 0.25),
        (
            {"openinference.span.kind": "LLM"},
            "x",
            {"events": [{"name": "First Token Stream Event", "timeUnixNano": str(START + 250_000_000)}]},
            0.25,
        ),
        (
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.completion_start_time": '"2026-09-21T14:13:20.250000Z"',
            },
            "x",
            {},
            0.25,
        ),
        (
            {"langfuse.observation.type": "generation", "langfuse.observation.completion_start_time": '"yesterday"'},
            "x",
            {},
            None,
        ),
    ],
)
def test_the_first_chunk_is_in_seconds(
    attributes: dict[str, Any], scope: str, more: dict[str, Any], seconds: float | None
) -> None:
    read_call = call(attributes, scope, **more)[1]
    assert read_call is not None
    assert read_call.first_chunk == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("attributes", "more", "error"),
    [
        ({"error.type": "openai.RateLimitError"}, {}, "rate_limit"),
        ({"error.type": "rate_limit_error"}, {}, "rate_limit"),
        ({"error.type": "429"}, {}, "rate_limit"),
        ({"error.type": "insufficient_quota"}, {}, "quota"),
        ({"error.type": "<class 'x.ServiceResponseException'>"}, failed("x.AuthenticationError"), "authentication"),
        ({"error.type": "ChatClientException"}, {"status": {"code": 2}}, "_OTHER"),
        ({"error.type": "System.Threading.Tasks.TaskCanceledException"}, {}, "timeout"),
        ({"error.type": "ClientResultException", "http.response.status_code": 503}, {}, "overloaded"),
        ({"error.type": "_OTHER", "http.response.status_code": "404"}, {}, "not_found"),
        ({}, failed("AI_APICallError", "status 500"), "server_error"),
        ({}, failed("Exception", "NotFoundError: Error code: 404"), "not_found"),
        ({}, failed("litellm.exceptions.ContextWindowExceededError"), "context_length"),
        ({}, failed("anthropic.APIConnectionError"), "connection"),
        ({}, failed("asyncio.CancelledError"), "cancelled"),
        ({}, {"status": {"code": "STATUS_CODE_ERROR", "message": "PermissionDeniedError: no"}}, "permission"),
        ({}, failed("AI_APICallError", "Rate limit reached for gpt-4o"), "rate_limit"),
        ({}, {"status": {"code": 2}}, "_OTHER"),
        ({}, {"status": {"code": 0}}, ""),
    ],
)
def test_an_error_has_one_of_the_words_of_the_metrics(
    attributes: dict[str, Any], more: dict[str, Any], error: str
) -> None:
    read_call = call({**CHAT, **attributes}, **more)[1]
    assert read_call is not None
    assert read_call.error == error


@pytest.mark.parametrize(
    ("word", "provider"),
    [
        ("OpenAI", "openai"),
        ("openai.responses", "openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("azure-openai", "azure.ai.openai"),
        ("azure.chat", "azure.ai.openai"),
        ("bedrock_converse", "aws.bedrock"),
        ("aws.anthropic", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("google-gla", "gcp.gemini"),
        ("google.generative-ai", "gcp.gemini"),
        ("google-vertex", "gcp.vertex_ai"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("gcp.anthropic", "gcp.vertex_ai"),
        ("MistralAI", "mistral_ai"),
        ("xai", "x_ai"),
        ("Watsonx", "ibm.watsonx.ai"),
        ("Groq", "groq"),
        ("hosted_vllm", "vllm"),
        ("oci_genai", "oci_genai"),
        ("langgraph", "_OTHER"),
        ("microsoft.agent_framework", "_OTHER"),
    ],
)
def test_a_provider_has_one_name(word: str, provider: str) -> None:
    read_call = call({**CHAT, "gen_ai.provider.name": word})[1]
    assert read_call is not None
    assert read_call.provider == provider


def test_json_of_other_hands_is_read_alike() -> None:
    """JavaScript writes numbers as numbers, and a whole one as an integer; some write names of enumerations."""
    one = span(1, CHAT, kind="SPAN_KIND_SERVER", status={"code": "STATUS_CODE_OK"})
    one["attributes"] += [
        {"key": IN, "value": {"intValue": 120}},
        {"key": OUT, "value": {"doubleValue": 30}},
        {"key": CR, "value": {"stringValue": "100"}},
    ]
    resource, (made,) = otlpjson.traces(request(one), Naming()).spans[0]
    dialect = recognise(made)
    assert dialect is not None
    read_call = read(made, dialect, resource)
    assert (read_call.tokens, read_call.server) == ((120, 30, 100, None, None), True)


def test_labels_of_the_application_come_from_wherever_it_has_them() -> None:
    naming = Naming(("service_name", "service_namespace"), ("tenant", "feature"))
    body = request(
        span(1, {**CHAT, "otel_llm.label.tenant": "acme"}),
        span(2, {**CHAT, "ai.telemetry.metadata.tenant": "initech"}),
        span(3, CHAT),
        service_namespace="eu",
        tenant="hooli",
        feature="search",
    )
    ((resource, spans),) = otlpjson.traces(body, naming).spans
    assert [naming.labels(resource, one) for one in spans] == [
        ("shop", "eu", "acme", "search"),
        ("shop", "eu", "initech", "search"),
        ("shop", "eu", "hooli", "search"),
    ]
