"""A receiver of OTLP over HTTP that keeps what came: bodies by path, and the calls of each instance."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

DURATION = "gen_ai.client.operation.duration"


class Received:
    """``calls``: instance -> its calls, by its last push where sums are cumulative. ``refuse`` so many requests with 400 first."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.calls: dict[str, int] = {}
        self.spans: list[str] = []
        self.refuse = 0
        self.url = ""
        self.came = threading.Condition()

    def take(self, path: str, body: bytes) -> int:
        """Keep ``body``; returns the status to answer with."""
        with self.came:
            self.came.notify_all()
            if self.refuse:
                self.refuse -= 1
                return 400
            self.bodies[path] = body
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    instance = {one.key: one.value.string_value for one in resource.resource.attributes}
                    for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                        if metric.name == DURATION:
                            self._count(instance["service.instance.id"], metric)
            if path == "/v1/traces":
                for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                    self.spans += [span.name for scope in resource_spans.scope_spans for span in scope.spans]
            return 200

    def _count(self, instance: str, metric: Metric) -> None:
        counted = sum(point.count for point in metric.histogram.data_points)
        delta = metric.histogram.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        self.calls[instance] = counted + (self.calls.get(instance, 0) if delta else 0)

    def wait(self, calls: int, seconds: float = 300.0) -> bool:
        """Whether so many calls came within ``seconds``."""
        with self.came:
            return self.came.wait_for(lambda: sum(self.calls.values()) >= calls, seconds)


@contextmanager
def receiving() -> Iterator[Received]:
    """A receiver on a port of its own."""
    kept = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(status)
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
