"""Whether this is the process's main interpreter: another one, as mod_wsgi makes for each application, must not keep threads."""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = ("_interpreters", "_xxsubinterpreters")  # from Python 3.13, and before


def is_main() -> bool:
    """True, too, where this Python has nothing that could be asked."""
    for name in _MODULES:
        try:
            interpreters: Any = importlib.import_module(name)
            return bool(_number(interpreters.get_current()) == _number(interpreters.get_main()))
        except (ImportError, AttributeError):  # noqa: PERF203 - two rounds at most
            continue
    return True


def _number(interpreter: Any) -> int:
    return int(interpreter[0] if isinstance(interpreter, tuple) else interpreter)
