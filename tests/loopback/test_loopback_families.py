"""Everybody else on the wire: the fields that their clients read, with the tokens that are documented."""

from __future__ import annotations

import base64
import json
import struct
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.testing.loopback import Request, answer

HELLO = "Hello from the loopback server."
TOOL = {
    "type": "function",
    "function": {"name": "forecast", "parameters": {"properties": {"days": {"type": "integer"}}}},
}
FIELDS = st.sampled_from(
    [
        "content",
        "contents",
        "documents",
        "format",
        "function",
        "functionDeclarations",
        "generationConfig",
        "input",
        "inputs",
        "instances",
        "messages",
        "n",
        "name",
        "output_config",
        "parameters",
        "parts",
        "properties",
        "reasoning",
        "response_format",
        "role",
        "schema",
        "stream",
        "stream_options",
        "text",
        "texts",
        "thinking",
        "toolConfig",
        "tool_choice",
        "tools",
        "type",
    ]
)
PATHS = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/messages/batches",
    "/v1/models/m:generateContent",
    "/v1/models/m:streamGenerateContent",
    "/v1/models/m:predict",
    "/v1/interactions",
    "/v2/chat",
    "/v1/chat",
    "/v2/rerank",
    "/api/chat",
    "/api/generate",
    "/model/m/converse",
    "/model/m/converse-stream",
    "/model/cohere.embed/invoke",
    "/v1/conversations",
    "/v1/contextualizedembeddings",
    "/models/org/name",
]
BODY = {"messages": [{"role": "user", "content": "Hello?"}]}


def chat(ask, path, model, **fields):
    return ask(path, {"model": model, **BODY, **fields})


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (
            "",
            {
                "completion_tokens": 84,
                "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 0, "cache_write_tokens": 10},
            },
        ),
        ("/groq", {"completion_tokens": 84, "completion_tokens_details": {"reasoning_tokens": 64}, "queue_time": 0.01}),
        ("/mistral", {"completion_tokens": 84, "prompt_tokens_details": {"cached_tokens": 30}}),
        ("/deepseek", {"completion_tokens": 84, "prompt_cache_hit_tokens": 30, "prompt_cache_miss_tokens": 70}),
        ("/together", {"completion_tokens": 84, "cached_tokens": 30}),
        ("/openrouter", {"completion_tokens": 84, "cost": 0.00184, "is_byok": False}),
        ("/xai", {"completion_tokens": 20, "total_tokens": 184, "cost_in_usd_ticks": 18_400_000}),
        ("/perplexity", {"completion_tokens": 84, "reasoning_tokens": 64, "search_context_size": "low"}),
        ("/writer", {"completion_tokens": 84, "prompt_token_details": {"cached_tokens": 30}}),
        ("/huggingface", {"prompt_tokens": 100, "completion_tokens": 84, "total_tokens": 184}),
    ],
)
def test_each_dialect_words_usage_its_own_way(ask, prefix, expected):
    usage = chat(ask, prefix + "/v1/chat/completions", "m-thinking-cached").json["usage"]
    assert usage["prompt_tokens"] == 100
    assert {name: usage[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/chat/completions", "nowhere"),
        ("/openai/v1/chat/completions", "x_groq"),
        ("/mistral/v1/chat/completions", "finish"),
        ("/deepseek/v1/chat/completions", "finish"),
        ("/api/v1/chat/completions", "own chunk"),
    ],
)
def test_where_a_dialects_stream_reports_usage_unasked(ask, path, where):
    events = chat(ask, path, "m", stream=True).events
    found = {
        "x_groq": any("usage" in event.get("x_groq", {}) for event in events),
        "finish": any(event.get("usage") and event["choices"] for event in events),
        "own chunk": any(event.get("usage") and not event["choices"] for event in events),
    }
    assert [name for name, there in found.items() if there] == ([] if where == "nowhere" else [where])


