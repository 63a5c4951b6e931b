"""Money: what a call cost, what it saved, whose budget it goes to, and the bills that wait for prices."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from otel_llm.model import Observation
from otel_llm.window import Crossing, Spend

from .bundle import Bundle

MOST_PENDING = 10_000
"""Bills that wait for prices; past it the oldest counts as unpriced."""
_AT_ONCE = 500  # bills settled in one go, so that whoever waits for the lock does not wait long


class Priced(Protocol):
    """What a bill comes to: US dollars, or None without a known price."""

    @property
    def cost(self) -> float | None: ...
    @property
    def source(self) -> str: ...
    @property
    def saved(self) -> float: ...


class Pricer(Protocol):
    """Who turns a bill into money, once its prices are loaded."""

    @property
    def ready(self) -> bool: ...
    def settle(self, bill: Any, /) -> Priced: ...


class Ledger:
    """Counts the money of calls. ``settle`` and ``count`` return the budgets' lines that were crossed."""

    def __init__(self, spend: Spend, pricer: Pricer | None) -> None:
        self.spend = spend
        self.pending: deque[tuple[Bundle, Observation]] = deque()
        self._pricer = pricer

    def priced(self, call: Observation) -> Observation:
        """``call`` with its cost where it was pending and prices are there now; otherwise ``call`` itself."""
        if self._pricer is None:
            return call._replace(cost_source="unpriced", bill=None)
        if not self._pricer.ready:
            return call
        price = self._pricer.settle(call.bill)
        return call._replace(cost=price.cost, cost_source=price.source, cost_saved=price.saved, bill=None)

    def count(self, bundle: Bundle, call: Observation) -> tuple[Crossing, ...]:
        """The money of one call."""
        if call.cost_saved:
            bundle.savings.value += call.cost_saved
        if call.cost is not None:
            bundle.cost(call.cost_source).value += call.cost
            bundle.cost_size.observe(call.cost, call.trace_id, call.span_id, call.at)
            return self.spend.add(call.at, call.cost, bundle.spender)
        if call.cost_source == "pending":
            self._wait(bundle, call)
        elif call.cost_source == "unpriced":
            bundle.unpriced.value += 1
        return ()

    def settle(self) -> tuple[tuple[Bundle, Observation, Crossing], ...]:
        """Count the bills that waited, if prices are there now; some at a time."""
        if self._pricer is None or not self._pricer.ready:
            return ()
        crossed: list[tuple[Bundle, Observation, Crossing]] = []
        for _ in range(min(_AT_ONCE, len(self.pending))):
            bundle, waiting = self.pending.popleft()
            call = self.priced(waiting)
            crossed += [(bundle, call, crossing) for crossing in self.count(bundle, call)]
        return tuple(crossed)

    def _wait(self, bundle: Bundle, call: Observation) -> None:
        if len(self.pending) >= MOST_PENDING:
            self.pending.popleft()[0].unpriced.value += 1
        self.pending.append((bundle, call))
