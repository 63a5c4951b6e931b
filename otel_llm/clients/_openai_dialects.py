"""Chat completions of servers that put the usage elsewhere, or count it otherwise. The host says which: it is known.

Moonshot (https://platform.moonshot.ai/docs/api/chat) has a stream's usage inside of the choice, Groq (https://console.groq.com/docs)
under ``x_groq``. Gemini's compatible API leaves thoughts out of ``completion_tokens`` and has them in ``total_tokens``, and so do
gateways in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.core.model import Reader, Response

from ._openai_chat import read_chat, read_chat_chunk
from ._openai_shape import CHAT
from ._openai_usage import read_usage
from ._read import attr, count, items


def read_groq_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of Groq's; the last one has the usage that others are asked for."""
    if (extra := getattr(chunk, "x_groq", None)) is not None and (usage := attr(extra, "usage")) is not None:
        read_usage(usage, into)
    return read_chat_chunk(chunk, into)


def read_moonshot_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of Moonshot's; the last one has the usage in its choice."""
    output = read_chat_chunk(chunk, into)
    for choice in items(getattr(chunk, "choices", None)):
        if (usage := attr(choice, "usage")) is not None:
            read_usage(usage, into)
    return output


def read_gemini(reply: Any, into: Response) -> None:
    """A reply of Gemini's compatible API."""
    read_chat(reply, into)
    _count_thoughts(getattr(reply, "usage", None), into)


def read_gemini_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of Gemini's compatible API."""
    output = read_chat_chunk(chunk, into)
    _count_thoughts(getattr(chunk, "usage", None), into)
    return output


def _count_thoughts(usage: Any, into: Response) -> None:
    read, total = into.usage, count(attr(usage, "total_tokens"))
    if read is None or total is None or read.input_tokens is None or read.output_tokens is None:
        return
    beside = total - read.input_tokens - read.output_tokens
    if beside > 0:
        read.output_tokens += beside
        read.thinking_tokens = (read.thinking_tokens or 0) + beside


GROQ = Reader(read_chat, read_groq_chunk, terminal=True)
GEMINI = Reader(read_gemini, read_gemini_chunk, terminal=True)
_DIALECTS: Mapping[str, Reader] = {
    "groq": GROQ,
    "moonshot": Reader(read_chat, read_moonshot_chunk, terminal=True),
    "gcp.gemini": GEMINI,
    "gcp.vertex_ai": GEMINI,
}


def spoken(reader: Reader, provider: str, model: str | None) -> Reader:
    """The reader for chats of ``provider``. Whoever serves a Gemini under OpenAI's API counts as Google does."""
    if reader is not CHAT or provider == "openai":
        return reader
    if (dialect := _DIALECTS.get(provider)) is not None:
        return dialect
    return GEMINI if model is not None and "gemini" in model and provider != "openrouter" else reader
