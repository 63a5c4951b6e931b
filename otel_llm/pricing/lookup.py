"""The book: a price table, the user's own prices over it, and quotes at hand for the models in use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

from otel_llm.core.model import Usage
from otel_llm.core.shapes import NamedTuple

from .fees import PLAIN_AUDIO, fee_rates, overlaid, region_factor, tier_factor
from .names import LONGEST, provider_id
from .overrides import Overrides, Rule
from .price import Quote, unpriced
from .rates import FEE_UNITS, REQUESTS, UNITS, Gap, gaps, quote
from .table import Found, InForce, Table, in_force

_MOST = 1024  # models at hand, and as many names at hand that are no known model's: names are user input

Key = tuple[str, str, str, "str | None", str, "str | None"]  # provider, models asked and answered, tier, host, region


class Terms(NamedTuple):
    """What a model costs in a span of time, ready for many calls. ``since`` and ``until`` are seconds since the epoch.

    Token rates are multiplied by ``factor``; ``gaps`` are parts without a rate, ``fees`` US dollars per unit, ``lacking``
    which rates are unknown whatever the usage. ``by_tokens``: the model is billed by tokens, whatever else is charged.
    """

    since: float
    until: float
    quote: Quote
    gaps: tuple[Gap, ...] = ()
    fees: Mapping[str, float] = {}
    factor: float = 1.0
    lacking: tuple[str, ...] = ()
    by_tokens: bool = False
    unusual: Callable[[Usage], object] | None = None  # if it gives ``nothing``, the call costs what ``quote`` says
    nothing: tuple[None, ...] = ()


BUILT_IN = "genai-prices"
SEARCHES = "web_searches_kcount"  # billed as a fee


class Looked(NamedTuple):
    """The steps to a call's price, for ``explain``."""

    provider: str
    model: str
    source: str
    terms: InForce
    based: bool = True  # on the list: False where the user's own entry has all the prices

    @property
    def priced(self) -> bool:
        """Whether what the model charges for is what clients report: speech by the letter, say, is not."""
        return bool(self.terms.rates.keys() & UNITS.keys() - {REQUESTS}) or not (
            self.terms.unseen or self.terms.rates.keys() & FEE_UNITS.keys()
        )


