"""Watch a stream go by. The caller keeps its own object: same type, same helpers, same close.

A stream of an SDK is watched from inside: the attribute that its iteration and its helpers read from is exchanged for a
watched one, and the close of the response below it tells that nobody will read on. Generators, iterators and managers that
have no inside are handed over as a watched generator or proxy. Nothing here refers back to the stream that refers to it, so
one that is dropped goes at once, as it would without us.
"""

from __future__ import annotations

import copy
import functools
import inspect
import io
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from types import GeneratorType
from typing import Any, cast

import wrapt

from otel_llm.core.guard import foreign, guard
from otel_llm.core.model import Request

from .bodies import read_along
from .current import enter, leave
from .declarations import Body, Item, Later, Stream, Value
from .invocation import Invocation

_FOLLOW = guard("follow")
CARRIED = "otel_llm"  # the key under which a call travels with a response


def iterate(source: Iterator[Any], call: Invocation) -> Generator[Any, Any, None]:
    """The items of ``source``, each shown to ``call`` on its way."""
    if call.covers:
        source = _inside(source, call)
    call.busy = True
    try:
        for item in source:
            call.chunk(item)
            call.busy = False
            yield item
            call.busy = True
    except GeneratorExit:
        call.left()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        call.busy = False
    call.drained()


def _inside(source: Iterator[Any], call: Invocation) -> Generator[Any, Any, None]:
    """The items of ``source``, which finds ``call`` current at each: the calls that it makes on its way are part of it."""
    while True:
        tokens = enter(call)
        try:
            item = next(source, _END)
        finally:
            leave(tokens)
        if item is _END:
            return
        yield item


def delegate(source: Generator[Any, Any, Any], call: Invocation) -> Generator[Any, Any, Any]:
    """``yield from source``, each item shown to ``call`` on its way."""

    def generator() -> Generator[Any, Any, Any]:
        return (yield from _Steps(source, call))

    made: Any = generator()
    made.__name__, made.__qualname__ = source.__name__, source.__qualname__  # type: ignore[attr-defined,unused-ignore]
    return cast("Generator[Any, Any, Any]", made)


class _Steps:
    """The steps of a generator, each shown to the call. One that has sent nothing yet opens it with its first."""

    __slots__ = ("_call", "_source")

    def __init__(self, source: Generator[Any, Any, Any], call: Invocation) -> None:
        self._source = source
        self._call = call

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Any:
        return advance(self._call, self._source.send, None)

    def send(self, value: Any) -> Any:
        return advance(self._call, self._source.send, value)

    def throw(self, kind: Any, error: Any = None, _: Any = None) -> Any:
        if error is not None and not isinstance(error, BaseException):
            error = kind(error)
        return advance(self._call, self._source.throw, kind if error is None else error)

    def close(self) -> None:
        self._call.left()
        self._source.close()


def advance(call: Invocation, proceed: Callable[..., Any], *given: Any) -> Any:
    """The next item of an iterator, shown to ``call``: current for the first, which may send it, and for all if it covers others."""
    first = not call.began
    if first:
        call.open()
    tokens = enter(call) if first or call.covers else None
    call.busy = True
    try:
        item = proceed(*given)
    except StopIteration:
        call.drained()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        call.busy = False
        if tokens is not None:
            leave(tokens)
    call.chunk(item)
    return item


_END = object()


class AsyncItems:
    """The items of an async iterator, each shown to the call on its way."""

    __slots__ = ("__weakref__", "_call", "_next", "_source")

    def __init__(self, source: Any, call: Invocation) -> None:
        self._source = source
        self._next = source.__anext__
        self._call = call

    def __aiter__(self) -> AsyncItems:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return step(self._next, self._call)  # a coroutine around it would cost half as much again

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


async def step(following: Callable[[], Awaitable[Any]], call: Invocation) -> Any:
    """The next item of an async iterator, shown to ``call``; current for what the iterator does, if it covers others."""
    call.busy = True
    tokens = enter(call) if call.covers else None
    try:
        item = await following()
    except StopAsyncIteration:
        call.drained()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        call.busy = False
        if tokens is not None:
            leave(tokens)
    call.chunk(item)
    return item


