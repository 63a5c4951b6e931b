"""Usage in Anthropic's shape."""

from __future__ import annotations

from functools import partial
from typing import Any

from otel_llm.core.model import Response, Usage

from ._read import attr, count, fields_of, items, text

_RUNNING = ("code_execution", "bash_code_execution", "text_editor_code_execution")
_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")


def read_usage(usage: Any, into: Response) -> None:
    """``usage`` counts cached input apart; input here is all of it. In a stream it is cumulative: later words replace earlier."""
    if usage is None:
        return
    counted = into.usage or Usage()
    plain, read, written, output = (count(attr(usage, name)) for name in _COUNTS)
    counted.cache_read_tokens = counted.cache_read_tokens if read is None else read
    counted.cache_write_tokens = counted.cache_write_tokens if written is None else written
    if plain is not None:
        counted.input_tokens = plain + (counted.cache_read_tokens or 0) + (counted.cache_write_tokens or 0)
    counted.output_tokens = counted.output_tokens if output is None else output
    hour = count(attr(usage, "cache_creation", "ephemeral_1h_input_tokens"))
    counted.cache_write_1h_tokens = counted.cache_write_1h_tokens if hour is None else hour
    thinking = count(attr(usage, "output_tokens_details", "thinking_tokens"))
    counted.thinking_tokens = counted.thinking_tokens if thinking is None else thinking
    searches = count(attr(usage, "server_tool_use", "web_search_requests"))
    counted.web_searches = counted.web_searches if searches is None else searches
    if searches is not None:
        into.fee("web_search", searches)
    if searches or count(attr(usage, "server_tool_use", "web_fetch_requests")):
        into.fee("code_interpreter", None)  # which is free beside these
    into.service_tier = text(attr(usage, "service_tier")) or into.service_tier
    into.region = text(attr(usage, "inference_geo")) or into.region
    given = fields_of(usage)
    if given.get("speed") == "fast":  # has prices of its own
        into.service_tier = "fast"
    into.usage = counted
    if parts := items(given.get("iterations")):
        into.late = partial(_add_iterations, parts)  # a later event may repeat them all


def _add_iterations(parts: list[Any], into: Response) -> None:
    """A call of several requests: how long the longest was, and what compactions consumed, which the counts of the call leave out.

    Fields: anthropic's ``BetaUsage.iterations``.
    """
    usage = into.usage or Usage()
    for part in parts:
        plain, read, written, output = (count(attr(part, name)) or 0 for name in _COUNTS)
        total = plain + read + written
        usage.longest = max(usage.longest or 0, total) or None
        if attr(part, "type") == "compaction":
            hour = count(attr(part, "cache_creation", "ephemeral_1h_input_tokens")) or 0
            usage = usage.plus(Usage(total, output, read or None, written or None, hour or None, longest=total))
    into.usage = usage


def read_block(block: Any, into: Response) -> None:
    """A refused answer that another model gave instead leaves a block of type ``fallback``; code that the provider runs is billed by
    the time of its container, unless a search or a fetch of the web is used with it."""
    kind = getattr(block, "type", None)
    if kind == "server_tool_use":
        name = text(getattr(block, "name", None))
        if name in _RUNNING:
            into.fee("code_interpreter", 1)
    if kind == "fallback":
        source = text(attr(block, "from_", "model")) or text(attr(block, "from", "model")) or ""
        into.fallback = (source, text(attr(block, "to", "model")) or "", text(attr(block, "trigger", "type")) or "")
