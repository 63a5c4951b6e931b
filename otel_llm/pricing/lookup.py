"""The book: a price table, the user's own prices over it, and quotes at hand for the models in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .names import LONGEST, provider_id
from .overrides import Overrides, Rule
from .price import Quote, unpriced
from .rates import REQUESTS, quote
from .table import Found, InForce, Table, in_force

_MOST = 1024  # models at hand, and as many names at hand that are no known model's: names are user input

Key = tuple[str, str, str, "str | None", str]
Entry = tuple[float, float, Quote]
BUILT_IN = "genai-prices"


class Looked(NamedTuple):
    """How a call's price was found, for ``explain``."""

    provider: str
    model: str
    source: str
    terms: InForce

    @property
    def priced(self) -> bool:
        """Whether what the model charges for is what clients report: speech by the letter, say, is not."""
        return not self.terms.unseen or bool(self.terms.rates.keys() - {REQUESTS})


class Book:
    """Answers who-calls-what with a quote. Replaced as a whole when prices change, so its memory needs no clearing."""

    def __init__(self, table: Table | None, overrides: Overrides) -> None:
        self.table = table
        self.overrides = overrides
        self.entries: dict[Key, Entry] = {}
        self.unknown: dict[Key, Entry] = {}

    def quote(self, key: Key, at: float) -> Quote:
        """The quote in force at ``at``, looked up anew; always one: that of an unknown model says ``unpriced``."""
        return unpriced if max(len(part or "") for part in key) > LONGEST else self._look(key, at)[2]

    def look(self, key: Key, at: float) -> Looked | None:
        """Find the terms for a call: the user's own first, then the built-in list; the response's model before the request's."""
        choice = self.overrides.find(key[0], (key[1], key[2]), at)
        rule = choice.rule
        if rule is not None and not rule.built_in:
            own = InForce(rule.over({}, _tier(key[3])), (), choice.since, choice.until)
            return Looked(key[0], rule.name, rule.source, own)
        found = self._base(key, rule)
        if found is None:
            return None
        terms = choice.within(in_force(found, at, _context(key[3])))
        if rule is None:
            return Looked(found.provider, found.model, BUILT_IN, terms)
        laid = terms._replace(rates=rule.over(terms.rates, _tier(key[3])))
        return Looked(found.provider, found.model, rule.source, laid)

    def loose_ends(self) -> Iterator[str]:
        """Rules that lead nowhere: like a model that has no built-in price."""
        for rule in self.overrides.rules if self.table is not None else ():
            if rule.like is not None and self._built_in(rule.like[0], [rule.like[1]], "") is None:
                wanted = "/".join(rule.like)
                yield f"{rule.source}: like: {wanted} has no built-in price; calls of {rule.name} are unpriced"

    def _base(self, key: Key, rule: Rule | None) -> Found | None:
        """The built-in model that a call, or the rule for it, goes by; the response's model before the request's."""
        provider, request_model, response_model, _, address = key
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
            if found := self.table.find(maker, model):
                return found
        return None

    def _look(self, key: Key, at: float) -> Entry:
        looked = self.look(key, at)
        if looked is None:
            choice = self.overrides.find(key[0], (key[1], key[2]), at)
            return self._keep(self.unknown, key, (choice.since, choice.until, unpriced))
        terms = looked.terms
        return self._keep(
            self.entries, key, (terms.since, terms.until, quote(terms.rates) if looked.priced else unpriced)
        )

    def _keep(self, entries: dict[Key, Entry], key: Key, entry: Entry) -> Entry:
        """Remember a quote. Without a lock, which a fork could leave locked; past the bound, begin anew."""
        if len(entries) >= _MOST:
            entries.clear()
        entries[key] = entry
        return entry


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
