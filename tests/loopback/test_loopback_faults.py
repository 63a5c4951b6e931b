"""Faults that a model's name asks for."""

from __future__ import annotations

import http.client
import json

import pytest

from otel_llm.testing.loopback.switches import read_switches

CHAT = "/v1/chat/completions"
SAID = "The server had an error while processing your request."


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (
            CHAT,
            429,
            {
                "error": {
                    "message": "The loopback refuses: rate_limit_exceeded.",
                    "type": "tokens",
                    "param": None,
                    "code": "rate_limit_exceeded",
                }
            },
        ),
        (
            "/v1/responses",
            401,
            {
                "error": {
                    "message": "The loopback refuses: invalid_api_key.",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "invalid_api_key",
                }
            },
        ),
        ("/api/v1/chat/completions", 402, {"error": {"message": "The loopback refuses: server_error.", "code": 402}}),
        (
            "/mistral/v1/chat/completions",
            422,
            {
                "object": "error",
                "message": "The loopback refuses: invalid_request_error.",
                "type": "invalid_request_error",
                "param": None,
                "code": "422",
            },
        ),
        ("/voyage/v1/embeddings", 429, {"detail": "The loopback refuses: rate_limit_exceeded."}),
        (
            "/v1/messages",
            529,
            {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
                "request_id": "req_00000001",
            },
        ),
        ("/v2/chat", 500, {"id": "err-00000001", "message": "the loopback refuses: 500"}),
        ("/api/chat", 404, {"error": "model 'fail-404' not found"}),
        (
            "/v1/models/m/fail-422/predictions",
            422,
            {"title": "Refused", "detail": "The loopback refuses.", "status": 422},
        ),
        ("/models/org/fail-503", 503, {"error": "the loopback refuses: 503", "error_type": "overloaded"}),
    ],
)
def test_each_family_refuses_in_its_own_format(ask, path, status, body):
    answer = ask(path, {"model": f"fail-{status}"})
    assert (answer.status, answer.json) == (status, body)


def test_gemini_refuses_with_a_status_and_a_delay(ask):
    answer = ask("/v1beta/models/fail-429-retry-after-3:generateContent", {})
    assert answer.json["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert answer.json["error"]["details"] == [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}
    ]
    assert answer.headers["retry-after"] == "3"


def test_bedrock_refuses_with_a_header(ask):
    answer = ask("/model/fail-429/converse", {})
    assert answer.headers["x-amzn-errortype"].startswith("ThrottlingException:")
    assert answer.json == {"message": "The loopback refuses: ThrottlingException."}


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("fail-429-quota", "insufficient_quota"),
        ("fail-400-context", "context_length_exceeded"),
        ("fail-400-filter", "content_filter"),
    ],
)
def test_the_kind_of_a_refusal(ask, model, code):
    answer = ask(CHAT, {"model": model})
    assert (answer.json["error"]["code"], answer.headers["x-should-retry"]) == (code, "false")


def test_the_first_requests_fail_and_then_they_do_not(ask):
    assert [ask(CHAT, {"model": "m-fail-503-2"}).status for _ in range(4)] == [503, 503, 200, 200]
    assert [ask(CHAT, {"model": "other-fail-503-2"}).status for _ in range(1)] == [503]


@pytest.mark.parametrize(
    ("model", "after", "after_ms", "should"),
    [
        ("fail-429", None, "1", "true"),
        ("fail-429-retry-after", "1", "1000", "true"),
        ("fail-529-retry-after-20", "20", "20000", "true"),
        ("fail-500-noretry", None, None, "false"),
        ("fail-404", None, None, "false"),
    ],
)
def test_when_to_come_back(ask, model, after, after_ms, should):
    headers = ask("/v1/messages", {"model": model}).headers
    assert (headers.get("retry-after"), headers.get("retry-after-ms")) == (after, after_ms)
    assert headers["x-should-retry"] == should


def test_a_stream_is_cut_after_as_many_events_as_asked(wire, read):
    body = b'{"model":"m-cut-2","stream":true}'
    wire.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    data = read(wire, b"never")
    assert data.count(b"data: {") == 2
    assert not data.endswith(b"0\r\n\r\n")


def test_a_connection_is_dropped_without_an_answer(ask):
    with pytest.raises(http.client.RemoteDisconnected):
        ask(CHAT, {"model": "drop"})


def test_an_empty_body(ask):
    answer = ask(CHAT, {"model": "empty"})
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert ask(CHAT, {"model": "empty", "stream": True}).body == b""


def test_json_that_does_not_parse(ask):
    with pytest.raises(json.JSONDecodeError):
        ask(CHAT, {"model": "malformed"}).json  # noqa: B018 -- reading it is the test
    stream = ask(CHAT, {"model": "malformed", "stream": True}).body.split(b"\n\n")
    assert len(stream) == 3
    assert stream[1] == b'data: {"id": "malformed", "choices": [{'
    assert ask("/api/chat", {"model": "malformed"}).body.endswith(b'}\n{"id": "malformed", "choices": [{\n')


