"""Records to series, windows and spend: everything that one service knows.

Only what leads needs most of it: a name is imported when somebody asks for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bounds import printable
    from .cells import Histogram, Number, Row
    from .store import Store
    from .views import View
    from .wire import Verdict, decode, encode

__all__ = ["Histogram", "Number", "Row", "Store", "Verdict", "View", "decode", "encode", "printable"]

_HOME = {
    "Histogram": "cells", "Number": "cells", "Row": "cells", "Store": "store", "Verdict": "wire", "View": "views", "decode": "wire",
    "encode": "wire", "printable": "bounds",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value
