"""OTLP over gRPC: the same intake behind the services of the protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from .access import Access
from .http import Answer, Receiver
from .options import Options
from .service import REQUESTS

THREADS = 4
RPCS = 16
"""At a time; more are refused with RESOURCE_EXHAUSTED."""
_SERVICES: dict[str, tuple[str, Any, str]] = {
    "traces": ("opentelemetry.proto.collector.trace.v1.TraceService", trace_service_pb2.ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (
        "opentelemetry.proto.collector.metrics.v1.MetricsService", metrics_service_pb2.ExportMetricsServiceResponse,
        "rejected_data_points",
    ),
    "logs": ("opentelemetry.proto.collector.logs.v1.LogsService", logs_service_pb2.ExportLogsServiceResponse, "rejected_log_records"),
}  # fmt: skip


class Port:
    """A gRPC server that runs."""

    def __init__(self, server: grpc.Server, address: str) -> None:
        self._server = server
        self.address = address

    def close(self) -> None:
        """Answer what came, and end."""
        self._server.stop(5.0).wait()


def serve(where: tuple[str, int], receiver: Receiver, access: Access, chosen: Options) -> Port:
    """Listen. Raises ``OSError`` where the port is in use or not allowed."""
    server = grpc.server(
        ThreadPoolExecutor(THREADS, thread_name_prefix="otel-llm-grpc"),
        maximum_concurrent_rpcs=RPCS,
        options=(("grpc.max_receive_message_length", chosen.body_limit), ("grpc.so_reuseport", 0)),
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(
                service,
                {"Export": grpc.unary_unary_rpc_method_handler(_export(signal, message, field, receiver, access))},
            )
            for signal, (service, message, field) in _SERVICES.items()
        )
    )
    host, port = where
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if chosen.tls_cert:
            pair = (Path(chosen.tls_key).read_bytes(), Path(chosen.tls_cert).read_bytes())
            bound = server.add_secure_port(target, grpc.ssl_server_credentials([pair]))
        else:
            bound = server.add_insecure_port(target)
    except RuntimeError:
        bound = 0
    if not bound:
        raise OSError(f"{target}: the port cannot be used")
    server.start()
    return Port(server, f"{host}:{bound}")


def _export(
    signal: str, message: Any, field: str, receiver: Receiver, access: Access
) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        sent = {str(name).lower(): value for name, value in context.invocation_metadata()}
        if not access.allows(str(sent.get("authorization", ""))):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "authorization is missing or wrong")
        answer: Answer = receiver.work(signal, body)
        outcome = "accepted" if answer.status == 200 else "busy" if answer.retry else "refused"  # noqa: PLR2004 - HTTP
        receiver.count(Counter({(REQUESTS, f"{signal} {outcome}"): 1}))
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            _refuse(context, answer)
        response = message()
        if answer.rejected or answer.message:
            setattr(response.partial_success, field, answer.rejected)
            response.partial_success.error_message = answer.message
        return bytes(response.SerializeToString())

    return export


def _refuse(context: grpc.ServicerContext, answer: Answer) -> None:
    """A sender tries again after UNAVAILABLE, and never after INVALID_ARGUMENT."""
    code = grpc.StatusCode.UNAVAILABLE if answer.retry else grpc.StatusCode.INVALID_ARGUMENT
    context.abort(code, answer.message)
