"""A library's function in a wrapper of ours, where its code cannot be exchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import wrapt

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


class _BoundFunction(wrapt.BoundFunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    def __reduce_ex__(self, _: Any) -> Any:
        if self._self_instance is None:  # of the class, or a static one
            return _named(), (f"{self.__module__}:{self.__qualname__}",)
        return getattr, (self._self_instance, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        owner = self._self_instance
        return self if owner is None else getattr(copy.deepcopy(owner, memo), self.__name__)


class Function(wrapt.FunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """A function in a wrapper, to be pickled and copied as functions are: by its name."""

    __bound_function_wrapper__ = _BoundFunction

    def __init__(self, wrapped: Any, wrapper: Wrapper, enabled: Any = None, place: str = "") -> None:
        super().__init__(wrapped, wrapper, enabled)
        self._self_place = place  # module:name, where that is not what the function has as its own

    def __reduce_ex__(self, _: Any) -> Any:
        return (_named(), (self._self_place,)) if self._self_place else self.__qualname__

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _: Any) -> Any:
        return self


def _named() -> Callable[[str], Any]:
    from pkgutil import resolve_name  # noqa: PLC0415 - only where a function is pickled

    return resolve_name