@pytest.mark.parametrize(
    ("headers", "path", "name"),
    [
        ({"user-agent": "Groq/Python 1.7.0"}, "/v1/chat/completions", "x_groq"),
        ({"user-agent": "speakeasy-sdk/python 1.3.84 openrouter"}, "/v1/chat/completions", "provider"),
        ({"api-key": "test-key"}, "/openai/v1/chat/completions", "prompt_filter_results"),
    ],
)
def test_a_dialect_is_told_by_the_client(ask, headers, path, name):
    assert name in ask(path, {"model": "m", **BODY}, headers=headers).json


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("g", {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}),
        (
            "g-thinking",
            {"promptTokenCount": 100, "candidatesTokenCount": 20, "thoughtsTokenCount": 64, "totalTokenCount": 184},
        ),
        ("g-cached", {"promptTokenCount": 100, "cachedContentTokenCount": 30, "totalTokenCount": 120}),
    ],
)
def test_gemini_counts_thoughts_beside_candidates(ask, model, expected):
    whole = ask(f"/v1beta/models/{model}:generateContent", BODY).json
    parts = ask(f"/v1beta/models/{model}:streamGenerateContent?alt=sse", BODY).events
    for usage in (whole["usageMetadata"], parts[-1]["usageMetadata"]):
        assert {name: usage[name] for name in expected} == expected
    assert parts[0]["usageMetadata"]["totalTokenCount"] == 100
    assert "candidatesTokenCount" not in parts[0]["usageMetadata"]
    assert whole["candidates"][0]["content"]["parts"][-1] == {"text": HELLO}
    assert whole["candidates"][0]["finishReason"] == "STOP"


def test_gemini_streams_with_its_line_ends_and_as_an_array(ask):
    sse = ask("/v1beta/models/g:streamGenerateContent?alt=sse", BODY)
    assert (sse.body.count(b"\r\n\r\n"), sse.body.count(b"\n\n")) == (5, 0)
    array = ask("/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", BODY)
    assert [part["modelVersion"] for part in array.json] == ["g"] * 5


