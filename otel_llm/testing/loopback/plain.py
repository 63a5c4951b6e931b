"""What no provider would answer to: paths that nobody serves, in the error format that most of them share."""

from __future__ import annotations

from .call import Failure, Family
from .exchange import Reply, Request, sse


def error(failure: Failure) -> Reply:
    path = failure.request.path
    message = f"no such endpoint: {failure.request.method} {path}" if failure.status == 404 else "the loopback refuses"  # noqa: PLR2004
    return Reply.of_json(
        {"error": {"message": message, "type": "loopback_error", "code": None, "param": None}}, failure.status
    )


def stream_error(failure: Failure) -> bytes:
    del failure
    return sse({"error": {"message": "the loopback fails", "type": "loopback_error"}})


def headers(request: Request) -> dict[str, str]:
    return {"x-request-id": f"req_{request.number:08d}"}


FAMILY = Family("plain", error, stream_error, headers)