@pytest.mark.parametrize(
    ("path", "event", "data"),
    [
        (CHAT, None, {"error": {"message": SAID, "type": "server_error", "param": None, "code": "server_error"}}),
        (
            "/openai/v1/chat/completions",
            "error",
            {"error": {"message": SAID, "type": "server_error", "param": None, "code": "server_error"}},
        ),
        (
            "/v1/responses",
            "error",
            {"type": "error", "sequence_number": 3, "code": "server_error", "message": SAID, "param": None},
        ),
        (
            "/v1/messages",
            "error",
            {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
                "request_id": "req_00000001",
            },
        ),
        (
            "/v1beta/models/sse-error:streamGenerateContent?alt=sse",
            None,
            {"error": {"code": 529, "message": "The loopback refuses: UNAVAILABLE.", "status": "UNAVAILABLE"}},
        ),
        (
            "/v1beta/interactions",
            "error",
            {"event_type": "error", "error": {"code": "unavailable", "message": "The loopback fails: 529."}},
        ),
        (
            "/v2/chat",
            "message-end",
            {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "the loopback fails: 529"}},
        ),
        (
            "/v1/conversations",
            "conversation.response.error",
            {"type": "conversation.response.error", "message": "the loopback fails", "code": 529},
        ),
    ],
)
def test_each_family_fails_midway_in_its_own_format(ask, path, event, data):
    answer = ask(path, {"model": "sse-error", "stream": True})
    named = f"event: {event}\n" if event else ""
    assert answer.status == 200
    assert answer.events[-1] == data
    assert answer.body.rstrip().rpartition(b"\n\n")[2].decode().rpartition("\r\n\r\n")[2].startswith(named + "data: {")
    assert len(answer.events) > 1


def test_ollama_fails_midway_in_a_line(ask):
    assert ask("/api/chat", {"model": "sse-error"}).lines[-1] == {"error": "the loopback refuses"}


def test_a_slow_answer_waits_at_the_gate(server, wire, read):
    wire.sendall(b'POST /v1/embeddings HTTP/1.1\r\ncontent-length: 21\r\n\r\n{"model":"slow-gate"}')
    server.wait_for(1)
    wire.setblocking(False)
    with pytest.raises(BlockingIOError):
        wire.recv(1)
    wire.settimeout(10)
    server.gate.set()
    assert read(wire, b"8}}").startswith(b"HTTP/1.1 200 OK")


def test_a_trickle_goes_on_step_by_step(server, wire, read):
    wire.sendall(b'POST /api/generate HTTP/1.1\r\ncontent-length: 35\r\n\r\n{"model":"trickle-gate-chunks-3"}  ')
    assert read(wire, b'"done":false}\n\r\n').count(b'"response":"Hello"') == 1
    server.gate.step()
    assert read(wire, b'"done":false}\n\r\n').count(b'"response":" from"') == 1
    server.gate.set()
    assert read(wire, b"0\r\n\r\n").count(b'"response":') == 2


def test_times_are_read_in_milliseconds(ask):
    assert read_switches("slow-1500-trickle-20").slow == 1.5
    assert read_switches("slow-1500-trickle-20").trickle == 0.02
    assert ask("/v1/chat/completions", {"model": "slow-1-trickle-1", "stream": True}).body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-2024-08-06",
        "claude-sonnet-4-5-20250929",
        "gemini-2.5-flash",
        "us.meta.llama3-1-70b-instruct-v1:0",
        "failover",
        "uncut-5",
    ],
)
def test_real_names_ask_for_nothing(name):
    switches = read_switches(name)
    assert (switches.words, switches.fail, switches.cut, switches.finish) == (frozenset(), 0, None, "stop")
    assert (switches.slow, switches.trickle, switches.stream_error) == (0, 0, False)


def test_a_header_asks_where_the_model_keeps_its_name(ask):
    body, headers = {"model": "gpt-4o"}, {"X-Loopback": "cached-thinking-fail-503-1"}
    assert ask(CHAT, body, headers=headers).status == 503
    answer = ask(CHAT, body, headers=headers).json
    assert (answer["model"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]) == ("gpt-4o", 30)
    assert answer["usage"]["completion_tokens"] == 84
    assert ask(CHAT, body).json["usage"]["completion_tokens"] == 20


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (CHAT, {"reasoning_effort": "high"}, ["usage", "completion_tokens_details", "reasoning_tokens"]),
        ("/v1/responses", {"reasoning": {"effort": "low"}}, ["usage", "output_tokens_details", "reasoning_tokens"]),
        ("/v1/messages", {"thinking": {"type": "adaptive"}}, ["usage", "output_tokens_details", "thinking_tokens"]),
        (
            "/v1/models/g:generateContent",
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 64}}},
            ["usageMetadata", "thoughtsTokenCount"],
        ),
    ],
)
def test_a_request_may_turn_thinking_on(ask, path, body, where):
    found = ask(path, {"model": "m", **body}).json
    for name in where:
        found = found[name]
    assert found == 64


@pytest.mark.parametrize(
    "body", [{"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, {"reasoning": None}, {"think": False}]
)
def test_a_request_may_turn_thinking_off(ask, body):
    assert ask(CHAT, {"model": "m", **body}).json["usage"]["completion_tokens"] == 20
