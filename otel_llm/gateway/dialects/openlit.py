"""OpenLIT: the conventions, with Anthropic's input tokens as the wire has them, and a time to the first token on every call."""

from __future__ import annotations

from .conventions import _kind
from .table import OPERATION, Dialect

OPENLIT = Dialect(
    "openlit",
    lambda span: span.scope.startswith("openlit") and OPERATION in span.attributes,
    _kind,
    cost=("gen_ai.usage.cost",),
    first_chunk=(("gen_ai.server.time_to_first_token", 1.0),),
    apart=lambda _, provider: provider == "anthropic",
)
