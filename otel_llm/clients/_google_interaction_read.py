"""Readers of interactions: whole, or as a stream of events."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response

from ._google_interaction_content import keep_delta, keep_start, keep_steps
from ._google_usage import read_interaction_usage, word
from ._read import attr, text

_UNFINISHED = ("in_progress", "requires_continuation")


def read_interaction(interaction: Any, into: Response) -> None:
    """An interaction, whole or as far as it has come; its status is what others call a finish reason."""
    into.model = word(attr(interaction, "model")) or into.model
    into.id = text(attr(interaction, "id")) or into.id
    status = word(attr(interaction, "status"))
    if status is not None and status not in _UNFINISHED:
        into.finish_reasons = [status]
    into.pending = (into.id or "") if status == "in_progress" else ""
    if status == "cancelled":
        into.error_code = "cancelled"
    elif status == "failed":
        into.error_code = "server_error"
    read_interaction_usage(attr(interaction, "usage"), into)


def read_reply(interaction: Any, into: Response) -> None:
    """A whole interaction, with what it says."""
    read_interaction(interaction, into)
    if into.content is not None:
        keep_steps(into.content, interaction)


def read_event(event: Any, into: Response) -> bool:
    """An event of a stream. One that is continued has several requests, and each reports its own usage."""
    kind = word(getattr(event, "event_type", None))
    if kind in ("step.delta", "content.delta"):
        if into.content is not None:
            keep_delta(into.content, attr(event, "delta"))
        return True
    if kind == "step.start" and into.content is not None:
        keep_start(into.content, attr(event, "step"))
    if kind in ("interaction.created", "interaction.start"):
        into.requests += 1
        into.earlier = into.usage
        read_interaction(attr(event, "interaction"), into)
    elif kind in ("interaction.completed", "interaction.complete"):
        read_interaction(attr(event, "interaction"), into)
    elif kind == "error":
        into.error_code, into.done = text(attr(event, "error", "code")) or "server_error", True
    return False