class Book:
    """Answers who-calls-what with a quote. Replaced as a whole when prices change, so its memory needs no clearing."""

    def __init__(self, table: Table | None, overrides: Overrides) -> None:
        self.table = table
        self.overrides = overrides
        self.entries: dict[Key, Terms] = {}
        self.unknown: dict[Key, Terms] = {}

    def terms(self, key: Key, at: float) -> Terms:
        """The terms in force at ``at``, looked up again; always some: those of an unknown model say ``unpriced``."""
        return _UNKNOWN if max(len(part or "") for part in key) > LONGEST else self._look(key, at)

    def look(self, key: Key, at: float) -> Looked | None:
        """Find the terms for a call: the user's own first, then the built-in list; the response's model before the request's."""
        choice = self.overrides.find(key[0], (key[1], key[2]), at)
        rule = choice.rule
        if rule is not None and not rule.built_in:
            own = InForce(rule.over({}, _tier(key[3])), (), choice.since, choice.until)
            return Looked(key[0], rule.name, rule.source, own, based=False)
        price = self._base(key, rule)
        if price is None:
            return None
        terms = choice.within(in_force(price, at, _context(key[3])))
        names = (price.model,) if rule is not None and rule.like is not None else names_of(key)
        terms = terms._replace(rates=overlaid(price.provider, names, terms.rates))
        if rule is None:
            return Looked(price.provider, price.model, BUILT_IN, terms)
        laid = terms._replace(rates=rule.over(terms.rates, _tier(key[3])))
        return Looked(price.provider, price.model, rule.source, laid)

    def loose_ends(self) -> Iterator[str]:
        """Rules that lead nowhere: like a model that has no built-in price."""
        for rule in self.overrides.rules if self.table is not None else ():
            if rule.like is not None and self._built_in(rule.like[0], [rule.like[1]], "") is None:
                wanted = "/".join(rule.like)
                yield f"{rule.source}: like: {wanted} has no built-in price; calls of {rule.name} are unpriced"

    def _base(self, key: Key, rule: Rule | None) -> Found | None:
        """The built-in model by which a call, or the rule for it, is priced; the response's model before the request's."""
        provider, request_model, response_model, _, address, _ = key
        if rule is not None and rule.like is not None:
            return self._built_in(rule.like[0], [rule.like[1]], "")
        return self._built_in(provider, [name for name in (response_model, request_model) if name], address)

    def _built_in(self, provider: str, models: list[str], address: str) -> Found | None:
        if self.table is None:
            return None
        for name in models:
            maker, model = provider_id(provider, name)
            if maker not in self.table:
                maker = self.table.provider_at(address)
            if entry := self.table.find(maker, model):
                return entry
        return None

    def _look(self, key: Key, at: float) -> Terms:
        looked = self.look(key, at)
        if looked is None:
            choice = self.overrides.find(key[0], (key[1], key[2]), at)
            fees = fee_rates(self._seller(key), names_of(key), {}, own=False)
            return self._keep(self.unknown, key, Terms(choice.since, choice.until, unpriced, fees=fees))
        return self._keep(self.entries, key, self.priced(key, looked))

    def priced(self, key: Key, looked: Looked) -> Terms:
        """The terms of a known model: with the fees, factors and gaps that hold for this call."""
        rates, seller, names = looked.terms.rates, self._seller(key), names_of(key)
        tier, own = _tier(key[3]), looked.source != BUILT_IN
        tier_is = tier_factor(seller, names, tier, listed=own or looked.terms.tiered)
        region_is = 1.0 if own else region_factor(seller, names, key[5] or "")
        lacking = [name for name, factor in (("service_tier", tier_is), ("region", region_is)) if factor is None]
        missing = () if own and not looked.based else gaps(rates, plain_audio=seller in PLAIN_AUDIO)
        factor = (tier_is or 1.0) * (region_is or 1.0)
        return Terms(
            looked.terms.since, looked.terms.until,
            quote({unit: rate for unit, rate in rates.items() if unit != SEARCHES}) if looked.priced else unpriced,
            missing,
            fee_rates(seller, names, rates, own=own),
            factor,
            tuple(lacking) if looked.priced else (),
            "input_mtok" in rates,
            *((None, ()) if factor != 1.0 or (lacking and looked.priced) else _plain(missing)),
        )  # fmt: skip

    def _seller(self, key: Key) -> str:
        """genai-prices' id of who is asked: by name, else by address."""
        seller = provider_id(key[0], key[1])[0]
        if self.table is not None and seller not in self.table:
            return self.table.provider_at(key[4]) or seller
        return seller

    def _keep(self, entries: dict[Key, Terms], key: Key, entry: Terms) -> Terms:
        """Remember terms. Without a lock, which a fork could leave locked; past the bound, begin again. Names are short here."""
        if len(entries) >= _MOST:
            entries.clear()
        entries[key] = entry
        return entry


def _plain(missing: tuple[Gap, ...]) -> tuple[Callable[[Usage], object], tuple[None, ...]]:
    """What a call without anything but tokens at their rates has none of, all in one look, and what that gives then."""
    fields = (*_BESIDE, *(gap.field for gap in missing))
    return attrgetter(*fields), (None,) * len(fields)


_BESIDE = ("cost_usd", "billed_input_tokens", "billed_output_tokens", "web_searches")


def names_of(key: Key) -> tuple[str, ...]:
    """The models' names of a call, in lower case: as asked for, as answered."""
    return tuple(name.lower() for name in key[1:3] if name)


_UNKNOWN = Terms(-math.inf, math.inf, unpriced)


def _tier(tier: str | None) -> str:
    """A service tier in one spelling: Google says ON_DEMAND_FLEX where others say flex."""
    return (tier or "").lower().removeprefix("on_demand_")


def _context(tier: str | None) -> dict[str, str]:
    """A service tier as genai-prices asks for it: batch and fast have a dimension of their own there."""
    tier = _tier(tier)
    if not tier:
        return {}
    context = {"service_tier": tier}
    if tier == "batch":
        context["processing"] = "batch"
    if tier == "fast":
        context["speed"] = "fast"
    return context
