"""Requests of OpenAI's API, whoever's client sends them: which operation a path is, and what is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.core.model import Reader, Request

from . import _hosts
from ._openai_content import asked
from ._openai_shape import CHAT, EMBEDDINGS, IMAGES, NO_USAGE, PARAMETERS, RESPONSES, TRANSCRIPTION
from ._read import parameters, text
from ._stainless import Describe, base_url_of, body_of

Route = tuple[str, Reader, str]  # operation, reader, openai.api.type
ROUTES: Mapping[str, Route] = {
    "chat/completions": ("chat", CHAT, "chat_completions"),
    "responses": ("chat", RESPONSES, "responses"),
    "responses/compact": ("compact", RESPONSES, "responses"),
    "completions": ("text_completion", CHAT, ""),
    "embeddings": ("embeddings", EMBEDDINGS, ""),
    "decisions": ("decision", EMBEDDINGS, ""),
    "images/generations": ("image_generation", IMAGES, ""),
    "images/edits": ("image_generation", IMAGES, ""),
    "images/variations": ("image_generation", NO_USAGE, ""),
    "audio/transcriptions": ("transcription", TRANSCRIPTION, ""),
    "audio/translations": ("translation", NO_USAGE, ""),
    "audio/speech": ("speech", NO_USAGE, ""),
    "moderations": ("moderation", NO_USAGE, ""),
}
_MOST = 1024  # paths remembered: a path may hold an id


def describer(
    default: str, routes: Mapping[str, Route] = ROUTES, named: Callable[[Any, str], str] | None = None
) -> Describe:
    """What tells what a request asks, for a client of ``default``'s. ``named`` may tell the provider better than the host."""
    seen: dict[str, Route | None] = {}

    def describe(client: Any, options: Any, stream: bool) -> Request | None:
        url = options.url
        if url in seen:
            route = seen[url]
        else:
            route = _routed(url, routes)
            if len(seen) < _MOST:
                seen[url] = route
        if route is None or options.method not in ("post", "POST"):
            return None
        operation, reader, api = route
        body = body_of(options)
        name, host, port = _hosts.behind(base_url_of(client), default, client, named)
        attributes = parameters(body, PARAMETERS)
        if api and default == "openai":
            attributes["openai.api.type"] = api
        if "response_format" in body and (kind := _output_type(body["response_format"])) is not None:
            attributes["gen_ai.output.type"] = kind
        return Request(
            name, operation, text(body.get("model")), reader, host, port, stream,
            attributes, text(body.get("service_tier")), lambda: asked(body),
        )  # fmt: skip

    return describe


def _routed(url: Any, routes: Mapping[str, Route]) -> Route | None:
    """The route of a path by its end: a version or a deployment may stand before it. None for what is no inference."""
    if not isinstance(url, str):
        return None
    parts = url.partition("?")[0].strip("/").split("/")
    before = {"v1", "v2", "openai"}
    two = "/".join(parts[-2:])
    if two in routes:
        return routes[two]
    alone = len(parts) == 1 or parts[-2] in before or "deployments" in parts
    return routes.get(parts[-1]) if alone else None


def _output_type(wanted: Any) -> str | None:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind or "")
