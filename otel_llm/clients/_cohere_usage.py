"""What Cohere counts: tokens, images, searches."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response, Usage

from ._read import attr, count, number


def read_usage(usage: Any, into: Response) -> None:
    """``tokens`` are what the model saw, ``billed_units`` what is paid for: usage has the former where the reply has them, else the latter.

    Fields: https://docs.cohere.com/reference/chat. Rerankers bill searches, which are no tokens.
    """
    tokens, billed = attr(usage, "tokens"), attr(usage, "billed_units")
    counted = Usage(_either(tokens, billed, "input_tokens"), _either(tokens, billed, "output_tokens"))
    counted.billed_input_tokens = count(attr(billed, "input_tokens"))
    counted.billed_output_tokens = count(attr(billed, "output_tokens"))
    counted.input_image_tokens = count(attr(billed, "image_tokens")) or None
    counted.cache_read_tokens = count(attr(usage, "cached_tokens"))
    if counted.known:
        into.usage = counted
    if (searches := number(attr(billed, "search_units"))) is not None:
        into.attributes["otel_llm.usage.search_units"] = searches
        into.fee("rerank", searches)


def _either(first: Any, second: Any, name: str) -> int | None:
    value = count(attr(first, name))
    return value if value is not None else count(attr(second, name))


def read_meta(reply: Any, into: Response) -> None:
    """Embeddings and rerankings: ``meta`` has the usage."""
    read_usage(attr(reply, "meta"), into)
