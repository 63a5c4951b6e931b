"""What wraps a library's functions: the methods whose arguments alone are looked at, in place and around."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm.calls.wrap import After, Before, exchange
from otel_llm.calls.wrapped import Function
from otel_llm.core.guard import Guard

Order = list[tuple[Any, ...]]


def library(order: Order) -> Any:
    """A class of a library's, whose methods say when they run."""

    class Client:
        def plain(self, first: int, *, second: int) -> int:
            order.append(("plain", first, second))
            return first + second

        async def later(self, first: int, *, second: int) -> int:
            order.append(("later", first, second))
            return first + second

        @staticmethod
        def free(first: int, *, second: int) -> int:
            order.append(("free", first, second))
            return first + second

    return Client


@pytest.mark.parametrize("kind", [Before, After])
@pytest.mark.parametrize("way", ["in place", "around"])
@pytest.mark.parametrize("name", ["plain", "later", "free"])
async def test_arguments_are_seen_on_either_way(kind: type[Before], way: str, name: str) -> None:
    order: Order = []
    client = library(order)
    live: list[bool] = [True]
    wrapper = kind("hook", lambda instance, args, kwargs: order.append((type(instance).__name__, args, kwargs)))
    if way == "in place":
        assert exchange(getattr(client, name), wrapper, live, method=name != "free") is not None
    else:
        function = Function(vars(client)[name], wrapper, live)
        setattr(client, name, function)
    result = getattr(client(), name)(1, second=2)
    assert (await result if name == "later" else result) == 3
    seen = ("NoneType" if name == "free" else "Client", (1,), {"second": 2})
    asked = (name, 1, 2)
    begins_when_awaited = name == "later" and (way == "around" or kind is After)  # ``After`` is for constructors
    assert order == ([asked, seen] if kind is After and not begins_when_awaited else [seen, asked])
    if way == "in place":
        live.clear()
        result = getattr(client(), name)(1, second=2)
        assert (await result if name == "later" else result) == 3
        assert order[2:] == [asked]


def test_what_fails_in_ours_is_no_failure_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    order: Order = []
    client = library(order)

    def see(*_: Any) -> None:
        raise LookupError

    assert exchange(client.plain, Before("hook", see), [True], method=True) is not None
    assert (client().plain(1, second=2), order, Guard.errors) == (3, [("plain", 1, 2)], {"hook": 1})
