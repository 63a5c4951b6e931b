"""AWS beside Bedrock's runtime: agents, retrieval with generation, and SageMaker's endpoints.

Fields: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html.
"""

from __future__ import annotations

import base64
import re

from otel_llm.testing.loopback.call import Call, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, compact

from . import eventstream
from .bedrock import FAMILY


def invoke_agent(call: Call) -> Reply:
    """The answer in chunks; with ``enableTrace`` a trace before it that carries the model call's usage."""
    chunks = [_chunk(piece.encode()) for piece in call.text()]
    if call.body.get("enableTrace"):
        counts = {"inputTokens": call.tokens.input, "outputTokens": call.tokens.output}
        output = {"metadata": {"usage": counts}, "traceId": call.id("trace-")}
        trace: JSON = {"trace": {"orchestrationTrace": {"modelInvocationOutput": output}}}
        chunks.insert(0, eventstream.event("trace", trace))
    headers = {"x-amzn-bedrock-agent-content-type": "application/json", "x-amz-bedrock-agent-session-id": "session-1"}
    return Reply.of_events(chunks, eventstream.CONTENT_TYPE, headers)


def _chunk(content: bytes) -> bytes:
    return eventstream.event("chunk", {"bytes": base64.b64encode(content).decode()})


def retrieve_and_generate(call: Call) -> Reply:
    body = {"sessionId": "session-1", "output": {"text": "".join(call.text())}, "citations": []}
    return Reply.of_json(body)


def retrieve_and_generate_stream(call: Call) -> Reply:
    events = [eventstream.event("output", {"text": piece}) for piece in call.text()]
    return Reply.of_events(events, eventstream.CONTENT_TYPE, {"x-amzn-bedrock-knowledge-base-session-id": "session-1"})


def endpoint(call: Call) -> Reply:
    """A SageMaker endpoint that serves a text-generation container."""
    return Reply.of_json(
        [{"generated_text": "".join(call.text())}], headers={"x-amzn-invoked-production-variant": "main"}
    )


def endpoint_stream(call: Call) -> Reply:
    parts = [compact({"token": {"text": piece}}) + b"\n" for piece in call.text()]
    events = [eventstream.raw("PayloadPart", part) for part in parts]
    return Reply.of_events(events, eventstream.CONTENT_TYPE, {"x-amzn-sagemaker-content-type": "application/json"})


ROUTES = (
    Route("POST", re.compile(r"^/agents/[^/]+/agentAliases/[^/]+/sessions/[^/]+/text$"), invoke_agent, FAMILY),
    Route("POST", re.compile(r"^/agents/[^/]+$"), invoke_agent, FAMILY),
    Route("POST", re.compile(r"^/retrieveAndGenerate$"), retrieve_and_generate, FAMILY),
    Route("POST", re.compile(r"^/retrieveAndGenerateStream$"), retrieve_and_generate_stream, FAMILY),
    Route("POST", re.compile(r"^/endpoints/[^/]+/invocations$"), endpoint, FAMILY),
    Route("POST", re.compile(r"^/endpoints/[^/]+/invocations-response-stream$"), endpoint_stream, FAMILY),
)
