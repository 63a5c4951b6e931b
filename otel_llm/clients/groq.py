"""Groq: OpenAI's API under /openai/v1, with a stream's usage under ``x_groq``."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import ClientLibrary
from otel_llm.core.model import Reader, Response

from ._openai_api import ROUTES, describer
from ._openai_shape import read_chat, read_chat_chunk
from ._openai_usage import read_usage
from ._stainless import hooks


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat; the last one has the usage that others are asked for."""
    if (extra := getattr(chunk, "x_groq", None)) is not None and (usage := getattr(extra, "usage", None)) is not None:
        read_usage(usage, into)
    return read_chat_chunk(chunk, into)


_ROUTES = {**ROUTES, "chat/completions": ("chat", Reader(read_chat, read_chunk), "")}

library = ClientLibrary(
    name="groq", distribution="groq", requires=">=0.11", tested=("0.11.0", "0.37.1", "1.7.0"),
    operations=("chat", "embeddings", "transcription", "translation", "speech"),
    hooks=hooks("groq", describer("groq", _ROUTES)),
)  # fmt: skip
