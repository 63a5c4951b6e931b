"""Strands Agents: the conventions, with the framework where the provider belongs and the end of an answer in an event."""

from __future__ import annotations

from .conventions import _kind
from .table import OPERATION, Dialect

STRANDS = Dialect(
    "strands",
    lambda span: span.scope.startswith("strands.telemetry"),
    lambda span: _kind(span) if OPERATION in span.attributes else "other",
)
