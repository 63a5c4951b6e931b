"""``otel_llm.track_cost``: what the calls of a block, or of a function, add up to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from contextvars import Token
from types import TracebackType
from typing import Any, TypeVar

from .totals import TOTALS, NestedTotals, RequestTotals

F = TypeVar("F", bound=Callable[..., Any])


class track_cost:  # noqa: N801 - reads as a function, as contextlib's own
    """Add up the LLM calls that begin inside, as ``with track_cost() as spent:`` or as a decorator.

    A call is added when it ends, whichever thread or task of the block makes it: calls that are still open at the block's end
    are added later. Blocks nest, an outer one includes the inner. Used again, or as a decorator, one object adds up all its uses.
    Nothing is added while the process is not watched (see ``instrument``). Tokens are counts, costs US dollars. Raises nothing.
    """

    def __init__(self) -> None:
        self._totals = RequestTotals()
        self._tokens: list[Token[RequestTotals | None]] = []

    @property
    def calls(self) -> int:
        """Calls that have ended, failed ones included."""
        return self._totals.calls

    @property
    def input_tokens(self) -> int:
        """Input tokens, cached ones included."""
        return self._totals.input_tokens

    @property
    def output_tokens(self) -> int:
        """Output tokens, thinking included."""
        return self._totals.output_tokens

    @property
    def cost_usd(self) -> float:
        """US dollars, of the calls that have a price: a lower bound where ``complete`` is false."""
        return self._totals.cost

    @property
    def unpriced_calls(self) -> int:
        """Calls that reported usage and have no known price."""
        return self._totals.unpriced

    @property
    def complete(self) -> bool:
        """Whether every call reported usage and has a price."""
        return not (self._totals.unpriced or self._totals.usage_unknown)

    def __enter__(self) -> track_cost:  # noqa: PYI034 - typing.Self came with Python 3.11
        outer = TOTALS.get()
        self._tokens.append(TOTALS.set(self._totals if outer is None else NestedTotals(self._totals, outer)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ValueError):  # left in another context than it was entered in: there is nothing to undo
            TOTALS.reset(self._tokens.pop())

    def __call__(self, func: F) -> F:
        """Decorate a function or a coroutine function."""
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def tracked_async(*args: Any, **kwargs: Any) -> Any:
                with self._part():
                    return await func(*args, **kwargs)

            return tracked_async  # type: ignore[return-value]

        @functools.wraps(func)
        def tracked(*args: Any, **kwargs: Any) -> Any:
            with self._part():
                return func(*args, **kwargs)

        return tracked  # type: ignore[return-value]

    def _part(self) -> track_cost:
        """Another use of the same totals, which may overlap with others in threads and tasks."""
        part = track_cost()
        part._totals = self._totals
        return part

    def __repr__(self) -> str:
        """The sums in one line."""
        return (
            f"track_cost(calls={self.calls}, input_tokens={self.input_tokens}, output_tokens={self.output_tokens}, "
            f"cost_usd={self.cost_usd:.6g}, complete={self.complete})"
        )
