"""The wrapper of a call, and how it gets around a client library's function.

It gets there in place: the function's code is exchanged, and the function stays the object that everybody holds. Other
instrumentations put their wrappers on a subclass, on one client, or over the library's method, and hold the function that they
came upon; an attribute of ours could be shadowed, overwritten or put back by them. What all of them call in the end is the
library's own function. So that is where we are, whoever came first, and once, however many wrap it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import CodeType, CoroutineType, FunctionType
from typing import Any

from otel_llm.core.guard import foreign, guard, guarded
from otel_llm.core.model import Request

from .declarations import ITSELF, DeferredStream, Item, Parsed, Patch, Reply, Stream, Value, Watched
from .invocation import CURRENT, Invocation
from .iterate import CARRIED, follow, tap
from .limits import STATE, SWITCHED_FROM, admit
from .observer import Observer
from .proxies import proxied, replace_item
from .wrapped import Wrapper

Watching = Callable[[Any, Request], "Watched | None"]
_FAILED = object()
_FOLLOW, _HOOK = guard("follow"), guard("hook")
_tap = guarded("follow", tap, 2)


def watching(library: str, patch: Patch, observer: Observer, *, asynchronous: bool = False) -> Wrapper:
    """The wrapper of a method that calls pass through. An ``asynchronous`` one runs when what it returns is awaited."""
    covers, deferred = patch.covers, patch.lazy or asynchronous
    read = guarded("read_request", patch.read, 3)
    watch = guarded("follow", patch.watch, 2) if patch.watch is not None else _by_shape

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        here = CURRENT.get()
        if (
            here is not None
            and (outer := here()) is not None
            and not outer.done
            and (library in outer.covers or "*" in outer.covers)
        ):
            return wrapped(*args, **kwargs)
        request = read(instance, args, kwargs)
        if request is None:
            return wrapped(*args, **kwargs)
        if STATE.on and request.counted:
            request, args, kwargs, hold = _admitted(patch, observer, request, (instance, args, kwargs))
            call = Invocation(observer, request, covers)
            call.hold = hold
        else:
            call = Invocation(observer, request, covers)
        if deferred:
            return outcome(call, wrapped(*args, **kwargs), watch)
        call.open()
        result: Any = _FAILED
        try:
            call.__enter__()
            try:
                result = wrapped(*args, **kwargs)
            finally:  # what ``with call:`` does, for half
                if result is not _FAILED:
                    call.step_out()
                else:
                    call.__exit__(*sys.exc_info())
        finally:
            if CURRENT.get() is not here:  # an interrupt came upon the first line of ``step_out``
                CURRENT.set(here)
        if type(result) is CoroutineType:
            return _awaiting(call, result, watch)
        watched = watch(result, call.request)
        if watched is ITSELF:  # as most are: what ``outcome`` does with it
            call.value(result)
            return result
        return _outcome(call, result, watched, watch)

    return patched


def _admitted(
    patch: Patch, observer: Observer, request: Request, given: tuple[Any, Any, Any]
) -> tuple[Request, Any, Any, Any]:
    """What is asked in the end, the arguments that ask it, and what is reserved for it. Raises what the guard raises."""
    instance, args, kwargs = given
    switch = None if patch.switch is None else partial(patch.switch, args, kwargs)
    hold = admit(request, instance, observer.price, switch)
    if hold is not None and hold.arguments is not None:
        args, kwargs = hold.arguments
        again = guarded("read_request", patch.read, 3)(
            instance, args, kwargs
        )  # another model may be another provider's
        if again is not None:
            again.attributes[SWITCHED_FROM] = request.attributes[SWITCHED_FROM]
            request = again
    return request, args, kwargs, hold


def _by_shape(_: Any, __: Request) -> None: ...


def outcome(call: Invocation, result: Any, watch: Watching) -> Any:
    """Follow ``result`` to its end, whatever its shape, and hand the caller what it asked for."""
    if type(result) is CoroutineType:
        return _awaiting(call, result, watch)
    return _outcome(call, result, watch(result, call.request), watch)


def _outcome(call: Invocation, result: Any, watched: Watched | None, watch: Watching) -> Any:
    if type(watched) is Value:
        call.value(result if watched is ITSELF else watched.value)
        return result
    if type(watched) is Stream:
        if not _tap(call, watched) and call.began:
            call.value(result)
        return result
    if isinstance(watched, Parsed):
        with foreign(call.fail):
            call.value(watched.parse())
        return result
    return _followed(call, result, watched, watch)


async def _awaiting(call: Invocation, pending: Coroutine[Any, Any, Any], watch: Watching) -> Any:
    if not call.began:
        call.open()
    with call:
        result = await pending
    watched = watch(result, call.request)
    if type(watched) is Value:
        call.value(result if watched is ITSELF else watched.value)
        return result
    if type(watched) is Stream:
        if not _tap(call, watched) and call.began:
            call.value(result)
        return result
    if isinstance(watched, Parsed):
        with foreign(call.fail):
            parsed = watched.parse()
            call.value(await parsed if inspect.isawaitable(parsed) else parsed)
        return result
    return _followed(call, result, watched, watch)


def _followed(call: Invocation, result: Any, watched: Any, watch: Watching) -> Any:
    twin = None
    with _FOLLOW:
        if isinstance(watched, Item):
            replace_item(call, watched)
            return result
        if watched is not None:
            follow(call, watched)
            return result
        twin = proxied(call, result, watch)
    if twin is not None:
        return twin
    if call.began:
        call.value(result)
    return result


class Before:
    """The wrapper of a method whose arguments are looked at by ``see`` before it runs, and nothing else."""

    __slots__ = ("see",)

    def __init__(self, component: str, see: Callable[[Any, tuple[Any, ...], dict[str, Any]], None]) -> None:
        self.see = guarded(component, see, 3)

    def __call__(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self.see(instance, args, kwargs)
        return wrapped(*args, **kwargs)


class After(Before):
    """The same, of a method after which they are looked at."""

    __slots__ = ()

    def __call__(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = wrapped(*args, **kwargs)
        self.see(instance, args, kwargs)
        return result


def replying(reply: Reply) -> Wrapper:
    """The wrapper of a method that is handed the HTTP response of a call."""
    read = reply.read

    def see(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        here = CURRENT.get()
        if here is not None and (call := here()) is not None:
            read(call.replied, args, kwargs)

    return Before("hook", see)


def deferring(deferred: DeferredStream) -> Wrapper:
    """The wrapper of a constructor of streams whose call has already returned."""
    find, watch = deferred.find, deferred.watch

    def see(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        carrier = find(instance, args, kwargs)
        call = None if carrier is None else carrier.get(CARRIED)
        if isinstance(call, Invocation) and not call.done:
            tap(call, watch(instance))

    return After("hook", see)


class InPlace:
    """What the exchanged code of a function needs: the function as it was, and our wrapper, or what of it sees the arguments."""

    __slots__ = ("bind", "live", "original", "wrapper")

    def __init__(self, original: FunctionType, wrapper: Callable[..., Any], live: Any) -> None:
        self.original = original
        self.bind = original.__get__
        self.wrapper = wrapper
        self.live = live  # empty when we are taken out: somebody may have exchanged the code again, on top of ours


# The exchanged code comes upon its ``InPlace`` as a keyword-only argument with a default, which a function's code is free to have.
KEY = "otel_llm_"


def _method(self: Any, /, *args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    if not otel_llm_.live:
        return otel_llm_.original(self, *args, **kwargs)
    wrapper, bind = otel_llm_.wrapper, otel_llm_.bind  # called as methods, they would be looked up in full
    return wrapper(bind(self), self, args, kwargs)


async def _async_method(self: Any, /, *args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    if not otel_llm_.live:
        return await otel_llm_.original(self, *args, **kwargs)
    wrapper, bind = otel_llm_.wrapper, otel_llm_.bind
    return await wrapper(bind(self), self, args, kwargs)


def _method_before(self: Any, /, *args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    if otel_llm_.live:
        see = otel_llm_.wrapper
        see(self, args, kwargs)
    return otel_llm_.original(self, *args, **kwargs)


async def _async_method_before(self: Any, /, *args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    if otel_llm_.live:
        see = otel_llm_.wrapper
        see(self, args, kwargs)
    return await otel_llm_.original(self, *args, **kwargs)


def _method_after(self: Any, /, *args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    result = otel_llm_.original(self, *args, **kwargs)
    if otel_llm_.live:
        see = otel_llm_.wrapper
        see(self, args, kwargs)
    return result


def _generator_method(self: Any, /, *args: Any, otel_llm_: InPlace, **kwargs: Any) -> Generator[Any, Any, Any]:
    if not otel_llm_.live:
        return (yield from otel_llm_.original(self, *args, **kwargs))
    return (yield from otel_llm_.wrapper(otel_llm_.bind(self), self, args, kwargs))


def _function(*args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    if not otel_llm_.live:
        return otel_llm_.original(*args, **kwargs)
    return otel_llm_.wrapper(otel_llm_.original, None, args, kwargs)


async def _async_function(*args: Any, otel_llm_: InPlace, **kwargs: Any) -> Any:
    if not otel_llm_.live:
        return await otel_llm_.original(*args, **kwargs)
    return await otel_llm_.wrapper(otel_llm_.original, None, args, kwargs)


_TEMPLATES: dict[tuple[str, bool], Any] = {
    ("plain", True): _method, ("coroutine", True): _async_method, ("generator", True): _generator_method,
    ("plain", False): _function, ("coroutine", False): _async_function,
}  # fmt: skip
_SEEING: dict[tuple[str, type], Any] = {
    ("plain", Before): _method_before, ("coroutine", Before): _async_method_before, ("plain", After): _method_after,
}  # fmt: skip
"""Methods whose wrapper only looks at their arguments, for a frame and a copy of the arguments less."""


def kind_of(function: Any) -> str:
    """``plain``, ``coroutine``, ``generator`` or ``async generator``: what a call of it returns."""
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "plain"


def exchange(function: FunctionType, wrapper: Wrapper, live: Any, *, method: bool) -> Callable[[], None] | None:
    """Put ``wrapper`` around ``function`` in place. Returns what takes it out, or None where there is no code for its kind."""
    kind, work = kind_of(function), wrapper
    template = _TEMPLATES.get((kind, method))
    if method and isinstance(wrapper, Before) and (kind, type(wrapper)) in _SEEING:
        template, work = _SEEING[kind, type(wrapper)], wrapper.see
    if template is None:
        return None
    was = function.__code__, function.__kwdefaults__, function.__dict__.get("__wrapped__")
    original = FunctionType(
        was[0], function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__, original.__qualname__, original.__module__ = (
        was[1],
        function.__qualname__,
        function.__module__,
    )
    original.__dict__.update(function.__dict__)
    annotations = (
        "__annotate__" if hasattr(function, "__annotate__") else "__annotations__"
    )  # Python 3.14 works them out late
    setattr(original, annotations, getattr(function, annotations))
    # code belongs to a function only if it has as many free variables; ours reads none of them
    ours: CodeType = template.__code__.replace(co_freevars=was[0].co_freevars, **_names(was[0]))
    function.__kwdefaults__ = {**(was[1] or {}), KEY: InPlace(original, work, live)}
    function.__code__ = ours
    function.__dict__["__wrapped__"] = original  # whose signature it has, for those who ask

    def put_back() -> None:
        if function.__code__ is not ours:
            return  # somebody has exchanged it on top of us: what we left inside is inert
        function.__code__, function.__kwdefaults__ = was[:2]
        if was[2] is not None:
            function.__dict__["__wrapped__"] = was[2]
        else:
            function.__dict__.pop("__wrapped__", None)

    return put_back


def _names(code: CodeType) -> dict[str, str]:
    """The names by which frames of ``code`` are known: vertexai sends those of its callers with each request."""
    names = {"co_name": code.co_name}
    if sys.version_info >= (3, 11):
        names["co_qualname"] = code.co_qualname
    return names


def later(wrapper: Wrapper) -> Wrapper:
    """``wrapper`` of a coroutine function, which begins when it is awaited: one that never is leaves nothing behind."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pending: Any = _beginning(wrapper, wrapped, instance, args, kwargs)
        pending.__name__, pending.__qualname__ = wrapped.__name__, wrapped.__qualname__
        return pending

    return patched


async def _beginning(wrapper: Wrapper, *call: Any) -> Any:
    return await wrapper(*call)