def follow(call: Invocation, watched: Stream | Item | Later | Body) -> None:
    """Follow a result that its provider has told us how to follow."""
    if isinstance(watched, Stream):
        if watched.carrier is not None:
            watched.carrier[CARRIED] = call
        tap(call, watched)
    elif isinstance(watched, Item):
        watched.owner[watched.key] = proxied(call, watched.owner[watched.key])
    elif isinstance(watched, Body):
        read_along(call, watched)
    else:
        watched.carrier[CARRIED] = call
        on_close(watched.closer, call, _ending(call, watched.read), reads=True)


def tap(call: Invocation, stream: Stream) -> None:
    """Exchange what ``stream`` reads from for a watched one, and learn of its close."""
    call.request.stream = True
    source = getattr(stream.owner, stream.source)
    items: Any = AsyncItems(source, call) if hasattr(source, "__anext__") else iterate(source, call)
    setattr(stream.owner, stream.source, items)
    if stream.closer is not None:
        on_close(stream.closer, call, call.left)


def _ending(call: Invocation, read: Callable[[], Value | None]) -> Callable[[], None]:
    def ended() -> None:
        found = None
        with foreign(call.fail):  # what came may be no answer: the caller, who may not want to parse it, is not told
            found = read()
        if found is None:
            call.left()
        elif not call.done:
            call.value(found.value)

    return ended


def on_close(closer: Any, call: Invocation, ended: Callable[[], None], *, reads: bool = False) -> None:
    """Call ``ended`` when the caller closes ``closer``, or (``reads``) has read it whole.

    Until the call ends the object is of a class that is its own and differs in these methods alone. A hook on the object
    would refer to it from itself, and keep it from going when it is dropped.
    """
    own = type(closer)
    if closer.__class__ is not own:
        return  # a test's double, which says that it is of another class
    closer.__dict__[_HOOK] = (call, ended, reads)
    closer.__class__ = _hooked_class(own)
    target = weakref.ref(closer)

    def release() -> None:
        found = target()
        if found is not None and found.__dict__.pop(_HOOK, None) is not None:
            found.__class__ = own

    call.release = release


_HOOK = "_otel_llm_hook"
_CLASSES: dict[type, type] = {}


def _hooked_class(own: type) -> type:
    made = _CLASSES.get(own)
    if made is None:
        methods = {name: _hooked(getattr(own, name), name) for name in _ENDINGS if hasattr(own, name)}
        names = {
            "__module__": own.__module__,
            "__qualname__": own.__qualname__,
            "__doc__": own.__doc__,
            "__slots__": (),
        }
        made = _CLASSES[own] = type(own.__name__, (own,), {**names, **methods, "__reduce_ex__": _reducing(own)})
    return made


_ENDINGS = ("close", "aclose", "read", "aread")


def _reducing(own: type) -> Callable[..., Any]:
    """A copy, and what is pickled, are of the class that the caller knows, and without us."""

    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
        hook, hooked = self.__dict__.pop(_HOOK, None), type(self)
        self.__class__ = own
        try:
            make, told, *state = self.__reduce_ex__(protocol)
        finally:
            self.__class__ = hooked
            if hook is not None:
                self.__dict__[_HOOK] = hook
        # pickle asks what ``copyreg.__newobj__`` makes to be of the very class that we have
        return (object.__new__ if make.__name__ == "__newobj__" else make), told, *map(_copied, state)

    return __reduce_ex__


def _copied(state: Any) -> Any:
    """A state without us, though it be the object's own."""
    return {key: value for key, value in state.items() if key != _HOOK} if isinstance(state, dict) else state


