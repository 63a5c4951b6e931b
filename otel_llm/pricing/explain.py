"""Why a call costs what it costs: the price that a name leads to, part by part. What ``otel-llm prices MODEL`` prints."""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Iterator
from datetime import datetime, timezone

from otel_llm.core.config import Config
from otel_llm.core.model import Usage
from otel_llm.core.shapes import dataclass

from .lookup import BUILT_IN, SEARCHES, Book, Looked, Terms
from .names import provider_id
from .price import UNPRICED, Price, measured
from .pricer import Fees, Pricer
from .rates import UNITS, Rates, tier_for, without

_PER = {1_000_000.0: "1M tokens", 3600.0: "hour", 1000.0: "1000"}


@dataclass(frozen=True, slots=True)
class Component:
    """One line of a price: ``rate`` US dollars per ``per`` of ``name``, for contexts of more than ``above`` input tokens.

    ``quantity`` is how much of a given usage is billed at this rate (cached reads are no longer input), ``amount`` what
    that comes to in US dollars; both are None without a usage, and for a rate of another context length.
    """

    name: str
    rate: float
    per: str
    above: int = 0
    quantity: float | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a name leads. ``source`` is ``genai-prices VERSION``, file and line of the user's own price, or empty.

    ``model`` is empty where there is no price; ``suggestions`` are then names that look like it. ``also`` are other
    providers that sell the model under this name. ``unseen`` are things the provider charges for and no client reports, ``gaps``
    parts of a usage whose rate is unknown; those of the given usage are in ``price.incomplete``.
    """

    asked: str
    provider: str
    model: str
    source: str
    components: tuple[Component, ...] = ()
    price: Price = UNPRICED
    unseen: tuple[str, ...] = ()
    since: float = -math.inf
    until: float = math.inf
    also: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    fees: tuple[tuple[str, float], ...] = ()
    factor: float = 1.0

    def lines(self) -> Iterator[str]:
        """The same as plain text, line by line."""
        if not self.model:
            yield f"{self.asked}: no price known{f' at {self.provider}' if self.provider else ''}; calls count as unpriced"
            if self.suggestions:
                yield f"  did you mean {', '.join(self.suggestions)}?"
            return
        yield f"{self.asked}: {self.provider} {self.model} ({self.source})"
        for part in self.components:
            above = f", over {part.above} input tokens" if part.above else ""
            amount = "" if part.amount is None else f"   x {part.quantity:g} = ${part.amount:.6f}"
            yield f"  {part.name:<20} ${part.rate:g} per {part.per}{above}{amount}"
        for fee, usd in self.fees:
            yield f"  {fee:<20} ${usd:g} each"
        if self.factor != 1.0:
            yield f"  {'surcharge':<20} x {self.factor:g} on tokens, for region or service tier"
        yield from self._remarks()

    def _remarks(self) -> Iterator[str]:
        if self.price.cost is not None:
            yield f"  {'total':<20} ${self.price.cost:.6f}" + (
                f", cache saved ${self.price.saved:.6f}" if self.price.saved else ""
            )
        if self.price.incomplete:
            yield f"  incomplete: no rate is known for {', '.join(self.price.incomplete)}; calls show complete=false"
        elif self.gaps:
            yield f"  no rate is known for {', '.join(self.gaps)}: a call that uses it shows complete=false"
        if not self.components and not self.fees:
            yield "  free of charge"
        if self.unseen:
            yield f"  also charged, but not reported by clients: {', '.join(self.unseen)}"
        if self.until < math.inf:
            yield f"  until {datetime.fromtimestamp(self.until, timezone.utc):%Y-%m-%d %H:%M} UTC"
        if self.also:
            yield f"  also sold by {', '.join(self.also)}"


def explain(
    model: str,
    provider: str | None = None,
    usage: Usage | None = None,
    *,
    config: Config | None = None,
    at: float | None = None,
    service_tier: str | None = None,
    region: str | None = None,
    fees: Fees = (),
    pricer: Pricer | None = None,
) -> Explanation:
    """Say what ``model`` costs at ``provider`` (default: who its name points to), and what ``usage`` would cost.

    Reads the prices if ``pricer`` has not yet. ``at`` is seconds since the epoch, default now.
    """
    pricer = pricer or Pricer(config or Config.from_env())
    book = pricer.book
    at = time.time() if at is None else at
    sellers = book.table.providers_of(model.lower()) if book.table is not None and provider is None else []
    seller = provider if provider is not None else (sellers[0] if sellers else "")
    key = (seller, model, "", service_tier, "", region)
    looked = book.look(key, at)
    if looked is None:
        return Explanation(model, seller, "", "", suggestions=_near(book, model, provider))
    usage = usage or Usage()
    price = pricer.price(seller, model, "", usage, at, service_tier, "", region, fees)
    return _explained(model, looked, book.terms(key, at), price, usage, tuple(sellers[1:]), book)


def _explained(
    model: str, looked: Looked, terms: Terms, price: Price, usage: Usage, also: tuple[str, ...], book: Book
) -> Explanation:
    library = book.table.library if book.table is not None else ""
    source = f"{BUILT_IN} {library}" if looked.source == BUILT_IN else looked.source
    missing = [gap for gap in terms.gaps if getattr(usage, gap.field)]
    return Explanation(
        model, looked.provider, looked.model, source,
        components=tuple(_components(looked.terms.rates, without(usage, missing) if missing else usage)),
        price=price, unseen=looked.terms.unseen, since=terms.since, until=terms.until, also=also,
        gaps=tuple(gap.name for gap in terms.gaps),
        fees=tuple(sorted((fee, usd) for fee, usd in terms.fees.items() if fee != "web_search" or SEARCHES not in looked.terms.rates)),
        factor=terms.factor,
    )  # fmt: skip


def _components(rates: Rates, usage: Usage) -> Iterator[Component]:
    counts = _counts(rates, usage) if measured(usage) else {}
    tokens = usage.input_tokens or 0
    for key, unit in UNITS.items():
        for start, rate in rates.get(key, ()):
            holds = tier_for(rates[key], tokens)[0] == start
            quantity = counts.get(key) if holds else None
            amount = None if quantity is None else quantity * rate / unit.per
            yield Component(unit.name, rate, _PER[unit.per], max(start, 0), quantity, amount)


def _counts(rates: Rates, usage: Usage) -> dict[str, float]:
    """How much is billed at each rate: every token once, at its most specific one."""
    counts: dict[str, float] = {}
    for key in sorted(rates.keys() & UNITS.keys(), key=lambda key: -len(UNITS[key].kind)):
        unit = UNITS[key]
        whole = (getattr(usage, unit.field) or 0) if unit.field else 1
        counts[key] = whole - sum(count for other, count in counts.items() if unit.kind < UNITS[other].kind)
    return counts


def _near(book: Book, model: str, provider: str | None) -> tuple[str, ...]:
    if book.table is None:
        return ()
    maker, name = provider_id(provider or "", model)
    names = dict.fromkeys(book.table.models(maker if maker in book.table else ""))  # several may sell one
    return tuple(difflib.get_close_matches(name, names, n=3))
