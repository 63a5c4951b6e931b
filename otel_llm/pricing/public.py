"""``otel_llm.price``: what a usage costs, without a call."""

from __future__ import annotations

import time
from functools import cache

from otel_llm.core.config import Config
from otel_llm.core.model import Usage

from .price import Price
from .pricer import Fees, Pricer


def price(
    model: str,
    usage: Usage,
    *,
    provider: str = "",
    service_tier: str | None = None,
    region: str | None = None,
    fees: Fees = (),
    at: float | None = None,
) -> Price:
    """What ``usage`` of ``model`` costs in US dollars, by ``OTEL_LLM_PRICES_FILE`` and the list prices.

    ``provider`` is named as in metrics (``openai``, ``aws.bedrock``, ...); without one it is whom the model's name points to.
    ``fees`` are pairs of a name of ``core.model.FEES`` and a count; ``at`` is seconds since the epoch, default now. Without a known
    price ``cost`` is None and ``source`` is ``unpriced``; ``incomplete`` names what has no rate and is not in ``cost``; ``saved``
    is how many US dollars more the cached tokens would have cost. Raises nothing.
    """
    pricer = _pricer()
    table = pricer.book.table
    if not provider and table is not None:
        provider = next(iter(table.providers_of(model.lower())), "")
    return pricer.price(provider, model, "", usage, time.time() if at is None else at, service_tier, "", region, fees)


@cache
def _pricer() -> Pricer:
    return Pricer(Config.from_env())
