"""A server on 127.0.0.1 that speaks the wire formats of LLM providers."""

from __future__ import annotations

from otel_llm.loopback.engine import answer, refuse, with_faults
from otel_llm.loopback.exchange import Reply, Request, Timing
from otel_llm.loopback.server import Loopback

__all__ = ["Loopback", "Reply", "Request", "Timing", "answer", "refuse", "with_faults"]
