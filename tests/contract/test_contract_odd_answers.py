"""Whatever a server or a newer version of a library answers, no reader raises, with content and without."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from otel_llm.core.model import Reader, Response

NAMES = (
    "mistral", "cohere", "ollama", "huggingface", "replicate", "litellm", "watsonx", "voyage", "openrouter", "llama_cpp",
    "vllm", "transformers",
)  # fmt: skip
FIELDS = (
    "choices", "outputs", "content", "usage", "message", "delta", "data", "type", "results", "metrics", "output", "text",
    "tool_calls", "details", "token", "event", "_hidden_params", "index", "finish_reason", "name", "arguments",
)  # fmt: skip
ODD: tuple[Any, ...] = (None, [], {}, "x", 5, 1.5, True, SimpleNamespace(), [None], [5], {"a": 1})


def answers() -> Iterator[Any]:
    """Odd values, and objects and mappings that have them at any place down to the second."""
    yield from ODD
    for field in FIELDS:
        for odd in ODD:
            yield {field: odd}
            yield SimpleNamespace(**{field: odd})
            for inner in FIELDS:
                yield {field: [{inner: odd}]}
                yield SimpleNamespace(**{field: SimpleNamespace(**{inner: odd})})


@pytest.mark.parametrize("name", NAMES)
def test_no_reader_raises(name: str) -> None:
    module = importlib.import_module(f"otel_llm.clients.{name}")
    readers = [found for found in vars(module).values() if isinstance(found, Reader)]
    reads = {read for reader in readers for read in (reader.value, reader.chunk) if read is not None}
    assert reads
    for answer in answers():
        for read in reads:
            read(answer, Response())
            read(answer, Response(content=[]))
