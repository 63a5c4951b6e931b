"""Rates to quotes: a model's prices become a function of usage that is a handful of multiplications.

A price list is nested: cached reads are part of the input and have their own price, cached audio is part of both. Billing
counts each token once, at its most specific price. Because that is linear in the counts, it comes down to one
coefficient per count: its own rate less the coefficients of all it is a part of (for cached reads: read price minus input
price, applied on top of all input at the input price).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otel_llm.model import Usage

from .price import NOTHING, Price, Quote, measured, unpriced

Tiers = Sequence[tuple[int, float]]  # (input tokens above which the rate holds, rate), ascending, the first at -1
Rates = Mapping[str, Tiers]


class Unit(NamedTuple):
    """A count that has a price: its field of ``Usage``, how many make one price, and what kind of thing it counts."""

    field: str
    per: float
    kind: frozenset[str]
    name: str


def _unit(field: str, per: float, kind: str, name: str) -> Unit:
    return Unit(field, per, frozenset(kind.split()), name)


_M = 1_000_000.0
REQUESTS = "requests_kcount"
LEAST_AUDIO = "least_audio_seconds"  # not a price: audio is billed as at least so many seconds
UNITS: Mapping[str, Unit] = {
    "input_mtok": _unit("input_tokens", _M, "input", "input"),
    "cache_read_mtok": _unit("cache_read_tokens", _M, "input read", "cached read"),
    "cache_write_mtok": _unit("cache_write_tokens", _M, "input write", "cache write"),
    "cache_write_1h_mtok": _unit("cache_write_1h_tokens", _M, "input write 1h", "cache write, 1 h"),
    "input_text_mtok": _unit("input_text_tokens", _M, "input text", "text input"),
    "input_audio_mtok": _unit("input_audio_tokens", _M, "input audio", "audio input"),
    "cache_audio_read_mtok": _unit("cache_audio_read_tokens", _M, "input audio read", "cached audio read"),
    "input_image_mtok": _unit("input_image_tokens", _M, "input image", "image input"),
    "output_mtok": _unit("output_tokens", _M, "output", "output"),
    "output_text_mtok": _unit("output_text_tokens", _M, "output text", "text output"),
    "output_audio_mtok": _unit("output_audio_tokens", _M, "output audio", "audio output"),
    "output_image_mtok": _unit("output_image_tokens", _M, "output image", "image output"),
    "output_reasoning_mtok": _unit("thinking_tokens", _M, "output thinking", "thinking"),
    "audio_hours": _unit("audio_seconds", 3600.0, "time", "audio hour"),
    "web_searches_kcount": _unit("web_searches", 1000.0, "search", "web search"),
    REQUESTS: _unit("", 1000.0, "request", "request"),
}  # keys and nesting as genai-prices has them (its data_units.py), for the counts that Usage knows


class _Step(NamedTuple):
    """The coefficients that hold above ``start`` input tokens, US dollars per token (call, second, search)."""

    start: float
    fee: float
    input: float
    output: float
    read: float
    write: float
    write_1h: float
    others: tuple[tuple[str, float], ...]
    audio_read: float


_CORE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")


def quote(rates: Rates) -> Quote:
    """A function of usage for a model's ``rates``, US dollars per unit as ``UNITS`` counts them."""
    known = {key: tiers for key, tiers in rates.items() if key in UNITS}
    starts = sorted({start for tiers in known.values() for start, _ in tiers} | {-1})
    steps = [_step(known, start) for start in starts]
    least = next((rate for _, rate in rates.get(LEAST_AUDIO, ())), 0.0)
    if "input_mtok" in known or not known:
        return _flat(steps[0]) if len(steps) == 1 else _tiered(steps)
    return _partial(_flat(steps[0]), tuple(UNITS[key].field for key in known if key != REQUESTS), least)


def rate_above(tiers: Tiers, start: float) -> float:
    """The rate that holds for ``start`` and more input tokens."""
    return [rate for tier_start, rate in tiers if tier_start <= start][-1]


def _step(rates: Rates, start: int) -> _Step:
    """Solve for the coefficients, from the most general unit to the most specific one."""
    found: dict[str, float] = {}
    for key in sorted(rates, key=lambda key: len(UNITS[key].kind)):
        kind, per = UNITS[key].kind, UNITS[key].per
        inherited = sum(found[other] for other in found if UNITS[other].kind < kind)
        found[key] = rate_above(rates[key], start) / per - inherited
    fields = {UNITS[key].field: coefficient for key, coefficient in found.items() if key != REQUESTS}
    core = [fields.pop(field, 0.0) for field in _CORE]
    audio_read = fields.get("cache_audio_read_tokens", 0.0)
    return _Step(float(start), found.get(REQUESTS, 0.0), *core, tuple(fields.items()), audio_read)


def _flat(step: _Step) -> Quote:
    """One price whatever the length; locals instead of attributes, for this runs at the end of every call."""
    _, fee, per_input, per_output, per_read, per_write, per_1h, others, per_audio_read = step
    make = tuple.__new__

    def price(usage: Usage) -> Price:
        tokens, output = usage.input_tokens or 0, usage.output_tokens or 0
        if not (tokens or output or measured(usage)):
            return NOTHING
        cost = fee + output * per_output
        read = usage.cache_read_tokens or 0
        written = usage.cache_write_tokens or 0
        saved = 0.0
        if read or written:
            tokens = max(tokens, read + written)  # a part is never more than the whole
            saved = -read * per_read
            cost += written * per_write - saved + (usage.cache_write_1h_tokens or 0) * per_1h
        for field, coefficient in others:
            cost += (getattr(usage, field) or 0) * coefficient
        if per_audio_read:
            saved -= (usage.cache_audio_read_tokens or 0) * per_audio_read
        return make(Price, (cost + tokens * per_input, "prices", saved))

    return price


def _tiered(steps: Sequence[_Step]) -> Quote:
    """A price by context length: past a threshold its rates hold for all tokens, not only for those above it."""
    ladder = [(step.start, _flat(step)) for step in reversed(steps)]

    def price(usage: Usage) -> Price:
        tokens = usage.input_tokens or 0
        return next(flat for start, flat in ladder if tokens > start)(usage)

    return price


def _partial(flat: Quote, fields: tuple[str, ...], least_audio: float) -> Quote:
    """The quote of a model that is not priced by input tokens: what was counted may then not be what is priced."""

    def price(usage: Usage) -> Price:
        if all(getattr(usage, field) is None for field in fields):
            return unpriced(usage)
        seconds = usage.audio_seconds
        if seconds and seconds < least_audio:
            usage = Usage(output_tokens=usage.output_tokens, audio_seconds=least_audio)
        return flat(usage)

    return price
