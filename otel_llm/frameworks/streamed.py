"""Runs that are generators: their step is open until they are read to the end, and current while their own code runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from otel_llm.calls.reporting import Reporting

from .steps import Open

Ends = Callable[[Open, Any, BaseException | None], None]  # what ends a step: its last item, or the error


def _end(opened: Open, _: Any, error: BaseException | None) -> None:
    opened.end(error)


@contextmanager
def _read(opened: Open, ends: Ends) -> Iterator[list[Any]]:
    """While the block reads: the step is open. The list has the last item."""
    last: list[Any] = [None]
    with Reporting(lambda error: ends(opened, last[0], error)):
        yield last
    ends(opened, last[0], None)


def follow(items: Iterator[Any], opened: Open, ends: Ends = _end) -> Iterator[Any]:
    """The items of a generator, which is the run of ``opened``. Who stops reading early has left the run."""
    try:
        with _read(opened, ends) as last:
            while True:
                with opened.current():
                    try:
                        item = next(items)
                    except StopIteration:
                        break
                last[0] = item
                yield item
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


async def follow_async(items: AsyncIterator[Any], opened: Open, ends: Ends = _end) -> AsyncIterator[Any]:
    """As ``follow``, of an asynchronous generator."""
    try:
        with _read(opened, ends) as last:
            while True:
                with opened.current():
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        break
                last[0] = item
                yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
