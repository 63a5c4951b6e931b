"""xAI over gRPC: chat, parsed and streamed, images and videos, with the cost as it bills it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, Replace
from otel_llm.core.model import Reader, Request, Response, Usage

from ._openai_content import asked
from ._openai_shape import PARAMETERS
from ._read import attr, count, parameters, text
from ._xai_content import asked_of, keep_outputs, keep_pieces

_TICK = 1e-10  # US dollars


def read_usage(usage: Any, into: Response) -> None:
    """``SamplingUsage`` of xAI's protocol: reasoning is counted beside the completion, cached tokens within the prompt."""
    prompt, output = count(attr(usage, "prompt_tokens")), count(attr(usage, "completion_tokens"))
    ticks = count(attr(usage, "cost_in_usd_ticks"))
    cost = ticks * _TICK if ticks else None
    if not prompt and not output:  # numbers that were not sent are 0 in gRPC
        into.usage = Usage(cost_usd=cost) if cost else into.usage
        return
    thinking = count(attr(usage, "reasoning_tokens")) or 0
    if count(attr(usage, "total_tokens")) == (prompt or 0) + (output or 0) + thinking:
        output = (output or 0) + thinking
    counted = Usage(prompt, output, count(attr(usage, "cached_prompt_text_tokens")), thinking_tokens=thinking)
    counted.input_image_tokens, counted.cost_usd = count(attr(usage, "prompt_image_tokens")) or None, cost
    into.usage = counted


def _read_head(proto: Any, into: Response) -> None:
    into.id, into.model = text(attr(proto, "id")) or into.id, text(attr(proto, "model")) or into.model
    read_usage(attr(proto, "usage"), into)


def _read_reason(response: Any, into: Response) -> None:
    reason = text(attr(response, "finish_reason"))
    if reason is not None and reason != "REASON_INVALID":
        into.finish_reasons.append(reason.removeprefix("REASON_").lower())


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, (list, tuple)) and result else result


def read_reply(result: Any, into: Response) -> None:
    """A response; the first of a batch, which all share one usage; of ``parse`` the response beside what was parsed."""
    response = _first(result)
    proto = attr(response, "proto")
    _read_head(proto, into)
    _read_reason(response, into)
    keep_outputs(proto, into)


def read_media(result: Any, into: Response) -> None:
    """An image, the first of a batch, or a video: the usage is of all of them, often a cost alone. Files are not kept."""
    _read_head(attr(_first(result), "proto"), into)


def read_chunk(parts: Any, into: Response) -> bool:
    """The response so far beside the chunk, or a batch of each; the last chunk has the usage and a reason."""
    response, chunk = (_first(part) for part in parts)
    proto = attr(chunk, "proto")
    _read_head(proto, into)
    outputs = attr(proto, "outputs") or ()
    if any(attr(output, "finish_reason") for output in outputs):
        _read_reason(response, into)
    if into.content is not None:
        keep_pieces(proto, into)
    return any(attr(output, "delta", name) for output in outputs for name in _SAID)


_SAID = ("content", "reasoning_content", "tool_calls")


def _chat(*, stream: bool) -> Callable[[Any, Args, Kwargs], Request]:
    def read(chat: Any, _: Args, __: Kwargs) -> Request:
        given = {field.name: value for field, value in chat.proto.ListFields()}
        return Request(
            "x_ai", "chat", text(given.get("model")), CHAT, stream=stream, attributes=parameters(given, PARAMETERS),
            content=lambda: asked_of(chat),
        )  # fmt: skip

    return read


def _media(operation: str) -> Callable[[Any, Args, Kwargs], Request]:
    def read(_: Any, args: Args, kwargs: Kwargs) -> Request:
        question = {"prompt": kwargs.get("prompt", args[0] if args else None)}
        model = text(kwargs.get("model", args[1] if len(args) > 1 else None))
        return Request("x_ai", operation, model, MEDIA, content=lambda: asked(question))

    return read


class _Quiet:
    """xAI's own tracer, whose spans carry prompts: while a call of ours is open, that call's span stands for them."""

    def __init__(self, original: Any, shadow: Callable[[], Any]) -> None:
        self._original, self._shadow = original, shadow

    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
        ours = self._shadow()
        if ours is not None:
            return nullcontext(ours.start_span(name))
        started: AbstractContextManager[Any] = self._original.start_as_current_span(name, *args, **kwargs)
        return started

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


CHAT, MEDIA = Reader(read_reply, read_chunk), Reader(read_media, usage=False)


def _hooks(package: str) -> tuple[Patch | Replace, ...]:
    whole = ("Chat.sample", "Chat.sample_batch", "Chat.parse", "Chat.defer", "Chat.defer_batch")
    return (
        Patch(f"{package}.chat", whole, _chat(stream=False)),
        Patch(f"{package}.chat", ("Chat.stream", "Chat.stream_batch"), _chat(stream=True), lazy=True),
        Patch(f"{package}.image", ("Client.sample", "Client.sample_batch"), _media("image_generation")),
        Patch(f"{package}.video", ("Client.generate", "Client.extend"), _media("video_generation")),
        *(Replace(f"{package}.{module}", "tracer", _Quiet) for module in ("chat", "image", "video")),
    )


library = ClientLibrary(
    name="xai", distribution="xai-sdk", requires=">=1.4", tested=("1.4.0", "1.21.0"),
    operations=("chat", "image_generation", "video_generation"),
    hooks=(*_hooks("xai_sdk.sync"), *_hooks("xai_sdk.aio")),
    notes="Retries happen inside gRPC and are not seen; the client does not keep its host, so there is no server address.",
)  # fmt: skip
