"""The readers of whatever OpenAI's API answers, and the parameters that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.core.model import Reader, Response

from ._guardrails import read_moderation
from ._openai_chat import read_chat, read_chat_chunk
from ._openai_responses import (
    read_fetched,
    read_fetched_event,
    read_image_event,
    read_response,
    read_response_event,
    read_transcript_event,
)
from ._openai_usage import read_image_usage, read_usage
from ._read import fields_of, text

PARAMETERS: Mapping[str, str] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "n": "gen_ai.request.choice.count",
    "seed": "gen_ai.request.seed",
    "stop": "gen_ai.request.stop_sequences",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "encoding_format": "gen_ai.request.encoding_formats",
    "dimensions": "gen_ai.embeddings.dimension.count",
    "service_tier": "openai.request.service_tier",
    "reasoning_effort": "gen_ai.request.reasoning.level",
    "previous_response_id": "gen_ai.request.previous_response.id",
}


def read_usage_only(reply: Any, into: Response) -> None:
    """A reply that reports model and usage at most: embeddings, transcriptions."""
    fields = fields_of(reply)
    into.model = text(fields.get("model"))
    read_usage(fields.get("usage"), into)


def read_embeddings(reply: Any, into: Response) -> None:
    """Vectors, which are no tokens: Mistral says that it wrote none, others say nothing of it."""
    read_usage_only(reply, into)
    if into.usage is not None:
        into.usage.output_tokens = into.usage.output_tokens or None


def read_images(reply: Any, into: Response) -> None:
    """Images that were made: they report their tokens."""
    fields = fields_of(reply)
    into.model = text(fields.get("model"))
    read_image_usage(fields.get("usage"), into)


def read_nothing(_: Any, __: Response) -> None:
    """A reply that reports nothing we count, such as speech."""


CHAT = Reader(read_chat, read_chat_chunk, terminal=True)
RESPONSES = Reader(read_response, read_response_event, terminal=True)
EMBEDDINGS = Reader(read_embeddings)
IMAGES = Reader(read_images, read_image_event)
TRANSCRIPTION = Reader(read_usage_only, read_transcript_event)
FETCHED = Reader(read_fetched, read_fetched_event, usage=False)
NO_USAGE = Reader(read_nothing, usage=False)
MODERATION = Reader(read_moderation, usage=False)
