"""Follow the wrappers around a method down to the library's own function, and look for ours on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

from .wrap import KEY
from .wrapped import Function

OURS = __name__.partition(".")[0]
_DEPTH = 16  # wrappers around one method


def layers(value: Any) -> Iterator[Any]:
    """``value`` and what it wraps, from the outside in: by ``__wrapped__``, else by what a closure or a partial holds."""
    visited: set[int] = set()
    while value is not None and id(value) not in visited and len(visited) < _DEPTH:
        visited.add(id(value))
        yield value
        value = _inner(value)


def _inner(value: Any) -> Any:
    if isinstance(value, (staticmethod, classmethod, MethodType)):
        return value.__func__
    namespace = getattr(value, "__dict__", {})
    inner = namespace.get("__wrapped__") or getattr(value, "__wrapped__", None) or getattr(value, "func", None)
    if inner is not None or not isinstance(value, FunctionType):
        return inner
    held = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
    return next((one for one in held if getattr(one, "__name__", None) == value.__name__), None) or next(
        (one for one in held if isinstance(one, (FunctionType, MethodType))), None
    )


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asks whether there are any
    except ValueError:
        return False
    return True


def module_of(layer: Any) -> str:
    """The module whose code a layer is: where a function is written, or what a wrapper object calls."""
    wrapper = getattr(layer, "_self_wrapper", None)  # of wrapt
    if wrapper is not None:
        wrapper = getattr(wrapper, "__func__", wrapper)
        layer = wrapper if isinstance(wrapper, FunctionType) else type(wrapper)
    names = layer.__globals__ if isinstance(layer, FunctionType) else None
    return str(names.get("__name__", "") if names is not None else getattr(layer, "__module__", ""))


def library_function(value: Any, module: str) -> FunctionType | None:
    """The outermost function below ``value`` that is the library's own, decorators of its own and of Python's included.

    None where there is none that is written in Python.
    """
    package = module.partition(".")[0]
    for layer in layers(value):
        if isinstance(layer, FunctionType):
            owner = module_of(layer).partition(".")[0]
            if owner == package or owner in sys.stdlib_module_names:
                return layer
    return None


def foreign(value: Any, module: str) -> list[str]:
    """The modules of others whose wrappers are around a function of ``module``: neither the library's own, nor Python's, nor ours."""
    known = {module.partition(".")[0], OURS, "wrapt", *sys.stdlib_module_names}
    owners = dict.fromkeys(_public(module_of(layer)) for layer in layers(value) if not isinstance(layer, Function))
    return [owner for owner in owners if owner and owner.partition(".")[0] not in known]


def ours(value: Any) -> bool:
    """Whether a wrapper of ours that is in force is around a function, or in its place, however many of others are above it."""
    for layer in layers(value):
        if isinstance(layer, Function):
            return bool(layer._self_enabled)  # noqa: SLF001 - wrapt's
        inside = (getattr(layer, "__kwdefaults__", None) or {}).get(KEY)
        if inside is not None:
            return bool(inside.live)
    return False


def _public(module: str) -> str:
    """The part of a module's name before what is private to its package."""
    words = module.split(".")
    return ".".join(words[: next((at for at, word in enumerate(words) if at and word.startswith("_")), len(words))])
