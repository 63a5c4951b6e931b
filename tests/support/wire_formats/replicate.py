"""Replicate's predictions: created, waited for or polled, and their output streamed.

Fields: https://replicate.com/docs/reference/http. A prediction's id carries its model, so that the model's switches hold for it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT = "2026-01-01T00:00:00.000Z"


def error(failure: Failure) -> Reply:
    told = {"title": "Refused", "detail": "The loopback refuses.", "status": failure.status}
    return Reply.of_json(told, failure.status, {"content-type": "application/problem+json", **failure.headers()})


def stream_error(failure: Failure) -> bytes:
    return _event("error", '{"detail": "The loopback fails."}', failure.request.number)


def headers(request: Request) -> dict[str, str]:
    return {"ratelimit-remaining": "599", "ratelimit-reset": "1", "x-request-id": f"req_{request.number:08d}"}


FAMILY = Family("replicate", error, stream_error, headers)


def create(call: Call) -> Reply:
    """A prediction that has begun, or, with ``Prefer: wait``, one that is done."""
    name = f"{call.id('r')}.{re.sub('[/:]', '.', call.model)}"
    waits = "wait" in call.request.headers.get("prefer", "")
    return Reply.of_json(_prediction(call, name, done=waits), 201)


def get(call: Call) -> Reply:
    return Reply.of_json(_prediction(call, call.request.path.rsplit("/", 1)[1], done=True))


def _prediction(call: Call, name: str, *, done: bool) -> JSON:
    url = f"http://{call.request.headers.get('host', '127.0.0.1')}/v1/predictions/{name}"
    status = "failed" if "failed" in call else "succeeded"
    return {
        "id": name,
        "model": call.model,
        "version": "hidden",
        "input": call.body.get("input") or {},
        "logs": "",
        "output": list(call.text()) if done else None,
        "error": "the loopback fails as asked" if done and status == "failed" else None,
        "status": status if done else "starting",
        "created_at": _AT,
        "started_at": _AT if done else None,
        "completed_at": _AT if done else None,
        "metrics": _metrics(call) if done and call.usage else {},
        "urls": {"get": url, "cancel": f"{url}/cancel", "stream": f"{url}/stream"},
    }


def _metrics(call: Call) -> JSON:
    """Times in seconds; language models add token counts."""
    counts = {"input_token_count": call.tokens.input, "output_token_count": call.tokens.output}
    return {"predict_time": 0.5, "total_time": 0.6, "time_to_first_token": 0.1, "tokens_per_second": 40.0, **counts}


def stream(call: Call) -> Reply:
    return Reply.of_events(_events(call), "text/event-stream")


def _events(call: Call) -> Iterator[bytes]:
    for index, piece in enumerate(call.text()):
        yield _event("output", piece, index)
    yield _event("done", "{}", len(call.text()))


def _event(kind: str, data: str, number: int) -> bytes:
    return f"event: {kind}\nid: {number}:0\ndata: {data}\n\n".encode()


ROUTES = (
    Route("POST", re.compile(r"/v1/predictions$|/v1/models/[^/]+/[^/]+/predictions$"), create, FAMILY),
    Route("GET", re.compile(r"/v1/predictions/[^/]+$"), get, FAMILY),
    Route("GET", re.compile(r"/v1/predictions/[^/]+/stream$"), stream, FAMILY),
)
