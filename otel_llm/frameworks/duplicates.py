"""Foreign spans of calls that have a span of ours as well: counted, and named once with the switch of the other owner."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from otel_llm.core import dispatch
from otel_llm.core.model import Event

from . import reading

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


def note(scope: str) -> None:
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


def quiet(span: Any) -> None:
    """Take from a span that ends what the span with our numbers says too: operation, provider, models and tokens. One of the two
    is the inference then, and sums over spans are right. What only this one has, as messages, stays on it."""
    _rewrite(span, {name: value for name, value in span.attributes.items() if not name.startswith(_REPEATED)})


def correct(span: Any, sums: Mapping[str, float]) -> None:
    """Put the tokens of the calls that wrote on a span that ends in the place of what its owner has added up otherwise, as
    OpenLLMetry does with Anthropic's streams, whose last event repeats the tokens of the first."""
    attributes = dict(span.attributes)
    wrong = {name: number for name, number in sums.items() if name in _TOKENS and attributes.get(name) != number}
    if wrong:
        attributes.update(wrong)
        if _TOTAL in attributes:
            attributes[_TOTAL] = sum(attributes.get(name, 0) for name in _TOKENS)
        _rewrite(span, attributes)


def _rewrite(span: Any, attributes: Mapping[str, Any]) -> None:
    """Exchange all at once: the span takes no changes any more, and an exporter's thread may be reading it."""
    before = span._attributes  # noqa: SLF001
    bounded = BoundedAttributes(before.maxlen, attributes, immutable=True, max_value_len=before.max_value_len)
    bounded.dropped = before.dropped
    span._attributes = bounded  # noqa: SLF001


_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
_TOTAL = "gen_ai.usage.total_tokens"
_REPEATED = (
    reading.OPERATION, "gen_ai.usage.", "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model", "gen_ai.response.model",
    "llm.request.type", "llm.usage.",
)  # fmt: skip


def switch(scope: str) -> str:
    """How the owner of ``scope`` stops making spans."""
    switch = next((how for start, how in SWITCHES.items() if scope.startswith(start)), "its own switch")
    library = scope.rpartition("instrumentation.")[2].removeprefix("genai.").partition(".")[0]
    return switch.format(library.removesuffix("_v2"))
