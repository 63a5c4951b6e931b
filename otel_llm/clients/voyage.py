"""Voyage: embeddings, contextualized and multimodal ones too, and reranking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Args, Attempt, ClientLibrary, Kwargs, Patch, positional
from otel_llm.core.model import Reader, Request, Response, Usage

from . import _hosts
from ._openai_content import asked
from ._read import attr, count, text

_URL = "https://api.voyageai.com/v1"


def read_total(reply: Any, into: Response) -> None:
    """``total_tokens``; pixels, which multimodal models count as well, are in it."""
    if (total := count(attr(reply, "total_tokens"))) is not None:
        into.usage = Usage(total)


TOTAL = Reader(read_total)


def _reading(operation: str, first: str, model_at: int) -> Callable[[Any, Args, Kwargs], Request]:
    def read(client: Any, args: Args, kwargs: Kwargs) -> Request:
        model = kwargs.get("model", args[model_at] if len(args) > model_at else None)
        name, host, port = _hosts.behind_text(client._params.get("base_url") or _URL, "voyage")  # noqa: SLF001 - no public name
        question = kwargs.get(first, args[0] if args else None)
        return Request(name, operation, text(model), TOTAL, host, port, content=lambda: asked({"input": question}))

    return read


_EMBEDS = {"embed": "texts", "multimodal_embed": "inputs", "contextualized_embed": "inputs"}


def _patches(module: str, client: str) -> tuple[Patch, ...]:
    """Of an embedding the texts are captured, of a reranking the query."""
    embeds = (
        Patch(module, (f"{client}.{name}",), _reading("embeddings", first, 1), switch=positional(1))
        for name, first in _EMBEDS.items()
    )
    return (*embeds, Patch(module, (f"{client}.rerank",), _reading("rerank", "query", 2), switch=positional(2)))


library = ClientLibrary(
    name="voyage", distribution="voyageai", requires=">=0.3.7", tested=("0.3.7", "0.5.0"),
    operations=("embeddings", "rerank"),
    hooks=(
        *_patches("voyageai.client", "Client"),
        *_patches("voyageai.client_async", "AsyncClient"),
        Attempt("voyageai.api_resources.api_requestor", ("APIRequestor.request", "APIRequestor.arequest")),
    ),
)  # fmt: skip
