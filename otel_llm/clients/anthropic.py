"""Anthropic: messages, plain, streamed, parsed and beta, on its own API and on the platforms that serve it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls.declarations import HELLO, ClientLibrary, Replace, Trial
from otel_llm.core.model import Reader, Request, Response

from . import _hosts
from ._anthropic_batches import hooks as batch_hooks
from ._anthropic_content import asked, keep_block, keep_delta, keep_message, read_output
from ._anthropic_usage import read_block, read_usage
from ._expected import expected
from ._read import attr, count, items, parameters, text
from ._stainless import base_url_of, body_of, hooks, route_of

PARAMETERS: Mapping[str, str] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "stop_sequences": "gen_ai.request.stop_sequences",
}
_CLASSES = {"Bedrock": "aws.bedrock", "Vertex": "gcp.vertex_ai"}


def read_message(message: Any, into: Response) -> None:
    """A whole message, or the empty one that opens a stream."""
    into.model, into.id = text(getattr(message, "model", None)), text(getattr(message, "id", None))
    if (reason := text(getattr(message, "stop_reason", None))) is not None:
        into.finish_reasons = [reason]
    for block in items(getattr(message, "content", None)):
        read_block(block, into)
    if into.content is not None:
        keep_message(into.content, message)
    read_usage(getattr(message, "usage", None), into)
    _read_diagnostics(getattr(message, "diagnostics", None), into)


def _read_diagnostics(diagnostics: Any, into: Response) -> None:
    """Why the prompt cache was missed, where the request asked for a comparison and it is done.

    https://platform.claude.com/docs/en/build-with-claude/cache-diagnostics
    """
    reason = attr(diagnostics, "cache_miss_reason")
    if (kind := text(attr(reason, "type"))) is not None:
        into.cache_miss, into.cache_missed_tokens = kind, count(attr(reason, "cache_missed_input_tokens"))


def read_event(event: Any, into: Response) -> bool:
    """An event of a message stream."""
    kind = getattr(event, "type", None)
    if kind == "content_block_delta":
        if into.content is not None:
            keep_delta(into.content, event)
        return True
    if kind == "message_start":
        read_message(getattr(event, "message", None), into)
    elif kind == "message_delta":
        read_usage(getattr(event, "usage", None), into)
        if (reason := text(attr(event, "delta", "stop_reason"))) is not None:
            into.finish_reasons = [reason]
            if into.content:
                into.content[-1]["finish_reason"] = reason
        _read_diagnostics(attr(event, "delta", "diagnostics"), into)
    elif kind == "content_block_start":
        block = getattr(event, "content_block", None)
        read_block(block, into)
        if into.content is not None:
            keep_block(into.content, block)
    elif kind == "message_stop":
        into.done = True
    return False


MESSAGES = Reader(read_message, read_event, terminal=True)
COUNT = Reader(lambda _, __: None, usage=False)


def describe(client: Any, options: Any, stream: bool) -> Request | None:
    """What a request of the anthropic client asks, and of whom."""
    if options.method.lower() != "post":
        return None
    route = route_of(options)
    if route.endswith("/v1/messages"):
        operation, reader = "chat", MESSAGES
    elif route.endswith("/v1/messages/count_tokens"):
        operation, reader = "count_tokens", COUNT
    else:
        return None
    body = body_of(options)
    attributes = parameters(body, PARAMETERS)
    if "output_config" in body:
        read_output(body["output_config"], attributes)
    name, host, port = _hosts.behind(base_url_of(client), "anthropic", client, _provider)
    return Request(
        name, operation, text(body.get("model")), reader, host, port, stream,
        attributes, text(body.get("service_tier")), lambda: asked(body), _region(client, body),
        expects=expected(body),
    )  # fmt: skip


def _region(client: Any, body: Mapping[str, Any]) -> str | None:
    """Where a request asks to be served: by its own word, or of the clients of AWS and Google by the client's."""
    own = client.__dict__
    return text(body.get("inference_geo")) or text(own.get("aws_region")) or text(own.get("region"))


def _provider(client: Any, by_host: str) -> str:
    own_name = getattr(client, "_gen_ai_provider_name", None)
    if isinstance(own_name, str) and own_name != "anthropic":
        return own_name
    name = type(client).__name__
    return next((provider for part, provider in _CLASSES.items() if part in name), by_host)


def own_span_instead(original: Any, shadow: Callable[[], Any]) -> Any:
    """The client's own tracing, which since 1.14 makes a span for each call: while a call of ours is open, it gets our span to
    work on, so that one call stays one span and still sends its trace context."""

    def tracer(self: Any) -> Any:
        native = original.__get__(self, type(self))
        return native if native is None else shadow() or native

    return property(tracer)


library = ClientLibrary(
    name="anthropic", distribution="anthropic", requires=">=0.40", tested=("0.40.0", "0.125.0", "2.14.0"),
    operations=("chat", "count_tokens"),
    hooks=(*hooks("anthropic", describe), *batch_hooks(MESSAGES),
           Replace("anthropic._base_client", "BaseClient._tracer", own_span_instead)),
    notes="Bedrock, Vertex and Foundry clients included; the client's own span is merged with ours. "
    "Results of batches count as `batch`.",
    trial=Trial(
        "anthropic",
        lambda anthropic, url: anthropic.Anthropic(base_url=url, api_key="doctor", max_retries=0).messages.create(
            model="claude-doctor", max_tokens=9, messages=HELLO
        ),
    ),
)  # fmt: skip