@pytest.mark.parametrize(
    ("model", "reason"), [("g-length", "MAX_TOKENS"), ("g-filter", "SAFETY"), ("g-tools", "STOP"), ("g-refusal", None)]
)
def test_why_gemini_ends(ask, model, reason):
    answer = ask(f"/v1beta/models/{model}:generateContent", BODY).json
    if reason is None:
        assert answer["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    else:
        assert answer["candidates"][0]["finishReason"] == reason


def test_gemini_splits_by_modality_and_calls_functions(ask):
    usage = ask("/v1beta/models/g-audio-image:generateContent", BODY).json["usageMetadata"]
    split = {part["modality"]: part["tokenCount"] for part in usage["promptTokensDetails"]}
    assert split == {"TEXT": 35, "AUDIO": 40, "IMAGE": 25}
    declared = {"name": "forecast", "parameters": {"type": "OBJECT", "properties": {"days": {"type": "INTEGER"}}}}
    body = {**BODY, "tools": [{"functionDeclarations": [declared]}]}
    part = ask("/v1beta/models/g-tools:generateContent", body).json["candidates"][0]["content"]["parts"][0]
    assert part == {"functionCall": {"name": "forecast", "args": {"days": 1}}}


def test_google_embeds_predicts_and_counts(ask):
    batch = ask("/v1beta/models/e:batchEmbedContents", {"requests": [{}, {}]}).json
    assert (len(batch["embeddings"]), batch["usageMetadata"]["promptTokenCount"]) == (2, 8)
    assert ask("/v1beta/models/e:embedContent", {}).json["embedding"] == {"values": [0.5, -0.25, 0.125]}
    predicted = ask("/v1/models/e:predict", {"instances": [{"content": "x"}]}).json
    assert predicted["predictions"][0]["embeddings"]["statistics"]["token_count"] == 4
    assert "bytesBase64Encoded" in ask("/v1/models/i:predict", {"instances": [{"prompt": "x"}]}).json["predictions"][0]
    assert ask("/v1beta/models/g:countTokens", {}).json == {"totalTokens": 100}


def test_interactions_count_whole_and_streamed(ask):
    whole = ask("/v1/interactions", {"model": "g-thinking-cached", "input": "x"}).json
    events = ask("/v1/interactions", {"model": "g-thinking-cached", "input": "x", "stream": True}).events
    assert whole["usage"] == events[-1]["interaction"]["usage"]
    assert whole["usage"] == {
        "total_input_tokens": 100,
        "total_output_tokens": 20,
        "total_thought_tokens": 64,
        "total_cached_tokens": 30,
        "total_tool_use_tokens": 0,
        "total_tokens": 184,
    }
    assert [events[0]["event_type"], events[-1]["event_type"]] == ["interaction.created", "interaction.completed"]
    assert ask("/v1/interactions", {"model": "g-tools", "input": "x"}).json["status"] == "requires_action"


def test_cohere_counts_tokens_and_what_is_billed(ask):
    whole = chat(ask, "/v2/chat", "c-thinking-cached").json
    events = chat(ask, "/v2/chat", "c-thinking-cached", stream=True).events
    assert whole["usage"] == events[-1]["delta"]["usage"]
    assert whole["usage"] == {
        "billed_units": {"input_tokens": 90, "output_tokens": 84},
        "tokens": {"input_tokens": 100, "output_tokens": 84},
        "cached_tokens": 30,
    }
    assert whole["message"]["content"][1] == {"type": "text", "text": HELLO}
    assert chat(ask, "/v2/chat", "c-tools").json["finish_reason"] == "TOOL_CALL"
    kinds = [event["type"] for event in chat(ask, "/v2/chat", "c-tools", stream=True).events]
    assert kinds == [
        "message-start",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-delta",
        "tool-call-end",
        "message-end",
    ]


def test_cohere_version_1_and_its_other_endpoints(ask):
    whole = ask("/v1/chat", {"model": "c", "message": "x"}).json
    lines = ask("/v1/chat", {"model": "c", "message": "x", "stream": True}).lines
    assert lines[-1]["response"]["text"] == whole["text"] == HELLO
    assert whole["meta"]["tokens"] == {"input_tokens": 100, "output_tokens": 20}
    assert ask("/v2/embed", {"model": "c", "texts": ["a"]}).json["meta"]["billed_units"] == {"input_tokens": 8}
    ranked = ask("/v2/rerank", {"model": "c", "documents": ["a", "b"]}).json
    assert [one["relevance_score"] for one in ranked["results"]] == [1 / 2, 1 / 3]
    assert ranked["meta"]["billed_units"] == {"search_units": 1}


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_ollama_counts_in_its_last_line(ask, path):
    lines = chat(ask, path, "o-thinking").lines
    whole = chat(ask, path, "o-thinking", stream=False).json
    for last in (lines[-1], whole):
        assert (last["done"], last["done_reason"]) == (True, "stop")
        assert (last["prompt_eval_count"], last["eval_count"]) == (100, 84)
    assert {line["done"] for line in lines[:-1]} == {False}
    said = whole["message"]["content"] if path == "/api/chat" else whole["response"]
    assert said == HELLO


def test_ollama_tools_embeddings_and_missing_counts(ask):
    message = chat(ask, "/api/chat", "o-tools", stream=False).json["message"]
    assert message["tool_calls"] == [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]
    embedded = ask("/api/embed", {"model": "e", "input": ["a", "b"]}).json
    assert (len(embedded["embeddings"]), embedded["prompt_eval_count"]) == (2, 8)
    assert "eval_count" not in chat(ask, "/api/chat", "o-nousage", stream=False).json


def messages(data):
    """The messages of an AWS event stream, each checksum held to account."""
    while data:
        total, head_length, prelude_crc = struct.unpack(">III", data[:12])
        message, data = data[:total], data[total:]
        assert crc32(message[:8]) == prelude_crc
        assert crc32(message[:-4]) == struct.unpack(">I", message[-4:])[0]
        yield read_headers(message[12 : 12 + head_length]), message[12 + head_length : -4]


def read_headers(head):
    headers = {}
    while head:
        name, head = head[1 : 1 + head[0]].decode(), head[1 + head[0] :]
        length = struct.unpack(">H", head[1:3])[0]
        assert head[0] == 7
        headers[name], head = head[3 : 3 + length].decode(), head[3 + length :]
    return headers


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("b", {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}),
        ("b-thinking", {"inputTokens": 100, "outputTokens": 84, "totalTokens": 184}),
        (
            "b-cached",
            {
                "inputTokens": 60,
                "outputTokens": 20,
                "totalTokens": 120,
                "cacheReadInputTokens": 30,
                "cacheWriteInputTokens": 10,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 6}, {"ttl": "1h", "inputTokens": 4}],
            },
        ),
    ],
)
def test_bedrock_converse_excludes_the_cache_from_its_input(ask, model, expected):
    whole = ask(f"/model/{model}/converse", {}).json
    stream = list(messages(ask(f"/model/{model}/converse-stream", {}).body))
    kinds = [headers[":event-type"] for headers, _ in stream]
    assert whole["usage"] == json.loads(stream[-1][1])["usage"] == expected
    assert (kinds[0], kinds[-2:]) == ("messageStart", ["messageStop", "metadata"])
    assert {headers[":content-type"] for headers, _ in stream} == {"application/json"}


