"""Interactions, Google's newer API: a generated client of its own inside of google-genai."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.calls.declarations import (
    Args,
    Around,
    DeferredStream,
    Hook,
    Kwargs,
    Later,
    Parsed,
    Patch,
    Stream,
    Value,
    Watched,
    keyword,
)
from otel_llm.calls.resume import resume
from otel_llm.core.model import Reader, Request

from . import _hosts, _stainless
from ._google_content import asked
from ._google_interaction_read import read_event, read_reply
from ._google_usage import word
from ._read import attr, parameters, text
from ._speakeasy import hooks as speakeasy_hooks

_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "seed": "gen_ai.request.seed",
    "stop_sequences": "gen_ai.request.stop_sequences",
    "max_output_tokens": "gen_ai.request.max_tokens",
}


INTERACTION = Reader(read_reply, read_event)


def _read(client: Any, _: Args, kwargs: Kwargs) -> Request:
    given = kwargs.get("request")
    body = kwargs if given is None else attr(given, "body") or given
    url = attr(client, "sdk_configuration", "server_url") or ""
    name, host, port = _hosts.behind_text(url, "gcp.gemini")
    return _asked(body, name, host, port, stream=attr(body, "stream") is True)


def _asked(body: Any, name: str, host: str | None, port: int | None, *, stream: bool) -> Request:
    model, agent = word(attr(body, "model")), word(attr(body, "agent"))
    config = attr(body, "generation_config")
    attributes = parameters({key: attr(config, key) for key in _PARAMETERS}, _PARAMETERS)
    if (level := word(attr(config, "thinking_level"))) is not None:
        attributes["gen_ai.request.reasoning.level"] = level
    if (previous := text(attr(body, "previous_interaction_id"))) is not None:
        attributes["gen_ai.request.previous_response.id"] = previous
    if agent is not None:
        attributes["gen_ai.agent.id"] = agent
    return Request(
        name, "chat" if agent is None else "invoke_agent", model or agent, INTERACTION, host, port, stream, attributes,
        word(attr(body, "service_tier")), lambda: asked(attr(body, "input"), body), background=attr(body, "background") is True,
    )  # fmt: skip


def _watch(result: Any, _: Request) -> Watched:
    """A stream, a raw response (read or unread), or an interaction."""
    if hasattr(result, "generator") and hasattr(result, "response"):
        return Stream(result, "generator", result.response)
    http = getattr(result, "http_response", None)
    if http is None or not hasattr(result, "parse"):
        return Value(result)
    return Parsed(result.parse) if http.is_stream_consumed else Later(http.extensions, http, lambda: None)


def _carrier(_: Any, args: Args, kwargs: Kwargs) -> Mapping[str, Any] | None:
    return getattr(kwargs.get("response") or (args[0] if args else None), "extensions", None)


def _describe(client: Any, options: Any, stream: bool) -> Request | None:
    """As 1.x has it, on the base that openai's client has too."""
    if options.method.lower() != "post" or not _stainless.route_of(options).endswith("/interactions"):
        return None
    name, host, port = _hosts.behind(client.base_url, "gcp.gemini")
    return _asked(_stainless.body_of(options), name, host, port, stream=stream)


def _polls(_: Any, args: Args, kwargs: Kwargs) -> str:
    return text(kwargs.get("id", args[0] if args else None)) or ""


def _polled(_: Any, name: str, result: Any, error: BaseException | None) -> None:
    """An answer that was made in the background, or a stream that goes on with it."""
    if error is None:
        resume(name, _watch, result)


INTERACTION_HOOKS: tuple[Hook, ...] = (
    Patch(
        "google.genai._gaos.google_genai",
        ("GeminiNextGenInteractions.create", "AsyncGeminiNextGenInteractions.create"),
        _read,
        _watch,
        covers=("google_genai",),
        switch=keyword,
    ),
    DeferredStream(
        "google.genai._gaos.utils.eventstreaming",
        ("Stream.__init__", "AsyncStream.__init__"),
        _carrier,
        lambda stream: Stream(stream, "generator"),
    ),
    Around(
        "google.genai._gaos.google_genai",
        tuple(f"{twin}GeminiNextGenInteractions.{method}" for twin in ("", "Async") for method in ("get", "cancel")),
        _polled,
        _polls,
    ),
    *speakeasy_hooks("google.genai._gaos", "gcp.gemini", ()),
    *_stainless.hooks("google.genai._interactions", _describe),
)
