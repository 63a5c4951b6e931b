"""Rates to quotes: a model's prices become a function of usage that is a handful of multiplications.

A price list is nested: cached reads are part of the input and have their own price, cached audio is part of both. Billing
counts each token once, at its most specific price. Because that is linear in the counts, it comes down to one
coefficient per count: its own rate less the coefficients of all it is a part of (for cached reads: read price minus input
price, applied on top of all input at the input price).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otel_llm.core.model import Usage
from otel_llm.core.shapes import NamedTuple

from .price import NOTHING, Amount, Quote, measured, unpriced

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
    "cache_image_read_mtok": _unit("cache_image_read_tokens", _M, "input image read", "cached image read"),
    "input_video_mtok": _unit("input_video_tokens", _M, "input video", "video input"),
    "output_mtok": _unit("output_tokens", _M, "output", "output"),
    "output_text_mtok": _unit("output_text_tokens", _M, "output text", "text output"),
    "output_audio_mtok": _unit("output_audio_tokens", _M, "output audio", "audio output"),
    "output_image_mtok": _unit("output_image_tokens", _M, "output image", "image output"),
    "output_reasoning_mtok": _unit("thinking_tokens", _M, "output thinking", "thinking"),
    "audio_hours": _unit("audio_seconds", 3600.0, "time", "audio hour"),
    "web_searches_kcount": _unit("web_searches", 1000.0, "search", "web search"),
    REQUESTS: _unit("", 1000.0, "request", "request"),
}  # keys and nesting as genai-prices has them (its data_units.py), for the counts that Usage knows

FEE_UNITS: Mapping[str, tuple[str, float]] = {
    "web_searches_kcount": ("web_search", 1000.0),
    "storage_searches_kcount": ("file_search", 1000.0),
    "input_document_kpages": ("ocr_pages", 1000.0),
    "input_mchars": ("speech_characters", _M),
}  # keys of genai-prices for what is billed beside tokens: the fee (core.model.FEES), and how many make one price

FEE_KEY = "fee:"
"""Before a fee's name: its rate in a user's price file, US dollars for one."""


class Gap(NamedTuple):
    """A part of a usage that costs something else than its whole, and whose rate is unknown."""

    field: str  # of Usage
    whole: str  # the field that includes it
    name: str


def gaps(rates: Rates, *, plain_audio: bool = False) -> tuple[Gap, ...]:
    """The parts that ``rates`` lack. Images and thinking cost what their whole does where there is no rate of their own, and
    audio where ``plain_audio``; cached tokens never do."""
    if "input_mtok" not in rates or not any(
        rate for key in ("input_mtok", "output_mtok") for _, rate in rates.get(key, ())
    ):
        return ()  # it is free, or is not billed by tokens
    lacking = [gap for key, gap in _GAPS.items() if key not in rates]
    if plain_audio:
        lacking = [gap for gap in lacking if "audio" not in gap.field]
    if "input_audio_mtok" not in rates or "cache_read_mtok" not in rates:  # the more general gap says it
        lacking = [gap for gap in lacking if gap.field != "cache_audio_read_tokens"]
    if "cache_write_mtok" not in rates:
        lacking = [gap for gap in lacking if gap.whole != "cache_write_tokens"]
    return tuple(lacking)


_GAPS = {
    "cache_read_mtok": Gap("cache_read_tokens", "input_tokens", "cache_read"),
    "cache_write_mtok": Gap("cache_write_tokens", "input_tokens", "cache_write"),
    "cache_write_1h_mtok": Gap("cache_write_1h_tokens", "cache_write_tokens", "cache_write_1h"),
    "cache_write_12h_mtok": Gap("cache_write_12h_tokens", "cache_write_tokens", "cache_write_12h"),
    "input_audio_mtok": Gap("input_audio_tokens", "input_tokens", "input_audio"),
    "output_audio_mtok": Gap("output_audio_tokens", "output_tokens", "output_audio"),
    "cache_audio_read_mtok": Gap("cache_audio_read_tokens", "cache_read_tokens", "cache_audio_read"),
}


def without(usage: Usage, missing: Sequence[Gap]) -> Usage:
    """``usage`` without the parts that have no rate, in the context length that it had. A part within a part is taken out once."""
    left = replace(usage, longest=usage.longest or usage.input_tokens)
    for gap in missing:
        count = getattr(left, gap.field) or 0
        setattr(left, gap.field, None)
        for part in _WITHIN.get(gap.field, ()):
            setattr(left, part, None)
        for whole in dict.fromkeys((gap.whole, "output_tokens" if gap.whole == "output_tokens" else "input_tokens")):
            if (total := getattr(left, whole)) is not None:
                setattr(left, whole, max(0, total - count))
    return left


_WITHIN = {
    "cache_read_tokens": ("cache_audio_read_tokens", "cache_image_read_tokens"),
    "cache_write_tokens": ("cache_write_1h_tokens", "cache_write_12h_tokens"),
}


class _Step(NamedTuple):
    """The coefficients that hold above ``start`` input tokens, US dollars per token (call, second, search)."""

    start: float
    fee: float
    input: float
    output: float
    read: float
    write: float
    write_1h: float
    search: float
    others: tuple[tuple[str, float], ...]


def quote(rates: Rates) -> Quote:
    """A function of usage for a model's ``rates``, US dollars per unit as ``UNITS`` counts them."""
    counted = {key: tiers for key, tiers in rates.items() if key in UNITS}
    starts = sorted({start for tiers in counted.values() for start, _ in tiers} | {-1})
    steps = [_step(counted, start) for start in starts]
    least = next((rate for _, rate in rates.get(LEAST_AUDIO, ())), 0.0)
    if "input_mtok" in counted or not counted:
        return _flat(steps[0]) if len(steps) == 1 else _tiered(steps)
    return _partial(_flat(steps[0]), tuple(UNITS[key].field for key in counted if key != REQUESTS), least)


