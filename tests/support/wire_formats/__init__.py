"""The wire formats that the loopback server speaks in tests beside those that the demo needs. Importing adds them."""

from __future__ import annotations

from otel_llm.testing.loopback import anthropic, openai_chat, openai_embeddings, openai_responses
from otel_llm.testing.loopback.routes import ROUTES

from . import (
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
    openai_media,
    realtime,
    replicate,
    voyage,
    watsonx,
    writer,
)

ROUTES.use(
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
    *openai_embeddings.ROUTES,
    *openai_media.ROUTES,
    *realtime.ROUTES,
    *mistral.ROUTES,
    *voyage.ROUTES,
    *writer.ROUTES,
    *replicate.ROUTES,
    *huggingface.ROUTES,
)
