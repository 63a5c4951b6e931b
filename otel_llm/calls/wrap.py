"""The only wrapper: every patched method, sync or async, streaming or not, comes through here."""

from __future__ import annotations

import copy
import inspect
import pkgutil
import sys
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property, wraps
from types import CoroutineType, FunctionType
from typing import Any

import wrapt

from otel_llm.core.guard import foreign, guard, guarded
from otel_llm.core.model import Request

from .current import CURRENT, enter, leave, outside, shadow
from .declarations import (
    Around,
    Attempt,
    Declaration,
    DeferredStream,
    Hook,
    HostCallback,
    Parsed,
    Patch,
    Register,
    Replace,
    Reply,
    Retry,
    Session,
    SubRequest,
    Value,
    Watched,
    modules,
)
from .invocation import Invocation, Observer
from .iterate import CARRIED, follow, proxied, tap
from .sessions import conversing

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
Watching = Callable[[Any, Request], "Watched | None"]
_FOLLOW, _HOOK = guard("follow"), guard("hook")
_MISSING = object()


def watching(provider: Declaration, patch: Patch, observer: Observer) -> Wrapper:
    """The wrapper of a method that calls pass through."""
    covers, name, lazy = patch.covers, provider.name, patch.lazy
    read = guarded("read_request", patch.read, 3)
    watch = guarded("follow", patch.watch, 2) if patch.watch is not None else _unsaid

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outer = CURRENT.get()
        if outer is not None and not outer.done and (name in outer.covers or "*" in outer.covers):
            return wrapped(*args, **kwargs)
        request = read(instance, args, kwargs)
        if request is None:
            return wrapped(*args, **kwargs)
        call = Invocation(observer, request, covers)
        if lazy:
            return outcome(call, wrapped(*args, **kwargs), watch)
        call.open()
        tokens = enter(call)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            leave(tokens)
        return outcome(call, result, watch)

    return patched


def _unsaid(_: Any, __: Request) -> None: ...


def later(wrapper: Wrapper) -> Wrapper:
    """``wrapper`` of a coroutine function, which begins when it is awaited: one that never is leaves nothing behind."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pending: Any = _begun(wrapper, wrapped, instance, args, kwargs)
        pending.__name__, pending.__qualname__ = wrapped.__name__, wrapped.__qualname__
        return pending

    return patched


async def _begun(wrapper: Wrapper, *told: Any) -> Any:
    return await wrapper(*told)


class _Method(wrapt.BoundFunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    def __reduce_ex__(self, _: Any) -> Any:
        if self._self_instance is None:  # of the class, or a static one
            return pkgutil.resolve_name, (f"{self.__module__}:{self.__qualname__}",)
        return getattr, (self._self_instance, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        owner = self._self_instance
        return self if owner is None else getattr(copy.deepcopy(owner, memo), self.__name__)


class Function(wrapt.FunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """A function in a wrapper, to be pickled and copied as functions are: by its name."""

    __bound_function_wrapper__ = _Method

    def __init__(self, wrapped: Any, wrapper: Wrapper, enabled: Any = None, place: str = "") -> None:
        super().__init__(wrapped, wrapper, enabled)
        self._self_place = place  # module:name, where that is not what the function says of itself

    def __reduce_ex__(self, _: Any) -> Any:
        return (pkgutil.resolve_name, (self._self_place,)) if self._self_place else self.__qualname__

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _: Any) -> Any:
        return self


def outcome(call: Invocation, result: Any, watch: Watching) -> Any:
    """Follow ``result`` to its end, whatever its shape, and hand the caller what it asked for."""
    if isinstance(result, CoroutineType):
        return _awaited(call, result, watch)
    told = watch(result, call.request)
    if type(told) is Value:
        call.value(told.value)
        return result
    if isinstance(told, Parsed):
        with foreign(call.fail):
            call.value(told.parse())
        return result
    return _settled(call, result, told, watch)


async def _awaited(call: Invocation, pending: Coroutine[Any, Any, Any], watch: Watching) -> Any:
    if not call.began:
        call.open()
    tokens = enter(call)
    try:
        result = await pending
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        leave(tokens)
    told = watch(result, call.request)
    if type(told) is Value:
        call.value(told.value)
        return result
    if isinstance(told, Parsed):
        with foreign(call.fail):
            parsed = told.parse()
            call.value(await parsed if inspect.isawaitable(parsed) else parsed)
        return result
    return _settled(call, result, told, watch)


def _settled(call: Invocation, result: Any, told: Any, watch: Watching) -> Any:
    twin = None
    with _FOLLOW:
        if told is not None:
            follow(call, told)
            return result
        twin = proxied(call, result, watch)
    if twin is not None:
        return twin
    if call.began:
        call.value(result)
    return result


def adopting(adopt: DeferredStream) -> Wrapper:
    """The wrapper of a constructor of streams whose call has already returned."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        made = wrapped(*args, **kwargs)
        with _HOOK:
            carrier = adopt.find(instance, args, kwargs)
            call = carrier.get(CARRIED) if carrier is not None else None
            if isinstance(call, Invocation) and not call.done:
                tap(call, adopt.watch(instance))
        return made

    return patched


