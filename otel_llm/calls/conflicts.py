"""Other instrumentations of the same libraries: named once, with what to do, never switched off behind the host's back."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("otel_llm")

# provider -> modules of instrumentations that make spans for the same calls
OTHERS: dict[str, tuple[str, ...]] = {
    "openai": (
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.instrumentation.openai",
        "opentelemetry.instrumentation.genai.openai",
        "openinference.instrumentation.openai",
        "openlit.instrumentation.openai",
    ),
    "anthropic": (
        "opentelemetry.instrumentation.anthropic",
        "opentelemetry.instrumentation.genai.anthropic",
        "openinference.instrumentation.anthropic",
        "openlit.instrumentation.anthropic",
    ),
}
_ENTRY_POINTS = {"openai": "openai", "anthropic": "anthropic"}
_told: set[str] = set()


def active(provider: str) -> list[str]:
    """Modules of other instrumentations of ``provider`` that are loaded in this process."""
    return [name for name in OTHERS.get(provider, ()) if name in sys.modules]


def warn_of_others(provider: str) -> None:
    """Say once that the calls of ``provider`` have two spans, and how to keep one. Our metrics count each call once."""
    for module in active(provider):
        if module not in _told:
            _told.add(module)
            logger.warning(
                "%s instruments %s too: each call has two spans (otel-llm's metrics count it once). To keep one, set "
                "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=%s, or otel_llm_%s for the other way round.",
                module, provider, _ENTRY_POINTS.get(provider, provider), provider,
            )  # fmt: skip
