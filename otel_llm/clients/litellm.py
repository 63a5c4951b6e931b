"""litellm: each call of its SDK counted once, whichever client library it goes through inside."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, ReadRequest, positional
from otel_llm.core.model import Reader, Request, Response

from ._expected import expected
from ._openai_chat import read_chat, read_chat_chunk
from ._openai_content import asked
from ._openai_responses import read_response, read_response_event
from ._openai_shape import PARAMETERS, read_usage_only
from ._openai_usage import read_usage
from ._read import attr, number, parameters, text
from ._urls import place_of

# litellm's name of a provider -> OpenTelemetry's or ours, where they differ
NAMES: Mapping[str, str] = {
    "azure": "azure.ai.openai", "azure_text": "azure.ai.openai", "azure_ai": "azure.ai.inference", "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock", "sagemaker": "aws.sagemaker", "sagemaker_chat": "aws.sagemaker",
    "vertex_ai": "gcp.vertex_ai", "vertex_ai_beta": "gcp.vertex_ai", "gemini": "gcp.gemini", "mistral": "mistral_ai",
    "codestral": "mistral_ai", "xai": "x_ai", "watsonx": "ibm.watsonx.ai", "watsonx_text": "ibm.watsonx.ai",
    "together_ai": "together", "fireworks_ai": "fireworks", "cohere_chat": "cohere", "ollama_chat": "ollama",
    "anthropic_text": "anthropic", "text-completion-openai": "openai", "hosted_vllm": "vllm", "nvidia_nim": "nvidia",
    "dashscope": "alibaba", "voyage": "voyageai",
}  # fmt: skip
_BILLS = (
    "openrouter",
)  # whose ``usage.cost`` is the provider's own; litellm's ``response_cost`` is by its price list or a contract


def read_reply(reply: Any, into: Response) -> None:
    """A whole chat or text completion."""
    read_chat(reply, into)
    _read_hidden(reply, into)


def read_small(reply: Any, into: Response) -> None:
    """A reply that reports model and usage at most."""
    read_usage_only(reply, into)
    _read_hidden(reply, into)


def read_answer(reply: Any, into: Response) -> None:
    """A whole answer of the responses API."""
    read_response(reply, into)
    _read_hidden(reply, into)


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk. Where usage was not asked for, the last one hides it: the provider's own or, where it sent none, litellm's
    estimate, which newer versions have there when the stream has ended."""
    hidden = getattr(chunk, "_hidden_params", None)
    if isinstance(hidden, dict):
        into.cached = into.cached or hidden.get("custom_llm_provider") == "cached_response"
        if hidden.get("usage") is not None:
            into.late = lambda response: _read_late(hidden, response)
    return read_chat_chunk(chunk, into)


def _read_late(hidden: Mapping[str, Any], into: Response) -> None:
    if into.usage is None and attr(hidden.get("usage"), "total_tokens"):
        read_usage(hidden["usage"], into)
        if into.usage is not None and into.usage.cost_usd is None:
            into.usage.cost_usd = number(hidden.get("response_cost")) or None
    if into.usage is None:
        into.attributes.pop("otel_llm.usage.estimated", None)  # older versions estimate, and keep it to themselves


def _read_hidden(reply: Any, into: Response) -> None:
    hidden = getattr(reply, "_hidden_params", None)
    if not isinstance(hidden, dict):
        return
    into.cached = hidden.get("cache_hit") is True
    if into.usage is not None and not (into.usage.input_tokens or into.usage.output_tokens):
        into.usage = None  # where the provider reports none, litellm makes zeros
    cost = attr(getattr(reply, "usage", None), "cost")
    if into.usage is not None and hidden.get("custom_llm_provider") in _BILLS and isinstance(cost, float):
        into.usage.cost_usd = cost
    elif into.usage is not None:
        into.usage.cost_usd = number(hidden.get("response_cost")) or None  # 0 is what it has for models without a price


CHAT = Reader(read_reply, read_chunk)
SMALL = Reader(read_small)
RESPONSES = Reader(read_answer, read_response_event)
SILENT = Reader(_read_hidden, usage=False)
# function, its operation, its reader, the position of its model; each has an async twin whose name begins with an ``a``
CALLS = (
    ("completion", "chat", CHAT, 0), ("text_completion", "text_completion", CHAT, 1), ("responses", "chat", RESPONSES, 1),
    ("embedding", "embeddings", SMALL, 0), ("image_generation", "image_generation", SMALL, 1),
    ("transcription", "transcription", SMALL, 0), ("speech", "speech", SILENT, 0), ("moderation", "moderation", SILENT, 1),
    ("rerank", "rerank", SILENT, 0),
)  # fmt: skip


def _reading(operation: str, reader: Reader, position: int) -> ReadRequest:
    def read(_: Any, args: Args, kwargs: Kwargs) -> Request | None:
        if kwargs.get("fallbacks") is not None:
            return None  # it calls itself again for each model, and those are the calls
        requested = text(kwargs.get("model", args[position] if len(args) > position else None))
        provider, model = named(requested or "", kwargs.get("custom_llm_provider"))
        host, port = place_of(text(kwargs.get("api_base")) or text(kwargs.get("base_url")) or "")
        return Request(
            provider, operation, model or None, reader, host, port, bool(kwargs.get("stream")),
            parameters(kwargs, PARAMETERS), text(kwargs.get("service_tier")), lambda: asked(kwargs), expects=expected(kwargs),
        )  # fmt: skip

    return read


def _watch(result: Any, request: Request) -> None:
    """Whether it is a stream is seen by its shape. A stream from litellm's cache has the mark of that itself; its chunks have none."""
    if getattr(result, "custom_llm_provider", None) == "cached_response":
        request.recalled = True


def named(model: str, provider: Any = None) -> tuple[str, str]:
    """Provider and model as litellm would separate them: by what the caller says, the prefix, or its own list of models."""
    entry = getattr(sys.modules.get("litellm"), "model_cost", {}).get(model)
    prefix, slash, rest = model.partition("/")
    if isinstance(provider, str) and provider:
        model = rest if slash and prefix == provider else model
    elif slash:
        provider, model = prefix, rest
    else:
        provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
    name = str(provider or "litellm")
    return NAMES.get(name, "gcp.vertex_ai" if name.startswith("vertex_ai") else name), model


library = ClientLibrary(
    name="litellm", distribution="litellm", requires=">=1.85,<2", tested=("1.85.0", "1.109.1", "1.110.2"),
    operations=tuple(dict.fromkeys(operation for _, operation, *_ in CALLS)),
    hooks=tuple(
        Patch("litellm", (name, f"a{name}"), _reading(operation, reader, position), _watch,
              covers=("*",), switch=positional(position))
        for name, operation, reader, position in CALLS
    ),
    notes="Each attempt of a Router is a call. A hit in litellm's cache is none. Streams without usage carry litellm's "
    "estimate, marked as such. Its native (Rust) routes are seen as well, their retries are not.",
)  # fmt: skip
