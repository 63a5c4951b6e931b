"""The client base that mistralai and openrouter share: methods with keyword arguments, event streams, one retry loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import (
    Args,
    Attempt,
    Hook,
    Kwargs,
    Patch,
    Reply,
    Retry,
    Stream,
    Value,
    Watched,
    keyword,
)
from otel_llm.core.model import Reader, Request, Response

from . import _hosts
from ._expected import expected
from ._openai_content import asked
from ._openai_shape import PARAMETERS
from ._read import attr, parameters, text

Method = tuple[str, tuple[str, ...], str, Reader]  # module, targets, operation, reader


def hooks(package: str, provider: str, methods: tuple[Method, ...], *, older: bool = False) -> tuple[Hook, ...]:
    """All hooks of a package with this base, whose methods are named without it (``chat``, ``Chat.complete``).

    An ``older`` base has no place for the wait before a retry, but reports each attempt's outcome.
    """
    hooks = f"{package}._hooks.sdkhooks"
    retries: Hook = Retry(f"{package}.utils.retries", ("_get_sleep_interval",), _cause, wait=float)
    if older:
        retries = Attempt(hooks, ("SDKHooks.after_error", "SDKHooks.after_success"), _failure)
    patches = [
        Patch(f"{package}.{module}", targets, _reading(provider, operation, reader), watch, switch=keyword)
        for module, targets, operation, reader in methods
    ]
    return (
        *patches,
        retries,
        Reply(hooks, ("SDKHooks.after_success",), _reply),
    )


def watch(result: Any, _: Request) -> Watched:
    """An event stream, or a parsed model."""
    if hasattr(result, "generator") and hasattr(result, "response"):
        return Stream(result, "generator", result.response)
    return Value(result)


def _reading(provider: str, operation: str, reader: Reader) -> Callable[[Any, Args, Kwargs], Request]:
    def read(instance: Any, _: Args, kwargs: Kwargs) -> Request:
        url = kwargs.get("server_url") or instance.sdk_configuration.get_server_details()[0]
        name, host, port = _hosts.behind_text(url, provider)
        given = {**kwargs.get("request", {})} if isinstance(kwargs.get("request"), dict) else kwargs
        return Request(
            name, operation, text(given.get("model")) or text(given.get("agent_id")), reader, host, port, bool(given.get("stream")),
            parameters(given, PARAMETERS), content=lambda: asked({"input": given.get("inputs"), **given}), expects=expected(given),
        )  # fmt: skip

    return read


def streamed(read: Callable[[Any, Response], bool]) -> Callable[[Any, Response], bool]:
    """Read the chunk that an event carries as ``data``."""
    return lambda event, into: read(attr(event, "data"), into)


def _cause(args: Args, _: Kwargs) -> int | BaseException | None:
    error = args[0] if args else None
    status = attr(error, "response", "status_code")
    return status if isinstance(status, int) else error


def _failure(result: Any) -> int | BaseException | None:
    """``after_error`` gives a response and an exception, one of which is there; ``after_success`` a response."""
    if not isinstance(result, tuple):
        return None
    status = next((code for part in result if isinstance(code := attr(part, "status_code"), int)), None)
    return status if status is not None else next((part for part in result if isinstance(part, BaseException)), None)


def _reply(replied: Callable[..., None], args: Args, kwargs: Kwargs) -> None:
    response = kwargs.get("response") or args[-1]
    replied(response.status_code, response.headers)
