"""Usage to money: what a call cost, by whom that is said, and what the provider's cache saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from otel_llm.core.config import Config
from otel_llm.core.model import Request, Response, Usage

from .price import Price

if TYPE_CHECKING:
    from .pricer import Pricer

__all__ = ["Price", "Prices"]


class Prices:
    """The prices of one process: read when a client library is imported, at the latest when a call first asks for one."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pricer: Pricer | None = None

    def load(self) -> Pricer:
        """Read table and price file, 20 ms; once. Never raises."""
        if self._pricer is None:
            from .pricer import Pricer  # noqa: PLC0415 - a process that calls no model is spared it

            pricer = Pricer(self._config)
            pricer.load()
            self._pricer = self._pricer or pricer
        return self._pricer

    def close(self) -> None:
        """Stop looking for newer prices."""
        if self._pricer is not None:
            self._pricer.close()

    def of_call(self, request: Request, response: Response, usage: Usage, at: float) -> Price:
        """What a call that ended ``at`` (seconds since the epoch) cost, with its fees and the other models that worked inside."""
        pricer, region = self._pricer or self.load(), response.region or request.region
        fees = (*request.fees, *response.fees) if request.fees else response.fees
        provider, address = request.provider, request.server_address or ""
        tier = response.service_tier or request.service_tier
        price = pricer.price(
            provider, request.model or "", response.model or "", usage, at, tier, address, region, fees
        )
        if response.cache_missed_tokens and price.cost is not None:

            def asked(used: Usage) -> Price:
                return pricer.price(
                    provider, request.model or "", response.model or "", used, at, tier, address, region
                )

            response.cache_avoidable = _avoidable(usage, response.cache_missed_tokens, asked)
        if response.others and price.source != "provider":
            others = [
                pricer.price(provider, name, "", used, at, tier, address, region) for name, used in response.others
            ]
            return _with(price, others)
        return price

    def date(self) -> float | None:
        """From when the prices are, seconds since the epoch; None where there are none. Loads nothing."""
        if self._pricer is not None:
            return self._pricer.loaded_date
        from . import sources  # noqa: PLC0415 - likewise

        return sources.newest_date(self._config.state_dir, fetched=self._config.prices_update == "daily")


def _avoidable(usage: Usage, missed: int, asked: Callable[[Usage], Price]) -> float:
    """What a call would have cost less, US dollars, with ``missed`` input tokens read from the prompt cache and not written to it
    again; 0 where a rate for that is not known."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens
    missed = max(min(missed, (usage.input_tokens or 0) - read), 0)
    left, hour = None if written is None else max(written - missed, 0), usage.cache_write_1h_tokens
    kept = None if hour is None else min(hour, left or 0)
    listed = replace(usage, cost_usd=None)
    now = asked(listed)
    then = asked(replace(listed, cache_read_tokens=read + missed, cache_write_tokens=left, cache_write_1h_tokens=kept))
    if now.cost is None or then.cost is None or now.incomplete or then.incomplete:
        return 0.0
    return max(now.cost - then.cost, 0.0)


def _with(price: Price, others: list[Price]) -> Price:
    """``price`` and those of models that worked inside; one without a price is named."""
    cost, saved, lacking = price.cost or 0.0, price.saved, [*price.incomplete]
    for other in others:
        cost, saved = cost + (other.cost or 0.0), saved + other.saved
        lacking += ["other_model"] if other.cost is None else other.incomplete
    if price.cost is None and price.source:
        return price._replace(incomplete=tuple(lacking))
    return Price(cost, "prices", saved, tuple(lacking))
