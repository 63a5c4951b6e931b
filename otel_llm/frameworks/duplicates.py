"""Foreign spans of calls that have a span of ours as well: counted, and named once with the switch of the other owner."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from otel_llm.core import dispatch
from otel_llm.core.model import Event

logger = logging.getLogger("otel_llm")

SWITCHES: Mapping[str, str] = {
    "pydantic-ai": "Agent.instrument_all(False)",
    "agent_framework": "ENABLE_INSTRUMENTATION=false",
    "semantic_kernel": "SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS=false",
    "opentelemetry.instrumentation.": "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={}",
    "openinference.instrumentation.": "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={}",
    "openlit": "openlit.init(disabled_instrumentors=[...])",
    "logfire": "the logfire.instrument_... call of the library",
}  # what a scope begins with -> how its owner stops making the span; {} is the library in the scope
_named: set[str] = set()


def seen(scope: str) -> None:
    """One more call has two spans. Metrics count it once."""
    dispatch.emit(Event("otel_llm_duplicate_spans_total", time.time(), (scope,)))
    if scope in _named:
        return
    _named.add(scope)
    logger.warning(
        "%s makes a span for calls that have a span of otel-llm too (counted once; logged once). To keep one, use %s, "
        "or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=otel_llm_<library> for the other way round.",
        scope, switch(scope),
    )  # fmt: skip


def switch(scope: str) -> str:
    """How the owner of ``scope`` stops making spans."""
    known = next((how for start, how in SWITCHES.items() if scope.startswith(start)), "its own switch")
    library = scope.rpartition("instrumentation.")[2].removeprefix("genai.").partition(".")[0]
    return known.format(library.removesuffix("_v2"))