def _hooked(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    reading = name.endswith("read")
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def hooked_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            call, ended, reads = self.__dict__.get(_HOOK, _UNHOOKED)
            if call is None or call.busy or (reading and not reads):
                return await method(self, *args, **kwargs)
            call.busy = reading
            return await _awaited(method(self, *args, **kwargs), call, ended)

        return hooked_async

    @functools.wraps(method)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        call, ended, reads = self.__dict__.get(_HOOK, _UNHOOKED)
        if call is None or call.busy or (reading and not reads):
            return method(self, *args, **kwargs)
        call.busy = reading
        result = None
        try:
            result = method(self, *args, **kwargs)
        except BaseException as error:
            if reading:
                call.fail(error)
            raise
        finally:
            if not inspect.isawaitable(result):
                call.busy = False
                ended()
        return _awaited(result, call, ended) if inspect.isawaitable(result) else result

    return hooked


_UNHOOKED = (None, None, False)


async def _awaited(pending: Awaitable[Any], call: Invocation, ended: Callable[[], None]) -> Any:
    reading = call.busy
    try:
        return await pending
    except BaseException as error:
        if reading:
            call.fail(error)
        raise
    finally:
        call.busy = False
        ended()


Look = Callable[[Any, Request], Any]


def _unsaid(_: Any, __: Request) -> None: ...


def proxied(call: Invocation, result: Any, look: Look = _unsaid) -> Any:
    """``result`` as a watched twin that passes for it, where it is a stream or a manager of one; None for a plain value.

    ``look`` says how to follow what a manager gives on entry, where its shape alone does not tell.
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


class _Watched(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    def __init__(self, wrapped: Any, call: Invocation, look: Look) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_look = look

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return _closing(found, self._self_call) if name in ("close", "aclose") else found

    def __copy__(self) -> Any:
        return copy.copy(self.__wrapped__)

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)

    def _self_enter(self, method: Callable[[], Any]) -> Any:
        call = self._self_call
        if not call.began:
            call.open()
        tokens = enter(call)
        call.busy = True
        try:
            return method()
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.busy = False
            leave(tokens)

    async def _self_aenter(self, method: Callable[[], Awaitable[Any]]) -> Any:
        call = self._self_call
        if not call.began:
            call.open()
        tokens = enter(call)
        call.busy = True
        try:
            return await method()
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.busy = False
            leave(tokens)

    def _self_entered(self, stream: Any) -> Any:
        call = self._self_call
        with _FOLLOW:
            told = self._self_look(stream, call.request)
            if told is None:
                return proxied(call, stream) or stream
            follow(call, told)
        return stream


class _Iterator(_Watched):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return advance(self._self_call, next, self.__wrapped__)

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def __exit__(self, *exc: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*exc)
        finally:
            self._self_call.left()


class _AsyncIterator(_Watched):
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        call = self._self_call
        if call.began:
            return await step(self.__wrapped__.__anext__, call)
        item = await self._self_aenter(lambda: anext(self.__wrapped__, _END))
        if item is _END:
            call.drained()
            raise StopAsyncIteration
        call.chunk(item)
        return item

    async def __aenter__(self) -> Any:
        entered = await self.__wrapped__.__aenter__()
        return self if entered is self.__wrapped__ else entered

    async def __aexit__(self, *exc: object) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*exc)
        finally:
            self._self_call.left()


class _EitherIterator(_Iterator, _AsyncIterator):
    """A stream that serves sync and async callers alike."""


class _Manager(_Watched):
    """``with client.stream(...) as stream``: the stream is born on entry."""

    def __enter__(self) -> Any:
        return self._self_entered(self._self_enter(self.__wrapped__.__enter__))

    def __exit__(self, *exc: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*exc)
        finally:
            self._self_call.left()


class _AsyncManager(_Watched):
    async def __aenter__(self) -> Any:
        return self._self_entered(await self._self_aenter(self.__wrapped__.__aenter__))

    async def __aexit__(self, *exc: object) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*exc)
        finally:
            self._self_call.left()


_SHAPES: dict[str, type[_Watched]] = {
    "__next__": _Iterator, "__anext__": _AsyncIterator, "__enter__": _Manager, "__aenter__": _AsyncManager,
}  # fmt: skip


def _closing(close: Callable[..., Any], call: Invocation) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(close):

        async def aclosed(*args: Any, **kwargs: Any) -> Any:
            return await _awaited(close(*args, **kwargs), call, call.left)

        return aclosed

    def closed(*args: Any, **kwargs: Any) -> Any:
        result = None
        try:
            result = close(*args, **kwargs)
        finally:
            if not inspect.isawaitable(result):
                call.left()
        return _awaited(result, call, call.left) if inspect.isawaitable(result) else result

    return closed
