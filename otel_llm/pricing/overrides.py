"""The user's own prices: ``OTEL_LLM_PRICES_FILE`` read, checked line by line, and matched before the built-in list."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date, datetime, time, timezone
from typing import Any

from otel_llm.core.document import DocumentError, Items, Section, number, read
from otel_llm.core.model import FEES
from otel_llm.core.shapes import dataclass

from .rates import FEE_KEY, Rates, Tiers
from .table import InForce

FIELDS: Mapping[str, tuple[str, float]] = {
    "input": ("input_mtok", 1.0),
    "output": ("output_mtok", 1.0),
    "cache_read": ("cache_read_mtok", 1.0),
    "cache_write": ("cache_write_mtok", 1.0),
    "cache_write_1h": ("cache_write_1h_mtok", 1.0),
    "thinking": ("output_reasoning_mtok", 1.0),
    "input_audio": ("input_audio_mtok", 1.0),
    "output_audio": ("output_audio_mtok", 1.0),
    "cache_audio_read": ("cache_audio_read_mtok", 1.0),
    "input_image": ("input_image_mtok", 1.0),
    "output_image": ("output_image_mtok", 1.0),
    "audio_minute": ("audio_hours", 60.0),
    "web_search": ("web_searches_kcount", 1000.0),
    "request": ("requests_kcount", 1000.0),
    **{fee: (f"{FEE_KEY}{fee}", 1.0) for fee in FEES if fee != "web_search"},
}  # field of the file -> unit of the price list, and how many of the field's make one of the unit's
_OTHER_FIELDS = ("provider", "model", "like", "factor", "from", "above", "tiers")
_ALWAYS: Tiers = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: for whom it holds, from when, and what it costs or what it is like."""

    provider: re.Pattern[str]
    model: re.Pattern[str]
    source: str  # file and line
    name: str  # the model's pattern as written
    since: float
    rates: Rates
    tiers: Mapping[str, Rates]
    like: tuple[str, str] | None
    factor: float
    built_in: bool  # whether the built-in price is the base of this one

    def over(self, base: Rates, tier: str) -> Rates:
        """The rates of ``tier`` under this rule, in place of those of ``base``: a built-in price, or nothing."""
        scaled = {unit: tuple((start, rate * self.factor) for start, rate in tiers) for unit, tiers in base.items()}
        return {**scaled, **self.rates, **self.tiers.get(tier, {})}


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule for a call, or None, and the span of time that this holds for, seconds since the epoch."""

    rule: Rule | None = None
    since: float = -math.inf
    until: float = math.inf

    def within(self, terms: InForce) -> InForce:
        """``terms`` for no longer than this choice holds."""
        return terms._replace(since=max(terms.since, self.since), until=min(terms.until, self.until))


@dataclass(frozen=True, slots=True)
class Overrides:
    """The rules of a file, and what is wrong with it. A file with any mistake has no rules: half a price list is none."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @classmethod
    def from_file(cls, path: str) -> Overrides:
        """Read ``path`` (empty: no file). Never raises: each mistake is one line of ``problems``, with line and field."""
        if not path:
            return cls()
        reader = _Reader(path)
        try:
            rules = reader.rules(read(path))
        except DocumentError as error:
            return cls(problems=(str(error),))
        return cls(problems=tuple(reader.problems)) if reader.problems else cls(tuple(rules))

    def find(self, provider: str, models: Iterable[str], at: float) -> Choice:
        """The first rule, from the file's top, that matches and is in force at ``at``."""
        names = [name.lower() for name in models if name]
        until = math.inf
        for rule in self.rules:
            if not (rule.provider.match(provider.lower()) and any(map(rule.model.match, names))):
                continue
            if at >= rule.since:
                return Choice(rule, rule.since, until)
            until = min(until, rule.since)
        return Choice(until=until)


