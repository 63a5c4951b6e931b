"""Requests of OpenAI's API, whoever's client sends them: which operation a path is, and what is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls import background
from otel_llm.core.model import AttributeValue, Reader, Request
from otel_llm.core.semconv.table import FETCH

from . import _hosts
from ._expected import expected
from ._gateways import SILENT, hearing
from ._openai_content import asked
from ._openai_dialects import spoken
from ._openai_shape import CHAT, EMBEDDINGS, FETCHED, IMAGES, NO_USAGE, PARAMETERS, RESPONSES, TRANSCRIPTION
from ._read import attr, parameters, text
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
_OWN = "api.openai.com"
_MOST, _LONGEST = 1024, 256  # paths remembered, and how long they are at most: a path may hold an id


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
            if len(seen) < _MOST and len(url) <= _LONGEST:
                seen[url] = route
        if route is None or options.method not in ("post", "POST"):
            return _fetch(client, options, named, stream=stream) if default == "openai" else None
        operation, reader, api = route
        body = body_of(options)
        base = base_url_of(client)
        known = _hosts.SEEN.get(id(base))
        if known is not None and known[0] is base and known[1] is type(client):
            name, host, port = known[2]
        else:
            name, host, port = _hosts.behind(base, default, client, named)
        model = text(body.get("model"))
        request = Request(
            name, operation, model, reader if name == "openai" else spoken(reader, name, model), host, port, stream,
            attributes_of(body, api if default == "openai" else ""), text(body.get("service_tier")), lambda: asked(body), _region(host),
            expects=expected(body) if operation == "chat" else None,
        )  # fmt: skip
        if "background" in body:
            request.background = body["background"] is True
        if stream and attr(body.get("stream_options"), "include_usage") is True:
            request.usage_asked = True
        if default == "openai" and host != _OWN and (host, port, model, _hosts.edition, stream) not in SILENT:
            request.hear = hearing(name, host, port, _hosts.edition)
        if operation == "speech":
            request.fees = _spoken_characters(model, body.get("input"))
        return request

    return describe


_PROMPT = {"id": "gen_ai.prompt.name", "version": "gen_ai.prompt.version"}


def _fetch(client: Any, options: Any, named: Callable[[Any, str], str] | None, *, stream: bool) -> Request | None:
    """A look at a response that was made before. One that a background call waits for is part of that call."""
    parts = _parts(options.url) if options.method in ("get", "GET") else []
    if len(parts) < 2 or parts[-2] != "responses" or background.waiting(parts[-1]) is not None:  # noqa: PLR2004
        return None
    name, host, port = _hosts.behind(base_url_of(client), "openai", client, named)
    attributes: dict[str, AttributeValue] = {"openai.api.type": "responses"}
    return Request(name, FETCH, None, FETCHED, host, port, stream, attributes, counted=False)


def attributes_of(body: Mapping[str, Any], api: str) -> dict[str, AttributeValue]:
    """What a request asks for, as span attributes; ``api`` is OpenAI's name of the interface."""
    attributes = parameters(body, PARAMETERS)
    if api:
        attributes["openai.api.type"] = api
    if "response_format" in body and (kind := _output_type(body["response_format"])) is not None:
        attributes["gen_ai.output.type"] = kind
    if "text" in body and (kind := _output_type(attr(body["text"], "format"))) is not None:
        attributes["gen_ai.output.type"] = kind
    if "reasoning" in body and (effort := text(attr(body["reasoning"], "effort"))) is not None:
        attributes["gen_ai.request.reasoning.level"] = effort
    if "prompt" in body:
        for part, attribute in _PROMPT.items():
            if (value := text(attr(body["prompt"], part))) is not None:
                attributes[attribute] = value
    if "conversation" in body and (conversation := _conversation(body["conversation"])) is not None:
        attributes["gen_ai.conversation.id"] = conversation
    return attributes


def _region(host: str | None) -> str | None:
    """The region of OpenAI's hosts with data residency, as ``eu.api.openai.com``."""
    return host.removesuffix(f".{_OWN}") if host is not None and host.endswith(f".{_OWN}") else None


def _conversation(given: Any) -> str | None:
    return text(given) or text(attr(given, "id"))


def _spoken_characters(model: str | None, words: Any) -> tuple[tuple[str, float], ...]:
    """Models that are billed by the letter: https://platform.openai.com/docs/pricing#transcription-and-speech-generation."""
    by_letter = model is not None and model.startswith("tts-")
    return (("speech_characters", float(len(words))),) if by_letter and isinstance(words, str) and words else ()


def _routed(url: Any, routes: Mapping[str, Route]) -> Route | None:
    """The route of a path by its end: a version or a deployment may stand before it. None for what is no inference."""
    if not (parts := _parts(url)):
        return None
    before = {"v1", "v2", "openai"}
    two = "/".join(parts[-2:])
    if two in routes:
        return routes[two]
    alone = len(parts) == 1 or parts[-2] in before or "deployments" in parts
    return routes.get(parts[-1]) if alone else None


def _parts(url: Any) -> list[str]:
    return url.partition("?")[0].strip("/").split("/") if isinstance(url, str) else []


def _output_type(wanted: Any) -> str | None:
    kind = text(attr(wanted, "type"))
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind or "")
