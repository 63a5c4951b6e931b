"""llama-cpp-python: completions, chats and embeddings of a model in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch
from otel_llm.core.model import Reader, Request, Response

from ._openai_content import asked, keep_answer, keep_delta
from ._openai_shape import PARAMETERS
from ._openai_usage import read_usage
from ._read import attr, items, parameters, text


def _file(path: Any) -> str | None:
    """The name of a model's file: the way to it differs from machine to machine, and is nobody's business."""
    words = text(path)
    return text(words.replace("\\", "/").rsplit("/", 1)[-1]) if words is not None else None


def _read_head(reply: Any, into: Response) -> None:
    into.id, into.model = text(attr(reply, "id")), _file(attr(reply, "model"))
    if (usage := attr(reply, "usage")) is not None:
        read_usage(usage, into)


def _read_choice(choice: Any, into: Response) -> None:
    if (reason := text(attr(choice, "finish_reason"))) is not None:
        into.finish_reasons.append(reason)


def read_reply(reply: Any, into: Response) -> None:
    """A completion or a chat: a dictionary of OpenAI's shape."""
    _read_head(reply, into)
    for choice in items(attr(reply, "choices")):
        _read_choice(choice, into)
        if into.content is not None:
            keep_answer(into.content, choice)


def read_chunk(chunk: Any, into: Response) -> bool:
    """A piece of the same."""
    if into.id is None:
        _read_head(chunk, into)
    output = False
    for choice in items(attr(chunk, "choices")):
        _read_choice(choice, into)
        if into.content is not None:
            keep_delta(into.content, choice)
        output_parts = attr(choice, "text"), attr(choice, "delta", "content"), attr(choice, "delta", "tool_calls")
        output = output or any(output_parts)
    return output


COMPLETION, EMBEDDINGS = Reader(read_reply, read_chunk), Reader(_read_head)


def _reading(operation: str, first: str, reader: Reader) -> Callable[[Any, Args, Kwargs], Request]:
    """``first`` is the name of the first argument."""

    def read(llama: Any, args: Args, kwargs: Kwargs) -> Request:
        given = {first: args[0], **kwargs} if args else kwargs
        model = _file(kwargs.get("model")) or _file(attr(llama, "model_path"))
        return Request(
            "llama_cpp", operation, model, reader, stream=bool(kwargs.get("stream")),
            attributes=parameters(kwargs, PARAMETERS), content=lambda: asked(given),
        )  # fmt: skip

    return read


def _patch(method: str, read: Callable[[Any, Args, Kwargs], Request]) -> Patch:
    return Patch("llama_cpp.llama", (f"Llama.{method}",), read, covers=("llama_cpp",))  # a chat is a completion inside


library = ClientLibrary(
    name="llama_cpp", distribution="llama_cpp_python", requires=">=0.3", tested=("0.3.36",),
    operations=("chat", "text_completion", "embeddings"),
    hooks=(
        _patch("create_completion", _reading("text_completion", "prompt", COMPLETION)),
        _patch("create_chat_completion", _reading("chat", "messages", COMPLETION)),
        _patch("create_embedding", _reading("embeddings", "input", EMBEDDINGS)),
    ),
    notes="`make engines` builds it from its source and runs it with a model made on the spot. Its streams report no tokens. A prompt "
    "longer than the context is an error of type `_OTHER`. No server address.",
)  # fmt: skip