def test_a_bedrock_stream_fails_with_an_exception_message(ask):
    headers, payload = list(messages(ask("/model/sse-error/converse-stream", {}).body))[-1]
    assert (headers[":message-type"], headers[":exception-type"]) == ("exception", "throttlingException")
    assert json.loads(payload) == {"message": "Too many requests, please wait before trying again."}


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("amazon.titan-text", {"inputTextTokenCount": 100}),
        ("us.meta.llama", {"generation": HELLO, "prompt_token_count": 100, "generation_token_count": 20}),
        ("mistral.m", {"outputs": [{"text": HELLO, "stop_reason": "stop"}]}),
        ("cohere.command", {"text": HELLO, "finish_reason": "COMPLETE"}),
        (
            "amazon.nova",
            {"stopReason": "end_turn", "usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}},
        ),
        ("ai21.jamba", {"model": "ai21.jamba"}),
        ("anthropic.claude", {"stop_reason": "end_turn", "type": "message"}),
    ],
)
def test_bedrock_invokes_each_vendors_model_in_its_format(ask, model, body):
    whole = ask(f"/model/{model}/invoke", {})
    assert {name: whole.json[name] for name in body} == body
    assert whole.headers["x-amzn-bedrock-input-token-count"] == "100"
    assert whole.headers["x-amzn-bedrock-output-token-count"] == "20"
    stream = [
        json.loads(payload) for _, payload in messages(ask(f"/model/{model}/invoke-with-response-stream", {}).body)
    ]
    last = json.loads(base64.b64decode(stream[-1]["bytes"]))
    metrics = {"inputTokenCount": 100, "outputTokenCount": 20, "invocationLatency": 12, "firstByteLatency": 5}
    assert last["amazon-bedrock-invocationMetrics"] == metrics


def test_bedrock_reads_the_model_out_of_an_arn(ask, server):
    arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-cached"
    answer = ask(f"/model/{arn}/invoke", {})
    assert server.requests[0].model.endswith(":inference-profile/us.anthropic.claude-cached")
    assert answer.headers["x-amzn-bedrock-cache-read-input-token-count"] == "30"
    assert answer.json["usage"]["input_tokens"] == 60


def test_aws_agents_and_endpoints(ask):
    asked = {"inputText": "x", "enableTrace": True}
    stream = list(messages(ask("/agents/A/agentAliases/B/sessions/C/text", asked).body))
    usage = json.loads(stream[0][1])["trace"]["orchestrationTrace"]["modelInvocationOutput"]["metadata"]["usage"]
    assert usage == {"inputTokens": 100, "outputTokens": 20}
    assert b"".join(base64.b64decode(json.loads(payload)["bytes"]) for _, payload in stream[1:]).decode() == HELLO
    assert ask("/retrieveAndGenerate", {}).json["output"] == {"text": HELLO}
    parts = messages(ask("/retrieveAndGenerateStream", {}).body)
    assert "".join(json.loads(payload)["text"] for _, payload in parts) == HELLO
    assert ask("/endpoints/e/invocations", {}).json == [{"generated_text": HELLO}]
    headers, payload = next(messages(ask("/endpoints/e/invocations-response-stream", {}).body))
    assert (headers[":content-type"], payload) == ("application/octet-stream", b'{"token":{"text":"Hello"}}\n')


