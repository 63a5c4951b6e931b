"""genai-prices to a table: run in a process of its own, because the library costs a second and a hundred megabytes.

The table is JSON: a line of facts with an entry for each provider, then one line for each model. ``table`` reads it. What older
versions of the library do not have (a maker standing in, prices by tier) is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

from genai_prices import UpdatePrices, __version__, data_snapshot, types

from .rates import FEE_UNITS, LEAST_AUDIO, UNITS
from .table import FORMAT

SOURCE = "https://github.com/pydantic/genai-prices"
LICENCE = "MIT, see prices.LICENSE"
_BILLED_AT_LEAST = {
    ("groq", "whisper-large-v3"): 10,
    ("groq", "whisper-large-v3-turbo"): 10,
}  # seconds; https://groq.com/pricing
_CLAUSES = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*"}


def table(providers: Sequence[types.Provider], day: str) -> str:
    """The table's text for ``providers``, whose prices are those of ``day`` (ISO 8601)."""
    facts = {
        "format": FORMAT,
        "source": f"{SOURCE} ({LICENCE}), the prices of genai-prices {__version__}",
        "library": __version__,
        "date": day,
        "providers": [_provider(provider) for provider in providers],
    }
    models = [
        json.dumps(_model(provider.id, model), separators=(",", ":"))
        for provider in providers
        for model in provider.models
    ]
    return "\n".join([json.dumps(facts), *models, ""])


def bundled(former: str, today: str) -> str:
    """The table of the installed prices. It keeps the date of ``former``, the text that is there, unless prices have changed."""
    facts = json.loads(former.partition("\n")[0]) if former else {}
    providers = data_snapshot.get_snapshot().providers
    compiled = table(providers, str(facts.get("date", today)))
    return compiled if compiled == former else table(providers, today)


def main(arguments: list[str]) -> None:
    """Write the table of the installed prices (``--fetch``: of the newest published ones) to standard output.

    The last argument is the day that the prices are of.
    """
    fetched = UpdatePrices().fetch() if "--fetch" in arguments else None
    snapshot = fetched or data_snapshot.get_snapshot()
    sys.stdout.write(table(snapshot.providers, arguments[-1]))


def _provider(provider: types.Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "api": provider.api_pattern,
        "match": _clause(provider.model_match) if provider.model_match else None,
        "fallback": getattr(provider, "fallback_model_providers", None) or [],
        "models": len(provider.models),
    }


def _model(provider: str, model: types.ModelInfo) -> list[Any]:
    least = _BILLED_AT_LEAST.get((provider, model.id))
    standard = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    prices = [[_when(step.constraint), _rates(step.prices, least)] for step in standard]
    variants = [
        [variant.when, _when(variant.constraint), _rates(variant.prices)]
        for variant in getattr(model, "price_variants", None) or ()
    ]
    return [model.id, _clause(model.match), prices, variants] if variants else [model.id, _clause(model.match), prices]


def _clause(clause: Any) -> list[Any]:
    for name, sign in _CLAUSES.items():
        if hasattr(clause, name):
            return [sign, getattr(clause, name).lower()]
    if hasattr(clause, "regex"):
        return ["~", clause.regex]
    parts, sign = (clause.or_, "|") if hasattr(clause, "or_") else (clause.and_, "&")
    return [sign, *map(_clause, parts)]


def _when(constraint: types.StartDateConstraint | types.TimeOfDateConstraint | None) -> list[float] | None:
    """``[first second since the epoch]``, ``[from, until]`` in seconds of the UTC day, or always."""
    if constraint is None:
        return None
    if isinstance(constraint, types.StartDateConstraint):
        start = constraint.start_date
        return [datetime(start.year, start.month, start.day, tzinfo=timezone.utc).timestamp()]
    return [_second_of_day(constraint.start_time), _second_of_day(constraint.end_time)]


def _second_of_day(at: Any) -> float:
    moment = datetime.combine(date(2000, 1, 1), at if at.tzinfo else at.replace(tzinfo=timezone.utc))
    utc = moment.astimezone(timezone.utc)
    return utc.hour * 3600 + utc.minute * 60 + utc.second + utc.microsecond / 1e6


def _rates(prices: types.ModelPrice, least_audio: float | None = None) -> dict[str, Any]:
    """Prices by unit; units that no client reports are listed under ``?``, so that no model looks free."""
    given: Mapping[str, Any] = {
        key: value for key, value in vars(prices).items() if value is not None and key[0] != "_"
    }
    rates: dict[str, Any] = {key: _rate(value) for key, value in given.items() if key in UNITS or key in FEE_UNITS}
    unseen = sorted(given.keys() - UNITS.keys() - FEE_UNITS.keys())
    if "audio_hours" in rates and "input_audio_hours" in unseen:
        unseen.remove("input_audio_hours")  # the same seconds under another name
    if unseen:
        rates["?"] = unseen
    if least_audio:
        rates[LEAST_AUDIO] = least_audio
    return rates


def _rate(value: Any) -> Any:
    if isinstance(value, types.TieredPrices):
        return [float(value.base), *([tier.start, float(tier.price)] for tier in value.tiers)]
    return float(value)
