"""Requests of google-genai: what is asked, of which model, on the Gemini API or on Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.calls.declarations import Args, Kwargs, ReadRequest
from otel_llm.core.model import AttributeValue, Reader, Request

from . import _hosts
from ._expected import expected_of_config
from ._google_content import asked
from ._google_usage import word
from ._read import attr, parameters, text
from ._urls import region_of

_ATTRIBUTES: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_output_tokens": "max_tokens",
    "candidate_count": "choice.count",
    "number_of_images": "choice.count",
    "seed": "seed",
    "stop_sequences": "stop_sequences",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
PARAMETERS = {
    **{name: f"gen_ai.request.{attribute}" for name, attribute in _ATTRIBUTES.items()},
    "output_dimensionality": "gen_ai.embeddings.dimension.count",
}
_OUTPUT = {"application/json": "json", "text/plain": "text", "text/x.enum": "text"}


def reading(operation: str, reader: Reader, *, stream: bool = False) -> ReadRequest:
    """How a method of ``models`` is asked."""

    def read(models: Any, _: Args, kwargs: Kwargs) -> Request:
        return _asked(
            models, operation, reader, kwargs.get("model"), kwargs.get("contents"), kwargs.get("config"), stream
        )

    return read


def chatting(reader: Reader, *, stream: bool) -> ReadRequest:
    """How a chat is asked, which knows its model and may know its configuration."""

    def read(chat: Any, args: Args, kwargs: Kwargs) -> Request:
        message = args[0] if args else kwargs.get("message")
        config = (args[1] if len(args) > 1 else kwargs.get("config")) or attr(chat, "_config")
        return _asked(chat._modules, "chat", reader, chat._model, message, config, stream)  # noqa: SLF001

    return read


def _asked(
    models: Any, operation: str, reader: Reader, model: Any, contents: Any, config: Any, stream: bool
) -> Request:
    client = attr(models, "_api_client")
    vertex = attr(client, "vertexai") is True
    url = text(attr(config, "http_options", "base_url")) or text(attr(client, "_http_options", "base_url")) or ""
    name, host, port = _hosts.behind_text(url, "gcp.vertex_ai" if vertex else "gcp.gemini")
    region = (text(attr(client, "location")) if vertex else None) or region_of(host)
    tier = word(attr(config, "service_tier"))
    return Request(
        name, operation, model_of(model), reader, host, port, stream, configured(config), tier,
        lambda: asked(contents, config), region, expects=expected_of_config(config),
    )  # fmt: skip


def configured(config: Any) -> dict[str, AttributeValue]:
    """What a configuration, an object or a mapping, asks for, as span attributes."""
    given = {key: attr(config, key) for key in PARAMETERS} if config is not None else {}
    attributes = parameters(given, PARAMETERS)
    if (kind := _OUTPUT.get(text(attr(config, "response_mime_type")) or "")) is not None:
        attributes["gen_ai.output.type"] = kind
    if (level := word(attr(config, "thinking_config", "thinking_level"))) is not None:
        attributes["gen_ai.request.reasoning.level"] = level.lower()
    return attributes


def model_of(given: Any) -> str | None:
    """The model's own name, without the path of resources or the publisher before it; of an endpoint kind and number."""
    name = text(given) or ""
    if "/endpoints/" in name:
        return name[name.rindex("endpoints/") :]
    return name.rpartition("models/")[2].removeprefix("google/") or None
