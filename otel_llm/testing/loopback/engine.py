"""From a request to its reply: the path gives the route, its family answers, the model's name spoils the answer if it asks to."""

from __future__ import annotations

from itertools import islice

from . import plain
from .call import Call, Failure
from .exchange import Reply, Request, Timing, sse
from .routes import ROUTES
from .switches import Switches, read_switches

_KINDS = ("quota", "context", "filter")
_BROKEN_JSON = b'{"id": "malformed", "choices": [{'
_BEFORE_ERROR = 3


def answer(request: Request, timing: Timing | None = None) -> Reply:
    """What the provider would say, faults aside; a request that it cannot make sense of is refused with status 400."""
    route = ROUTES.find(request.method, request.path)
    if route is None:
        return refuse(request, 404)
    try:
        reply = route.handler(Call.of(request, timing))
        if reply.events is not None:
            reply.events = tuple(reply.events)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return refuse(request, 400)
    reply.headers = {**route.family.headers(request), **reply.headers}
    if timing is not None:
        reply.wait, reply.gap = timing.first, timing.gap
    return reply


def refuse(request: Request, status: int, kind: str | None = None, retry_after: int | None = None) -> Reply:
    """An HTTP error in the words of the provider whose endpoint was called; what is not given comes from the model's name."""
    route = ROUTES.find(request.method, request.path)
    family = route.family if route else plain.FAMILY
    reply = family.error(_failure(request, status, kind, retry_after))
    reply.headers = {**family.headers(request), **reply.headers}
    return reply


def with_faults(reply: Reply, request: Request) -> Reply:
    """The reply with the faults that the request's model asks for."""
    switches = read_switches(request.wishes)
    reply.silent = next((word for word in ("hang", "drop") if word in switches), "")
    if switches.slow != 0:
        reply.wait = switches.slow
    if switches.trickle != 0:
        reply.gap = switches.trickle
    reply.cut = switches.cut
    if "empty" in switches:
        reply.body, reply.events = b"", None if reply.events is None else ()
    elif "malformed" in switches:
        _malform(reply)
    if switches.stream_error and reply.events is not None:
        _fail_midway(reply, request)
    return reply


def _failure(request: Request, status: int, kind: str | None, retry_after: int | None) -> Failure:
    switches: Switches = read_switches(request.wishes)
    named = next((word for word in _KINDS if word in switches), "")
    return Failure(
        request,
        status,
        named if kind is None else kind,
        switches.retry_after if retry_after is None else retry_after,
        "noretry" not in switches,
    )


def _malform(reply: Reply) -> None:
    """JSON that does not parse: as the body, or as the second event of a stream of server-sent events."""
    if reply.events is None:
        reply.body = _BROKEN_JSON
    elif "event-stream" in reply.headers["content-type"] and "amazon" not in reply.headers["content-type"]:
        reply.events = (*islice(reply.events, 1), sse(_BROKEN_JSON.decode()))
    else:
        reply.events = (*islice(reply.events, 1), _BROKEN_JSON + b"\n")


def _fail_midway(reply: Reply, request: Request) -> None:
    route = ROUTES.find(request.method, request.path)
    family = route.family if route else plain.FAMILY
    first = islice(reply.events or (), _BEFORE_ERROR)
    reply.events = (*first, family.stream_error(_failure(request, 529, None, None)))
