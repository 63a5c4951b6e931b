"""The compiled price table: which model is meant by a name, and what it costs at a time and in a service tier."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timezone
from io import BytesIO
from itertools import islice
from typing import Any

from otel_llm.core.shapes import NamedTuple

from .names import forms
from .rates import Rates

Match = Callable[[str], bool]
DAY = 86400.0
FORMAT = 2  # of the text; part of the file's name too, so that versions of ours do not read each other's files


class Found(NamedTuple):
    """A model in the table. ``own`` is False where its maker's list replaces the provider's."""

    provider: str
    model: str
    own: bool
    prices: Sequence[Any]
    variants: Sequence[Any]


class InForce(NamedTuple):
    """The rates of a span of time, seconds since the epoch. ``unseen`` are priced units that no client reports."""

    rates: Rates
    unseen: tuple[str, ...]
    since: float
    until: float
    tiered: bool = False  # whether some rates are those of the call's service tier


class _Maker:
    """One provider's list, indexed: plain names by hash, patterns in order.

    A model stays the JSON that it was until somebody asks for it: as objects, OpenAI's list would take five times as much.
    """

    __slots__ = ("_exact", "_lines", "_patterns", "claims", "fallback")

    def __init__(self, raw: Mapping[str, Any], lines: Sequence[str]) -> None:
        self.claims: Match | None = _match(raw["match"]) if raw["match"] else None
        self.fallback: tuple[str, ...] = tuple(raw["fallback"])
        self._lines = lines
        self._exact: dict[str, int] = {}
        self._patterns: list[tuple[int, Match]] = []
        for index in range(len(lines)):
            self._index(index, self._model(index)[1])

    def _model(self, index: int) -> tuple[Any, ...]:
        """Name, clause and prices; and variants, where it has some."""
        return tuple(json.loads(self._lines[index]))

    def _index(self, index: int, clause: Sequence[Any]) -> None:
        parts = clause[1:] if clause[0] == "|" else [clause]
        for part in parts:
            if part[0] == "=":
                self._exact.setdefault(part[1], index)
            else:
                self._patterns.append((index, _match(part)))

    def find(self, name: str) -> tuple[Any, ...] | None:
        """The first model in the list's order that answers to ``name``."""
        exact = self._exact.get(name, len(self._lines))
        matching = (index for index, match in self._patterns if index >= exact or match(name))
        first = min(next(matching, exact), exact)
        return self._model(first) if first < len(self._lines) else None

    def models(self) -> list[tuple[Any, ...]]:
        """All models in the list's order, as ``find`` gives them."""
        return [self._model(index) for index in range(len(self._lines))]


class Table:
    """All providers' lists. Built from the text that ``build`` writes; raises ValueError where that is not such a text.

    A provider's list is read when a call first asks for it: a service calls two or three of nearly fifty.
    """

    def __init__(self, text: str) -> None:
        first, _, rest = text.partition("\n")
        facts = head(first)
        self.library: str = facts["library"]
        self.made: float = facts["made"]
        self._rest = zlib.compress(rest.encode(), 1)  # a tenth of it, in a process that asks for two or three providers
        self._makers: dict[str, _Maker] = {}
        self._listed: dict[
            str, tuple[Mapping[str, Any], int]
        ] = {}  # what a provider's list opens with, and its first line
        start = 0
        for raw in facts["providers"]:
            self._listed[raw["id"]] = raw, start
            start += raw["models"]
        if start != rest.count("\n") + bool(rest and not rest.endswith("\n")):
            raise ValueError("the price table is not complete")

    def maker(self, provider: str) -> _Maker | None:
        """The list of ``provider``, or None where there is none. Raises ValueError where it is damaged."""
        maker = self._makers.get(provider)
        if maker is None and provider in self._listed:
            raw, start = self._listed[provider]
            try:
                rest = BytesIO(zlib.decompress(self._rest))  # one line at a time: the other lists would take a megabyte
                lines = [line.decode() for line in islice(rest, start, start + raw["models"])]
                maker = self._makers[provider] = _Maker(raw, lines)
            except (KeyError, TypeError, IndexError, ValueError, re.error) as error:
                raise ValueError(f"the price table is damaged: {error!r}") from error
        return maker

    def check(self) -> Table:
        """Read all of it now. Raises ValueError where a part is damaged."""
        for provider in self._listed:
            self.maker(provider)
        return self

    def provider_at(self, address: str) -> str:
        """The provider whose API answers at ``address``, a host name; empty where none does."""
        url = f"https://{address}/"
        apis = ((name, raw["api"]) for name, (raw, _) in self._listed.items())
        return next((name for name, api in apis if re.match(api, url)), "") if address else ""

    def find(self, provider: str, name: str) -> Found | None:
        """The model that ``provider`` (genai-prices' id) means by ``name`` (lower case), or None."""
        maker = self.maker(provider)
        if maker is None:
            return None
        stands_in = [(other, listed) for other in maker.fallback if (listed := self.maker(other))]
        for form in forms(name):
            for owner, listed in ((provider, maker), *stands_in):
                if model := listed.find(form):
                    return Found(owner, model[0], owner == provider, model[2], model[3] if len(model) > 3 else ())  # noqa: PLR2004 - variants are optional
        return None

    def __contains__(self, provider: str) -> bool:
        return provider in self._listed

    def providers_of(self, name: str) -> list[str]:
        """Who sells ``name``: first the provider that its name points to, then all others that list it."""
        lists = {provider: maker for provider in self._listed if (maker := self.maker(provider))}
        claimed = [provider for provider, maker in lists.items() if maker.claims and maker.claims(name)]
        selling = [provider for provider, maker in lists.items() if any(map(maker.find, forms(name)))]
        return [provider for provider in claimed if provider in selling] + [p for p in selling if p not in claimed]

    def models(self, provider: str = "") -> Iterable[str]:
        """The names of ``provider``'s models, or of all."""
        for name in [provider] if provider else self._listed:
            if maker := self.maker(name):
                yield from (model[0] for model in maker.models())


