"""The pricer: usage in, price out, in a microsecond."""

from __future__ import annotations

import logging
import threading
import weakref

from otel_llm.core import fork
from otel_llm.core.config import Config
from otel_llm.core.guard import guard
from otel_llm.core.model import Usage

from . import sources
from .lookup import Book
from .overrides import Overrides
from .price import Price
from .table import Table

logger = logging.getLogger("otel_llm")

_REFRESH = 3600.0  # seconds between looks at whether newer prices have been fetched
_PRICERS: weakref.WeakSet[Pricer] = weakref.WeakSet()
_INFINITE = float("inf")
_make = tuple.__new__  # half the time of a named tuple's own


class Pricer:
    """Prices calls: what the provider reports, then ``OTEL_LLM_PRICES_FILE``, then the price table."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._book: Book | None = None
        self._closed = threading.Event()
        self._refreshing = False
        self._warned = False
        _PRICERS.add(self)

    @property
    def book(self) -> Book:
        """What has been loaded; it is loaded now where it was not."""
        return self._book or self.load()

    def load(self) -> Book:
        """Read the price table and the price file, about 10 ms; once. Never raises.

        There is no lock that a fork could leave locked: threads that come at once all read, and the last one's book stays.
        """
        if self._book is None:
            book = Book(None, Overrides())
            with guard("pricing"):
                book = self._read()
            self._book = book
            if self._config.prices_update == "daily" and not self._refreshing:
                self._refresh()
        return self._book

    @property
    def loaded_date(self) -> float | None:
        """From when the table's prices are, seconds since the epoch; None where none is loaded."""
        table = self._book.table if self._book is not None else None
        return table.made if table is not None else None

    def _refresh(self) -> None:
        self._refreshing = True
        threading.Thread(target=self._keep_fresh, name="otel-llm-prices", daemon=True).start()

    def forked(self) -> None:
        """A forked child has none of its parent's threads."""
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
        book, reported = self._book or self.load(), usage.cost_usd
        if reported is not None and not 0.0 <= reported < _INFINITE:
            reported = None  # no amount of money
        if usage.billed_input_tokens is not None or usage.billed_output_tokens is not None:
            usage = usage.billed()
        key = (provider, request_model, response_model, service_tier, server_address)
        entry = book.entries.get(key) or book.unknown.get(key)
        quote = entry[2] if entry is not None and entry[0] <= at < entry[1] else book.quote(key, at)
        price = quote(usage)
        return price if reported is None else _make(Price, (float(reported), "provider", price[2]))

    def _read(self) -> Book:
        config = self._config
        overrides = Overrides.from_file(config.prices_file)
        book = Book(sources.newest(config.state_dir, fetched=config.prices_update == "daily"), overrides)
        for problem in (*overrides.problems, *book.loose_ends()):
            logger.warning("OTEL_LLM_PRICES_FILE: %s", problem)
        return book

    def _keep_fresh(self) -> None:
        """Once a day fetch prices, in a process of its own; each hour see whether another worker has."""
        while True:
            with guard("pricing"):
                self._fetch()
            if self._closed.wait(_REFRESH):
                return

    def _fetch(self) -> None:
        from . import update  # noqa: PLC0415 - it takes subprocess, which few hosts have imported

        try:
            update.fetch(self._config.state_dir)
        except update.UnavailableError as why:
            if not self._warned:
                logger.warning("otel-llm could not fetch prices and goes on with the ones it has: %s", why)
            self._warned = True
        self._take(sources.newest(self._config.state_dir, fetched=True))

    def _take(self, table: Table | None) -> None:
        book = self.book
        if table is not None and (book.table is None or book.table.made < table.made):
            self._book = Book(table, book.overrides)


def _after_fork() -> None:
    for pricer in list(_PRICERS):
        pricer.forked()


fork.in_child(_after_fork)
