"""What a dialect is: where senders of one family write each fact of a call. A table, with a reader only where a table cannot say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from otel_llm.gateway.span import Attributes, Span, Tokens
from otel_llm.gateway.values import count, first

Kind = Literal["inference", "other", "unclear"]
"""``other`` is a span that the dialect knows to be no call (an agent, a tool, a wrapper), ``unclear`` one that it does not know."""
Names = tuple[str, ...]

OPERATION = "gen_ai.operation.name"
INFERENCE = {"chat": "chat", "generate_content": "generate_content", "text_completion": "text_completion",
             "embeddings": "embeddings", "embedding": "embeddings"}  # fmt: skip
"""Operations that are calls of a model, as some senders spell them, and the conventions' word."""


def operation(span: Span) -> str:
    """The conventions' operation of a span; ``chat`` where it has none."""
    return INFERENCE.get(str(span.attributes.get(OPERATION, "chat")), "chat")


def nothing(_: Span) -> str:
    return ""


def never(_: Span) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family of senders. Of each column the first attribute that is there counts; numbers may be written as text.

    ``apart`` says whether input tokens come without those that a cache held; ``first_chunk`` has the attribute and how many of
    its unit make a second.
    """

    name: str
    knows: Callable[[Span], bool]
    kind: Callable[[Span], Kind]
    operation: Callable[[Span], str] = operation
    provider: Names = ("gen_ai.provider.name", "gen_ai.system")
    request_model: Names = ("gen_ai.request.model",)
    response_model: Names = ("gen_ai.response.model",)
    input: Names = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    output: Names = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    cache_read: Names = (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.details.cache_read_tokens",
    )  # fmt: skip
    cache_write: Names = (
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    )  # fmt: skip
    thinking: Names = (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.details.reasoning_tokens",
    )  # fmt: skip
    finish: Names = ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason")
    stream: Names = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
    first_chunk: tuple[tuple[str, float], ...] = (
        ("gen_ai.response.time_to_first_chunk", 1.0),
        ("gen_ai.client.operation.time_to_first_chunk", 1.0),
    )
    response_id: Names = ("gen_ai.response.id",)
    cost: Names = ("operation.cost",)
    address: Names = ("server.address", "gen_ai.openai.api_base")
    tier: Names = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
    agent: Names = ("gen_ai.agent.name",)
    tokens: Callable[[Span], Tokens] | None = None  # where usage stands in a document
    model: Callable[[Span], str] = nothing  # the request's model, where no attribute has it
    owner: Callable[[Span], str] = nothing  # the provider, where no attribute names it
    error: Callable[[Span], str] = nothing  # what went wrong, where ``error.type`` does not say it
    streams: Callable[[Span], bool] = never  # a stream, where no attribute says it
    chunk: Callable[[Span], float | None] | None = None  # seconds to the first chunk, where no attribute has them
    bill: Callable[[Span], float | None] = lambda _: None  # the sender's cost, where no attribute has it
    apart: Callable[[Span, str], bool] = lambda _span, _provider: False
    part: Callable[[Span, Tokens | None, str], str] = lambda _span, _tokens, _error: ""


def tokens(dialect: Dialect, attributes: Attributes) -> Tokens:
    """The usage of the columns."""
    return Tokens(
        count(first(attributes, dialect.input)), count(first(attributes, dialect.output)),
        count(first(attributes, dialect.cache_read)), count(first(attributes, dialect.cache_write)),
        count(first(attributes, dialect.thinking)),
    )  # fmt: skip
