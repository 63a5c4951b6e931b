"""azure-ai-inference: chat and embeddings of models that Azure and GitHub serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, Retry, keyword
from otel_llm.core.model import Reader, Request

from . import _hosts
from ._openai_content import asked
from ._openai_shape import CHAT, EMBEDDINGS, PARAMETERS
from ._read import parameters, text


def _reading(operation: str, reader: Reader) -> Callable[[Any, Args, Kwargs], Request]:
    def read(client: Any, args: Args, kwargs: Kwargs) -> Request:
        body = args[0] if args else kwargs.get("body")
        given: Mapping[str, Any] = body if isinstance(body, Mapping) else kwargs
        model = text(given.get("model")) or text(getattr(client, "_model", None))
        name, host, port = _hosts.behind_text(client._config.endpoint, "azure.ai.inference")  # noqa: SLF001 - no public name
        return Request(
            name, operation, model, reader, host, port, bool(given.get("stream")), parameters(given, PARAMETERS),
            content=lambda: asked(given),
        )  # fmt: skip

    return read


def _cause(args: Args, kwargs: Kwargs) -> int | None:
    response = kwargs.get("response", args[2] if len(args) > 2 else None)  # noqa: PLR2004
    status = getattr(getattr(response, "http_response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _patches(module: str) -> tuple[Patch, ...]:
    return (
        Patch(module, ("ChatCompletionsClient.complete",), _reading("chat", CHAT), switch=keyword),
        Patch(
            module,
            ("EmbeddingsClient.embed", "ImageEmbeddingsClient.embed"),
            _reading("embeddings", EMBEDDINGS),
            switch=keyword,
        ),
    )


_POLICIES = "azure.core.pipeline.policies"
library = ClientLibrary(
    name="azure_inference", distribution="azure-ai-inference", requires=">=1.0.0b4", tested=("1.0.0b4", "1.0.0b9"),
    operations=("chat", "embeddings"),
    hooks=(
        *_patches("azure.ai.inference._patch"),
        *_patches("azure.ai.inference.aio._patch"),
        Retry(f"{_POLICIES}._retry", ("RetryPolicy.sleep",), _cause),
        Retry(f"{_POLICIES}._retry_async", ("AsyncRetryPolicy.sleep",), _cause),
    ),
    notes="The package is a beta that Azure has given up for the openai client. Its own tracing is off unless asked for.",
)  # fmt: skip
