"""OpenTelemetry's GenAI conventions, 1.27 to the newest: instrumentations of many languages, pydantic-ai, Microsoft's, Spring AI.

OpenLLMetry from 0.50 on speaks it, too.
"""

from __future__ import annotations

from otel_llm.gateway.span import Span

from .table import INFERENCE, OPERATION, Dialect, Kind

_USED = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.response.id")
_NOT_A_CALL = ("gen_ai.agent.", "gen_ai.tool.", "mcp.")


def _kind(span: Span) -> Kind:
    return "inference" if span.attributes[OPERATION] in INFERENCE else "other"


def _unnamed(span: Span) -> bool:
    """Whether a span without an operation is a call all the same: a model, and usage or the id of an answer."""
    attributes = span.attributes
    return (
        "gen_ai.request.model" in attributes
        and any(name in attributes for name in _USED)
        and not any(name.startswith(_NOT_A_CALL) for name in attributes)
    )


CONVENTIONS = Dialect("conventions", lambda span: OPERATION in span.attributes, _kind)
UNNAMED = Dialect("unnamed", _unnamed, lambda _: "inference")
