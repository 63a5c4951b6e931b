"""Ollama: chat, generation and embeddings, by its clients and by the functions of its module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import HELLO, Args, ClientLibrary, Kwargs, Patch, Trial
from otel_llm.core.model import Reader, Request, Response, Usage

from . import _hosts
from ._expected import expected
from ._openai_content import asked, keep_answer, keep_delta
from ._openai_shape import NO_USAGE, PARAMETERS
from ._read import attr, count, fields_of, parameters, text

# https://docs.ollama.com/modelfile#valid-parameters-and-values
OPTIONS = {**PARAMETERS, "num_predict": "gen_ai.request.max_tokens"}


def _read_end(reply: Any, into: Response) -> None:
    """``prompt_eval_count`` and ``eval_count`` are tokens; ollama does not count thinking apart from the rest of the output."""
    fields = fields_of(reply)
    into.model = text(fields.get("model"))
    if (reason := text(fields.get("done_reason"))) is not None:
        into.finish_reasons.append(reason)
    prompt, output = count(fields.get("prompt_eval_count")), count(fields.get("eval_count"))
    if prompt is not None or output is not None:
        into.usage = Usage(prompt, output)


def read_reply(reply: Any, into: Response) -> None:
    """A chat's or a generation's answer."""
    _read_end(reply, into)
    if into.content is not None:
        keep_answer(into.content, {"message": _message(reply), "finish_reason": attr(reply, "done_reason")})


def read_part(part: Any, into: Response) -> bool:
    """A part of a streamed answer; the one that is ``done`` has the counts."""
    if fields_of(part).get("done") is True:
        _read_end(part, into)
        into.done = True
    message = _message(part)
    if into.content is not None:
        keep_delta(into.content, {"delta": message, "finish_reason": attr(part, "done_reason")})
    return any(attr(message, name) for name in ("content", "thinking", "tool_calls"))


def _message(reply: Any) -> Any:
    """The message of a chat; what a generation says under other names."""
    message = attr(reply, "message")
    return message if message is not None else {"content": attr(reply, "response"), "thinking": attr(reply, "thinking")}


CHAT = Reader(read_reply, read_part, terminal=True)
ENDPOINTS: dict[str, tuple[str, Reader]] = {
    "/api/chat": ("chat", CHAT),
    "/api/generate": ("text_completion", CHAT),
    "/api/embed": ("embeddings", Reader(_read_end)),
    "/api/embeddings": ("embeddings", NO_USAGE),
}


def _reading(*, streams: bool) -> Callable[[Any, Args, Kwargs], Request | None]:
    def read(client: Any, args: Args, kwargs: Kwargs) -> Request | None:
        operation, reader = ENDPOINTS.get(args[2] if len(args) > 2 else "", (None, NO_USAGE))  # noqa: PLR2004
        if operation is None or bool(kwargs.get("stream")) is not streams:
            return None
        name, host, port = _hosts.behind(client._client.base_url, "ollama")  # noqa: SLF001 - it has no public name
        body = kwargs.get("json") or {}
        options = body.get("options")
        given = parameters(options, OPTIONS) if isinstance(options, dict) else {}
        return Request(
            name,
            operation,
            text(body.get("model")),
            reader,
            host,
            port,
            streams,
            given,
            content=lambda: asked(body),
            expects=expected(body),
        )

    return read


def _switched(args: Args, kwargs: Kwargs, model: str) -> tuple[Args, dict[str, Any]]:
    return args, {**kwargs, "json": {**(kwargs.get("json") or {}), "model": model}}


library = ClientLibrary(
    name="ollama", distribution="ollama", requires=">=0.4", tested=("0.4.0", "0.6.3"),
    operations=("chat", "text_completion", "embeddings"),
    hooks=(
        Patch("ollama._client", ("Client._request", "AsyncClient._request"), _reading(streams=False), switch=_switched),
        Patch("ollama._client", ("Client._request",), _reading(streams=True), lazy=True, switch=_switched),
        Patch("ollama._client", ("AsyncClient._request",), _reading(streams=True), switch=_switched),
    ),
    notes="Streams send nothing before they are iterated, and begin then. The client never retries.",
    trial=Trial(
        "ollama",
        lambda ollama, url: ollama.Client(host=url).chat(model="doctor", messages=HELLO),
        {"model": "doctor", "message": {"role": "assistant", "content": "Hi"}, "done": True, "prompt_eval_count": 1, "eval_count": 1},
    ),
)  # fmt: skip
