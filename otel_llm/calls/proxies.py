"""Watched twins of streams and managers that cannot be watched from inside: they pass for what they stand for."""

from __future__ import annotations

import copy
import inspect
import io
from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, cast

import wrapt

from otel_llm.core.guard import guard
from otel_llm.core.model import Request

from .close import Closing
from .declarations import Item
from .invocation import Invocation
from .iterate import Step, advance, advance_async, follow

Look = Callable[[Any, Request], Any]
_FOLLOW = guard("follow")


def proxied(call: Invocation, result: Any, look: Look | None = None) -> Any:
    """``result`` as a watched twin that passes for it, where it is a stream or a manager of one; None for a plain value.

    ``look`` says how to follow what a manager gives on entry, where its shape alone does not say.
    """
    if isinstance(result, GeneratorType):
        return delegate(result, call)
    if isinstance(result, io.IOBase):
        return None
    if hasattr(type(result), "__next__") and hasattr(type(result), "__anext__"):
        return _EitherIterator(result, call, look)
    for method, proxy in _SHAPES.items():
        if hasattr(type(result), method) and not (call.began and method.endswith("enter__")):
            return proxy(result, call, look)
    return None


def replace_item(call: Invocation, item: Item) -> None:
    """Put a watched twin in the place of a stream that lies inside a result."""
    item.owner[item.key] = proxied(call, item.owner[item.key])


def delegate(source: Generator[Any, Any, Any], call: Invocation) -> Generator[Any, Any, Any]:
    """``yield from source``, each item shown to ``call`` on its way."""

    def generator() -> Generator[Any, Any, Any]:
        return (yield from _Steps(source, call))

    made: Any = generator()
    made.__name__, made.__qualname__ = source.__name__, source.__qualname__  # type: ignore[attr-defined,unused-ignore]
    return cast("Generator[Any, Any, Any]", made)


class _Steps:
    """The steps of a generator, each shown to the call. One that has sent nothing yet opens it with its first."""

    __slots__ = ("_source", "_step")

    def __init__(self, source: Generator[Any, Any, Any], call: Invocation) -> None:
        self._source = source
        self._step = Step(call, covers=bool(call.covers))

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Any:
        return advance(self._step, self._source.send, None)

    def send(self, value: Any) -> Any:
        return advance(self._step, self._source.send, value)

    def throw(self, kind: Any, error: Any = None, _: Any = None) -> Any:
        if error is not None and not isinstance(error, BaseException):
            error = kind(error)
        return advance(self._step, self._source.throw, kind if error is None else error)

    def close(self) -> None:
        self._step.call.left()
        self._source.close()


class _Watched(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    def __init__(self, wrapped: Any, call: Invocation, look: Look | None) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_step = Step(call, covers=bool(call.covers))
        self._self_look = look

    def __getattr__(self, name: str) -> Any:
        attribute = super().__getattr__(name)
        return _closing(attribute, self._self_call) if name in ("close", "aclose") else attribute

    def __copy__(self) -> Any:
        return copy.copy(self.__wrapped__)

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)

    def _self_entered(self, stream: Any) -> Any:
        call = self._self_call
        with _FOLLOW:
            watched = None if self._self_look is None else self._self_look(stream, call.request)
            if watched is None:
                return proxied(call, stream) or stream
            if isinstance(watched, Item):
                replace_item(call, watched)
            else:
                follow(call, watched)
        return stream

    def _self_exit(self, *exc: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*exc)
        finally:
            self._self_call.left()

    async def _self_aexit(self, *exc: object) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*exc)
        finally:
            self._self_call.left()


class _Iterator(_Watched):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return advance(self._self_step, next, self.__wrapped__)

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def __exit__(self, *exc: object) -> Any:
        return self._self_exit(*exc)


class _AsyncIterator(_Watched):
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        return await advance_async(self._self_step, self.__wrapped__.__anext__)

    async def __aenter__(self) -> Any:
        entered = await self.__wrapped__.__aenter__()
        return self if entered is self.__wrapped__ else entered

    async def __aexit__(self, *exc: object) -> Any:
        return await self._self_aexit(*exc)


class _EitherIterator(_Iterator, _AsyncIterator):
    """A stream that serves sync and async callers alike."""


class _Manager(_Watched):
    """``with client.stream(...) as stream``: the stream is born on entry."""

    def __enter__(self) -> Any:
        with self._self_step:
            stream = self.__wrapped__.__enter__()
        return self._self_entered(stream)

    def __exit__(self, *exc: object) -> Any:
        return self._self_exit(*exc)


class _AsyncManager(_Watched):
    async def __aenter__(self) -> Any:
        with self._self_step:
            stream = await self.__wrapped__.__aenter__()
        return self._self_entered(stream)

    async def __aexit__(self, *exc: object) -> Any:
        return await self._self_aexit(*exc)


_SHAPES: dict[str, type[_Watched]] = {
    "__next__": _Iterator, "__anext__": _AsyncIterator, "__enter__": _Manager, "__aenter__": _AsyncManager,
}  # fmt: skip


def _closing(close: Callable[..., Any], call: Invocation) -> Callable[..., Any]:
    """The stream's own ``close``; the call learns when it is over."""
    if inspect.iscoroutinefunction(close):

        async def aclosed(*args: Any, **kwargs: Any) -> Any:
            return await Closing(call, call.left).run_async(close, *args, **kwargs)

        return aclosed

    def closed(*args: Any, **kwargs: Any) -> Any:
        return Closing(call, call.left).run(close, *args, **kwargs)

    return closed
