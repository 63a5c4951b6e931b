"""Learn of the close of an object of the caller's, or of its being read whole, and leave it as it was afterwards."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable
from types import MethodType, TracebackType
from typing import Any

from .bodies import streaming_methods
from .invocation import Invocation


class Closing:
    """``with Closing(...):`` the caller closes something, or reads it whole: ``ended`` is called when that is over."""

    __slots__ = ("_call", "_ended", "_reads", "pending")

    def __init__(self, call: Invocation, ended: Callable[[], None], *, reads: bool = False) -> None:
        self._call, self._ended, self._reads = call, ended, reads
        self.pending = False  # what was called gave an awaitable: it is over when that is

    def __enter__(self) -> None:
        self._call.busy = self._reads

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pending:
            return
        if error is not None and self._reads:
            self._call.fail(error)
        self._call.busy = False
        self._ended()

    def run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``method`` returns; the close is over then, or when that has been awaited."""
        with self:
            result = method(*args, **kwargs)
            self.pending = inspect.isawaitable(result)
        return self._finish(result) if self.pending else result

    async def _finish(self, pending: Awaitable[Any]) -> Any:
        self.pending = False
        with self:
            return await pending

    async def run_async(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As ``run``, of a coroutine function."""
        with self:
            return await method(*args, **kwargs)


def on_close(closer: Any, call: Invocation, ended: Callable[[], None], *, reads: bool = False) -> None:
    """Call ``ended`` when the caller closes ``closer``, or (``reads``) has read it whole.

    Until the call ends the object is of a class that is its own and differs in these methods alone. A hook on the object
    would refer to it from itself, and keep it from going when it is dropped.
    """
    own = type(closer)
    if closer.__class__ is not own:
        return  # a test's double, which pretends to be of another class
    hooked = (_READ if reads else _CLOSED).get(own)
    closer.__dict__[_HOOK] = (call, ended, reads)
    closer.__class__ = _hooked_class(own, reads=reads) if hooked is None else hooked
    call.release = MethodType(_let_go, weakref.ref(closer))


def _let_go(closer: weakref.ref[Any]) -> None:
    """Give the object its own class back."""
    hooked = closer()
    if hooked is not None and hooked.__dict__.pop(_HOOK, None) is not None:
        hooked.__class__ = type(hooked).__base__


_HOOK = "_otel_llm_hook"
_CLOSED: dict[type, type] = {}
_READ: dict[type, type] = {}
_ENDINGS = ("close", "aclose", "read", "aread")


def _hooked_class(own: type, *, reads: bool) -> type:
    classes = _READ if reads else _CLOSED
    made = classes.get(own)
    if made is None:
        methods = {name: _hooked(getattr(own, name), name) for name in _ENDINGS if hasattr(own, name)}
        names = {
            "__module__": own.__module__,
            "__qualname__": own.__qualname__,
            "__doc__": own.__doc__,
            "__slots__": (),
        }
        if reads:
            methods |= streaming_methods(own, _HOOK)
        made = classes[own] = type(own.__name__, (own,), {**names, **methods, "__reduce_ex__": _reducing(own)})
    return made


def _reducing(own: type) -> Callable[..., Any]:
    """A copy, and what is pickled, are of the class that the caller knows, and without us."""

    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
        hook, hooked = self.__dict__.pop(_HOOK, None), type(self)
        self.__class__ = own
        try:
            make, args, *state = self.__reduce_ex__(protocol)
        finally:
            self.__class__ = hooked
            if hook is not None:
                self.__dict__[_HOOK] = hook
        # pickle asks what ``copyreg.__newobj__`` makes to be of the very class that we have
        return (object.__new__ if make.__name__ == "__newobj__" else make), args, *map(_copied, state)

    return __reduce_ex__


def _copied(state: Any) -> Any:
    """A state without us, though it be the object's own."""
    return {key: value for key, value in state.items() if key != _HOOK} if isinstance(state, dict) else state


def _hooked(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    reading = name.endswith("read")

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def hooked_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            hook = self.__dict__.get(_HOOK)
            if hook is None or hook[0].busy or (reading and not hook[2]):
                return await method(self, *args, **kwargs)
            return await Closing(hook[0], hook[1], reads=reading).run_async(method, self, *args, **kwargs)

        return hooked_async

    @functools.wraps(method)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        hook = self.__dict__.get(_HOOK)
        if hook is None or hook[0].busy or (reading and not hook[2]):
            return method(self, *args, **kwargs)
        return Closing(hook[0], hook[1], reads=reading).run(method, self, *args, **kwargs)

    return hooked