def retrying(retry: Retry) -> Wrapper:
    """The wrapper of the wait before an attempt after the first."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        call = CURRENT.get()
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
            call.retried(cause, time.perf_counter() - began if retry.wait is None else retry.wait(result))
        return result

    return patched


async def _waited(call: Invocation, pending: Coroutine[Any, Any, Any], cause: Any) -> Any:
    began = time.perf_counter()
    result = await pending
    with _HOOK:
        call.retried(cause, time.perf_counter() - began)
    return result


def attempting(attempt: Attempt) -> Wrapper:
    """The wrapper of a method that is entered once for each attempt."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        call = CURRENT.get()
        if call is None:
            return wrapped(*args, **kwargs)
        with _HOOK:
            call.attempting()
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            with _HOOK:
                call.attempted(error)
            raise
        if isinstance(result, CoroutineType):
            return _attempted(call, result, attempt)
        with _HOOK:
            call.attempted(attempt.failed(result))
        return result

    return patched


async def _attempted(call: Invocation, pending: Coroutine[Any, Any, Any], attempt: Attempt) -> Any:
    try:
        result = await pending
    except BaseException as error:
        with _HOOK:
            call.attempted(error)
        raise
    with _HOOK:
        call.attempted(attempt.failed(result))
    return result


def parting(part: SubRequest) -> Wrapper:
    """The wrapper of a method that is entered for each request of a call that makes several."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        result = wrapped(*args, **kwargs)
        call = CURRENT.get()
        if call is None or call.request.reader is not part.reader:
            return result
        if isinstance(result, CoroutineType):
            return _parted(call, result, part)
        with _HOOK:
            call.part(result, part.read)
        return result

    return patched


async def _parted(call: Invocation, pending: Coroutine[Any, Any, Any], part: SubRequest) -> Any:
    result = await pending
    with _HOOK:
        call.part(result, part.read)
    return result


def hosting(_: HostCallback) -> Wrapper:
    """The wrapper of a function that runs the host's own code inside of a call."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        with outside():
            result = wrapped(*args, **kwargs)
        return _hosted(result) if isinstance(result, CoroutineType) else result

    return patched


async def _hosted(pending: Coroutine[Any, Any, Any]) -> Any:
    with outside():
        return await pending


def replying(reply: Reply) -> Wrapper:
    """The wrapper of a method that is handed the HTTP response of a call."""
    hear = guarded("hook", _hearing(reply), 3)

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
        call = CURRENT.get()
        if call is not None:
            hear(call, args, kwargs)
        return wrapped(*args, **kwargs)

    return patched


