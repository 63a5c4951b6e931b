"""Interactions, Google's newer API: a generated client of its own inside of google-genai."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.calls.declarations import Args, DeferredStream, Hook, Kwargs, Later, Parsed, Patch, Stream, Value, Watched
from otel_llm.core.model import Reader, Request, Response

from . import _hosts, _stainless
from ._google_content import asked
from ._google_interaction_content import keep_delta, keep_start, keep_steps
from ._google_usage import read_interaction_usage, word
from ._read import attr, parameters, text
from ._speakeasy import hooks as speakeasy_hooks

_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "seed": "gen_ai.request.seed",
    "stop_sequences": "gen_ai.request.stop_sequences",
    "max_output_tokens": "gen_ai.request.max_tokens",
}
_UNFINISHED = ("in_progress", "requires_continuation")


def read_interaction(interaction: Any, into: Response) -> None:
    """An interaction, whole or as far as it has come; its status is what others call a finish reason."""
    into.model = word(attr(interaction, "model")) or into.model
    into.id = text(attr(interaction, "id")) or into.id
    status = word(attr(interaction, "status"))
    if status is not None and status not in _UNFINISHED:
        into.finish_reasons = [status]
    into.pending = (into.id or "") if status == "in_progress" else ""
    if status == "cancelled":
        into.error_code = "cancelled"
    elif status == "failed":
        into.error_code = "server_error"
    read_interaction_usage(attr(interaction, "usage"), into)


def read_reply(interaction: Any, into: Response) -> None:
    """A whole interaction, with what it says."""
    read_interaction(interaction, into)
    if into.content is not None:
        keep_steps(into.content, interaction)


def read_event(event: Any, into: Response) -> bool:
    """An event of a stream. One that is continued has several requests, and each tells its own usage."""
    kind = word(getattr(event, "event_type", None))
    if kind in ("step.delta", "content.delta"):
        if into.content is not None:
            keep_delta(into.content, attr(event, "delta"))
        return True
    if kind == "step.start" and into.content is not None:
        keep_start(into.content, attr(event, "step"))
    if kind in ("interaction.created", "interaction.start"):
        into.requests += 1
        into.earlier = into.usage
        read_interaction(attr(event, "interaction"), into)
    elif kind in ("interaction.completed", "interaction.complete"):
        read_interaction(attr(event, "interaction"), into)
    elif kind == "error":
        into.error_code, into.done = text(attr(event, "error", "code")) or "server_error", True
    return False


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
    if agent is not None:
        attributes["gen_ai.agent.id"] = agent
    return Request(
        name, "chat" if agent is None else "invoke_agent", model or agent, INTERACTION, host, port, stream, attributes,
        word(attr(body, "service_tier")), lambda: asked(attr(body, "input"), body),
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


INTERACTION_HOOKS: tuple[Hook, ...] = (
    Patch(
        "google.genai._gaos.google_genai",
        ("GeminiNextGenInteractions.create", "AsyncGeminiNextGenInteractions.create"),
        _read,
        _watch,
        covers=("google_genai",),
    ),
    DeferredStream(
        "google.genai._gaos.utils.eventstreaming",
        ("Stream.__init__", "AsyncStream.__init__"),
        _carrier,
        lambda stream: Stream(stream, "generator"),
    ),
    *speakeasy_hooks("google.genai._gaos", "gcp.gemini", ()),
    *_stainless.hooks("google.genai._interactions", _describe),
)
