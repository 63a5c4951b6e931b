"""What OpenAI bills beside the tokens of a model: uses of hosted tools, and the tokens of a model that makes images for another.

Prices and units: https://platform.openai.com/docs/pricing#built-in-tools, read 2026-11-29.
"""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response, Usage

from ._read import Fields, attr, count, fields_of, items, text

_PLAIN = ("gpt-4o", "gpt-4.1")  # models that do not reason
_SEARCHING = ("-search-preview", "-search-api")  # models of chat completions that search at each call


def read_chat_fees(into: Response) -> None:
    """A search for each call of a model that always searches; the reply itself does not count them."""
    if any(word in (into.model or "") for word in _SEARCHING):
        set_searches(1, into)


def set_searches(searches: int | None, into: Response) -> None:
    """How often the web was searched: a fee, and a count that some price lists have a rate for."""
    into.fee("web_search", searches)
    if into.usage is not None and searches:
        into.usage.web_searches = searches


def read_response_fees(fields: Fields, into: Response) -> None:
    """Fees of the Responses API, from what its items show and from ``tool_usage``, which is billed where it is there."""
    output = items(fields.get("output"))
    usage = fields.get("tool_usage")
    if not output and usage is None:
        return
    counts: dict[str, int] = {}
    containers = set()
    for item in output:
        part = fields_of(item)
        kind = part.get("type")
        if kind == "web_search_call":
            counts[kind] = counts.get(kind, 0) + (attr(part.get("action"), "type") in (None, "search"))
        elif kind == "code_interpreter_call":
            containers.add(part.get("container_id") if isinstance(part.get("container_id"), str) else id(item))
        elif isinstance(kind, str) and kind.endswith("_call"):
            counts[kind] = counts.get(kind, 0) + 1
    billed = count(attr(usage, "web_search", "num_requests"))
    searches = counts.get("web_search_call") if billed is None else billed
    if _previews(fields.get("tools"), into.model):
        into.fee("web_search_preview", searches)
    else:
        set_searches(searches, into)
    into.fee("file_search", counts.get("file_search_call"))
    into.fee("code_interpreter", len(containers))
    images = _image_usage(attr(usage, "image_gen"))
    into.others = () if images is None else ((_image_model(fields.get("tools")), images),)
    into.fee("image_generation", counts.get("image_generation_call") if images is None else 0)


def _previews(tools: Any, model: str | None) -> bool:
    """Whether searches are those of the older tool with a model that does not reason: they cost more, and what they find is free."""
    older = any((text(attr(tool, "type")) or "").startswith("web_search_preview") for tool in items(tools))
    return older and (model or "").startswith(_PLAIN)


def _image_model(tools: Any) -> str:
    """The model that the request gave to the tool; empty where the reply does not say it."""
    tool = next((tool for tool in items(tools) if attr(tool, "type") == "image_generation"), None)
    return text(attr(tool, "model")) or ""


def _image_usage(usage: Any) -> Usage | None:
    """``tool_usage.image_gen``: the tokens of images that were made, apart from the usage of the model that asked for them."""
    image_usage = Usage(count(attr(usage, "input_tokens")), count(attr(usage, "output_tokens")))
    if not (image_usage.input_tokens or image_usage.output_tokens):
        return None
    image_usage.input_text_tokens = count(attr(usage, "input_tokens_details", "text_tokens"))
    image_usage.input_image_tokens = count(attr(usage, "input_tokens_details", "image_tokens"))
    image_usage.output_text_tokens = count(attr(usage, "output_tokens_details", "text_tokens"))
    image_usage.output_image_tokens = count(attr(usage, "output_tokens_details", "image_tokens"))
    if image_usage.output_image_tokens is None:
        image_usage.output_image_tokens = image_usage.output_tokens
    image_usage.cache_read_tokens = count(attr(usage, "cached_tokens"))
    image_usage.cache_image_read_tokens = count(attr(usage, "cached_tokens_details", "cached_image_tokens"))
    return image_usage