def tier_for(tiers: Tiers, tokens: float) -> tuple[int, float]:
    """The tier that holds for a call of ``tokens`` input tokens: the last one that they exceed."""
    return [tier for tier in tiers if tier[0] < tokens or tier[0] < 0][-1]


def _step(rates: Rates, start: int) -> _Step:
    """Solve for the coefficients, from the most general unit to the most specific one."""
    per_token: dict[str, float] = {}
    for key in sorted(rates, key=lambda key: len(UNITS[key].kind)):
        kind, per = UNITS[key].kind, UNITS[key].per
        inherited = sum(per_token[other] for other in per_token if UNITS[other].kind < kind)
        per_token[key] = tier_for(rates[key], start + 1)[1] / per - inherited
    fields = {UNITS[key].field: coefficient for key, coefficient in per_token.items() if key != REQUESTS}
    return _Step(
        start=float(start),
        fee=per_token.get(REQUESTS, 0.0),
        input=fields.pop("input_tokens", 0.0),
        output=fields.pop("output_tokens", 0.0),
        read=fields.pop("cache_read_tokens", 0.0),
        write=fields.pop("cache_write_tokens", 0.0),
        write_1h=fields.pop("cache_write_1h_tokens", 0.0),
        search=fields.pop("web_searches", 0.0),
        others=tuple(fields.items()),
    )


def _flat(step: _Step) -> Quote:
    """One price whatever the length; plain locals, for this runs at the end of every call."""
    _, fee, per_input, per_output, per_read, per_write, per_1h, per_search, others = step
    less = -per_read

    def price(usage: Usage) -> Amount:
        tokens, output = usage.input_tokens or 0, usage.output_tokens or 0
        if not (tokens or output or measured(usage)):
            return NOTHING
        cost, saved = fee + output * per_output, 0.0
        read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        if read or written:
            if read + written > tokens:  # noqa: PLR1730 - max() is slow; a part is never more than the whole
                tokens = read + written
            saved = read * less
            cost += written * per_write - saved
            if per_1h:
                cost += (usage.cache_write_1h_tokens or 0) * per_1h
        if per_search and usage.web_searches:
            cost += usage.web_searches * per_search
        return cost + tokens * per_input, "prices", saved, ()

    return _with(price, others) if others else price


def _with(price: Quote, others: tuple[tuple[str, float], ...]) -> Quote:
    """A quote for text, plus what else a model charges for: audio, images, thinking at a price of its own."""
    per_audio_read = dict(others).get("cache_audio_read_tokens", 0.0)

    def whole(usage: Usage) -> Amount:
        cost, source, saved, _ = price(usage)
        if cost is None:
            return NOTHING
        for field, coefficient in others:
            if part := getattr(usage, field):
                cost += part * coefficient
        if per_audio_read:
            saved -= (usage.cache_audio_read_tokens or 0) * per_audio_read
        return cost, source, saved, ()

    return whole


def _tiered(steps: Sequence[_Step]) -> Quote:
    """A price by context length: past a threshold its rates hold for all tokens, not only for those above it."""
    below = _flat(steps[0]) if len(steps) == 2 else _tiered(steps[:-1])  # noqa: PLR2004 - the last step down
    above, start = _flat(steps[-1]), steps[-1].start

    def price(usage: Usage) -> Amount:
        return above(usage) if (usage.longest or usage.input_tokens or 0) > start else below(usage)

    return price


def _partial(flat: Quote, fields: tuple[str, ...], least_audio: float) -> Quote:
    """The quote of a model that is not priced by input tokens: what was counted may then not be what is priced."""

    def price(usage: Usage) -> Amount:
        if all(getattr(usage, field) is None for field in fields):
            return unpriced(usage)
        seconds = usage.audio_seconds
        if seconds and seconds < least_audio:
            usage = Usage(output_tokens=usage.output_tokens, audio_seconds=least_audio)
        return flat(usage)

    return price
