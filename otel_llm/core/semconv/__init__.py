"""The conventions' names and words: what a call is called on a span, and how finish reasons are spoken of on metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from otel_llm.core.model import AttributeValue, Observation, Request, Response

from .vocabulary import Vocabulary, of

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop", "stop_sequence": "stop", "complete": "stop", "completed": "stop", "eos": "stop", "eos_token": "stop",
    "finish_reason_stop": "stop", "end": "stop", "finish": "stop", "finished": "stop",
    "max_tokens": "length", "max_output_tokens": "length", "max_len": "length", "max_context": "length", "token_limit": "length",
    "model_context_window_exceeded": "length", "model_length": "length", "max_length": "length", "length": "length",
    "incomplete": "length", "requires_action": "tool_calls",
    "tool_use": "tool_calls", "tool_call": "tool_calls", "function_call": "tool_calls", "tool_calls": "tool_calls",
    "refusal": "content_filter", "safety": "content_filter", "content_filtered": "content_filter", "prohibited_content": "content_filter",
    "blocklist": "content_filter", "spii": "content_filter", "guardrail_intervened": "content_filter", "recitation": "content_filter",
    "image_safety": "content_filter", "image_prohibited_content": "content_filter", "image_recitation": "content_filter",
    "jailbreak": "content_filter", "model_armor": "content_filter", "guardrail": "content_filter",
}  # fmt: skip


@lru_cache(maxsize=256)
def finish_reason(reason: str) -> str:
    """A provider's finish reason in the words of the metrics: stop, length, tool_calls, content_filter, or its own."""
    word = reason.lower().removeprefix("finish_reason_").removeprefix("reason_")
    return FINISH_REASONS.get(word, word)


def span_name(request: Request) -> str:
    """``{operation} {model}``, as the conventions ask."""
    return f"{request.operation} {request.model}" if request.model else request.operation


def start_attributes(
    request: Request, labels: Mapping[str, str], into: dict[str, AttributeValue] | None = None
) -> dict[str, AttributeValue]:
    """What the conventions want there for samplers, and the caller's labels. The rest of what was asked comes at the end.

    They are put ``into`` a mapping, where one is given.
    """
    attributes = {} if into is None else into
    attributes["gen_ai.operation.name"], attributes["gen_ai.provider.name"] = request.operation, request.provider
    if request.model:
        attributes["gen_ai.request.model"] = request.model
    if request.server_address:
        attributes["server.address"] = request.server_address
        if request.server_port:
            attributes["server.port"] = request.server_port
    if labels:
        for key, value in labels.items():
            attributes["gen_ai.conversation.id" if key == "conversation" else f"otel_llm.label.{key}"] = value
    return attributes


_RELEASED = of("released")
_SOURCES = {"prices": "local"}  # who says what it costs, in the proposal's words


def end_attributes(  # noqa: C901, PLR0912, PLR0915 - in one frame, as every call ends here
    request: Request,
    response: Response,
    observation: Observation,
    spoken: Vocabulary = _RELEASED,
    into: dict[str, AttributeValue] | None = None,
) -> dict[str, AttributeValue]:
    """The request's parameters, and what the reply reports. What the provider did not report is left out.

    They are put ``into`` a mapping, where one is given. ``spoken`` must then have nothing to change in what request and response
    have (``Vocabulary.leaves``), as others may have put there what is theirs.
    """
    if into is None:
        attributes = dict(request.attributes)
    else:
        attributes = into
        attributes.update(request.attributes)
    if response.model:
        attributes["gen_ai.response.model"] = response.model
    if response.id:
        attributes["gen_ai.response.id"] = response.id
    if response.fallback is not None or response.requests > 1:
        _seldom(response, attributes)
    if response.attributes:
        attributes.update(response.attributes)
    if into is None and not spoken.changes.isdisjoint(attributes):
        spoken.spoken(attributes)
    if response.finish_reasons:
        attributes["gen_ai.response.finish_reasons"] = tuple(response.finish_reasons)
    if request.stream:
        attributes["gen_ai.request.stream"] = True
    usage = response.usage
    if usage is not None:
        if not spoken.common:
            attributes.update(spoken.usage(usage))
        else:  # the same, for a third
            if (count := usage.input_tokens) is not None:
                attributes["gen_ai.usage.input_tokens"] = count
            if (count := usage.output_tokens) is not None:
                attributes["gen_ai.usage.output_tokens"] = count
            if (count := usage.cache_read_tokens) is not None:
                attributes["gen_ai.usage.cache_read.input_tokens"] = count
            if (count := usage.cache_write_tokens) is not None:
                attributes["gen_ai.usage.cache_creation.input_tokens"] = count
            if (count := usage.thinking_tokens) is not None:
                attributes["gen_ai.usage.reasoning.output_tokens"] = count
        if usage.estimated:
            attributes["otel_llm.usage.estimated"] = True
    if observation.first_chunk is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = observation.first_chunk
    if response.service_tier and observation.provider.endswith("openai"):
        attributes["openai.response.service_tier"] = response.service_tier
    cost, source, incomplete = observation.cost, observation.cost_source, observation.incomplete
    if cost is not None:
        attributes["otel_llm.cost.usd"], attributes["otel_llm.cost.source"] = cost, source
        if spoken.proposed:
            attributes["gen_ai.usage.cost.amount"], attributes["gen_ai.usage.cost.currency"] = cost, "USD"
            attributes["gen_ai.usage.cost.source"] = _SOURCES.get(source, source)
    if source:
        attributes["otel_llm.cost.complete"] = cost is not None and not incomplete
    if incomplete:
        attributes["otel_llm.cost.missing"] = incomplete
    return attributes


def _seldom(response: Response, attributes: dict[str, AttributeValue]) -> None:
    if response.fallback is not None:
        attributes["otel_llm.fallback.from"], attributes["otel_llm.fallback.to"] = response.fallback[:2]
    if response.requests > 1:
        attributes["otel_llm.request.count"] = response.requests
