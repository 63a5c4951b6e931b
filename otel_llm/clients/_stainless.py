"""The client base that openai, anthropic, groq, together, cerebras and writer share: one method that every call passes.

``<package>._base_client.{Sync,Async}APIClient.request`` is entered once for each call of the SDK, its retries inside,
whichever way the call was made: create, parse, stream, raw, streaming response, beta, images, audio.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls.declarations import (
    ITSELF,
    Args,
    DeferredStream,
    Hook,
    Kwargs,
    Later,
    Parsed,
    Patch,
    Reply,
    Retry,
    Stream,
    Value,
    Watched,
)
from otel_llm.core.jsonview import view
from otel_llm.core.model import Request

RAW = "X-Stainless-Raw-Response"  # request header: "true" (body read), "stream" (body unread)
_RETRIES = ("SyncAPIClient._sleep_for_retry", "AsyncAPIClient._sleep_for_retry")  # the oldest clients lack them
Describe = Callable[[Any, Any, bool], "Request | None"]  # (client, request options, stream) -> what was asked


def hooks(package: str, describe: Describe) -> tuple[Hook, ...]:
    """All hooks of a package with this base; ``describe`` says what a request asks, None for what is no inference."""
    base, streaming = f"{package}._base_client", f"{package}._streaming"

    def read(client: Any, args: Args, kwargs: Kwargs) -> Request | None:
        options = kwargs["options"] if "options" in kwargs else args[1]
        return describe(client, options, bool(kwargs.get("stream")))

    return (
        Patch(base, ("SyncAPIClient.request", "AsyncAPIClient.request"), read, watch, switch=_switched),
        DeferredStream(
            streaming, ("Stream.__init__", "AsyncStream.__init__"), _carrier, lambda stream: Stream(stream, "_iterator")
        ),
        Retry(base, _RETRIES, _cause),
        Retry(base, ("BaseClient._calculate_retry_timeout",), lambda *_: None, wait=float, unless=_RETRIES[0]),
        Reply(base, ("SyncAPIClient._process_response", "AsyncAPIClient._process_response"), _reply),
    )


def watch(result: Any, request: Request) -> Watched:
    """How to follow what ``request`` returned: a stream, a raw response (read or unread), or a parsed model."""
    fields = getattr(result, "__dict__", _NOTHING)  # a model that is asked for what it lacks is slow to say so
    if "_iterator" in fields or (request.stream and hasattr(type(result), "_iterator")):
        http = fields.get("response")
        return _make(Stream, (result, "_iterator", http, getattr(http, "extensions", None)))
    http = fields.get("http_response")
    if http is None or not hasattr(result, "parse"):
        return ITSELF
    unread = http.request.headers.get(RAW) != "true"
    if request.stream or unread:
        return Later(http.extensions, http, _reading(result, streamed=request.stream))
    if "json" not in http.headers.get("content-type", ""):
        return Value(None)  # a text, and to look at it would settle its encoding
    return Parsed(result.parse)


_NOTHING: Mapping[str, Any] = {}
_make = tuple.__new__  # half the time of a named tuple's own


def _switched(args: Args, kwargs: Kwargs, model: str) -> tuple[Args, dict[str, Any]]:
    """The same request to another model; the caller's own options stay as they are."""
    options = copy.copy(kwargs["options"] if "options" in kwargs else args[1])
    options.json_data = {**(options.json_data or {}), "model": model}
    if "options" in kwargs:
        return args, {**kwargs, "options": options}
    return (args[0], options, *args[2:]), {**kwargs}


def _reading(result: Any, *, streamed: bool) -> Callable[[], Value | None]:
    """What the caller has read of a response by the time it closes it. Refers to the response weakly: it is kept there."""
    response = weakref.ref(result)

    def read() -> Value | None:
        raw = response()
        if raw is None or streamed:
            return None
        http = raw.http_response
        content = getattr(http, "_content", None)
        if isinstance(content, bytes) and "json" in http.headers.get("content-type", ""):
            return Value(view(content))
        return Value(None) if getattr(http, "is_stream_consumed", False) else None

    return read


def _carrier(_: Any, __: Args, kwargs: Kwargs) -> Mapping[str, Any] | None:
    return getattr(kwargs.get("response"), "extensions", None)


def _cause(_: Args, kwargs: Kwargs) -> int | None:
    return getattr(kwargs.get("response"), "status_code", None)


def _reply(replied: Callable[..., None], _: Args, kwargs: Kwargs) -> None:
    if (response := kwargs.get("response")) is not None:
        replied(response.status_code, response.headers, weakref.ref(response))


def body_of(options: Any) -> Mapping[str, Any]:
    """The JSON body a request will have, the caller's ``extra_body`` included."""
    given = options.__dict__  # a model is slow to return an attribute
    body, extra = given.get("json_data"), given.get("extra_json")
    if type(body) is dict and not extra:
        return body
    return {**(body if isinstance(body, dict) else {}), **(extra if isinstance(extra, dict) else {})}


def is_module(client: Any) -> bool:
    """Whether ``client`` is the one of ``openai.chat``, which follows the module's settings."""
    return type(client).__name__.startswith("_Module")


def base_url_of(client: Any) -> Any:
    """The URL behind a client, without its property where that can be: openai's imports a module at each look."""
    if is_module(client):
        return client.base_url
    return client.__dict__.get("_base_url") or client.base_url


def route_of(options: Any) -> str:
    """The path a request goes to, without query."""
    url = options.url
    return url.partition("?")[0] if isinstance(url, str) else ""
