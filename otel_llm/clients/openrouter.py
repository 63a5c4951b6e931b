"""OpenRouter: chat, responses, embeddings, reranking, with the cost as it bills it and the fallbacks as it reports them."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial
from otel_llm.core.model import Reader, Response

from ._openai_chat import read_chat, read_chat_chunk
from ._openai_responses import read_response, read_response_event
from ._openai_shape import EMBEDDINGS, NO_USAGE
from ._read import attr, items, text
from ._speakeasy import Method, hooks


def read_reply(reply: Any, into: Response) -> None:
    """A chat completion; ``usage.cost`` is US dollars, ``openrouter_metadata`` reports a fallback where it was asked for."""
    read_chat(reply, into)
    _read_money(reply, into)


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat; the last one has the usage, always."""
    output = read_chat_chunk(chunk, into)
    _read_money(chunk, into)
    return output


def _read_money(reply: Any, into: Response) -> None:
    metadata = attr(reply, "openrouter_metadata")
    if text(attr(metadata, "strategy")) == "fallback":
        tried = items(attr(metadata, "attempts"))
        first = text(attr(tried[0], "model")) if tried else None
        into.fallback = (first or text(attr(metadata, "requested")) or "", into.model or "", "")


CHAT = Reader(read_reply, read_chunk, terminal=True)
RESPONSES = Reader(read_response, read_response_event, terminal=True)
METHODS: tuple[Method, ...] = (
    ("chat", ("Chat.send", "Chat.send_async"), "chat", CHAT),
    ("responses", ("Responses.send", "Responses.send_async"), "chat", RESPONSES),
    ("beta_responses", ("BetaResponses.send", "BetaResponses.send_async"), "chat", RESPONSES),
    ("embeddings", ("Embeddings.generate", "Embeddings.generate_async"), "embeddings", EMBEDDINGS),
    ("rerank", ("Rerank.rerank", "Rerank.rerank_async"), "rerank", EMBEDDINGS),
    ("images", ("Images.generate", "Images.generate_async"), "image_generation", EMBEDDINGS),
    ("tts", ("TTS.create_speech", "TTS.create_speech_async"), "speech", NO_USAGE),
)

library = ClientLibrary(
    name="openrouter", distribution="openrouter", requires=">=1.0", tested=("1.0.0", "1.3.84"),
    operations=("chat", "embeddings", "rerank", "image_generation", "speech"),
    hooks=hooks("openrouter", "openrouter", METHODS),
    trial=Trial(
        "openrouter",
        lambda openrouter, url: openrouter.OpenRouter(api_key="doctor", server_url=f"{url}/api/v1").chat.send(
            model="doctor", messages=HELLO
        ),
    ),
)  # fmt: skip
