"""Which operation a path of OpenAI's API is, and who is asked there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.core.model import Reader
from otel_llm.core.shapes import NamedTuple

from . import _hosts
from ._openai_shape import CHAT, EMBEDDINGS, IMAGES, MODERATION, NO_USAGE, RESPONSES, TRANSCRIPTION
from ._stainless import base_url_of, is_module
from ._urls import region_of

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
    "moderations": ("moderation", MODERATION, ""),
}


class Way(NamedTuple):
    """What the path of a request and the host that it goes to say, the same for every request that takes it."""

    operation: str
    reader: Reader
    api: str  # openai.api.type
    name: str
    host: str | None
    port: int | None
    region: str | None
    headers_count: bool  # whether headers of replies may say more about the host


_OWN = "api.openai.com"
_MOST, _LONGEST = 1024, 256  # paths remembered, and how long they are at most: a path may hold an id


def ways(
    default: str, routes: Mapping[str, Route], named: Callable[[Any, str], str] | None
) -> Callable[[Any, Any], Way | None]:
    """What finds the way of a path at a client's host."""
    routes_of: dict[str, Route | None] = {}

    def find(client: Any, url: Any) -> Way | None:
        """None for what is no inference. A way is remembered with the URL behind the client, if that is not made at each look."""
        if url in routes_of:
            route = routes_of[url]
        else:
            route = _routed(url, routes)
            if len(routes_of) < _MOST and len(url) <= _LONGEST:
                routes_of[url] = route
        if route is None:
            return None
        base = base_url_of(client)
        name, host, port = _hosts.behind(base, default, client, named)
        ours = default == "openai"
        way = Way(
            *route[:2], route[2] if ours else "", name, host, port, region_of(host), headers_count=ours and host != _OWN
        )
        remembered = _hosts.BEHIND[id(base)][3]
        if (
            client.__dict__.get("_base_url") is base
            and not is_module(client)
            and len(remembered) < _MOST
            and len(url) <= _LONGEST
        ):
            remembered[url] = way
        return way

    return find


def _routed(url: Any, routes: Mapping[str, Route]) -> Route | None:
    """The route of a path by its end: a version or a deployment may stand before it. None for what is no inference."""
    if not (parts := parts_of(url)):
        return None
    before = {"v1", "v2", "openai"}
    two = "/".join(parts[-2:])
    if two in routes:
        return routes[two]
    alone = len(parts) == 1 or parts[-2] in before or "deployments" in parts
    return routes.get(parts[-1]) if alone else None


def parts_of(url: Any) -> list[str]:
    return url.partition("?")[0].strip("/").split("/") if isinstance(url, str) else []
