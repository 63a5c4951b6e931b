"""The results of Anthropic's message batches, counted as they are read. https://docs.anthropic.com/en/api/retrieving-message-batch-results"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from otel_llm.calls import batches
from otel_llm.calls.declarations import Around
from otel_llm.core.model import Reader

from . import _hosts
from ._read import attr, text


def hooks(reader: Reader) -> tuple[Around, ...]:
    """What sees the lines of results, whose messages ``reader`` reads."""

    def made(decoder: Any, _: Any, __: Any, error: BaseException | None) -> None:
        url = attr(decoder, "http_response", "request", "url")
        if error is None and "/batches/" in str(attr(url, "path")):
            counting = _counting_async if hasattr(type(decoder), "__anext__") else _counting
            decoder._iterator = counting(decoder._iterator, url, reader)  # noqa: SLF001 - what its lines are read from

    targets = ("JSONLDecoder.__init__", "AsyncJSONLDecoder.__init__")
    return (Around("anthropic._decoders.jsonl", targets, made),)


def _counting(lines: Iterator[Any], url: Any, reader: Reader) -> Iterator[Any]:
    for line in lines:
        _count(line, url, reader)
        yield line


async def _counting_async(lines: AsyncIterator[Any], url: Any, reader: Reader) -> AsyncIterator[Any]:
    async for line in lines:
        _count(line, url, reader)
        yield line


def _count(line: Any, url: Any, reader: Reader) -> None:
    message, name = attr(line, "result", "message"), text(attr(line, "custom_id"))
    if message is not None and name is not None:
        provider = _hosts.behind(url, "anthropic")[0]
        batches.count(("anthropic", str(url.path), name), provider, text(attr(message, "model")), reader, message)
