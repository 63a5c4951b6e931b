"""Writer's chat, which is OpenAI's format at a path that Cohere's first version has as well."""

from __future__ import annotations

import re

from otel_llm.testing.loopback import openai, openai_chat
from otel_llm.testing.loopback.call import Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import Reply

from . import cohere


def chat(call: Call) -> Reply:
    """Cohere's clients send one ``message``, Writer's a list of them."""
    return cohere.chat_v1(call) if "message" in call.body else openai_chat.chat(call)


def error(failure: Failure) -> Reply:
    return cohere.error(failure) if "message" in failure.request.json else openai.error(failure)


FAMILY = Family("writer", error, openai.stream_error, openai.headers)
ROUTES = (Route("POST", re.compile(r"/v1/chat$"), chat, FAMILY),)
