"""Bedrock's own chat shapes: Converse and its stream, which Nova's models speak as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.core.jsonview import parsed
from otel_llm.core.model import Reader, Response, Usage

from ._bedrock_content import keep_block, keep_delta, keep_message
from ._bedrock_models import model_of
from ._guardrails import read_assessments
from ._read import attr, count, items, text


def read_converse(reply: Any, into: Response) -> None:
    """A whole answer. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""
    _read_stop(reply, into)
    read_metadata(reply, into)
    if into.content is not None:
        keep_message(into.content, attr(reply, "output", "message"), text(attr(reply, "stopReason")))


def read_metadata(metadata: Any, into: Response) -> None:
    """What a reply has beside the answer: usage, tier, and the model that a prompt router chose."""
    read_usage(attr(metadata, "usage"), into)
    latency = attr(metadata, "performanceConfig", "latency")
    into.service_tier = tier(attr(metadata, "serviceTier", "type"), latency) or into.service_tier
    if (guardrail := attr(metadata, "trace", "guardrail")) is not None:
        read_assessments(guardrail, into)
    if (routed := model_of(attr(metadata, "trace", "promptRouter", "invokedModelId"))) is not None:
        into.model, into.fallback = routed, ("", routed, "prompt_router")


def tier(name: Any, latency: Any) -> str | None:
    """The service tier; optimized latency, which has prices of its own, is one, too."""
    return "optimized" if latency == "optimized" else text(name)


def asked_tier(params: Any) -> str | None:
    """The tier that ``converse`` or ``invoke_model`` is asked for: they write it in different ways."""
    named, latency = attr(params, "serviceTier"), attr(params, "performanceConfigLatency")
    return tier(
        named if isinstance(named, str) else attr(named, "type"),
        latency or attr(params, "performanceConfig", "latency"),
    )


def read_usage(reported: Any, into: Response) -> None:
    """``inputTokens`` excludes what was read from and written to the cache; input here is all of it."""
    fresh, output = count(attr(reported, "inputTokens")), count(attr(reported, "outputTokens"))
    if fresh is None and output is None:
        return
    read, written = count(attr(reported, "cacheReadInputTokens")), count(attr(reported, "cacheWriteInputTokens"))
    usage = Usage(None if fresh is None else fresh + (read or 0) + (written or 0), output, read, written)
    hours = [
        count(attr(part, "inputTokens")) for part in items(attr(reported, "cacheDetails")) if attr(part, "ttl") == "1h"
    ]
    usage.cache_write_1h_tokens = sum(tokens or 0 for tokens in hours) if hours else None
    into.usage = usage


def read_event(event: Any, into: Response) -> bool:
    """An event of a stream as it came over the wire. What carries text is not even parsed, unless it is to be kept."""
    headers: Mapping[str, Any] = getattr(event, "headers", {})
    kind = headers.get(":event-type")
    if kind == "contentBlockDelta":
        if into.content is not None:
            read_part(kind, _payload(event), into)
        return True
    if kind is None:
        read_exception(headers, into)
    elif kind in ("messageStop", "metadata") or into.content is not None:
        read_part(kind, _payload(event), into)
    return False


def read_part(kind: str, event: Any, into: Response) -> bool:
    """A parsed part of a streamed answer, whether it carries output."""
    if kind == "messageStop":
        _read_stop(event, into)
    elif kind == "metadata":
        read_metadata(event, into)
        into.done = True
    elif kind == "contentBlockStart" and into.content is not None:
        keep_block(into.content, event)
    elif kind == "contentBlockDelta":
        if into.content is not None:
            keep_delta(into.content, event)
        return True
    return False


def read_exception(headers: Mapping[str, Any], into: Response) -> None:
    """A message that says that the stream failed, and ends it."""
    code = headers.get(":exception-type") or headers.get(":error-code")
    if code is not None:
        into.error_code, into.done = str(code), True


def _read_stop(event: Any, into: Response) -> None:
    if (reason := text(attr(event, "stopReason"))) is not None:
        into.finish_reasons = [reason]


def _payload(event: Any) -> Any:
    return parsed(event.payload)


CONVERSE = Reader(read_converse, read_event, terminal=True)
