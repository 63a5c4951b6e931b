"""Who else has put wrappers on a client library, by what stands on its classes."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import metadata
from types import FunctionType
from typing import TYPE_CHECKING, Any

from otel_llm.calls.chain import foreign, layers, module_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[\w.-]+")


def of(package: str, distribution: str) -> dict[str, int]:
    """Other code that wraps functions of ``package``, and how many: by the module that the wrappers are written in.

    Decorators of what the library itself requires are its own.
    """
    own, owners = _required(distribution), _distributions()
    wrapped: dict[str, int] = {}
    for value in _callables(package):
        *above, innermost = layers(value)
        if not above or module_of(innermost).partition(".")[0] != package.partition(".")[0]:
            continue
        for owner in foreign(value, package):
            from_whom = owners.get(owner.partition(".")[0])
            if from_whom and not own.issuperset(map(_plain, from_whom)):
                wrapped[owner] = wrapped.get(owner, 0) + 1
    return wrapped


_distributions = cache(metadata.packages_distributions)  # reads the list of files of each


def _required(distribution: str) -> set[str]:
    requires = metadata.requires(distribution) or ()
    return {_plain(name[0]) for name in map(_NAME.match, requires) if name is not None}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _callables(package: str) -> Iterator[Any]:
    """What the classes and modules of ``package`` that are loaded have as functions, those apart that nobody can have wrapped."""
    visited: set[int] = set()
    inside = f"{package}."
    for name, module in list(sys.modules.items()):
        if name != package and not name.startswith(inside):
            continue
        for owner in (module, *(each for each in list(vars(module).values()) if isinstance(each, type))):
            if id(owner) in visited or not (owner is module or str(owner.__module__).startswith(package)):
                continue
            visited.add(id(owner))
            for value in list(vars(owner).values()):
                if callable(value) and not isinstance(value, type) and _odd(value, package):
                    yield value


def _odd(value: Any, package: str) -> bool:
    """Whether this may be a wrapper: it is no plain function, says that it wraps one, or its code is not the package's."""
    if type(value) is not FunctionType:
        return hasattr(value, "__wrapped__")
    written = str(value.__globals__.get("__name__", ""))
    return "__wrapped__" in value.__dict__ or written.partition(".")[0] != package.partition(".")[0]