def test_mistral_beside_chat(ask):
    whole = ask("/v1/conversations", {"model": "m", "inputs": "x"}).json
    events = ask("/v1/conversations", {"model": "m", "inputs": "x", "stream": True}).events
    assert whole["usage"] == events[-1]["usage"] == {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    assert ask("/v1/conversations/c1", {"model": "m-tools"}).json["outputs"][0]["type"] == "function.call"
    assert ask("/v1/ocr", {"model": "m"}).json["usage_info"]["pages_processed"] == 2
    assert ask("/mistral/v1/fim/completions", {"model": "m"}).json["choices"][0]["message"]["content"] == HELLO
    assert len(ask("/v1/chat/moderations", {"model": "m", "input": ["a", "b"]}).json["results"]) == 2
    assert (
        ask("/v1/classifications", {"model": "m", "input": "a"}).json["results"][0]["topic"]["scores"]["other"] == 0.1
    )
    heard = ask("/mistral/v1/audio/transcriptions", {"model": "m"}).json
    assert heard["usage"]["prompt_audio_seconds"] == 3


def test_mistral_thinks_in_its_content(ask):
    thought, text = chat(ask, "/mistral/v1/chat/completions", "m-thinking").json["choices"][0]["message"]["content"]
    assert thought == {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}
    assert text == {"type": "text", "text": HELLO}


def test_voyage_and_rerank(ask):
    assert ask("/voyage/v1/embeddings", {"model": "v", "input": "x"}).json["usage"] == {"total_tokens": 8}
    assert ask("/v1/multimodalembeddings", {"model": "v", "inputs": [{}]}).json["usage"]["image_pixels"] == 1120
    nested = ask("/v1/contextualizedembeddings", {"model": "v", "inputs": [["a", "b"]]}).json
    assert (len(nested["data"][0]["data"]), nested["usage"]) == (2, {"total_tokens": 8})
    body = {"model": "r", "documents": ["a"]}
    assert ask("/voyage/v1/rerank", body).json["usage"] == {"total_tokens": 26}
    assert ask("/together/v1/rerank", body).json["results"][0]["document"] == {"text": "a"}
    assert ask("/api/v1/rerank", body).json["usage"]["search_units"] == 1
    assert ask("/cohere/v1/rerank", body).json["meta"]["billed_units"] == {"search_units": 1}


def test_hugging_face_generates_and_extracts(ask):
    whole = ask("/models/org/name", {"inputs": "x"})
    assert (whole.json[0]["generated_text"], whole.json[0]["details"]["generated_tokens"]) == (HELLO, 20)
    assert (whole.headers["x-prompt-tokens"], whole.headers["x-generated-tokens"]) == ("100", "20")
    last = ask("/models/org/name-length", {"inputs": "x", "stream": True}).events[-1]
    assert last["details"] == {"finish_reason": "length", "generated_tokens": 20, "seed": None, "input_length": 100}
    assert ask("/models/org/name/pipeline/feature-extraction", {"inputs": ["a", "b"]}).json == [[0.5, -0.25, 0.125]] * 2


def test_replicate_predicts_waits_polls_and_streams(ask):
    begun = ask("/v1/models/meta/llama/predictions", {"input": {}})
    assert (begun.status, begun.json["status"], begun.json["output"]) == (201, "starting", None)
    done = ask(begun.json["urls"]["get"].partition("/v1/")[2].join(["/v1/", ""]), method="GET").json
    assert (done["status"], "".join(done["output"])) == ("succeeded", HELLO)
    assert (done["metrics"]["input_token_count"], done["metrics"]["output_token_count"]) == (100, 20)
    waited = ask("/v1/predictions", {"version": "meta/llama-failed:1"}, headers={"Prefer": "wait"}).json
    assert (waited["status"], waited["error"]) == ("failed", "the loopback fails as asked")
    stream = ask(f"/v1/predictions/{begun.json['id']}/stream", method="GET").body
    assert stream.startswith(b"event: output\nid: 0:0\ndata: Hello\n\n")
    assert stream.endswith(b"event: done\nid: 5:0\ndata: {}\n\n")


def test_writer_and_cohere_share_a_path(ask):
    assert chat(ask, "/v1/chat", "w").json["choices"][0]["message"]["content"] == HELLO
    assert ask("/v1/chat", {"model": "fail-400", "message": "x"}).json["message"] == "the loopback refuses: 400"
    assert chat(ask, "/v1/chat", "fail-400").json["error"]["type"] == "invalid_request_error"


def test_anthropic_behind_vertex(ask):
    path = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-cached"
    assert ask(f"{path}:rawPredict", BODY).json["usage"]["cache_read_input_tokens"] == 30
    assert ask(f"{path}:streamRawPredict", BODY).events[-1] == {"type": "message_stop"}


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(body=st.dictionaries(FIELDS, ODD, max_size=6), path=st.sampled_from(PATHS))
def test_odd_requests_are_answered_or_refused(body, path):
    reply = answer(Request(1, "POST", path, "alt=sse", {}, body))
    assert reply.status in (200, 201, 400)
    assert reply.headers["content-type"]


def test_watsonx_chats_generates_and_embeds(ask):
    body = {"model_id": "w-thinking", **BODY}
    whole, events = ask("/ml/v1/text/chat", body).json, ask("/ml/v1/text/chat_stream", body).events
    assert whole["usage"] == events[-1]["usage"] == {"prompt_tokens": 100, "completion_tokens": 84, "total_tokens": 184}
    assert "".join(part["choices"][0]["delta"]["content"] for part in events[:-1]) == HELLO
    called = ask("/ml/v1/text/chat", {"model_id": "w-tools", "tools": [TOOL], **BODY}).json["choices"][0]
    assert (called["finish_reason"], called["message"]["tool_calls"][0]["function"]["arguments"]) == (
        "tool_calls",
        '{"days": 1}',
    )
    result = ask("/ml/v1/text/generation", {"model_id": "w", "input": "x"}).json["results"][0]
    assert (result["input_token_count"], result["generated_token_count"], result["stop_reason"]) == (
        100,
        20,
        "eos_token",
    )
    parts = ask("/ml/v1/text/generation_stream", {"model_id": "w-length", "input": "x"}).events
    assert [part["results"][0]["stop_reason"] for part in parts] == ["not_finished"] * 4 + ["max_tokens"]
    assert ask("/ml/v1/text/embeddings", {"model_id": "e", "inputs": ["x"]}).json["input_token_count"] == 8
    assert ask("/icp4d-api/v1/authorize", {}).json["token"] == "token-7"
    assert ask("/v2/projects/p1", method="GET").json["metadata"]["id"] == "p1"
    refused = ask("/ml/v1/text/chat", {"model_id": "fail-429"})
    assert refused.json["errors"][0]["code"] == "rate_limit_reached_requests"


def test_tool_calls_are_streamed_in_pieces(ask):
    bedrock = [json.loads(payload) for _, payload in messages(ask("/model/b-tools/converse-stream", {}).body)]
    assert "".join(part["delta"]["toolUse"]["input"] for part in bedrock if "delta" in part) == '{"city": "Paris"}'
    google = ask("/v1/interactions", {"model": "g-tools", "input": "x", "stream": True}).events
    assert "".join(e["delta"]["arguments"] for e in google if e["event_type"] == "step.delta") == '{"city": "Paris"}'
    mistral = ask("/v1/conversations", {"model": "m-tools", "inputs": "x", "stream": True}).events
    assert mistral[1]["arguments"] == '{"city": "Paris"}'
    cohere = chat(ask, "/v2/chat", "c-tools", stream=True).events
    parts = [
        e["delta"]["message"]["tool_calls"]["function"]["arguments"] for e in cohere if e["type"] == "tool-call-delta"
    ]
    assert "".join(parts) == '{"city": "Paris"}'


def test_bedrock_offers_embeddings_counts_and_a_router(ask):
    assert ask("/model/amazon.titan-embed-text/invoke", {}).json["inputTextTokenCount"] == 8
    cohere = ask("/model/cohere.embed-v4/invoke", {"texts": ["a", "b"]})
    assert (len(cohere.json["embeddings"]), cohere.headers["x-amzn-bedrock-input-token-count"]) == (2, "8")
    assert ask("/model/b/count-tokens", {}).json == {"inputTokens": 100}
    trace = ask("/model/b-fallback/converse", {}).json["trace"]
    assert trace == {"promptRouter": {"invokedModelId": "anthropic.claude-haiku-4-5-20251001-v1:0"}}
    assert ask("/model/fail-400-quota/converse", {}).headers["x-amzn-errortype"].startswith("ServiceQuotaExceeded")


def test_openrouter_says_how_it_came_to_the_model(ask):
    body = {"model": "a-fallback", "models": ["a-fallback", "b"], **BODY}
    told = ask("/api/v1/chat/completions", body, headers={"X-OpenRouter-Metadata": "enabled"}).json
    assert (told["model"], told["openrouter_metadata"]["strategy"], told["openrouter_metadata"]["attempt"]) == (
        "b",
        "fallback",
        2,
    )
    assert "openrouter_metadata" not in ask("/api/v1/chat/completions", body).json


def test_speech_and_translations_and_streamed_transcripts(ask):
    speech = ask("/v1/audio/speech", {"model": "tts", "stream_format": "sse"}).events
    assert speech[-1] == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115},
    }
    assert ask("/v1/audio/translations", {"model": "w"}).json == {"text": HELLO}
    heard = ask("/v1/audio/transcriptions", {"model": "gpt-4o-transcribe", "stream": True}).events
    assert (heard[-1]["text"], heard[-1]["usage"]["total_tokens"]) == (HELLO, 17)
    assert ask("/v1/responses/resp_9", method="GET").json["id"] == "resp_9"
    assert ask("/api/tags", method="GET").json["models"][0]["name"] == "loopback-model"
