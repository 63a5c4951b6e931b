"""vertexai, in google-cloud-aiplatform: Gemini's content, chats and token counts, embeddings and images, over gRPC or REST.

A chat may send many requests, running the caller's functions in between: it is one operation, as in google-genai.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, ReadRequest, SubRequest
from otel_llm.core.model import Reader, Request, Response

from . import _google_answer, _hosts
from ._google_content import asked
from ._google_request import configured, model_of
from ._google_usage import read_embedding_usage
from ._protobuf import sent
from ._read import attr, text
from ._urls import region_of


def _as_fields(reply: Any) -> dict[str, Any]:
    return sent(attr(reply, "_raw_response"))


def read_content(reply: Any, into: Response) -> None:
    """A whole answer."""
    _google_answer.read_content(_as_fields(reply), into)


def read_part(reply: Any, into: Response) -> None:
    """The answer to one of a chat's requests."""
    _google_answer.read_part(_as_fields(reply), into)


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of an answer."""
    return _google_answer.read_chunk(_as_fields(chunk), into)


CONTENT, CHAT = Reader(read_content, read_chunk), Reader(read_content, read_chunk)
EMBEDDINGS = Reader(lambda reply, into: read_embedding_usage({"embeddings": reply}, into))
NO_USAGE = Reader(lambda _, __: None, usage=False)
_GIVEN = ("contents", "content", "texts", "prompt")


def _reading(operation: str, reader: Reader, *, stream: bool = False) -> ReadRequest:
    """How a model is asked, or the chat that has one."""

    def read(asker: Any, args: Args, kwargs: Kwargs) -> Request:
        model = getattr(asker, "_model", asker)
        question = args[0] if args else next((kwargs[name] for name in _GIVEN if name in kwargs), None)
        config = kwargs.get("generation_config") or attr(model, "_generation_config") or kwargs
        given = config if isinstance(config, Mapping) else sent(getattr(config, "_raw_generation_config", config))
        name, host, port = _hosts.behind_text(_endpoint(model), "gcp.vertex_ai")
        return Request(
            name, operation, model_of(attr(model, "_model_name") or attr(model, "_endpoint_name")), reader, host, port, stream,
            configured(given),
            content=lambda: asked(_shown(question), {"system_instruction": _shown(attr(model, "_system_instruction"))}),
            region=region_of(host),
        )  # fmt: skip

    return read


def _endpoint(model: Any) -> str:
    """Where requests go, by the library's own settings: the client that knows is made with the first request only."""
    config = getattr(sys.modules.get("google.cloud.aiplatform.initializer"), "global_config", None)
    location, address = attr(model, "_location") or attr(model, "_endpoint", "location"), None
    if config is not None:
        with suppress(ValueError):  # a region that is none: the call itself is about to say so
            address = text(config.get_client_options(location, prediction_client=True).api_endpoint)
    return address if address is not None and "://" in address else f"https://{address or ''}"


def _shown(value: Any) -> Any:
    """What the caller gave to be sent: texts, and the messages inside the library's own contents and parts."""
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    raw = getattr(value, "_raw_content", getattr(value, "_raw_part", value))
    return sent(raw) or value


_CONTENT, _LANGUAGE = "vertexai.generative_models._generative_models", "vertexai.language_models._language_models"
_VISION = "vertexai.vision_models._vision_models"
_REQUESTS = ("_GenerativeModel._generate_content", "_GenerativeModel._generate_content_async")
_EMBEDDINGS = ("_TextEmbeddingModel.get_embeddings", "_TextEmbeddingModel.get_embeddings_async")
_IMAGES = tuple(f"ImageGenerationModel.{name}" for name in ("generate_images", "edit_image", "upscale_image"))


def _patch(owner: str, method: str, operation: str, reader: Reader, *, stream: bool = False) -> Patch:
    read, covers = _reading(operation, reader, stream=stream), ("vertexai",) if owner == "ChatSession" else ()
    return Patch(_CONTENT, (f"{owner}.{method}", f"{owner}.{method}_async"), read, lazy=stream, covers=covers)


library = ClientLibrary(
    name="vertexai",
    distribution="google-cloud-aiplatform",
    requires=">=1.71",
    tested=("1.71.1", "2.7.0"),
    operations=("generate_content", "chat", "embeddings", "image_generation", "count_tokens"),
    hooks=(
        _patch("_GenerativeModel", "_generate_content", "generate_content", CONTENT),
        _patch("_GenerativeModel", "_generate_content_streaming", "generate_content", CONTENT, stream=True),
        _patch("_GenerativeModel", "count_tokens", "count_tokens", NO_USAGE),
        _patch("ChatSession", "_send_message", "chat", CHAT),
        _patch("ChatSession", "_send_message_streaming", "chat", CHAT, stream=True),
        SubRequest(_CONTENT, _REQUESTS, CHAT, read_part),
        Patch(_LANGUAGE, _EMBEDDINGS, _reading("embeddings", EMBEDDINGS)),
        Patch(_VISION, _IMAGES, _reading("image_generation", NO_USAGE)),
    ),
    notes=(
        "Deprecated by Google for google-genai, yet in the newest release. The models of PaLM, which Google no longer serves, and "
        "the generated gRPC clients underneath are not watched; retries happen inside of those and are not seen."
    ),
)
