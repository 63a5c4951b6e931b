"""What a framework's model is called, whatever is wrapped around it."""

from __future__ import annotations

from typing import Any

_INSIDE = ("bound", "runnable", "wrapped", "last")
_DEEPEST = 8


def name_of(model: Any) -> str:
    """The name of the model in a chat model, a binding, or a chain that holds one; else the name of its class."""
    return _first_name(model, _DEEPEST) or type(model).__name__


def _first_name(model: Any, depth: int) -> str:
    if isinstance(model, str):
        return model
    for attribute in ("model_name", "model", "model_id"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    if depth:
        for part in (*(getattr(model, inner, None) for inner in _INSIDE), *reversed(_steps(model))):
            if part is not None and (name := _first_name(part, depth - 1)):
                return name
    return ""


def _steps(chain: Any) -> list[Any]:
    steps = getattr(chain, "steps", None)
    return list(steps) if isinstance(steps, (list, tuple)) else []
