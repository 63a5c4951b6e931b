"""The pricer: usage in, price out, in a microsecond."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace

from otel_llm.core import fork
from otel_llm.core.config import Config
from otel_llm.core.guard import guard
from otel_llm.core.model import Request, Response, Usage

from . import sources
from .lookup import Book, Terms
from .overrides import Overrides
from .price import Amount, Price
from .rates import Gap, without
from .table import Table

Fees = Sequence[tuple[str, float]]
logger = logging.getLogger("otel_llm")

_REFRESH = 3600.0  # seconds between looks at whether newer prices have been fetched
_PRICERS: weakref.WeakSet[Pricer] = weakref.WeakSet()
_INFINITE = float("inf")
_SEARCHES = frozenset(
    ("web_search", "web_search_premium", "grounding")
)  # fees that Usage.web_searches may count as well
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
        region: str | None = None,
        fees: Fees = (),
    ) -> Price:
        """What a call cost.

        ``provider`` and the models are named as in the conventions; ``at`` is when the call ended, seconds since the
        epoch; ``service_tier`` is what the provider says it served (``flex``, ``priority``, ``batch``, ...), ``region`` where.
        ``fees`` are (name, count) of what is billed beside tokens, by the names of ``core.model.FEES``.
        """
        book, reported = self._book or self.load(), usage.cost_usd
        if reported is not None and not 0.0 <= reported < _INFINITE:
            reported = None  # no amount of money
        if usage.billed_input_tokens is not None or usage.billed_output_tokens is not None:
            usage = usage.billed()
        key = (provider, request_model, response_model, service_tier, server_address, region)
        terms = book.entries.get(key) or book.unknown.get(key)
        if terms is None or not terms.since <= at < terms.until:
            terms = book.terms(key, at)
        missing = [gap for gap in terms.gaps if getattr(usage, gap.field)] if terms.gaps else None
        amount = terms.quote(without(usage, missing) if missing else usage)
        price = amount if isinstance(amount, Price) else _make(Price, amount)
        if reported is not None:
            return _make(Price, (float(reported), "provider", price[2], ()))
        if missing or fees or usage.web_searches or terms.factor != 1.0 or terms.lacking:
            return _completed(price, terms, missing or (), fees, usage)
        return price

    def of_call(self, request: Request, response: Response, usage: Usage, at: float) -> Amount:
        """What a call that ended ``at`` (seconds since the epoch) cost, with its fees and the other models that worked inside.

        The plain case is answered in this one frame, for a third; ``of_any_call`` says the same, and answers the others.
        """
        book = self._book
        terms = None if book is None else book.entries.get((
            request.provider, request.model or "", response.model or "", response.service_tier or request.service_tier,
            request.server_address or "", response.region or request.region,
        ))  # fmt: skip
        if terms is None or request.fees or response.fees or response.others or response.cache_missed_tokens:
            return self.of_any_call(request, response, usage, at)
        since, until, quote, _, _, _, _, _, unusual, nothing = terms
        if unusual is None or unusual(usage) != nothing or at < since or at >= until:
            return self.of_any_call(request, response, usage, at)
        return quote(usage)

    def of_any_call(self, request: Request, response: Response, usage: Usage, at: float) -> Price:
        """As ``of_call``, whatever was used."""
        region = response.region or request.region
        fees = (*request.fees, *response.fees) if request.fees else response.fees
        provider, address = request.provider, request.server_address or ""
        tier = response.service_tier or request.service_tier
        price = self.price(provider, request.model or "", response.model or "", usage, at, tier, address, region, fees)
        if response.cache_missed_tokens and price.cost is not None:

            def asked(used: Usage) -> Price:
                return self.price(provider, request.model or "", response.model or "", used, at, tier, address, region)

            response.cache_avoidable = _avoidable(usage, response.cache_missed_tokens, asked)
        if response.others and price.source != "provider":
            others = [self.price(provider, name, "", used, at, tier, address, region) for name, used in response.others]
            return _with(price, others)
        return price

    def _read(self) -> Book:
        config = self._config
        overrides, table = Overrides(), None
        with guard("pricing"):  # each by itself: a table that cannot be read costs nobody the prices of their own
            overrides = Overrides.from_file(config.prices_file)
        with guard("pricing"):
            table = sources.newest(config.state_dir, fetched=config.prices_update == "daily")
        book = Book(table, overrides)
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


def _avoidable(usage: Usage, missed: int, price_of: Callable[[Usage], Price]) -> float:
    """What a call would have cost less, US dollars, with ``missed`` input tokens read from the prompt cache and not written to it
    again; 0 where a rate for that is not known."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens
    missed = max(min(missed, (usage.input_tokens or 0) - read), 0)
    left, hour = None if written is None else max(written - missed, 0), usage.cache_write_1h_tokens
    left_hour = None if hour is None else min(hour, left or 0)
    listed = replace(usage, cost_usd=None)
    now = price_of(listed)
    then = price_of(
        replace(listed, cache_read_tokens=read + missed, cache_write_tokens=left, cache_write_1h_tokens=left_hour)
    )
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


def _completed(price: Price, terms: Terms, missing: Sequence[Gap], fees: Fees, usage: Usage) -> Price:
    """``price`` of the tokens with the fees and the factor, and the names of what has no price."""
    if usage.web_searches and not any(name in _SEARCHES for name, _ in fees):
        fees = (*fees, ("web_search", usage.web_searches))
    charged = sum(count * terms.fees.get(name, 0.0) for name, count in fees)
    lacking = [gap.name for gap in missing]
    lacking += [name for name, count in fees if count and name not in terms.fees]
    if price.cost is not None:
        lacking += terms.lacking
        cost = price.cost * terms.factor + charged
        return Price(cost, price.source, price.saved * terms.factor, tuple(lacking))
    if usage.known or not fees:
        return price._replace(incomplete=tuple(lacking))
    lacking += ["usage"] if charged and terms.by_tokens else []  # what the tokens cost is not in it
    return Price(charged, "prices", 0.0, tuple(lacking)) if charged else Price(None, "unpriced", 0.0, tuple(lacking))


def _after_fork() -> None:
    for pricer in list(_PRICERS):
        pricer.forked()


fork.in_child(_after_fork)
