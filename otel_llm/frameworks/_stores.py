"""Vector stores, declared: the methods that look something up, by what name, and how many documents they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Args, Around, Kwargs

from . import steps
from .steps import Open

Name = Callable[[Any, Args, Kwargs], str]
Count = Callable[[Any], "int | None"]


def lookups(module: str, targets: tuple[str, ...], source: str, name: Name, count: Count) -> Around:
    """The hook around methods of a store's client. ``name`` says which collection is asked, ``count`` what a result holds."""

    def asked(client: Any, args: Args, kwargs: Kwargs) -> Open:
        top = kwargs.get("limit", kwargs.get("n_results", kwargs.get("top_k")))
        whole = top if type(top) is int else None
        return steps.begin("retrieval", name(client, args, kwargs), source, gen_ai__request__top_k=whole)

    def answered(_: Any, opened: Open, result: Any, error: BaseException | None) -> None:
        opened.end(error, documents=None if error is not None else count(result))

    return Around(module, targets, answered, asked)


def argument(name: str) -> Name:
    """The collection is the argument ``name``, or the first one."""
    return lambda _, args, kwargs: str(kwargs.get(name, args[0] if args else ""))


def attribute(name: str) -> Name:
    """The collection is the object's own attribute ``name``."""
    return lambda client, _, __: str(getattr(client, name, "") or "")


def length(result: Any) -> int | None:
    """How many items a list has; None for anything else."""
    return len(result) if isinstance(result, (list, tuple)) else None


def nested(result: Any) -> int | None:
    """How many items the lists of a list have, one for each question."""
    inner = [length(one) for one in result] if isinstance(result, (list, tuple)) else []
    return sum(count for count in inner if count is not None) if inner else length(result)
