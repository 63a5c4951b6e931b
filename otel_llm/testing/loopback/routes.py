"""All endpoints, in the order in which they are tried: the narrow ones before those that take many paths."""

from __future__ import annotations

from . import (
    anthropic,
    aws_agents,
    bedrock,
    bedrock_invoke,
    cohere,
    gemini,
    gemini_live,
    huggingface,
    interactions,
    mistral,
    ollama,
    openai_chat,
    openai_media,
    openai_responses,
    realtime,
    replicate,
    voyage,
    watsonx,
    writer,
)

ROUTES = (
    *bedrock.ROUTES,
    *bedrock_invoke.ROUTES,
    *aws_agents.ROUTES,
    *anthropic.ROUTES,
    *gemini.ROUTES,
    *gemini_live.ROUTES,
    *interactions.ROUTES,
    *cohere.ROUTES,
    *ollama.ROUTES,
    *watsonx.ROUTES,
    *openai_chat.ROUTES,
    *openai_responses.ROUTES,
    *openai_media.ROUTES,
    *realtime.ROUTES,
    *mistral.ROUTES,
    *voyage.ROUTES,
    *writer.ROUTES,
    *replicate.ROUTES,
    *huggingface.ROUTES,
)
