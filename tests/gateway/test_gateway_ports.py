"""The ports: OTLP over HTTP and gRPC as senders speak it, and what they hear when something is wrong."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
import zstandard
from gateway_lab import CHAT, Lab, request, span
from gateway_process import Process, free_port
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.testclient import TestClient

from otel_llm.gateway import options
from otel_llm.gateway.access import Access
from otel_llm.gateway.forward import Forwarder
from otel_llm.gateway.grpc import serve
from otel_llm.gateway.http import Receiver
from otel_llm.gateway.options import OptionError

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
BODY = request(span(1, CHAT))


def protobuf(body: bytes) -> bytes:
    """The same request in protobuf, whose ids are bytes and not hexadecimal."""
    document = json.loads(body)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for one in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in one:
                        one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return json_format.ParseDict(document, ExportTraceServiceRequest()).SerializeToString()


@pytest.fixture
def receiver(lab: Lab) -> Iterator[Receiver]:
    made = Receiver(lab.gateway)
    yield made
    made.close()


@pytest.fixture
def client(receiver: Receiver) -> TestClient:
    return TestClient(receiver.app)


def counted(lab: Lab) -> dict[tuple[str, ...], float]:
    lab.settle()
    return lab.calls()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, BODY), (PROTOBUF, protobuf(BODY)), ({"content-type": "application/json; charset=utf-8"}, BODY),
        ({**PROTOBUF, "content-encoding": "gzip"}, gzip.compress(protobuf(BODY)[:40]) + gzip.compress(protobuf(BODY)[40:])),
        ({**PROTOBUF, "content-encoding": "zstd"}, zstandard.compress(protobuf(BODY))),
        ({**JSON, "content-encoding": "deflate"}, zlib.compress(BODY)), ({**JSON, "content-encoding": "identity"}, BODY),
    ],
)  # fmt: skip
def test_what_senders_post_is_counted(lab: Lab, client: TestClient, headers: dict[str, str], body: bytes) -> None:
    answer = client.post("/v1/traces", content=body, headers=headers)
    assert (answer.status_code, answer.content) == (
        200,
        b"{}" if headers["content-type"].startswith("application/json") else b"",
    )
    assert counted(lab) == {("shop",): 1}


def test_a_chunked_body_is_counted(lab: Lab, client: TestClient) -> None:
    assert client.post("/v1/traces", content=iter([BODY[:7], BODY[7:]]), headers=JSON).status_code == 200
    assert counted(lab) == {("shop",): 1}


def test_spans_without_ids_are_rejected_and_the_rest_is_counted(lab: Lab, client: TestClient) -> None:
    body = request(span(1, CHAT), span(0, CHAT), span(2, CHAT) | {"traceId": "xyz"})
    answer = client.post("/v1/traces", content=body, headers=JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "2"
    answer = client.post("/v1/traces", content=protobuf(request(span(3, CHAT), span(0, CHAT))), headers=PROTOBUF)
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (told.rejected_spans, told.error_message[:5]) == (1, "spans")
    assert counted(lab) == {("shop",): 2}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (PROTOBUF, b"\xff\xff\xff", 400), (JSON, b"{", 400), (JSON, b"[]", 400), (JSON, b'{"resourceSpans": 1}', 400),
        (JSON, b"[" * 100_000, 400), ({"content-type": "text/plain"}, BODY, 415), ({**JSON, "content-encoding": "br"}, BODY, 400),
        ({**JSON, "content-encoding": "gzip"}, BODY, 400), ({**JSON, "content-encoding": "zstd"}, BODY, 400),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(BODY)[:-9], 400),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(bytes(40_000_000)), 413),
        ({**JSON, "content-encoding": "zstd"}, zstandard.compress(bytes(40_000_000)), 413),
        (JSON, bytes(17 * 1024 * 1024), 413),
    ],
)  # fmt: skip
def test_what_is_no_otlp_is_refused_with_a_reason(
    lab: Lab, client: TestClient, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == status
    assert len(answer.content) > 10
    assert counted(lab) == {}
    assert lab.values("otel_llm_gateway_requests_total", "signal", "outcome") == {("traces", "refused"): 1}


def test_a_sender_that_is_refused_in_protobuf_gets_a_status(client: TestClient) -> None:
    answer = client.post("/v1/traces", content=b"\xff", headers=PROTOBUF)
    text = b"the body is no OTLP message in protobuf"
    assert answer.content == b"\x12" + bytes([len(text)]) + text  # field 2 of google.rpc.Status


def test_a_full_gateway_asks_for_another_try(tmp_path: Path) -> None:
    lab = Lab(tmp_path, most_held=1)
    receiver = Receiver(lab.gateway)
    client = TestClient(receiver.app)
    assert client.post("/v1/traces", content=BODY, headers=JSON).status_code == 200
    again = request(span(2, CHAT))
    answer = client.post("/v1/traces", content=again, headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    lab.settle()
    assert client.post("/v1/traces", content=again, headers=JSON).status_code == 200
    assert counted(lab) == {("shop",): 2}
    receiver.close()
    lab.gateway.stop()


def test_bodies_at_a_time_take_bounded_memory(tmp_path: Path) -> None:
    lab = Lab(tmp_path, memory_limit=len(BODY) - 1)
    receiver = Receiver(lab.gateway)
    answer = TestClient(receiver.app).post("/v1/traces", content=BODY, headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    receiver.close()
    lab.gateway.stop()


def test_only_who_is_known_may_send(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "senders"
    path.write_text("# teams\nnode:test-key\nbearer test-token\n", encoding="utf-8")
    receiver = Receiver(lab.gateway, Access.of_file(str(path)))
    client = TestClient(receiver.app)

    def status(authorization: str) -> int:
        headers = {**JSON, "authorization": authorization} if authorization else JSON
        return client.post("/v1/traces", content=BODY, headers=headers).status_code

    basic = base64.b64encode(b"node:test-key").decode()
    wrong = base64.b64encode(b"node:other").decode()
    assert [status(one) for one in (f"Basic {basic}", "Bearer test-token", "bearer test-token")] == [200, 200, 200]
    assert [status(one) for one in ("", f"Basic {wrong}", "Basic ???", "Bearer other", "Digest test-token")] == [
        401
    ] * 5
    receiver.close()


@pytest.mark.parametrize(
    ("text", "what"),
    [("nothing\n", ":1: is neither"), ("", "no line"), ("bearer \n", ":1: is neither"), (None, "cannot be read")],
)
def test_a_file_of_senders_that_is_wrong_is_an_error(tmp_path: Path, text: str | None, what: str) -> None:
    path = tmp_path / "senders"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=what):
        Access.of_file(str(path))


def test_grpc_is_the_same(lab: Lab, receiver: Receiver) -> None:
    port = serve(("127.0.0.1", 0), receiver, Access(("bearer test-token",)), options.Options())
    with grpc.insecure_channel(port.address) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        known = (("authorization", "Bearer test-token"),)
        answer = export(
            protobuf(request(span(1, CHAT), span(0, CHAT))),
            metadata=known,
            timeout=20,
            compression=grpc.Compression.Gzip,
        )
        assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 1
        for metadata, body, code in (((), b"", "UNAUTHENTICATED"), (known, b"\xff", "INVALID_ARGUMENT")):
            with pytest.raises(grpc.RpcError) as refused:
                export(body, metadata=metadata, timeout=20)
            assert refused.value.code().name == code
    port.close()
    assert counted(lab) == {("shop",): 1}


def test_a_port_that_is_taken_is_an_error(lab: Lab, receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="cannot be used"):
            serve(("127.0.0.1", taken.getsockname()[1]), receiver, Access(), options.Options())


class Upstream:
    """Another OTLP endpoint; ``refuse`` are the statuses of its first answers."""

    def __init__(self, *refuse: int) -> None:
        self.got: list[tuple[str, bytes, dict[str, str]]] = []
        statuses = [*refuse]
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                upstream.got.append((self.path, body, {key.lower(): value for key, value in self.headers.items()}))
                self.send_response(statuses.pop(0) if statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_requests_are_passed_on_as_they_came(lab: Lab) -> None:
    upstream = Upstream(503)
    outcomes: list[str] = []
    forwarder = Forwarder(upstream.url, {"x-key": "test-key"}, outcomes.append)
    receiver = Receiver(lab.gateway, forwarder=forwarder)
    packed = gzip.compress(protobuf(BODY))
    client = TestClient(receiver.app)
    assert (
        client.post("/v1/traces", content=packed, headers={**PROTOBUF, "content-encoding": "gzip"}).status_code == 200
    )
    client.post("/v1/traces", content=b"\xff", headers=PROTOBUF)  # refused, and so not passed on
    forwarder.close(20.0)
    upstream.close()
    receiver.close()
    assert [(path, body) for path, body, _ in upstream.got] == [("/v1/traces", packed)] * 2
    headers = upstream.got[1][2]
    assert (headers["content-encoding"], headers["content-type"], headers["x-key"]) == (
        "gzip",
        "application/x-protobuf",
        "test-key",
    )
    assert outcomes == ["forwarded"]


def test_an_endpoint_that_refuses_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Upstream(400, 400)
    outcomes: list[str] = []
    forwarder = Forwarder(upstream.url, {}, outcomes.append)
    forwarder.put("traces", b"1", "", "application/json")
    forwarder.put("logs", b"2", "identity", "application/json")
    forwarder.put("traces", bytes(65 * 1024 * 1024), "", "application/json")
    forwarder.close(20.0)
    upstream.close()
    assert sorted(outcomes) == ["dropped", "refused", "refused"]
    assert len([one for one in caplog.records if "pass a request on" in one.getMessage()]) == 1


@pytest.mark.parametrize(
    ("text", "meant"),
    [("localhost:4318", ("localhost", 4318)), (":4318", ("0.0.0.0", 4318)), ("[::1]:1", ("::1", 1)), ("off", None)],
)
def test_an_address_is_host_and_port(text: str, meant: tuple[str, int] | None) -> None:
    assert options.address(text) == meant


@pytest.mark.parametrize("text", ["localhost", "host:port", "host:65536", "host:-1"])
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(OptionError, match="is not host:port"):
        options.address(text)


def test_keys_and_headers_are_checked() -> None:
    assert options.keys("environment, service") == ("service", "environment")
    for wrong in ("namespace", "service,zone"):
        with pytest.raises(OptionError, match="allowed: service"):
            options.keys(wrong)
    assert options.headers(("a = b=c",)) == (("a", "b=c"),)
    with pytest.raises(OptionError, match="NAME=VALUE"):
        options.headers(("a",))


def test_the_command_serves_both_ports_with_tls_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    authority = trustme.CA()
    pair = authority.issue_cert("localhost", "127.0.0.1")
    pair.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    rpc = free_port()
    options_ = ("--grpc", f"127.0.0.1:{rpc}", "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"),
                "--keys", "service,environment")  # fmt: skip
    gateway = Process(tmp_path / "state", *options_, settle="0.2")
    host = gateway.url.removeprefix("https://")
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    connection = http.client.HTTPSConnection(host, context=context, timeout=20)
    body = request(span(1, CHAT), deployment_environment="prod")
    connection.request("POST", "/v1/traces", body, JSON)
    assert connection.getresponse().read() == b"{}"
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    connection.close()
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    with grpc.secure_channel(f"localhost:{rpc}", credentials) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        assert export(protobuf(request(span(2, CHAT, trace=2), service="go")), timeout=20) == b""
    assert gateway.end() == 0
    gateway._options = ("--http", "off", "--grpc", "127.0.0.1:0", "--keys", "service,environment")
    gateway.begin()
    gateway.until(re.compile("OTLP/gRPC on"))
    page = gateway.scrape()
    assert 'service_name="shop",deployment_environment_name="prod"' in page
    assert 'service_name="go"' in page
    assert gateway.end() == 0


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--http", "4318"), "is not host:port"), (("--http", "off", "--grpc", "off"), "leave nothing"),
        (("--keys", "zone"), "allowed: service"),
        (("--tls-cert", "x"), "go together"), (("--tls-cert", "x", "--tls-key", "y"), "no certificate and key"),
        (("--auth-file", "/nowhere"), "cannot be read"),
    ],
)  # fmt: skip
def test_the_command_says_what_is_wrong_in_a_line(arguments: tuple[str, ...], what: str) -> None:
    from click.testing import CliRunner

    from otel_llm.cli.app import group

    done = CliRunner().invoke(group, ["gateway", *arguments])
    assert (done.exit_code, what in done.output, done.output.count("\n")) == (2, True, 1)


def test_a_body_that_comes_too_slowly_is_given_up(tmp_path: Path) -> None:
    lab = Lab(tmp_path, body_seconds=0.05)
    receiver = Receiver(lab.gateway)

    async def slow() -> None:
        import asyncio

        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not sent:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        await receiver.app(
            {"type": "http", "method": "POST", "path": "/v1/traces", "headers": headers, "query_string": b""},
            receive,
            send,
        )
        assert sent[0]["status"] == 408

    import asyncio

    asyncio.run(slow())
    receiver.close()
    lab.gateway.stop()
