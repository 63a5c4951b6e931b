"""Google's ADK: by the conventions from 2 on; before, a call was a span of the name ``call_llm``."""

from __future__ import annotations

from otel_llm.gateway.span import Span

from .table import INFERENCE, OPERATION, Dialect, Kind

_OLD = "call_llm"


def _kind(span: Span) -> Kind:
    operation = span.attributes.get(OPERATION)
    return "inference" if operation in INFERENCE or (operation is None and span.name == _OLD) else "other"


ADK = Dialect(
    "adk",
    lambda span: span.scope.startswith("gcp.vertex.agent"),
    _kind,
    lambda span: str(span.attributes.get(OPERATION, "generate_content")),
)
