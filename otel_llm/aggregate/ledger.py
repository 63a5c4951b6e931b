"""Money: what a call cost, what it saved, and whose budget it goes to."""

from __future__ import annotations

from otel_llm.core.model import Observation

from .bundle import Bundle
from .ledger_rows import LedgerRows
from .window import Crossing, Spend

UNPRICED_FEES = "otel_llm_unpriced_fees_total"


class Ledger:
    """Counts the money of calls; what crosses a line of a budget is returned."""

    def __init__(self, spend: Spend) -> None:
        self.spend = spend
        self.rows = LedgerRows()

    def count(self, bundle: Bundle, call: Observation) -> tuple[Crossing, ...]:
        """The money of one call."""
        self.rows.add(self.spend.day(call.at), bundle.place, call)
        if call.cost_saved:
            bundle.savings.value += call.cost_saved
        if call.cost_avoidable:
            bundle.avoidable.value += call.cost_avoidable
        if call.cache_miss:
            bundle.word("otel_llm_prompt_cache_misses_total", call.cache_miss).value += 1
        if call.incomplete:
            _count_missing(bundle, call)
        if call.cost is not None:
            bundle.cost(call.cost_source).value += call.cost
            bundle.agent(call.agent)[2].value += call.cost
            bundle.cost_size.observe(call.cost, call.trace_id, call.span_id, call.at)
            return self.spend.add(call.at, call.cost, bundle.spender)
        if call.cost_source == "unpriced":
            bundle.unpriced.value += 1
        return ()


def whole(call: Observation) -> bool | None:
    """Whether the call's cost is all of it; None where there was nothing to price, as of a call that failed without usage."""
    if call.usage_unknown or call.incomplete or call.cost_source == "unpriced":
        return False
    return None if call.cost is None else True


def _count_missing(bundle: Bundle, call: Observation) -> None:
    """What a cost lacks: fees by their number, parts of the usage once for a call."""
    counts = dict(call.fees)
    for name in call.incomplete:
        bundle.word(UNPRICED_FEES, name).value += counts.get(name, 1)
    if call.cost is not None:
        bundle.incomplete.value += 1
