"""Readers of Google's and Amazon's shapes on payloads that nobody promised."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, struct_pb2, wrappers_pb2

from otel_llm.clients import vertexai
from otel_llm.clients._bedrock_converse import CONVERSE
from otel_llm.clients._bedrock_invoke import INVOKE
from otel_llm.clients._bedrock_models import model_of
from otel_llm.clients._bedrock_operations import AGENT
from otel_llm.clients._google_interactions import INTERACTION
from otel_llm.clients._protobuf import sent
from otel_llm.clients.google_genai import CONTENT, EMBEDDINGS
from otel_llm.core.model import Response

ODD: list[Any] = [None, 0, -1, 2**70, "", "x", True, [], [None], [[]], {}, {"x": None}]
NAMES = (
    "usage", "usage_metadata", "candidates", "prompt_feedback", "embeddings", "model_version", "response_id", "interaction", "status",
    "event_type", "stopReason", "trace", "output", "outputs", "results", "choices", "delta", "type", "message", "metadata",
    "messageStop", "amazon-bedrock-invocationMetrics", "ResponseMetadata", "serviceTier", "error", "completionReason",
)  # fmt: skip
PAYLOADS = [{name: odd} for name in NAMES for odd in ODD]
KINDS = ("messageStop", "metadata", "contentBlockStart", "contentBlockDelta", "trace", "chunk", None)


@pytest.mark.parametrize("content", [None, []])
@pytest.mark.parametrize("reader", [CONVERSE, INVOKE, AGENT, INTERACTION, CONTENT, EMBEDDINGS])
def test_no_value_is_too_odd(reader: Any, content: list[Any] | None) -> None:
    for payload in PAYLOADS:
        into = Response(content=content)
        reader.value(payload, into)
        reader.value(SimpleNamespace(**payload), into)
        assert into.usage is None or into.usage.known


@pytest.mark.parametrize("content", [None, []])
@pytest.mark.parametrize("reader", [INTERACTION, CONTENT])
def test_no_chunk_is_too_odd(reader: Any, content: list[Any] | None) -> None:
    for payload in PAYLOADS:
        assert reader.chunk(SimpleNamespace(**payload), Response(content=content)) is False


@pytest.mark.parametrize("content", [None, []])
@pytest.mark.parametrize("reader", [CONVERSE, INVOKE, AGENT])
@pytest.mark.parametrize("kind", KINDS)
def test_no_event_is_too_odd(reader: Any, kind: str | None, content: list[Any] | None) -> None:
    for payload in [*PAYLOADS, *ODD]:
        inner = base64.b64encode(json.dumps(payload).encode()).decode()
        for body in (payload, {"bytes": inner}, {"bytes": None}):
            event = SimpleNamespace(headers={":event-type": kind} if kind else {}, payload=json.dumps(body).encode())
            reader.chunk(event, Response(content=content))


def test_a_message_of_protobuf_tells_what_it_was_sent_with() -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": [1, {"b": True}, None], "c": {}})
    assert sent(struct_pb2.Value(struct_value=struct)) == {"struct_value": {"a": [1.0, {"b": True}, None], "c": {}}}
    kind = descriptor_pb2.FieldDescriptorProto
    field = kind(name="x", number=0, type=kind.TYPE_STRING, options={"deprecated": False, "ctype": 1})
    whole = descriptor_pb2.DescriptorProto(field=[field, kind()], reserved_name=["y"])
    assert sent(whole) == {
        "field": [
            {"name": "x", "number": 0, "type": "TYPE_STRING", "options": {"ctype": "CORD", "deprecated": False}},
            {},
        ],
        "reserved_name": ["y"],
    }
    assert sent(SimpleNamespace(_pb=wrappers_pb2.FloatValue(value=0.7))) == {"value": 0.7}
    assert sent(wrappers_pb2.Int32Value(value=0)) == sent(None) == sent("x") == {}


@pytest.mark.parametrize("odd", [*ODD, *PAYLOADS])
@pytest.mark.parametrize("reader", [vertexai.CONTENT, vertexai.EMBEDDINGS, vertexai.NO_USAGE])
def test_no_reply_of_vertexai_is_too_odd(reader: Any, odd: Any) -> None:
    for reply in (
        odd,
        [odd],
        SimpleNamespace(_raw_response=odd),
        SimpleNamespace(_raw_response=SimpleNamespace(_pb=odd)),
    ):
        into = Response(content=[])
        reader.value(reply, into)
        assert reader.chunk is None or reader.chunk(reply, into) is False
        assert into.usage is None


@pytest.mark.parametrize("odd", [*ODD, "arn:", "arn:aws:bedrock", "arn:aws:bedrock:us-east-1::foundation-model/"])
def test_no_model_is_too_odd(odd: Any) -> None:
    found = model_of(odd)
    assert found is None or isinstance(found, str)
