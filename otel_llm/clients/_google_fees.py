"""Grounding, which Google bills beside tokens: by the prompt for models before Gemini 3, by the query from there on.

https://ai.google.dev/gemini-api/docs/pricing and .../google-search, read 2026-11-29.
"""

from __future__ import annotations

import re
from typing import Any

from otel_llm.core.model import Response

from ._read import attr, fields_of, items, text

_GENERATION = re.compile(r"gemini-(\d+)")
_BY_QUERY = 3  # the first generation that is billed so


def add_grounding(reply: Any, into: Response) -> None:
    """The fees of one request, by its ``grounding_metadata``; what a stream reports in several chunks counts once."""
    for candidate in items(fields_of(reply).get("candidates")):
        metadata = fields_of(candidate).get("grounding_metadata")
        if metadata is not None:
            _add(metadata, into)


def _add(metadata: Any, into: Response) -> None:
    queries = {query for query in items(attr(metadata, "web_search_queries")) if text(query)}
    chunks = items(attr(metadata, "grounding_chunks"))
    queries_billed = max(len(queries), 1) if _by_query(into.model) else 1
    by_web, by_maps = (any(attr(chunk, kind) is not None for chunk in chunks) for kind in ("web", "maps"))
    if by_web or (queries and not by_maps):
        _raise(into, "grounding", queries_billed)
    if by_maps:  # beside the web, nobody says whose the queries are: they count once
        _raise(into, "maps_grounding", 1 if by_web else queries_billed)


def _raise(into: Response, name: str, count: int) -> None:
    """Add the count of this request to that of the requests before it. A later chunk never takes away what an earlier one had."""
    earlier = dict(into.earlier_fees).get(name, 0)
    into.fee(name, max(earlier + count, dict(into.fees).get(name, 0)))


def _by_query(model: str | None) -> bool:
    generation = _GENERATION.search(model or "")
    return generation is not None and int(generation[1]) >= _BY_QUERY
