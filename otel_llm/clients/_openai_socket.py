"""What the WebSocket connections of the openai client have in common: their methods, how they end, and who is at the other end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from otel_llm.calls.declarations import Session, SessionReader
from otel_llm.core.shapes import NamedTuple

from . import _hosts
from ._read import attr, text


def session(module: str, kind: str, talk: Callable[[Any], SessionReader], *, raw: bool = True) -> Session:
    """The hook of the connections called ``kind`` and their async twins; ``raw`` where text can be sent on them as it is."""
    return Session(
        f"openai.resources.{module}",
        (f"{kind}Connection", f"Async{kind}Connection"),
        talk,
        sends=("send", "send_raw") if raw else ("send",),
        receives=("recv_bytes",),
        leaves=("close",),
        lost=_is_closed,
    )


def _is_closed(error: BaseException) -> bool:
    return any(kind.__name__ == "ConnectionClosed" for kind in type(error).__mro__)


class Peer(NamedTuple):
    """Who a connection leads to, and which model its address names."""

    provider: str
    host: str | None
    port: int | None
    model: str | None


def peer_of(connection: Any) -> Peer:
    """The server of a connection, by the handshake that it sent: Azure's address names a version, and a deployment for the model."""
    handshake = attr(connection, "_connection", "request")
    headers, path = attr(handshake, "headers"), text(attr(handshake, "path")) or ""
    host = headers.get("Host") if headers is not None else None
    named, name, port = _hosts.behind_text(f"wss://{host or ''}", "openai")
    query = parse_qs(urlsplit(path).query)
    azure = named == "openai" and ("deployment" in query or "api-version" in query)
    model = "".join((query.get("model") or query.get("deployment") or [""])[:1])
    return Peer("azure.ai.openai" if azure else named, name, port, text(model))


def wish_in(event: Any) -> Any:
    """What the host sends, where it is a ``response.create``; else None. It may be a dictionary, a model, or raw text."""
    if isinstance(event, (str, bytes)):
        event = parsed(event) if "response.create" in str(event) else None
    return event if attr(event, "type") == "response.create" else None


def parsed(event: Any) -> Any:
    """An event as it is on the wire, which costs less than to look into a parsed model. None where it is no JSON."""
    try:
        return json.loads(event)
    except (TypeError, ValueError, RecursionError):
        return None
