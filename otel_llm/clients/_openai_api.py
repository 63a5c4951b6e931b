"""Requests of OpenAI's API, whoever's client sends them: which operation a path is, and what is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls import background
from otel_llm.core.model import AttributeValue, Request
from otel_llm.core.semconv.table import FETCH, TYPES

from . import _hosts
from ._expected import KEYS, expected
from ._gateways import SILENT, header_reader
from ._openai_content import asked
from ._openai_dialects import spoken
from ._openai_routes import ROUTES, Route, parts_of, ways
from ._openai_shape import FETCHED, PARAMETERS
from ._read import attr, parameters, text
from ._stainless import Describe, base_url_of, body_of


def describer(  # noqa: C901 - of what is inside
    default: str, routes: Mapping[str, Route] = ROUTES, named: Callable[[Any, str], str] | None = None
) -> Describe:
    """What reads what a request asks, for a client of ``default``'s. ``named`` may name the provider better than the host."""
    find = ways(default, routes, named)

    def describe(client: Any, options: Any, stream: bool) -> Request | None:  # noqa: C901 - in one frame, as every call passes it
        given, base = options.__dict__, client.__dict__.get("_base_url")  # models are slow to return an attribute
        url, body = given.get("url"), given.get("json_data")
        behind = _hosts.BEHIND.get(id(base))
        way = behind[3].get(url) if behind is not None and behind[0] is base and behind[1] is type(client) else None
        if (way is None and (way := find(client, url)) is None) or given.get("method") not in ("post", "POST"):
            return _fetch(client, options, named, stream=stream) if default == "openai" else None
        operation, reader, api, name, host, port, region, headers_count = way
        if type(body) is not dict or given.get("extra_json"):
            body = body_of(options)
        model = body.get("model")
        if type(model) is not str or not model:
            model = text(model)
        attributes: dict[str, AttributeValue] = {"openai.api.type": api} if api else {}
        for key in body:
            if key in _PLAIN:
                attribute, kind = _PLAIN[key]
                value = body[key]
                if type(value) is not kind:
                    attributes = attributes_of(body, api)
                    break
                attributes[attribute] = value
        request = Request.to(
            name, operation, model, reader if name == "openai" else spoken(reader, name, model), host, port, stream, attributes,
            lambda: asked(body), region,
        )  # fmt: skip
        if headers_count and (host, port, model, _hosts.edition, stream) not in SILENT:
            request.on_headers = header_reader(name, host, port, _hosts.edition)
        if stream and (streamed := body.get("stream_options")):
            asks = streamed.get("include_usage") if type(streamed) is dict else attr(streamed, "include_usage")
            request.usage_asked = asks is True
        if operation == "speech" or not _SELDOM.isdisjoint(body):
            _ask_for_more(request, body)
            if operation == "chat" and not KEYS.isdisjoint(body):
                request.expects = expected(body)
        return request

    return describe


_SELDOM = frozenset(("background", "service_tier", *KEYS))
_NOT_PLAIN: tuple[str, Any] = ("", None)  # of no type: ``attributes_of`` reads it
_PLAIN: Mapping[str, tuple[str, Any]] = {
    **dict.fromkeys(("response_format", "text", "reasoning", "prompt", "conversation"), _NOT_PLAIN),
    **{
        key: (name, {"double": float, "string": str, "boolean": bool}.get(TYPES[name]))
        for key, name in PARAMETERS.items()
    },
}  # parts of a body that are attributes: by which name, and of which type they are in the request


def _ask_for_more(request: Request, body: Mapping[str, Any]) -> None:
    """What few requests ask for."""
    if "service_tier" in body:
        request.service_tier = text(body["service_tier"])
    request.background = body.get("background") is True
    if request.operation == "speech":
        request.fees = _spoken_characters(request.model, body.get("input"))


_PROMPT = {"id": "gen_ai.prompt.name", "version": "gen_ai.prompt.version"}


def _fetch(client: Any, options: Any, named: Callable[[Any, str], str] | None, *, stream: bool) -> Request | None:
    """A look at a response that was made before. One that a background call waits for is part of that call."""
    parts = parts_of(options.url) if options.method in ("get", "GET") else []
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


def _conversation(given: Any) -> str | None:
    return text(given) or text(attr(given, "id"))


def _spoken_characters(model: str | None, words: Any) -> tuple[tuple[str, float], ...]:
    """Models that are billed by the letter: https://platform.openai.com/docs/pricing#transcription-and-speech-generation."""
    by_letter = model is not None and model.startswith("tts-")
    return (("speech_characters", float(len(words))),) if by_letter and isinstance(words, str) and words else ()


def _output_type(wanted: Any) -> str | None:
    kind = text(attr(wanted, "type"))
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind or "")
