"""Cohere: chat, embeddings and reranking of both versions of its API, at the raw clients that all others delegate to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls.declarations import (
    HELLO,
    Args,
    ClientLibrary,
    Kwargs,
    Patch,
    Reply,
    Retry,
    Stream,
    Trial,
    Value,
    Watched,
    keyword,
)  # fmt: skip
from otel_llm.core.model import Reader, Request, Response

from . import _hosts
from ._cohere_usage import read_meta, read_usage
from ._expected import KEYS, expected
from ._openai_content import Message, asked, keep_answer, keep_delta
from ._openai_shape import NO_USAGE, PARAMETERS
from ._read import attr, parameters, text

_PARAMETERS = {
    **PARAMETERS, "p": "gen_ai.request.top_p", "k": "gen_ai.request.top_k", "stop_sequences": PARAMETERS["stop"],
    "embedding_types": PARAMETERS["encoding_format"], "output_dimension": PARAMETERS["dimensions"],
}  # fmt: skip


def _read_end(end: Any, into: Response) -> None:
    if (reason := text(attr(end, "finish_reason"))) is not None:
        into.finish_reasons.append(reason)
    usage = attr(end, "usage")
    read_usage(usage if usage is not None else attr(end, "meta"), into)


def read_reply(reply: Any, into: Response) -> None:
    """A chat's answer; version 1 says ``text`` and ``meta`` where version 2 says ``message`` and ``usage``."""
    into.id = text(attr(reply, "id")) or text(attr(reply, "generation_id"))
    _read_end(reply, into)
    if into.content is not None:
        keep_answer(into.content, reply)


def read_event(event: Any, into: Response) -> bool:
    """An event of version 2; ``message-end`` reports the reason and the usage, and an error."""
    kind, delta = attr(event, "type"), attr(event, "delta")
    if kind == "message-start":
        into.id = text(attr(event, "id"))
    elif kind == "message-end":
        _read_end(delta, into)
        into.done = True
        if text(attr(delta, "error")) is not None:
            into.error_code = "server_error"
    if into.content is not None:
        keep_delta(into.content, _message(delta))
    return kind in ("content-delta", "tool-plan-delta", "tool-call-delta")


def _message(delta: Any) -> Message:
    """What an event adds to the answer, in OpenAI's words: a text, or a tool call that is begun or goes on."""
    message = attr(delta, "message")
    call = attr(message, "tool_calls")
    calls = [] if call is None or isinstance(call, list) else [call]
    answer = {"content": attr(message, "content", "text"), "tool_calls": calls}
    return {"delta": answer, "finish_reason": text(attr(delta, "finish_reason"))}


def read_event_v1(event: Any, into: Response) -> bool:
    """An event of version 1; ``stream-end`` carries the whole answer."""
    kind = attr(event, "event_type")
    if kind == "stream-end":
        read_reply(attr(event, "response"), into)
        into.done = True
    return kind in ("text-generation", "tool-calls-chunk")


EMBEDDINGS, RERANK = Reader(read_meta), Reader(read_meta, usage=False)
CHAT, CHAT_V1 = Reader(read_reply, read_event, terminal=True), Reader(read_reply, read_event_v1, terminal=True)


def watch(result: Any, _: Request) -> Watched | None:
    """A raw response with its data: parsed, or a generator of events; None for the manager that gives one."""
    data = getattr(result, "_data", None)
    if data is None:
        return None
    return Stream(result, "_data") if hasattr(data, "__next__") or hasattr(data, "__anext__") else Value(data)


def _reading(operation: str, reader: Reader, *, stream: bool) -> Callable[[Any, Args, Kwargs], Request]:
    def read(client: Any, _: Args, kwargs: Kwargs) -> Request:
        name, host, port = _hosts.behind_text(client._client_wrapper.get_base_url(), "cohere")  # noqa: SLF001 - no public name
        return Request(
            name, operation, text(kwargs.get("model")), reader, host, port, stream, parameters(kwargs, _PARAMETERS),
            content=lambda: asked({"prompt": kwargs.get("message"), "instructions": kwargs.get("preamble"), **kwargs}),
            expects=expected({key: kwargs[key] for key in KEYS if kwargs.get(key, ...) is not ...}),  # left out
        )  # fmt: skip

    return read


def _patches(module: str, client: str, methods: Mapping[str, tuple[str, Reader]]) -> tuple[Patch, ...]:
    return tuple(
        Patch(module, (f"{client}.{method}", f"Async{client}.{method}"),
              _reading(*operation, stream=method.endswith("_stream")), watch, lazy=method.endswith("_stream"), switch=keyword)
        for method, operation in methods.items()
    )  # fmt: skip


V2 = {
    "chat": ("chat", CHAT), "chat_stream": ("chat", CHAT), "embed": ("embeddings", EMBEDDINGS), "rerank": ("rerank", RERANK),
}  # fmt: skip
V1 = {
    "chat": ("chat", CHAT_V1), "chat_stream": ("chat", CHAT_V1), "generate": ("text_completion", EMBEDDINGS),
    "embed": ("embeddings", EMBEDDINGS), "rerank": ("rerank", RERANK), "classify": ("classify", NO_USAGE),
}  # fmt: skip


def _status(_: Args, kwargs: Kwargs) -> int | None:
    return getattr(kwargs.get("response"), "status_code", None)


def _reply(replied: Callable[..., None], _: Args, kwargs: Kwargs) -> None:
    if (response := kwargs.get("response")) is not None:
        replied(response.status_code, response.headers)


library = ClientLibrary(
    name="cohere", distribution="cohere", requires=">=5.16", tested=("5.16.0", "7.3.1"),
    operations=("chat", "text_completion", "embeddings", "rerank", "classify"),
    hooks=(
        *_patches("cohere.v2.raw_client", "RawV2Client", V2),
        *_patches("cohere.raw_base_client", "RawBaseCohere", V1),
        Retry("cohere.core.http_client", ("_retry_timeout", "_retry_timeout_from_retries"), _status, wait=float),
        Reply("cohere.core.http_client", ("_should_retry",), _reply),
    ),
    notes="Version 1's embed sends its batches from threads of its own: one span each, without a parent.",
    trial=Trial(
        "cohere",
        lambda cohere, url: cohere.ClientV2(api_key="doctor", base_url=url).chat(model="doctor", messages=HELLO),
        {"id": "1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}},
    ),
)  # fmt: skip
