"""AI21: Jamba's chat."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Attempt, ClientLibrary, Kwargs, Patch, Stream, Value, Watched, keyword
from otel_llm.core.model import Request

from . import _hosts
from ._openai_content import asked
from ._openai_shape import CHAT, PARAMETERS
from ._read import parameters, text


def read(resource: Any, args: Args, kwargs: Kwargs) -> Request:
    """``create(messages, model, ...)`` of a resource, which knows its HTTP client."""
    given = {**dict(zip(("messages", "model"), args, strict=False)), **kwargs}
    name, host, port = _hosts.behind_text(resource._client._base_url, "ai21")  # noqa: SLF001 - neither has a public name
    return Request(
        name, "chat", text(given.get("model")), CHAT, host, port, given.get("stream") is True, parameters(given, PARAMETERS),
        content=lambda: asked(given),
    )  # fmt: skip


def watch(result: Any, request: Request) -> Watched:
    """A stream that reads from its own iterator, or a parsed answer."""
    return Stream(result, "_iterator", result.response) if request.stream else Value(result)


def _refusal(response: Any) -> int | None:
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) and status >= 400 else None  # noqa: PLR2004


_CHAT, _HTTP = "ai21.clients.studio.resources.chat", "ai21.http_client"
library = ClientLibrary(
    name="ai21", distribution="ai21", requires=">=3.0", tested=("3.0.0", "4.3.0"),
    operations=("chat",),
    hooks=(
        Patch(f"{_CHAT}.chat_completions", ("ChatCompletions.create",), read, watch, switch=keyword),
        Patch(f"{_CHAT}.async_chat_completions", ("AsyncChatCompletions.create",), read, watch, switch=keyword),
        Attempt(f"{_HTTP}.http_client", ("AI21HTTPClient._run_request",), _refusal),
        Attempt(f"{_HTTP}.async_http_client", ("AsyncAI21HTTPClient._run_request",), _refusal),
    ),
)  # fmt: skip