def head(line: str) -> dict[str, Any]:
    """The facts in the first line of a table: library and its version, date, providers. Raises ValueError for another version's."""
    facts = json.loads(line)
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ValueError("the price table is of another version")
    try:
        midnight = datetime.combine(date.fromisoformat(facts["date"]), time(), tzinfo=timezone.utc).timestamp()
        return {"library": str(facts["library"]), "made": midnight, "providers": facts["providers"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the price table is damaged: {error!r}") from error


def in_force(listed: Found, at: float, context: Mapping[str, str]) -> InForce:
    """What ``listed`` costs at ``at`` for a call with ``context`` (service tier, batch), and for how long that holds.

    The last price whose time has come counts, the first one where none has: the rule of genai-prices' ``get_prices``.
    A tier's price replaces the standard one unit by unit; a tier without a price of its own costs the standard price.
    """
    active = [rates for when, rates in listed.prices if _active(when, at)]
    rates = dict(active[-1] if active else listed.prices[0][1])
    conditions = [when for when, _ in listed.prices]
    tiered: dict[str, Any] = {}
    for wanted, when, special in listed.variants if listed.own else ():
        if not wanted.items() <= context.items():
            continue
        conditions.append(when)
        if _active(when, at):
            tiered = {**special, **tiered}
    rates.update(tiered)
    unseen = tuple(rates.pop("?", ()))
    edges = [edge for when in conditions if when for edge in _edges(when, at)]
    since = max((edge for edge in edges if edge <= at), default=-math.inf)
    until = min((edge for edge in edges if edge > at), default=math.inf)
    return InForce({key: _tiers(rate) for key, rate in rates.items()}, unseen, since, until, bool(tiered))


def _tiers(rate: Any) -> tuple[tuple[int, float], ...]:
    if isinstance(rate, list):
        return ((-1, rate[0]), *((start, price) for start, price in rate[1:]))
    return ((-1, rate),)


def _active(when: Sequence[float] | None, at: float) -> bool:
    if when is None:
        return True
    if len(when) == 1:
        return at >= when[0]
    start, end = when
    second = at % DAY
    return start <= second < end if start <= end else second >= start or second < end


def _edges(when: Sequence[float], at: float) -> list[float]:
    """When the answer of ``_active`` may change, around ``at``."""
    if len(when) == 1:
        return [when[0]]
    midnight = at - at % DAY
    return [midnight + day + second for second in when for day in (-DAY, 0.0, DAY)]


def _match(clause: Sequence[Any]) -> Match:
    sign, *rest = clause
    text = rest[0]
    if sign == "=":
        return lambda name: name == text
    if sign == "^":
        return lambda name: name.startswith(text)
    if sign == "$":
        return lambda name: name.endswith(text)
    if sign == "*":
        return lambda name: text in name
    if sign == "~":
        search = re.compile(text).search
        return lambda name: search(name) is not None
    parts = [_match(part) for part in rest]
    return (
        (lambda name: any(part(name) for part in parts))
        if sign == "|"
        else (lambda name: all(part(name) for part in parts))
    )
