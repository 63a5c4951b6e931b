"""Calls back when a module has been imported: at once if it has been, and again each time it is imported again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from threading import local
from types import ModuleType
from typing import Any, cast

from otel_llm.core.guard import guard

Imported = Callable[[ModuleType], object]
_HOOK = guard("hook")
_callbacks: dict[str, list[Imported]] = {}


def when_imported(name: str, callback: Imported) -> Callable[[], None]:
    """Call ``callback`` with the module ``name``, now and whenever it is imported. Returns what ends that."""
    _callbacks.setdefault(name, []).append(callback)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    module = sys.modules.get(name)
    if module is not None:
        callback(module)
    return lambda: _forget(name, callback)


def _forget(name: str, callback: Imported) -> None:
    waiting = _callbacks.get(name, [])
    if callback in waiting:
        waiting.remove(callback)
    if not waiting:
        _callbacks.pop(name, None)
    if not _callbacks and _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)


class _Finder:
    """Leaves the search for a module to the other finders, and watches its execution."""

    def __init__(self) -> None:
        self._busy = local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _callbacks or getattr(self._busy, "name", None) == name:
            return None
        self._busy.name = name  # another finder like us may ask all of them, us included
        try:
            for finder in list(sys.meta_path):
                spec = (
                    finder.find_spec(name, path, target)
                    if finder is not self and hasattr(finder, "find_spec")
                    else None
                )
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = cast("Any", _Loader(spec.loader))
                    return spec
        finally:
            self._busy.name = None
        return None


class _Loader:
    """The module's own loader, which it is left with; calls back when the module is executed."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for callback in tuple(_callbacks.get(module.__name__, ())):
            with _HOOK:
                callback(module)


_FINDER: Any = _Finder()
