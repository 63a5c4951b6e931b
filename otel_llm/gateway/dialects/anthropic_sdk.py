"""Anthropic's own SDK, which makes spans by the conventions except for why an answer ended."""

from __future__ import annotations

from .conventions import _kind
from .table import OPERATION, Dialect

ANTHROPIC_SDK = Dialect(
    "anthropic_sdk",
    lambda span: span.scope.startswith("com.anthropic.sdk") and OPERATION in span.attributes,
    _kind,
    finish=("anthropic.message.stop_reason", "gen_ai.response.finish_reasons"),
)