class _Reader:
    """Checks a document and keeps every mistake, so that one look at the log is enough to correct the file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.problems: list[str] = []

    def rules(self, document: Any) -> list[Rule]:
        if not isinstance(document, Section) or not isinstance(document.get("prices"), Items):
            self._wrong(
                getattr(document, "line", 1), "prices", "is missing: the file is a mapping with a list under `prices`"
            )
            return []
        for name in document.keys() - {"prices"}:
            self._unknown(document, name, ("prices",))
        entries: Items = document["prices"]
        rules = [self._rule(entry, line) for entry, line in zip(entries, entries.lines, strict=True)]
        return [rule for rule in rules if rule is not None]

    def _rule(self, entry: Any, line: int) -> Rule | None:
        if not isinstance(entry, Section):
            self._wrong(line, "prices", "each entry is a mapping such as `- {model: ..., input: ..., output: ...}`")
            return None
        for name in entry.keys() - FIELDS.keys() - set(_OTHER_FIELDS):
            self._unknown(entry, name, (*_OTHER_FIELDS, *FIELDS))
        if "model" not in entry:
            self._wrong(line, "model", "is missing (a name, or a pattern as gpt-4o*)")
        if not entry.keys() & {"like", "factor", *FIELDS}:
            self._wrong(line, "input", f"there is no price here (one of like, factor, {', '.join(FIELDS)})")
        like, factor = self._like(entry), self._factor(entry)
        return Rule(
            provider=self._pattern(entry, "provider"),
            model=self._pattern(entry, "model"),
            source=f"{self._path}:{line}",
            name=str(entry.get("model")),
            since=self._since(entry),
            rates=self._with_steps(entry, self._rates(entry)),
            tiers={tier.lower(): self._rates(section, strict=True) for tier, section in self._sections(entry, "tiers")},
            like=like,
            factor=factor,
            built_in=bool(entry.keys() & {"like", "factor"}),
        )

    def _rates(self, section: Section, *, strict: bool = False) -> dict[str, Tiers]:
        """The prices among a section's fields; ``strict``: there are to be no others."""
        rates: dict[str, Tiers] = {}
        for name, value in section.items():
            if name not in FIELDS:
                if strict:
                    self._unknown(section, name, tuple(FIELDS))
                continue
            unit, count = FIELDS[name]
            rate = self._number(section, name, value, "US dollars, 0 or more")
            rates[unit] = ((-1, rate * count),)
        return rates

    def _with_steps(self, entry: Section, rates: dict[str, Tiers]) -> dict[str, Tiers]:
        """Add the prices that hold above so many input tokens."""
        steps: list[tuple[int, dict[str, Tiers]]] = []
        for start, section in self._sections(entry, "above"):
            if not start.isdecimal():
                self._wrong(entry.lines["above"], "above", f"{start!r} is no number of input tokens")
                continue
            steps.append((int(start), self._rates(section, strict=True)))
        for tokens, higher in sorted(steps, key=lambda step: step[0]):
            for unit, ((_, rate),) in higher.items():
                if unit not in rates:
                    self._wrong(entry.lines["above"], "above", "has a price that the entry itself does not have")
                rates[unit] = (*rates.get(unit, _ALWAYS), (tokens, rate))
        return rates

    def _sections(self, entry: Section, name: str) -> list[tuple[str, Section]]:
        given = entry.get(name, Section(0))
        if isinstance(given, Section) and all(isinstance(value, Section) for value in given.values()):
            return list(given.items())
        example = "200000: {input: 5, output: 20}" if name == "above" else "batch: {input: 1.25, output: 5}"
        self._wrong(entry.lines[name], name, f"is a mapping of mappings such as `{example}`")
        return []

    def _like(self, entry: Section) -> tuple[str, str] | None:
        if "like" not in entry:
            return None
        provider, slash, model = str(entry["like"]).partition("/")
        if not (provider and slash and model):
            self._wrong(entry.lines["like"], "like", f"{entry['like']!r} is not provider/model, as openai/gpt-4o")
        return provider.lower(), model.lower()

    def _factor(self, entry: Section) -> float:
        if "factor" not in entry:
            return 1.0
        return self._number(entry, "factor", entry["factor"], "0 or more; 0.9 is ten percent off")

    def _since(self, entry: Section) -> float:
        value = entry.get("from")
        if value is None:
            return -math.inf
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            self._wrong(entry.lines["from"], "from", f"{value!r} is not a date (as 2026-10-01, UTC)")
            return -math.inf
        return datetime.combine(day, time(), tzinfo=timezone.utc).timestamp()

    def _pattern(self, entry: Section, name: str) -> re.Pattern[str]:
        value = entry.get(name, "*")
        if not isinstance(value, str) or not value:
            self._wrong(entry.lines[name], name, f"{value!r} is not a text")
            value = "*"
        return re.compile(fnmatch.translate(value.lower()))

    def _number(self, section: Section, name: str, value: Any, allowed: str) -> float:
        amount = number(value)
        if amount is None:
            self._wrong(section.lines[name], name, f"{value!r} is not allowed ({allowed})")
        return amount or 0.0

    def _unknown(self, section: Section, name: str, names: tuple[str, ...]) -> None:
        import difflib  # noqa: PLC0415 - only where something is wrong

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
        self._wrong(section.lines[name], name, f"is not a field; {hint}")

    def _wrong(self, line: int, name: str, what: str) -> None:
        self.problems.append(f"{self._path}:{line}: {name}: {what}; the file is not used")
