"""Usage to money: what a call cost, the source of that, and what the provider's cache saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core.config import Config
from otel_llm.core.model import Request, Response, Usage

from .price import Amount, Price

if TYPE_CHECKING:
    from .pricer import Pricer

__all__ = ["Price", "Prices"]


class Prices:
    """The prices of one process: read when a client library is imported, at the latest when a call first asks for one."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pricer: Pricer | None = None

    def load(self) -> Pricer:
        """Read table and price file, some milliseconds beside the import; once. Never raises."""
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

    def of_call(self, request: Request, response: Response, usage: Usage, at: float) -> Amount:
        """What a call that ended ``at`` (seconds since the epoch) cost, with its fees and the other models that worked inside."""
        return (self._pricer or self.load()).of_call(request, response, usage, at)

    def date(self) -> float | None:
        """From when the prices are, seconds since the epoch; None where there are none. Loads nothing."""
        if self._pricer is not None:
            return self._pricer.loaded_date
        from . import sources  # noqa: PLC0415 - likewise

        return sources.newest_date(self._config.state_dir, fetched=self._config.prices_update == "daily")
