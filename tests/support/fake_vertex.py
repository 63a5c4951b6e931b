"""Vertex AI over gRPC on 127.0.0.1, by the library's own protocol: what stands in front of the loopback and speaks to it as REST."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.cloud import aiplatform_v1 as vertex

_CODES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_CALLS = (
    ("GenerateContent", vertex.GenerateContentRequest, vertex.GenerateContentResponse),
    ("StreamGenerateContent", vertex.GenerateContentRequest, vertex.GenerateContentResponse),
    ("CountTokens", vertex.CountTokensRequest, vertex.CountTokensResponse),
    ("Predict", vertex.PredictRequest, vertex.PredictResponse),
)


class Front:
    """``front = Front(loopback.url)``; then a client on ``grpc.insecure_channel(front.host)``; then ``front.stop()``."""

    def __init__(self, url: str) -> None:
        self._back = urlsplit(url).netloc
        handlers = {name: self._handler(name, asked, answered) for name, asked, answered in _CALLS}
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        service = "google.cloud.aiplatform.v1.PredictionService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0)

    def _handler(self, name: str, asked: Any, answered: Any) -> Any:
        verb = name[0].lower() + name[1:]

        def bodies(request: Any, context: Any) -> Iterator[bytes]:
            resource = getattr(request, "model", "") or request.endpoint
            path = f"/v1/{resource}:{verb}" + ("?alt=sse" if verb.startswith("stream") else "")
            return self._posted(path, asked.to_json(request, use_integers_for_enums=False), context)

        def read(body: bytes, context: Any) -> Any:
            told = _parsed(body, context)
            if verb == "predict":
                told = {"predictions": told.get("predictions", [])}
            return answered.from_json(json.dumps(told), ignore_unknown_fields=True)

        def one(request: Any, context: Any) -> Any:
            return read(b"".join(bodies(request, context)), context)

        def many(request: Any, context: Any) -> Iterator[Any]:
            for line in bodies(request, context):
                if line.startswith(b"data: "):
                    yield read(line[6:], context)

        make: Callable[..., Any] = (
            grpc.unary_stream_rpc_method_handler if verb.startswith("stream") else grpc.unary_unary_rpc_method_handler
        )
        return make(
            many if verb.startswith("stream") else one,
            request_deserializer=asked.deserialize,
            response_serializer=answered.serialize,
        )

    def _posted(self, path: str, body: str, context: Any) -> Iterator[bytes]:
        connection = http.client.HTTPConnection(self._back)
        try:
            connection.request("POST", path, body, {"content-type": "application/json"})
            reply = connection.getresponse()
            if reply.status >= 300:
                context.abort(_code(reply.status), reply.read().decode())
            yield from iter(reply.readline, b"")
        except (OSError, http.client.HTTPException) as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        finally:
            connection.close()


def _parsed(body: bytes, context: Any) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(body)
    except ValueError:
        context.abort(grpc.StatusCode.INTERNAL, "not JSON")
    if "error" in told:
        context.abort(_code(told["error"]["code"]), told["error"]["message"])
    return told


def _code(status: int) -> Any:
    return getattr(grpc.StatusCode, _CODES.get(status, "UNKNOWN"))
