"""All endpoints, in the order in which they are tried: the narrow ones before those that take many paths."""

from __future__ import annotations

from otel_llm.loopback import anthropic, openai_chat, openai_media, openai_responses

ROUTES = (*anthropic.ROUTES, *openai_chat.ROUTES, *openai_responses.ROUTES, *openai_media.ROUTES)
