"""The hooks of a library: in when its modules are imported, and out again to the very same objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any
from weakref import WeakMethod

import wrapt

from otel_llm.core.guard import guard

from .around import WRAPPERS
from .chain import library_function
from .current import shadow
from .declarations import (
    Around,
    Declaration,
    DeferredStream,
    Hook,
    Patch,
    Register,
    Replace,
    Reply,
    Retry,
    Session,
    modules,
)
from .imports import when_imported
from .observer import Observer
from .sessions import conversing
from .wrap import deferring, exchange, kind_of, later, replying, watching
from .wrapped import Function, Wrapper

_HOOK = guard("hook")
_MISSING = object()


class Installed:
    """The hooks of one library.

    ``load`` is asked for the declaration when the first of the modules ``carriers`` is imported: most processes use one library
    of many. ``accepts`` may leave the library alone.
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
        self._functions: set[tuple[int, int]] = set()  # (function, hook) by their ids: a function may have two names
        self.patched: list[str] = []
        self.missing: list[str] = []
        self._forget = [when_imported(module, self._imported(module)) for module in carriers]

    def uninstall(self) -> None:
        """Put everything back."""
        self._live.clear()
        for forget in self._forget:
            forget()
        while self._undo:
            with _HOOK:
                self._undo.pop()()
        self._functions.clear()
        self.patched.clear()

    @classmethod
    def of(cls, declaration: Declaration, observer: Observer, accepts: Callable[[Any], bool]) -> Installed:
        """The hooks of a declaration that is at hand."""
        return cls(modules(declaration), lambda: declaration, observer, accepts)

    @cached_property
    def declared(self) -> Declaration:
        """The library's declaration."""
        return self._load()

    def _imported(self, name: str) -> Callable[[Any], None]:
        put_in = WeakMethod(self._put_in)  # who is dropped without ``uninstall`` is not kept by the finder of imports

        def imported(module: Any) -> None:
            method = put_in()
            if method is not None:
                with _HOOK:
                    method(name, module)

        return imported

    def _put_in(self, name: str, module: Any) -> None:
        if not (self._live and self._accepts(self.declared)):
            return
        for hook in self.declared.hooks:
            if hook.module == name:
                with _HOOK:  # one that fails leaves the others in
                    self._install(hook, module)

    def _install(self, hook: Hook, module: Any) -> None:
        if isinstance(hook, Retry) and hook.unless and resolve(module, hook.unless)[0] is not None:
            return
        if isinstance(hook, Register):
            self._undo.append(hook.put_in(module))
            return
        for target in targets(hook):
            place = f"{hook.module}:{target}"
            parent, name = resolve(module, target)
            if parent is None or (isinstance(hook, Around) and name not in vars(parent)):
                self.missing.append(place)  # an Around's may be inherited: it is another's, and is seen there
                continue
            self._put(hook, parent, name)
            self.patched.append(place)
            if isinstance(hook, Around) and hook.heirs:
                self._inherit(hook, parent, name)

    def _put(self, hook: Hook, parent: Any, name: str) -> None:
        """Put our wrapper around the library's own function in place, or where there is none around the attribute."""
        value = vars(parent).get(name, _MISSING)
        if isinstance(hook, Replace):
            self._set(parent, name, hook.make(getattr(parent, name) if value is _MISSING else value, shadow))
            return
        function = None if value is _MISSING else library_function(value, hook.module)
        if function is not None and (id(function), id(hook)) in self._functions:
            return
        original = getattr(parent, name) if value is _MISSING else value
        kind = kind_of(original if function is None else function)
        wrapper = self._wrapper(hook, name, asynchronous=kind == "coroutine")
        if function is not None:
            method = inspect.isclass(parent) and not isinstance(value, staticmethod)
            put_back = exchange(function, wrapper, self._live, method=method)
            if put_back is not None:
                self._functions.add((id(function), id(hook)))
                self._undo.append(put_back)
                return
        if kind == "coroutine":
            wrapper = later(wrapper)
        place = f"{parent.__name__}:{name}" if inspect.ismodule(parent) else ""
        self._set(parent, name, Function(original, wrapper, self._live, place))

    def _wrapper(self, hook: Hook, name: str, *, asynchronous: bool) -> Wrapper:
        if isinstance(hook, Patch):
            return watching(self.declared.name, hook, self._observer, asynchronous=asynchronous)
        if isinstance(hook, Session):
            return conversing(hook, name, self._observer)
        if isinstance(hook, Reply):
            return replying(hook)
        return deferring(hook) if isinstance(hook, DeferredStream) else WRAPPERS[type(hook)](hook)

    def _set(self, parent: Any, name: str, ours: Any) -> None:
        original = vars(parent).get(name, _MISSING)
        setattr(parent, name, ours)
        self._undo.append(_putting_back(parent, name, original, ours))

    def _inherit(self, hook: Around, parent: Any, name: str) -> None:
        """Do the same to the classes below ``parent`` that have a method ``name`` of their own."""

        def reach(heir: Any) -> None:
            if name in vars(heir):
                self._put(hook, heir, name)

        def born(wrapped: Callable[..., Any], heir: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            wrapped(*args, **kwargs)
            with _HOOK:
                reach(heir)

        for heir in below(parent):
            reach(heir)
        subclassed: Any = vars(parent).get("__init_subclass__") or classmethod(_next_in_line(parent))
        self._set(parent, "__init_subclass__", wrapt.FunctionWrapper(subclassed, born, enabled=self._live))


def targets(hook: Any) -> tuple[str, ...]:
    """The attributes of its module that a hook is about."""
    return (hook.target,) if isinstance(hook, Replace) else hook.targets


def resolve(module: Any, target: str) -> tuple[Any, str]:
    """The class or module that has the attribute ``target``, and the attribute's name; None where there is no such thing."""
    *path, name = target.split(".")
    parent = module
    for part in path:
        parent = getattr(parent, part, None)
    return (parent, name) if parent is not None and hasattr(parent, name) else (None, name)


def below(parent: Any) -> Iterator[Any]:
    """The subclasses of a class, and theirs."""
    for heir in type.__subclasses__(parent):
        yield heir
        yield from below(heir)


def _next_in_line(parent: Any) -> Callable[..., None]:
    def subclassed(heir: Any, **kwargs: Any) -> None:
        super(parent, heir).__init_subclass__(**kwargs)

    return subclassed


def _putting_back(parent: Any, name: str, original: Any, ours: Any) -> Callable[[], None]:
    def put_back() -> None:
        if vars(parent).get(name) is not ours:
            return  # somebody has wrapped on top of us: what we left inside is inert
        if original is _MISSING:
            delattr(parent, name)
        else:
            setattr(parent, name, original)

    return put_back
