"""The answer to "what did this call cost": an amount, who says so, and what the cache saved."""

from __future__ import annotations

from collections.abc import Callable

from otel_llm.core.model import Usage
from otel_llm.core.shapes import NamedTuple


class Price(NamedTuple):
    """A call's price in US dollars.

    ``source`` is ``provider`` (the provider reported the amount), ``prices`` (usage times a price), ``unpriced`` (usage,
    but no known price: ``cost`` is None, never zero) or empty (nothing to price).
    ``saved`` is what cached reads would have cost more at the uncached input price; 0 where that is not known. ``incomplete``
    names what was used and has no known price, and so is no part of ``cost``: fees (``FEES``), parts of the usage, ``region``,
    ``service_tier``.
    """

    cost: float | None
    source: str
    saved: float = 0.0
    incomplete: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether ``cost`` is all of it."""
        return self.cost is not None and not self.incomplete


Amount = tuple[float | None, str, float, tuple[str, ...]]
"""What a ``Price`` has, plain: a call's own needs no class, whose parts would have to come back into the processor's cache."""
Quote = Callable[[Usage], Amount]

UNPRICED = Price(None, "unpriced")
NOTHING = Price(None, "")


def measured(usage: Usage) -> bool:
    """Whether there is anything that could be billed by what was consumed."""
    return usage.known or usage.audio_seconds is not None or usage.web_searches is not None


def unpriced(usage: Usage) -> Amount:
    """The quote of a model without a price."""
    return UNPRICED if measured(usage) else NOTHING
