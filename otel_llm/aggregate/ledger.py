"""Money: what a call cost, what it saved, whose budget it goes to, and the bills that wait for prices."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from otel_llm.core.guard import guard
from otel_llm.core.model import Observation

from .bundle import Bundle
from .sanitize import sound
from .window import Crossing, Spend

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


class Waiting(NamedTuple):
    """A call whose bill waits for prices; ``source`` is the process that made it."""

    bundle: Bundle
    call: Observation
    source: int


class Ledger:
    """Counts the money of calls; what crosses a line of a budget is returned."""

    def __init__(self, spend: Spend, pricer: Pricer | None) -> None:
        self.spend = spend
        self.pending: deque[Waiting] = deque()
        self._pricer = pricer

    def priced(self, call: Observation) -> Observation:
        """A pending ``call`` with its cost where prices are there now; otherwise ``call`` itself."""
        if self._pricer is not None:
            if not self._pricer.ready:
                return call
            with guard("pricing"):
                price = self._pricer.settle(call.bill)
                return call._replace(cost=price.cost, cost_source=price.source, cost_saved=price.saved, bill=None)
        return call._replace(cost_source="unpriced", bill=None)

    def count(self, bundle: Bundle, call: Observation, source: int) -> tuple[Crossing, ...]:
        """The money of one call, or a place in the queue for it."""
        if call.cost_saved:
            bundle.savings.value += call.cost_saved
        if call.cost is not None:
            bundle.cost(call.cost_source).value += call.cost
            bundle.cost_size.observe(call.cost, call.trace_id, call.span_id, call.at)
            return self.spend.add(call.at, call.cost, bundle.spender)
        if call.cost_source == "pending":
            self._wait(Waiting(bundle, call, source))
        elif call.cost_source == "unpriced":
            bundle.unpriced.value += 1
        return ()

    def settle(self) -> Iterator[tuple[Observation, int, Crossing]]:
        """Count the bills that waited, if prices are there now; some at a time."""
        if self._pricer is None or not self._pricer.ready:
            return
        for _ in range(min(_AT_ONCE, len(self.pending))):
            bundle, waiting, source = self.pending.popleft()
            call = sound(self.priced(waiting))
            for crossing in self.count(bundle, call, source):
                yield call, source, crossing

    def _wait(self, waiting: Waiting) -> None:
        if len(self.pending) >= MOST_PENDING:
            self.pending.popleft().bundle.unpriced.value += 1
        self.pending.append(waiting)
