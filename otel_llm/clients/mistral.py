"""Mistral: chat, agents, conversations, fill-in-the-middle, embeddings, OCR, moderation, transcription."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial
from otel_llm.core.model import Reader, Response

from ._mistral_batches import hooks as batch_hooks
from ._openai_chat import read_chat, read_chat_chunk
from ._openai_content import Message, keep_delta
from ._openai_shape import EMBEDDINGS, NO_USAGE
from ._openai_usage import read_usage
from ._read import attr, count, items, text
from ._speakeasy import Method, hooks, streamed


def read_conversation(reply: Any, into: Response) -> None:
    """A conversation's turn: ``usage`` counts connectors beside prompt and completion."""
    into.id = text(attr(reply, "conversation_id"))
    into.model = text(attr(reply, "outputs")[0].model) if _first_has_model(reply) else None
    read_usage(attr(reply, "usage"), into)
    _read_connectors(attr(reply, "usage"), into)
    into.done = True
    if into.content is not None:
        for entry in items(attr(reply, "outputs")):
            keep_delta(into.content, _message(entry))


def _read_connectors(usage: Any, into: Response) -> None:
    """Uses of connectors, by name, and what they read, where the total counts it beside the prompt."""
    uses = attr(usage, "connectors")
    for name, times in uses.items() if isinstance(uses, dict) else ():
        into.fee(_CONNECTORS.get(name, "connector"), count(times))
    tokens, read, total = count(attr(usage, "connector_tokens")), into.usage, count(attr(usage, "total_tokens"))
    if tokens and read is not None and total == (read.input_tokens or 0) + (read.output_tokens or 0) + tokens:
        read.input_tokens = (read.input_tokens or 0) + tokens


_CONNECTORS = {
    "web_search": "web_search", "web_search_premium": "web_search_premium", "code_interpreter": "code_interpreter",
    "image_generation": "image_generation", "document_library": "document_library",
}  # fmt: skip


def _message(entry: Any) -> Message:
    """An entry of a conversation, or a piece of one, in OpenAI's words."""
    function = {"name": attr(entry, "name"), "arguments": attr(entry, "arguments")}
    call = {"id": attr(entry, "tool_call_id"), "function": function}
    content = attr(entry, "content")
    parts = [attr(part, "text") for part in items(content)] if not isinstance(content, str) else [content]
    words = "".join(part for part in parts if isinstance(part, str))
    return {"delta": {"content": words, "tool_calls": [call] if text(function["name"]) is not None else []}}


def _first_has_model(reply: Any) -> bool:
    outputs = attr(reply, "outputs")
    return isinstance(outputs, list) and bool(outputs) and text(attr(outputs[0], "model")) is not None


def read_event(event: Any, into: Response) -> bool:
    """An event of a conversation's stream; ``conversation.response.done`` carries usage."""
    data = attr(event, "data")
    kind = text(attr(data, "type")) or ""
    if kind == "conversation.response.done":
        read_usage(attr(data, "usage"), into)
        _read_connectors(attr(data, "usage"), into)
        into.done = True
    elif kind == "conversation.response.started":
        into.id = text(attr(data, "conversation_id"))
    elif kind == "conversation.response.error":
        into.error_code = str(attr(data, "code") or "server_error")
    if into.content is not None:
        keep_delta(into.content, _message(data))
    return kind == "message.output.delta"


def read_ocr(reply: Any, into: Response) -> None:
    """OCR bills pages, not tokens."""
    into.model = text(attr(reply, "model"))
    if (pages := count(attr(reply, "usage_info", "pages_processed"))) is not None:
        into.attributes["otel_llm.usage.pages"] = pages
        into.fee("ocr_pages", pages)


def read_reply(reply: Any, into: Response) -> None:
    """A chat's answer, or a transcription: tokens, and the seconds of audio, which are billed beside them."""
    read_chat(reply, into)
    _read_seconds(reply, into)


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat."""
    output = read_chat_chunk(chunk, into)
    _read_seconds(chunk, into)
    return output


def _read_seconds(reply: Any, into: Response) -> None:
    if into.usage is not None and (seconds := count(attr(reply, "usage", "prompt_audio_seconds"))) is not None:
        into.usage.audio_seconds = float(seconds)


CHAT = Reader(read_reply, streamed(read_chunk), terminal=True)
CONVERSATION = Reader(read_conversation, read_event, terminal=True)
METHODS: tuple[Method, ...] = (
    ("chat", ("Chat.complete", "Chat.complete_async", "Chat.stream", "Chat.stream_async"), "chat", CHAT),
    ("agents", ("Agents.complete", "Agents.complete_async", "Agents.stream", "Agents.stream_async"), "chat", CHAT),
    ("fim", ("Fim.complete", "Fim.complete_async", "Fim.stream", "Fim.stream_async"), "text_completion", CHAT),
    ("conversations", tuple(f"Conversations.{verb}{kind}{twin}" for verb in ("start", "append", "restart")
                            for kind in ("", "_stream") for twin in ("", "_async")), "invoke_agent", CONVERSATION),
    ("embeddings", ("Embeddings.create", "Embeddings.create_async"), "embeddings", EMBEDDINGS),
    ("ocr", ("Ocr.process", "Ocr.process_async"), "ocr", Reader(read_ocr, usage=False)),
    ("classifiers", tuple(f"Classifiers.{verb}{twin}" for verb in ("moderate", "moderate_chat", "classify", "classify_chat")
                          for twin in ("", "_async")), "moderation", NO_USAGE),
    ("transcriptions", ("Transcriptions.complete", "Transcriptions.complete_async"), "transcription", Reader(read_reply)),
)  # fmt: skip

library = ClientLibrary(
    name="mistral", distribution="mistralai", requires=">=1.8", tested=("1.8.0", "3.7.0"),
    operations=("chat", "text_completion", "invoke_agent", "embeddings", "ocr", "moderation", "transcription"),
    hooks=(
        *hooks("mistralai.client", "mistral_ai", METHODS),
        *hooks("mistralai", "mistral_ai", METHODS, older=True),
        *batch_hooks("mistralai.client", {"chat.completion": CHAT, "list": EMBEDDINGS}),
    ),
    notes="The package's own tracing is off unless MISTRAL_SDK_TELEMETRY asks for it. "
    "Results of batches that come with the job count as `batch`.",
    trial=Trial(
        "mistralai.client",
        lambda client, url: client.Mistral(api_key="doctor", server_url=url).chat.complete(model="doctor", messages=HELLO),
    ),
)  # fmt: skip
