"""litellm: fallbacks and cooldowns of its Router, and look-ups in its cache."""

from __future__ import annotations

from typing import Any

from otel_llm.context import CURRENT
from otel_llm.errors import error_type
from otel_llm.provider import Args, Beside, Kwargs, Signal

from .breakers import circuit_breaker
from .caches import record_cache
from .fallbacks import fallback

ROUTER = "litellm.router_utils.fallback_event_handlers"


signal = Signal(
    name="litellm",
    distribution="litellm",
    requires=">=1.60,<2",
    hooks=(),
)
