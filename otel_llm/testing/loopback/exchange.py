"""What goes over the wire: a request as it came, a reply as it is to be sent, and the frames that replies are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = dict[str, Any]
Session = Callable[
    [JSON | None], "Iterable[JSON]"
]  # what a WebSocket's server says to a message; None is the beginning

_MODEL_IN_PATH = re.compile(
    r"/models/([^/:]+)(?::|$)"  # Google; a model's own page
    r"|^/model/(.+)/(?:converse|invoke|count)"  # Bedrock, where an ARN has slashes
    r"|/deployments/([^/]+)/|/endpoints/([^/]+)/|/agents/([^/]+)/agentAliases/"  # Azure, SageMaker, Bedrock's agents
    r"|/models/([^/]+/[^/]+)(?:/|$)|/predictions/([^/]+)"  # Replicate, Hugging Face
)
_MODEL_FIELDS = ("model", "model_id", "agent_id", "version", "foundationModel")  # watsonx, Mistral, Replicate, Bedrock
_FORM_FIELD = re.compile(rb'name="(\w+)"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n')


def compact(value: object) -> bytes:
    """JSON without spaces, the way the providers' own servers write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sse(data: object, event: str | None = None) -> bytes:
    """One server-sent event; ``data`` is written as JSON unless it is a string."""
    text = data.encode() if isinstance(data, str) else compact(data)
    return (f"event: {event}\n".encode() if event else b"") + b"data: " + text + b"\n\n"


def line(value: object) -> bytes:
    """One line of newline-delimited JSON."""
    return compact(value) + b"\n"


@dataclass(slots=True)
class Request:
    """One request as it came. ``body`` is parsed JSON, or bytes where it is not JSON, or None where there is none.

    ``number`` counts the requests of a server from 1; ``path`` is without the query; header names are in lower case.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any

    @property
    def model(self) -> str:
        """The model that the path, the query or the body names, or an empty string. A deployment counts as a model."""
        if match := _MODEL_IN_PATH.search(self.path):
            return str(next(filter(None, match.groups())))
        query = parse_qs(self.query) if self.query else {}
        in_query = (query.get("model") or query.get("deployment") or [""])[0]
        named = in_query or next(filter(None, map(self.field, _MODEL_FIELDS)), "")
        return named.removeprefix("models/") if isinstance(named, str) else ""

    @property
    def wishes(self) -> str:
        """Where the switches are read: the model, and the header ``x-loopback`` for models whose name must stay as it is."""
        wished = self.headers.get("x-loopback")
        return f"{self.model}-{wished}" if wished else self.model

    def field(self, name: str) -> Any:
        """A field of the JSON object or of the multipart form that was sent, or None."""
        if isinstance(self.body, dict):
            return self.body.get(name)
        if isinstance(self.body, bytes):
            return next((v.decode() for k, v in _FORM_FIELD.findall(self.body) if k == name.encode()), None)
        return None

    def saying(self, body: JSON) -> Request:
        """The same request with another body: a message on its WebSocket."""
        return replace(self, body=body)

    @property
    def json(self) -> JSON:
        """The body as an object; empty where it was something else."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(slots=True)
class Reply:
    """What is to be sent and when. ``events`` makes it a chunked stream of one chunk each, otherwise ``body`` is sent whole.

    ``wait`` is the time in seconds before the first byte, ``gap`` the one between two events; None for either means that
    the server's gate is waited for. After ``cut`` events the connection is closed in the middle of the stream.
    ``silent`` sends nothing: the connection stays open ("hang") or is closed at once ("drop"). With status 101 the
    connection becomes a WebSocket that ``session`` answers on; gaps and cuts hold for the answers to each message.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: Iterable[bytes] | None = None
    wait: float | None = 0.0
    gap: float | None = 0.0
    cut: int | None = None
    silent: str = ""
    session: Session | None = None

    @classmethod
    def of_json(cls, value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        return cls(status, {"content-type": "application/json", **(headers or {})}, compact(value))

    @classmethod
    def of_bytes(cls, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> Reply:
        return cls(200, {"content-type": content_type, **(headers or {})}, body)

    @classmethod
    def of_events(
        cls,
        events: Iterable[bytes],
        content_type: str = "text/event-stream; charset=utf-8",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        return cls(200, {"content-type": content_type, "cache-control": "no-cache", **(headers or {})}, events=events)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an answer takes and how big it is: ``first`` seconds to the first byte, ``gap`` seconds between events.

    A count that is None keeps the model name's own; ``events`` is the number of pieces that a streamed text comes in.
    ``output_tokens`` includes ``thinking_tokens``, ``input_tokens`` includes what was read from and
    written to the cache.
    """

    first: float = 0.0
    gap: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    events: int | None = None
