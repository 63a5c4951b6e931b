"""OpenAI, Azure OpenAI, and every server that the openai client is pointed at."""

from __future__ import annotations

from typing import Any

from otel_llm.model import Reader, Request
from otel_llm.provider import Provider

from . import _hosts
from ._openai_content import asked
from ._openai_shape import CHAT, EMBEDDINGS, IMAGES, NO_USAGE, PARAMETERS, RESPONSES, TRANSCRIPTION
from ._read import parameters, text
from ._stainless import body_of, hooks, route_of

ROUTES: dict[str, tuple[str, Reader, str]] = {
    "/chat/completions": ("chat", CHAT, "chat_completions"),
    "/responses": ("chat", RESPONSES, "responses"),
    "/responses/compact": ("compact", RESPONSES, "responses"),
    "/completions": ("text_completion", CHAT, ""),
    "/embeddings": ("embeddings", EMBEDDINGS, ""),
    "/decisions": ("decision", EMBEDDINGS, ""),
    "/images/generations": ("image_generation", IMAGES, ""),
    "/images/edits": ("image_generation", IMAGES, ""),
    "/images/variations": ("image_generation", NO_USAGE, ""),
    "/audio/transcriptions": ("transcription", TRANSCRIPTION, ""),
    "/audio/translations": ("translation", NO_USAGE, ""),
    "/audio/speech": ("speech", NO_USAGE, ""),
    "/moderations": ("moderation", NO_USAGE, ""),
}
_CLASSES = {"AzureOpenAI": "azure.ai.openai", "AsyncAzureOpenAI": "azure.ai.openai"}
_RUNTIMES = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}


def routed(options: Any) -> tuple[str, Reader, str] | None:
    """Operation, reader and API of a request by its path; None for what is no inference (files, batches, polling)."""
    if options.method.lower() != "post":
        return None
    route = route_of(options)
    known = ROUTES.get(route)
    if known is None and route.count("/") > 1:  # a path that repeats the version or names the deployment
        parts = route.rsplit("/", 2)
        known = ROUTES.get(f"/{parts[1]}/{parts[2]}")
        if known is None and parts[2] in ("embeddings", "completions", "responses", "moderations"):
            known = ROUTES.get(f"/{parts[2]}")
    return known


def describe(client: Any, options: Any, stream: bool) -> Request | None:
    """What a request of the openai client asks, and of whom."""
    known = routed(options)
    if known is None:
        return None
    operation, reader, api = known
    body = body_of(options)
    name, host, port = _hosts.behind(client.base_url, "openai")
    attributes = parameters(body, PARAMETERS)
    if api:
        attributes["openai.api.type"] = api
    if (kind := _output_type(body.get("response_format"))) is not None:
        attributes["gen_ai.output.type"] = kind
    return Request(
        _provider(client, name), operation, text(body.get("model")), reader, host, port, stream, attributes,
        text(body.get("service_tier")), lambda: asked(body),
    )  # fmt: skip


def _provider(client: Any, by_host: str) -> str:
    if by_host != "openai":
        return by_host
    runtime = getattr(getattr(client, "_provider_runtime", None), "name", None)
    return _RUNTIMES.get(runtime or "", "") or _CLASSES.get(type(client).__name__, by_host)


def _output_type(wanted: Any) -> str | None:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind or "")


provider = Provider(
    name="openai",
    distribution="openai",
    requires=">=1.26",
    tested=("1.109.1", "2.54.0", "3.52.0"),
    operations=(
        "chat",
        "text_completion",
        "embeddings",
        "image_generation",
        "transcription",
        "translation",
        "speech",
        "moderation",
    ),
    hooks=hooks("openai", describe),
    notes="Azure and every base-URL provider are told apart by host; see OTEL_LLM_PROVIDERS.",
)
