"""The wrappers of what happens around calls and inside of them: retries, attempts, requests of a call that makes several."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

from otel_llm.core import dispatch
from otel_llm.core.errors import error_type, from_code, from_status
from otel_llm.core.guard import guard
from otel_llm.core.model import Event, ReadValue

from .current import outside
from .declarations import Around, Attempt, HostCallback, Retry, SubRequest
from .invocation import Invocation, current_call
from .wrapped import Wrapper

_HOOK = guard("hook")


def _retried(call: Invocation, cause: int | BaseException | str | None, waited: float) -> None:
    """An attempt after the first came, ``waited`` seconds after the one before failed with ``cause``."""
    call.retries += 1
    reason = "_OTHER"
    if isinstance(cause, int):
        reason = from_status(cause)
    elif isinstance(cause, BaseException):
        reason = error_type(cause)
    elif cause:
        reason = from_code(cause) or "_OTHER"
    labels = (*call.key, reason, *call.label_values())
    now = time.time()
    dispatch.emit(Event("otel_llm_retries_total", now, labels))
    dispatch.emit(Event("otel_llm_retry_wait_seconds_total", now, labels, waited))


def _begin_attempt(call: Invocation) -> None:
    """An attempt begins: a retry, if the one before failed."""
    if call.attempt is not None:
        (cause, failed), call.attempt = call.attempt, None
        _retried(call, cause, time.perf_counter() - failed)


def _end_attempt(call: Invocation, cause: int | BaseException | None) -> None:
    """An attempt is over, with an HTTP status or an exception where it failed."""
    if cause is not None:  # its type alone is kept: an exception holds frames
        call.attempt = (error_type(cause) if isinstance(cause, BaseException) else cause, time.perf_counter())


def _add_part(call: Invocation, result: Any, read: ReadValue) -> None:
    """One of the requests that the call makes by itself was answered: what it consumed is added to the ones before."""
    call.response.requests += 1
    call.response.earlier = call.response.usage
    read(result, call.response)


def retrying(retry: Retry) -> Wrapper:
    """The wrapper of the wait before an attempt after the first."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        call = current_call()
        if call is None:
            return wrapped(*args, **kwargs)
        cause: Any = None
        with _HOOK:
            cause = retry.cause(args, kwargs)
        if cause is None:
            cause = sys.exc_info()[1]
        began = time.perf_counter()
        result = wrapped(*args, **kwargs)
        if isinstance(result, CoroutineType):
            return _waited(call, result, cause)
        with _HOOK:
            _retried(call, cause, time.perf_counter() - began if retry.wait is None else retry.wait(result))
        return result

    return patched


async def _waited(call: Invocation, pending: Coroutine[Any, Any, Any], cause: Any) -> Any:
    began = time.perf_counter()
    result = await pending
    with _HOOK:
        _retried(call, cause, time.perf_counter() - began)
    return result


class _Attempting:
    """``with`` this around one attempt; what the attempt returned goes to ``over``."""

    __slots__ = ("_call", "_failed")

    def __init__(self, call: Invocation, attempt: Attempt) -> None:
        self._call = call
        self._failed = attempt.failed

    def __enter__(self) -> None:
        with _HOOK:
            _begin_attempt(self._call)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            with _HOOK:
                _end_attempt(self._call, error)

    def over(self, result: Any) -> Any:
        with _HOOK:
            _end_attempt(self._call, self._failed(result))
        return result


def attempting(attempt: Attempt) -> Wrapper:
    """The wrapper of a method that is entered once for each attempt."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        call = current_call()
        if call is None:
            return wrapped(*args, **kwargs)
        this = _Attempting(call, attempt)
        with this:
            result = wrapped(*args, **kwargs)
        return _attempted(this, result) if isinstance(result, CoroutineType) else this.over(result)

    return patched


async def _attempted(this: _Attempting, pending: Coroutine[Any, Any, Any]) -> Any:
    with this:
        result = await pending
    return this.over(result)


def adding(sub_request: SubRequest) -> Wrapper:
    """The wrapper of a method that is entered for each request of a call that makes several."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        result = wrapped(*args, **kwargs)
        call = current_call()
        if call is None or call.request.reader is not sub_request.reader:
            return result
        if isinstance(result, CoroutineType):
            return _added(call, result, sub_request)
        with _HOOK:
            _add_part(call, result, sub_request.read)
        return result

    return patched


async def _added(call: Invocation, pending: Coroutine[Any, Any, Any], sub_request: SubRequest) -> Any:
    result = await pending
    with _HOOK:
        _add_part(call, result, sub_request.read)
    return result


def excluding(_: HostCallback) -> Wrapper:
    """The wrapper of a function that runs the host's own code inside of a call."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        with outside():
            result = wrapped(*args, **kwargs)
        return _excluded(result) if isinstance(result, CoroutineType) else result

    return patched


async def _excluded(pending: Coroutine[Any, Any, Any]) -> Any:
    with outside():
        return await pending


class _Beside:
    """``with`` this around the method; what it returned is left in ``result``."""

    __slots__ = ("_around", "_instance", "_state", "result")

    def __init__(self, around: Around, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._around, self._instance = around, instance
        self._state = self.result = None
        with _HOOK:
            self._state = around.began(instance, args, kwargs)

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with _HOOK:
            self._around.ended(self._instance, self._state, self.result, error)


def beside(around: Around) -> Wrapper:
    """The wrapper of a method beside the calls."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(wrapped):
            return _beside(around, instance, wrapped, args, kwargs)
        this = _Beside(around, instance, args, kwargs)
        with this:
            this.result = wrapped(*args, **kwargs)
        return this.result

    return patched


async def _beside(
    around: Around, instance: Any, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    this = _Beside(around, instance, args, kwargs)
    with this:
        this.result = await wrapped(*args, **kwargs)
    return this.result


WRAPPERS: dict[type, Callable[[Any], Wrapper]] = {
    Retry: retrying, Attempt: attempting, SubRequest: adding, HostCallback: excluding, Around: beside,
}  # fmt: skip
"""Which wrapper a hook asks for, by its kind."""
