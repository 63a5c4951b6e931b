"""Small careful reads: what a server sends may be missing, null or of another type, and must never raise here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from otel_llm.core.model import AttributeValue
from otel_llm.core.semconv.vocabulary import typed


class Fields(Protocol):
    """Values by name."""

    def get(self, name: str, /) -> Any: ...


LARGEST = 2**53  # beyond it a number is no count, and would not survive as a 64-bit attribute or a float


def count(value: Any) -> int | None:
    """A number of tokens, or None for anything that is not one."""
    if type(value) is int:
        return value if 0 <= value < LARGEST else None
    if type(value) is float and 0 <= value < LARGEST:
        return int(value)
    return None


def number(value: Any) -> float | None:
    """A finite number of 0 or more, or None."""
    if type(value) in (int, float) and 0 <= value < LARGEST:
        return float(value)
    return None


def text(value: Any) -> str | None:
    """A string that says something, or None."""
    if type(value) is str:
        return value or None
    return str.__str__(value) or None if isinstance(value, str) else None  # an enumeration's, or another kind of string


def items(value: Any) -> list[Any]:
    """A list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def fields_of(model: Any) -> Fields:
    """What a model or a mapping was given, by name; ``get`` of what is not there is None.

    To ask a pydantic model for an attribute that it lacks costs more than all else that we do with a reply, so it is not asked.
    """
    if type(model) is dict:
        return model
    try:
        extra = model.__pydantic_extra__
    except AttributeError:
        return _Asked(model)
    fields: dict[str, Any] = model.__dict__
    return {**extra, **fields} if extra else fields


class _Asked:
    """Any other object, asked attribute by attribute."""

    __slots__ = ("_model",)

    def __init__(self, model: Any) -> None:
        self._model = model

    def get(self, name: str, /) -> Any:
        return getattr(self._model, name, None)


def attr(value: Any, *path: str) -> Any:
    """Follow attributes (of models) or keys (of mappings); None where the path ends early."""
    for name in path:
        if value is None:
            return None
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def parameters(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, AttributeValue]:
    """The request parameters among ``known`` (name in the body -> span attribute) that were given as plain values."""
    given: dict[str, AttributeValue] = {}
    for name, value in body.items():
        attribute = names.get(name)
        if attribute is not None and value is not None and (plain := typed(attribute, value)) is not None:
            given[attribute] = plain
    return given
