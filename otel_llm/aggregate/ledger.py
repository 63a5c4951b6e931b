"""Money: what a call cost, what it saved, and whose budget it goes to."""

from __future__ import annotations

from otel_llm.core.model import Observation

from .bundle import Bundle
from .window import Crossing, Spend


class Ledger:
    """Counts the money of calls; what crosses a line of a budget is returned."""

    def __init__(self, spend: Spend) -> None:
        self.spend = spend

    def count(self, bundle: Bundle, call: Observation) -> tuple[Crossing, ...]:
        """The money of one call."""
        if call.cost_saved:
            bundle.savings.value += call.cost_saved
        if call.cost is not None:
            bundle.cost(call.cost_source).value += call.cost
            bundle.agent(call.agent)[2].value += call.cost
            bundle.cost_size.observe(call.cost, call.trace_id, call.span_id, call.at)
            return self.spend.add(call.at, call.cost, bundle.spender)
        if call.cost_source == "unpriced":
            bundle.unpriced.value += 1
        return ()
