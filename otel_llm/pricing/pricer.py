"""The pricer: usage in, price out, in a microsecond, with everything slow kept away from the caller."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import Any

from otel_llm.core.config import Config
from otel_llm.core.guard import guard
from otel_llm.core.model import Usage

from . import table_cache
from .lookup import Book
from .overrides import Overrides
from .price import NOTHING, PENDING, Price, measured

logger = logging.getLogger("otel_llm")

_REFRESH = 3600.0  # seconds between looks at whether newer prices have been fetched
_PRICERS: weakref.WeakSet[Pricer] = weakref.WeakSet()
_INFINITE = float("inf")
_make = tuple.__new__  # half the time of a named tuple's own
_USAGE_FIELDS = tuple(Usage.__dataclass_fields__)


class Pricer:
    """Prices calls: what the provider reports, then ``OTEL_LLM_PRICES_FILE``, then genai-prices."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._book: Book | None = None
        self._loading = threading.Lock()
        self._closed = threading.Event()
        self._refreshing = False
        self._warned = False
        _PRICERS.add(self)

    @property
    def ready(self) -> bool:
        """Whether ``load`` is done, with or without success."""
        return self._book is not None

    @property
    def book(self) -> Book:
        """What has been loaded; an empty book before that."""
        return self._book or Book(None, Overrides())

    def load(self) -> None:
        """Read the price table and the price file; may build the table, a second or two. Never raises, safe to repeat."""
        with self._loading:
            if self._book is not None:
                return
            book = Book(None, Overrides())
            with guard("pricing"):
                book = self._read()
            self._book = book
            if self._config.prices_update == "daily":
                self._refresh()

    def _refresh(self) -> None:
        self._refreshing = True
        threading.Thread(target=self._keep_fresh, name="otel-llm-prices", daemon=True).start()

    def forked(self) -> None:
        """A forked child has none of its parent's threads, and its parent's locks as they were held at that moment."""
        self._loading = threading.Lock()
        if self._refreshing and not self._closed.is_set():
            self._closed = threading.Event()
            self._refresh()

    def close(self) -> None:
        """Stop looking for newer prices."""
        self._closed.set()

    def price(
        self,
        provider: str,
        request_model: str,
        response_model: str,
        usage: Usage,
        at: float,
        service_tier: str | None = None,
        server_address: str = "",
    ) -> Price:
        """What a call cost.

        ``provider`` and the models are named as in the conventions; ``at`` is when the call ended, seconds since the
        epoch; ``service_tier`` is what the provider says it served (``flex``, ``priority``, ``batch``, ...).
        """
        book, reported = self._book, usage.cost_usd
        if reported is not None and not 0.0 <= reported < _INFINITE:
            reported = None  # no amount of money
        if book is None:
            return (
                Price(float(reported), "provider") if reported is not None else PENDING if measured(usage) else NOTHING
            )
        if usage.billed_input_tokens is not None or usage.billed_output_tokens is not None:
            usage = usage.billed()
        key = (provider, request_model, response_model, service_tier, server_address)
        entry = book.entries.get(key) or book.unknown.get(key)
        quote = entry[2] if entry is not None and entry[0] <= at < entry[1] else book.quote(key, at)
        price = quote(usage)
        return price if reported is None else _make(Price, (float(reported), "provider", price[2]))

    @staticmethod
    def bill(
        provider: str,
        request_model: str,
        response_model: str,
        usage: Usage,
        at: float,
        service_tier: str | None = None,
        server_address: str = "",
    ) -> tuple[Any, ...]:
        """A call to be priced later, by ``settle``, as plain values that cross process boundaries."""
        counts = tuple(getattr(usage, field) for field in _USAGE_FIELDS)
        return (provider, request_model, response_model, counts, at, service_tier, server_address)

    def settle(self, bill: tuple[Any, ...]) -> Price:
        """Price a bill at its own time: ``pending`` still where this pricer has not loaded either."""
        provider, request_model, response_model, counts, at, service_tier, server_address = bill
        return self.price(provider, request_model, response_model, Usage(*counts), at, service_tier, server_address)

    def _read(self) -> Book:
        overrides = Overrides.from_file(self._config.prices_file)
        try:
            table = self._fetched() or table_cache.built(self._config.state_dir)
        except table_cache.Unavailable as why:
            logger.warning(
                "otel-llm has no built-in prices: %s. Calls without a price of their own are counted as unpriced. "
                "`otel-llm prices --build` makes the table ahead of time.",
                why,
            )
            table = None
        book = Book(table, overrides)
        for problem in (*overrides.problems, *book.loose_ends()):
            logger.warning("OTEL_LLM_PRICES_FILE: %s", problem)
        return book

    def _fetched(self) -> Any:
        return table_cache.fetched(self._config.state_dir) if self._config.prices_update == "daily" else None

    def _keep_fresh(self) -> None:
        """Once a day fetch prices, in a process of its own; each hour see whether another worker has."""
        while True:
            with guard("pricing"):
                self._fetch()
            if self._closed.wait(_REFRESH):
                return

    def _fetch(self) -> None:
        try:
            self._take(table_cache.fetch(self._config.state_dir))
        except table_cache.Unavailable as why:
            if not self._warned:
                logger.warning("otel-llm could not fetch prices and goes on with the ones it has: %s", why)
            self._warned = True

    def _take(self, table: Any) -> None:
        book = self._book
        if book is not None and (book.table is None or book.table.made != table.made):
            self._book = Book(table, book.overrides)


def _after_fork() -> None:
    for pricer in list(_PRICERS):
        pricer.forked()


os.register_at_fork(after_in_child=_after_fork)
