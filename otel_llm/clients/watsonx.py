"""IBM watsonx.ai: chat, text generation and embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, Retry
from otel_llm.core.model import Reader, Request, Response, Usage

from . import _hosts
from ._openai_chat import read_chat, read_chat_chunk
from ._openai_content import asked
from ._openai_shape import PARAMETERS
from ._read import attr, count, items, parameters, text

_PARAMETERS = {**PARAMETERS, "max_new_tokens": "gen_ai.request.max_tokens", "random_seed": "gen_ai.request.seed"}


def read_reply(reply: Any, into: Response) -> None:
    """A chat completion of OpenAI's shape, with the model under ``model_id``."""
    read_chat(reply, into)
    into.model = text(attr(reply, "model_id")) or into.model


class _View:
    """A JSON object read by attribute, as chunks of other libraries are."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        if name not in self._answer:
            raise AttributeError(name)
        return _viewed(self._answer[name])


def _viewed(value: Any) -> Any:
    if isinstance(value, list):
        return [_viewed(part) for part in value]
    return _View(value) if isinstance(value, dict) else value


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of the same; the last one has the usage."""
    output = read_chat_chunk(_viewed(chunk), into)
    into.model = text(attr(chunk, "model_id")) or into.model
    return output


def read_generation(reply: Any, into: Response) -> None:
    """A generation, or a list of them for a list of prompts: each result counts its own tokens."""
    for one in items(reply) or [reply]:
        into.model = text(attr(one, "model_id")) or into.model
        for result in items(attr(one, "results")):
            used = Usage(count(attr(result, "input_token_count")), count(attr(result, "generated_token_count")))
            if used.known:
                into.usage = used if into.usage is None else into.usage.plus(used)
            if (reason := text(attr(result, "stop_reason"))) is not None:
                into.finish_reasons.append(reason)


def read_piece(piece: Any, into: Response) -> bool:
    """A piece of text, or with ``raw_response=True`` a result: each repeats the counts so far."""
    results = attr(piece, "results") if isinstance(piece, dict) else None
    for result in items(results):
        before = into.usage or Usage()
        prompt, output = count(attr(result, "input_token_count")), count(attr(result, "generated_token_count"))
        into.usage = Usage(prompt or before.input_tokens, output or before.output_tokens)
        reason = text(attr(result, "stop_reason"))
        if reason is not None and reason != "not_finished":
            into.finish_reasons.append(reason)
    return results is None or any(attr(result, "generated_text") for result in items(results))


def read_embeddings(reply: Any, into: Response) -> None:
    """Vectors, with the tokens of all inputs."""
    into.model = text(attr(reply, "model_id"))
    if (tokens := count(attr(reply, "input_token_count"))) is not None:
        into.usage = Usage(tokens)


CHAT, GENERATION = Reader(read_reply, read_chunk), Reader(read_generation, read_piece)
EMBEDDINGS = Reader(read_embeddings)


def _reading(operation: str, reader: Reader, *, stream: bool = False) -> Callable[[Any, Args, Kwargs], Request]:
    def read(model: Any, args: Args, kwargs: Kwargs) -> Request:
        name, host, port = _hosts.behind_text(model._client.credentials.url, "ibm.watsonx.ai")  # noqa: SLF001 - no public name
        params = kwargs.get("params", args[1] if len(args) > 1 else None)
        question = {"messages" if operation == "chat" else "prompt": args[0]} if args else kwargs
        return Request(
            name, operation, text(getattr(model, "model_id", None)) or text(getattr(model, "deployment_id", None)), reader,
            host, port, stream, parameters(params, _PARAMETERS) if isinstance(params, Mapping) else {},
            content=lambda: asked(question),
        )  # fmt: skip

    return read


def _refusal(args: Args, kwargs: Kwargs) -> int | None:
    status = attr(kwargs.get("response", args[0] if args else None), "status_code")
    return status if isinstance(status, int) else None


_RETRIES = "ibm_watsonx_ai._wrappers.httpx.rate_limited_retry.rate_limited_retry_decorator"
_BACKOFFS = ("RateLimitedRetryDecorator._handle_backoff", "RateLimitedRetryDecorator._handle_async_backoff")
_MODELS = "ibm_watsonx_ai.foundation_models.inference.model_inference"
_chat = _reading("chat", CHAT, stream=True)
_text = _reading("text_completion", GENERATION, stream=True)

library = ClientLibrary(
    name="watsonx", distribution="ibm-watsonx-ai", requires=">=1.5", tested=("1.5.0", "1.8.1"),
    operations=("chat", "text_completion", "embeddings"),
    hooks=(
        Patch(_MODELS, ("ModelInference.chat", "ModelInference.achat"), _reading("chat", CHAT)),
        Patch(_MODELS, ("ModelInference.chat_stream", "ModelInference.achat_stream"), _chat, lazy=True),
        Patch(
            _MODELS,
            ("ModelInference.generate", "ModelInference.agenerate"),
            _reading("text_completion", GENERATION),
        ),
        Patch(_MODELS, ("ModelInference.generate_text_stream", "ModelInference.agenerate_stream"), _text, lazy=True),
        Patch(
            "ibm_watsonx_ai.foundation_models.embeddings.embeddings",
            ("Embeddings.generate", "Embeddings.agenerate"),
            _reading("embeddings", EMBEDDINGS),
        ),
        Retry(_RETRIES, _BACKOFFS, _refusal),
    ),
    notes="Text streams report tokens only with raw_response=True. Retries are counted from 1.6 on, those of lost "
    "connections are not.",
)  # fmt: skip
