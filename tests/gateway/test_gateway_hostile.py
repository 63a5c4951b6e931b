"""Senders that mean harm, or do it: everything that they can make grow has a bound."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from gateway_lab import CHAT, START, Lab, pairs, request, span

from otel_llm.core.config import Config
from otel_llm.gateway import batch, otlpjson, protobuf
from otel_llm.gateway.batch import MalformedError, Naming
from otel_llm.gateway.dialects import ORDER, recognise, speaks
from otel_llm.gateway.reading import read
from otel_llm.gateway.remember import Remembered
from otel_llm.gateway.resolver import Link, Resolver

NASTY = [
    True,
    -1,
    2**63 - 1,
    1e308,
    "",
    "x" * 20_000,
    "\ud800",
    "{" * 9000,
    "[" * 50,
    "None",
    "1e999",
    "-5",
    ["a", "b"],
    "{'a': 1" * 900,
    "nan",
]

FIXED: list[dict[str, str]] = [
    {}, {"gen_ai.operation.name": "chat"}, {"openinference.span.kind": "LLM"}, {"langfuse.observation.type": "generation"},
    {"langsmith.span.kind": "llm"}, {"ai.operationId": "ai.embed.doEmbed"}, {"llm.request.type": "rerank"},
]  # fmt: skip


def test_many_services_models_and_agents_become_other(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Config(state_dir=str(tmp_path), server="off", port=0, max_label_values=50))
    for number in range(0, 10_000, 100):
        spans = [
            {"resource": {"attributes": pairs({"service.name": f"s{at}" * 40})}, "scopeSpans": [{"spans": [
                span(at + 1, {**CHAT, "gen_ai.request.model": f"m{at}" * 40, "gen_ai.agent.name": f"a{at}"})]}]}
            for at in range(number, number + 100)
        ]  # fmt: skip
        lab.send(json.dumps({"resourceSpans": spans}).encode())
    lab.settle()
    services = lab.calls("service_name")
    assert sum(services.values()) == 10_000
    assert len(services) == 51
    assert max(len(name) for (name,) in services) <= 128
    assert len(lab.calls("gen_ai_request_model")) == 51
    assert len(lab.values("otel_llm_agent_tokens_total", "gen_ai_agent_name")) <= 51
    assert len(lab.values("otel_llm_requests_per_second", "service_name", "gen_ai_request_model")) <= 51 * 51
    lab.gateway.stop()


def test_values_of_any_kind_in_any_place_break_nothing(lab: Lab) -> None:
    dice = random.Random(7)
    names = sorted(
        {name for dialect in ORDER for column in ("provider", "request_model", "input", "output", "cache_read", "finish", "stream", "cost",
                                                  "address", "agent", "response_id", "tier") for name in getattr(dialect, column)}
        | {"gen_ai.operation.name", "openinference.span.kind", "langfuse.observation.type", "langsmith.span.kind", "ai.operationId",
           "llm.request.type", "error.type", "http.response.status_code", "logfire.span_type", "langfuse.observation.usage_details",
           "llm.invocation_parameters", "metadata.usage_object", "langfuse.observation.completion_start_time", "SampleRate",
           "gen_ai.usage.input_token_details", "ai.response.msToFirstChunk", "gen_ai.usage.raw", "claude_code.x", "success"}
    )  # fmt: skip
    scopes = (
        "litellm",
        "logfire.openai",
        "langsmith",
        "vllm.llm_engine",
        "strands.telemetry.tracer",
        "openlit",
        "com.anthropic.sdk",
        "x",
    )
    bodies = []
    for number in range(1, 400):
        chosen = {name: dice.choice(NASTY) for name in dice.sample(names, 12)}
        fixed = dice.choice(FIXED)
        name = dice.choice(["x", "claude_code.llm_request", "llm_request", "call_llm", "litellm_request"])
        one = span(number, {**chosen, **fixed}, name=name, status={"code": dice.choice([0, 2, "STATUS_CODE_ERROR", None, 9**9])},
                   traceState=dice.choice(["ot=th:", "ot=p:", ",,=", "ot=th:8"]),
                   events=[{"name": "exception", "attributes": pairs({"exception.type": "x" * 300, "exception.message": "code: 999"})}],
                   )  # fmt: skip
        one["startTimeUnixNano"] = dice.choice([one["startTimeUnixNano"], 0, -1, "x", str(2**64), 1.5])
        bodies.append(request(one, scope=dice.choice(scopes)))
    lab.send(*bodies)
    lab.settle(200.0)
    told = lab.spans()
    assert sum(told.values()) == 399
    assert told["counted"] > 100
    assert lab.values("otel_llm_internal_errors_total") == {}
    assert all(value < 1e16 for value in lab.values("gen_ai_client_inference_usage_input_tokens_total").values())


def test_damaged_protobuf_and_json_are_refused_or_read(lab: Lab) -> None:
    from test_gateway_ports import protobuf as packed

    dice = random.Random(11)
    body, text = packed(request(span(1, CHAT), span(2, CHAT, parent=1))), request(span(1, CHAT))
    refused = 0
    for _ in range(500):
        for good, decode in ((body, protobuf.traces), (text, otlpjson.traces)):
            damaged = bytearray(good)
            for _ in range(dice.randint(1, 6)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            try:
                for resource, spans in decode(bytes(damaged[: dice.randint(1, len(damaged))]), Naming()).spans:
                    for one in spans:
                        if speaks(one) and (dialect := recognise(one)) is not None and dialect.kind(one) == "inference":
                            read(one, dialect, resource)
            except MalformedError:
                refused += 1
    assert refused > 500


def test_a_request_has_a_number_of_spans_at_most(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    monkeypatch.setattr(otlpjson, "MOST_SPANS", 3)
    body = request(*(span(number, CHAT) for number in range(1, 6)))
    assert otlpjson.traces(body, Naming()).rejected == 2
    monkeypatch.setattr(protobuf, "MOST_SPANS", 3)
    from test_gateway_ports import protobuf as packed

    assert protobuf.traces(packed(body), Naming()).rejected == 2


def test_a_span_has_a_number_of_attributes_at_most_and_no_content() -> None:
    told = {f"k{number}": number for number in range(2000)}
    content = {
        "gen_ai.input.messages": "secret",
        "llm.input_messages.0.message.content": "secret",
        "gen_ai.prompt.0.content": "secret",
    }
    made = otlpjson.traces(request(span(1, {**content, **told})), Naming()).spans[0][1][0]
    assert len(made.attributes) == batch.MOST_ATTRIBUTES
    assert "secret" not in repr(made)


def test_what_is_remembered_has_a_bound_in_number_and_time() -> None:
    known: Remembered[int] = Remembered(10.0, 3)
    for number in range(5):
        known.put(number, number, float(number))
    assert list(known) == [2, 3, 4]
    known.put(9, 9, 13.5)
    assert list(known) == [4, 9]


def test_spans_in_a_circle_end() -> None:
    resolver = Resolver(settle=0.0)
    a, b = (bytes(16) + bytes([number]) * 8 for number in (1, 2))
    resolver.link(Link(a, b, server=True), 0.0)
    resolver.link(Link(b, a, server=False), 0.0)
    made = otlpjson.traces(request(span(3, CHAT)), Naming()).spans[0]
    call = read(made[1][0], recognise(made[1][0]), made[0])._replace(parent=a)  # type: ignore[arg-type]
    assert resolver.take(call, 0.0)
    assert [one.key for one in resolver.settled(1.0).calls] == [call.key]


def test_a_time_that_cannot_be_is_taken_for_now(lab: Lab) -> None:
    far = request(span(1, CHAT, start=9e8), span(2, CHAT) | {"startTimeUnixNano": "5", "endTimeUnixNano": "9"})
    lab.send(far)
    lab.settle()
    assert START > 0
    assert lab.calls() == {("shop",): 2}