def _hearing(reply: Reply) -> Callable[[Invocation, tuple[Any, ...], dict[str, Any]], None]:
    def heard(call: Invocation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        told = reply.read(args, kwargs)
        if told is not None:
            call.replied(*told)

    return heard


def attending(beside: Around) -> Wrapper:
    """The wrapper of a method beside the calls."""

    def patched(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(wrapped):
            return _attended(beside, instance, wrapped, args, kwargs)
        state = None
        with _HOOK:
            state = beside.began(instance, args, kwargs)
        result, failed = None, None
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            failed = error
            raise
        finally:
            with _HOOK:
                beside.ended(instance, state, result, failed)
            failed = None  # an error holds this frame, and must not be held by it
        return result

    return patched


async def _attended(
    beside: Around, instance: Any, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    state = None
    with _HOOK:
        state = beside.began(instance, args, kwargs)
    result, failed = None, None
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        failed = error
        raise
    finally:
        with _HOOK:
            beside.ended(instance, state, result, failed)
        failed = None
    return result


_WRAPPERS: dict[type, Callable[[Any], Wrapper]] = {
    DeferredStream: adopting, Retry: retrying, Attempt: attempting, SubRequest: parting,
    Reply: replying, Around: attending, HostCallback: hosting,
}  # fmt: skip


class Installed:
    """The hooks of one library: they go in when their modules are imported, and out again to the very same objects.

    ``load`` is asked for the declaration when the first of the modules ``carriers`` is imported: most processes use one library of many.
    """

    def __init__(
        self,
        carriers: Iterable[str],
        load: Callable[[], Declaration],
        observer: Observer,
        accepts: Callable[[Any], bool],
    ) -> None:
        self._load, self._observer, self._accepts = load, observer, accepts
        self._undo: list[Callable[[], None]] = []
        self._live: Any = [True]  # empty when it is out; wrapt asks for its truth at each call
        self.patched: list[str] = []
        self.missing: list[str] = []
        for module in carriers:
            wrapt.register_post_import_hook(self._imported(module), module)

    def uninstall(self) -> None:
        """Put everything back."""
        self._live.clear()
        while self._undo:
            with _HOOK:
                self._undo.pop()()
        self.patched.clear()

    @classmethod
    def of(cls, declaration: Declaration, observer: Observer, accepts: Callable[[Any], bool]) -> Installed:
        """The hooks of a declaration that is at hand."""
        return cls(modules(declaration), lambda: declaration, observer, accepts)

    @cached_property
    def _declared(self) -> Declaration:
        return self._load()

    def _imported(self, name: str) -> Callable[[Any], None]:
        found = weakref.WeakMethod(self._put_in)  # nobody takes a hook of an import back

        def imported(module: Any) -> None:
            put_in = found()
            if put_in is not None:
                with _HOOK:
                    put_in(name, module)

        return imported

    def _put_in(self, name: str, module: Any) -> None:
        if not (self._live and self._accepts(self._declared)):
            return
        for hook in self._declared.hooks:
            if hook.module == name:
                with _HOOK:  # one that fails leaves the others in
                    self._install(hook, module)

    def _install(self, hook: Hook, module: Any) -> None:
        if isinstance(hook, Retry) and hook.unless and _resolve(module, hook.unless)[0] is not None:
            return
        if isinstance(hook, Register):
            self._undo.append(hook.put_in(module))
            return
        for target in (hook.target,) if isinstance(hook, Replace) else hook.targets:
            parent, name = _resolve(module, target)
            if parent is None:
                self.missing.append(f"{hook.module}:{target}")
                continue
            original = vars(parent).get(name, _MISSING)
            if original is _MISSING and isinstance(hook, Around):
                self.missing.append(f"{hook.module}:{target}")  # it is another's, and is seen there
                continue
            self._put(
                parent,
                name,
                self._made(hook, parent, name, getattr(parent, name) if original is _MISSING else original),
            )
            self.patched.append(f"{hook.module}:{target}")
            if isinstance(hook, Around) and hook.heirs:
                self._inherit(hook, parent, name)

    def _put(self, parent: Any, name: str, ours: Any) -> None:
        original = vars(parent).get(name, _MISSING)
        setattr(parent, name, ours)
        self._undo.append(_putting_back(parent, name, original, ours))

    def _inherit(self, hook: Around, parent: Any, name: str) -> None:
        """Do the same to the classes below ``parent`` that have a method ``name`` of their own."""

        def reach(heir: Any) -> None:
            if name in vars(heir):
                self._put(heir, name, self._made(hook, heir, name, vars(heir)[name]))

        def born(wrapped: Callable[..., Any], heir: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            wrapped(*args, **kwargs)
            with _HOOK:
                reach(heir)

        for heir in _below(parent):
            reach(heir)
        telling: Any = vars(parent).get("__init_subclass__") or classmethod(_tells_next(parent))
        self._put(parent, "__init_subclass__", wrapt.FunctionWrapper(telling, born, enabled=self._live))

    def _made(self, hook: Hook, parent: Any, name: str, original: Any) -> Any:
        if isinstance(hook, Replace):
            return hook.make(original, shadow)
        if isinstance(hook, Patch):
            wrapper = watching(self._declared, hook, self._observer)
        elif isinstance(hook, Session):
            wrapper = conversing(hook, name, self._observer)
        else:
            wrapper = _WRAPPERS[type(hook)](hook)
        if inspect.isclass(parent) and vars(parent).get(name) is original and isinstance(original, FunctionType):
            return _method(original, wrapper, self._live)
        if inspect.iscoroutinefunction(original):
            wrapper = later(wrapper)
        place = f"{parent.__name__}:{name}" if inspect.ismodule(parent) else ""
        return Function(original, wrapper, self._live, place)


def _method(original: FunctionType, wrapper: Wrapper, live: Any) -> Any:
    """A method of a class in ``wrapper``, as a function like the one before: two thirds of what wrapt costs at each call."""
    bind = original.__get__
    if inspect.isgeneratorfunction(original) or inspect.isasyncgenfunction(original):
        return wrapt.FunctionWrapper(original, wrapper, enabled=live)
    if inspect.iscoroutinefunction(original):

        @wraps(original)
        async def patched(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not live:
                return await original(self, *args, **kwargs)
            return await wrapper(bind(self), self, args, kwargs)

    else:

        @wraps(original)
        def patched(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not live:
                return original(self, *args, **kwargs)
            return wrapper(bind(self), self, args, kwargs)

    return patched


def _resolve(module: Any, target: str) -> tuple[Any, str]:
    *path, name = target.split(".")
    parent = module
    for part in path:
        parent = getattr(parent, part, None)
    return (parent, name) if parent is not None and hasattr(parent, name) else (None, name)


def _below(parent: Any) -> list[Any]:
    heirs = list(parent.__subclasses__())
    return heirs + [lower for heir in heirs for lower in _below(heir)]


def _tells_next(parent: Any) -> Callable[..., None]:
    def tells(heir: Any, **kwargs: Any) -> None:
        super(parent, heir).__init_subclass__(**kwargs)

    return tells


def _putting_back(parent: Any, name: str, original: Any, ours: Any) -> Callable[[], None]:
    def put_back() -> None:
        if vars(parent).get(name) is not ours:
            return  # somebody has wrapped on top of us: what we left inside is inert
        if original is _MISSING:
            delattr(parent, name)
        else:
            setattr(parent, name, original)

    return put_back
