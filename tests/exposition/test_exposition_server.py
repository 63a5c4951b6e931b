"""The server over real sockets: addresses, TLS, passwords, slow and rude clients, forks."""

from __future__ import annotations

import base64
import errno
import gzip
import http.client
import os
import pty
import shutil
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from otel_llm.aggregate import Store
from otel_llm.cluster.member import Member
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.exposition import families
from otel_llm.exposition import server as module
from otel_llm.exposition.endpoint import Endpoint
from otel_llm.exposition.server import PortTakenError, ServeError, Server, serve

BODY = b"some_metric 1\n" * 200
Serve = Callable[..., Server]


def scrape(accept: str) -> tuple[str, bytes]:
    return f"text/plain; asked={accept}", BODY


@pytest.fixture
def start() -> Iterator[Serve]:
    started: list[Server] = []

    def run(what: Callable[[str], tuple[str, bytes]] = scrape, **settings: object) -> Server:
        started.append(serve(Config(port=0, **settings), what))
        return started[-1]

    yield run
    for server in started:
        server.close()


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    """localhost as most machines have it, which is not all of them."""
    resolve = module.sockets.getaddrinfo

    def resolved(host: object, port: int, *more: int) -> list[tuple]:
        if host != "localhost":
            return resolve(host, port, *more)
        return [*resolve("::1", port, *more), *resolve("127.0.0.1", port, *more), *resolve("127.0.0.1", port, *more)]

    monkeypatch.setattr(module.sockets, "getaddrinfo", resolved)


def get(server: Server, path: str = "/metrics", method: str = "GET", host: str = "127.0.0.1", **headers: str):
    connection = http.client.HTTPConnection(host, server.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, dict(reply.getheaders()), body


def raw(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_metrics_are_served(start: Serve) -> None:
    status, headers, body = get(start(), Accept="text/plain;version=0.0.4")
    assert (status, body) == (200, BODY)
    assert headers["Content-Type"] == "text/plain; asked=text/plain;version=0.0.4"
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["Server"].startswith("otel-llm/")
    assert headers["Connection"] == "close"


def test_a_query_is_no_other_path(start: Serve) -> None:
    assert get(start(), "/metrics?x=1")[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.usefixtures("both")
def test_localhost_means_both_families(start: Serve, host: str) -> None:
    assert get(start(host="localhost"), host=host)[2] == BODY


@pytest.mark.parametrize(("listen", "reach"), [
    ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("", "127.0.0.1"), ("", "::1"),
])  # fmt: skip
def test_any_address_can_be_listened_on(start: Serve, listen: str, reach: str) -> None:
    assert get(start(host=listen), host=reach)[0] == 200


def test_head_has_the_headers_only(start: Serve) -> None:
    status, headers, body = get(start(), method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(BODY)), b"")


def test_gzip_where_it_is_asked_for(start: Serve) -> None:
    server = start()
    _, headers, body = get(server, Accept_Encoding="br, gzip;q=0.5")
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < len(BODY) / 10
    assert gzip.decompress(body) == BODY
    assert "Content-Encoding" not in get(server, Accept_Encoding="br")[1]


def test_a_short_body_is_not_worth_packing(start: Serve) -> None:
    server = start(lambda _: ("text/plain", b"short 1\n"))
    assert get(server, Accept_Encoding="gzip")[2] == b"short 1\n"


@pytest.mark.parametrize(("path", "status", "says"), [
    ("/", 200, b"metrics are at /metrics"), ("/-/healthy", 200, b"healthy"), ("/other", 404, b"metrics are at /metrics"),
    ("/metrics/", 404, b"not here"),
])  # fmt: skip
def test_other_paths_say_where_to_go(start: Serve, path: str, status: int, says: bytes) -> None:
    told, headers, body = get(start(), path)
    assert (told, headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert says in body
    assert body.count(b"\n") == 1


@pytest.mark.parametrize("path", ["/", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_only_reading_is_allowed(start: Serve, method: str, path: str) -> None:
    status, headers, _ = get(start(), path, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_scrape_that_fails_is_told_and_counted(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})

    def broken(_accept: str) -> tuple[str, bytes]:
        raise RuntimeError("our bug")

    server = start(broken)
    assert get(server)[0] == 500
    assert b"our bug" not in get(server)[2]
    assert Guard.errors == {"scrape": 2}


@pytest.mark.parametrize("request_", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"",
])  # fmt: skip
def test_rude_clients_do_no_harm(start: Serve, request_: bytes) -> None:
    server = start()
    answer = b""
    with raw(server) as peer, suppress(OSError):  # a reset, where it had sent more than anybody wants to read
        peer.sendall(request_)
        peer.shutdown(socket.SHUT_WR)
        answer = peer.makefile("rb").read()
    assert not answer or b"HTTP/1.0 4" in answer or b"HTTP/1.0 5" in answer or b"Error response" in answer
    assert get(server)[0] == 200


def test_an_address_that_is_none_is_the_client_s_mistake_and_not_ours(
    start: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guard, "errors", {})
    with raw(start()) as peer:
        peer.sendall(b"GET http://[ HTTP/1.1\r\n\r\n")
        assert peer.makefile("rb").read().startswith(b"HTTP/1.0 404 ")
    assert Guard.errors == {}


def test_a_line_without_end_is_refused(start: Serve) -> None:
    server = start()
    with raw(server) as peer:
        peer.sendall(b"GET /" + b"x" * 8188)  # not a byte more than is read, or a reset may overtake the answer
        assert peer.recv(100).startswith(b"HTTP/1.0 414 ")


def test_a_client_that_dawdles_is_let_go(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.05)
    server = start()
    with raw(server) as peer:
        peer.sendall(b"GET /metr")
        assert peer.recv(100) == b""
    assert get(server, "/-/healthy")[0] == 200


def test_a_client_that_does_not_read_is_let_go(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    server = start(lambda _: ("text/plain", b"x" * 50_000_000))
    with raw(server) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        peer.recv(1)
        while server._open:
            os.sched_yield()


def connected(server: Server, number: int, sends: bytes = b"") -> list[socket.socket]:
    """So many clients that are connected, after each has sent something."""
    peers = []
    for count in range(1, number + 1):
        peers.append(raw(server))
        peers[-1].sendall(sends)
        while len(server._open) < count:
            os.sched_yield()
    return peers


def test_clients_that_do_not_ask_make_room_for_one_that_does(
    start: Serve, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is taken with the password: whoever dawdles before that cannot keep Prometheus waiting."""
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    server = start(basic_auth_file=str(users))
    first, second = connected(server, 2, b"GET /metr")
    assert get(server, Authorization=basic("prom:letmein"))[0] == 200
    assert first.recv(10) == b""
    second.sendall(b"ics HTTP/1.0\r\n\r\n")
    assert second.recv(100).startswith(b"HTTP/1.0 401 ")
    for peer in (first, second):
        peer.close()


def test_clients_that_are_answered_keep_their_places(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    gate = threading.Event()
    answered = threading.Semaphore(0)

    def slowly(_: str) -> tuple[str, bytes]:
        answered.release()
        gate.wait(60)
        return "text/plain", BODY

    server = start(slowly)
    peers = connected(server, 2, b"GET /metrics HTTP/1.0\r\n\r\n")
    for _ in peers:
        answered.acquire(timeout=60)
    with raw(server) as third:
        assert third.recv(10) == b""
    gate.set()
    for peer in peers:
        assert peer.recv(100).startswith(b"HTTP/1.0 200 ")
        peer.close()


def test_a_client_that_does_not_read_makes_room_after_a_while(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(module, "SLOW_SECONDS", float("inf"))
    server = start(lambda _: ("text/plain", b"x" * 50_000_000))
    (slow,) = connected(server, 1, b"GET /metrics HTTP/1.0\r\n\r\n")
    slow.recv(1)
    with raw(server) as refused:
        assert refused.recv(10) == b""
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    assert get(server, "/-/healthy")[0] == 200
    slow.close()


class NoThread:
    """Refuses the ``number``-th thread, as a container at its limit does."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._start = module._start

    def __call__(self, *work: object) -> int:
        self._left -= 1
        if not self._left:
            raise RuntimeError("can't start new thread")
        return self._start(*work)


def test_a_client_that_no_thread_is_left_for_is_the_only_one_refused(
    start: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(host="127.0.0.1")
    monkeypatch.setattr(module, "_start", NoThread(1))
    with raw(server) as peer:
        assert peer.recv(10) == b""
    assert get(server)[0] == 200


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.usefixtures("both")
def test_a_server_that_no_thread_is_left_for_keeps_no_port(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(module, "_start", NoThread(number))
    with pytest.raises(ServeError, match="can't start new thread"):
        serve(Config(port=port), scrape)
    again = serve(Config(port=port), scrape)
    assert get(again)[0] == 200
    again.close()


def test_a_taken_port_is_told_with_the_remedy(start: Serve) -> None:
    taken = start()
    with pytest.raises(PortTakenError, match=rf"localhost:{taken.port} is taken .* OTEL_EXPORTER_PROMETHEUS_PORT"):
        serve(Config(port=taken.port), scrape)
    assert get(taken)[0] == 200


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("taken", "free"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_one_taken_address_of_the_name_is_enough(taken: str, free: str) -> None:
    family = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
    with socket.socket(family[taken]) as stranger:
        stranger.bind((taken, 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(PortTakenError):
            serve(Config(port=port), scrape)
        with socket.socket(family[free]) as other:
            other.bind((free, port))  # nothing was kept


def test_an_address_family_that_the_machine_lacks_is_no_matter(
    start: Serve, both: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = module._listen

    def lacking(family: int, address: tuple, *, shared: bool) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return listen(family, address, shared=shared)

    monkeypatch.setattr(module, "_listen", lacking)
    assert get(start())[0] == 200


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_told(host: str) -> None:
    with pytest.raises(ServeError, match=host):
        serve(Config(host=host, port=0), scrape)


def test_close_gives_the_port_back(start: Serve) -> None:
    first = start()
    assert get(first)[0] == 200
    first.close()
    first.close()
    with pytest.raises(ConnectionRefusedError):
        raw(first)
    again = serve(Config(port=first.port), scrape)
    assert get(again)[0] == 200
    again.close()


def test_a_forked_child_lets_go_and_the_parent_serves_on(start: Serve) -> None:
    server = start()
    child = os.fork()
    if not child:
        server.drop_after_fork()
        os._exit(0 if all(listener.fileno() == -1 for listener in server._listeners) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert get(server)[0] == 200


def test_the_port_is_free_when_only_the_child_lives(start: Serve) -> None:
    server = start()
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        server.drop_after_fork()
        os.write(ready[1], b".")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        raw(server)
    os.write(go[1], b".")
    os.waitpid(child, 0)
    for end in (*ready, *go):
        os.close(end)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return str(folder / "cert.pem"), str(folder / "key.pem"), trusting


def test_tls(start: Serve, certificates) -> None:
    cert, key, trusting = certificates
    big = BODY * 1000
    server = start(lambda _: ("text/plain", big), tls_cert=cert, tls_key=key)
    connection = http.client.HTTPSConnection("localhost", server.port, context=trusting, timeout=10)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read() == big
    connection.close()


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(start: Serve, certificates, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(certificates[0], cert)
    shutil.copy(certificates[1], key)
    server = start(tls_cert=str(cert), tls_key=str(key))

    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=10)

    assert shown() in cert.read_text()
    authority = trustme.CA()
    renewed = authority.issue_cert("localhost")
    renewed.cert_chain_pems[0].write_to_path(cert)  # for a moment it does not fit its key
    assert shown() in Path(certificates[0]).read_text()
    renewed.private_key_pem.write_to_path(key)
    assert shown() in cert.read_text()
    key.write_text("broken")
    assert shown() in cert.read_text()
    cert.unlink()
    assert shown() in renewed.cert_chain_pems[0].bytes().decode()


def test_what_the_host_starts_inherits_no_socket(start: Serve) -> None:
    assert not any(os.get_inheritable(listener.fileno()) for listener in start()._listeners)


def test_a_client_without_tls_gets_nothing_and_harms_nobody(start: Serve, certificates) -> None:
    cert, key, trusting = certificates
    server = start(tls_cert=cert, tls_key=key)
    with raw(server) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert BODY not in peer.makefile("rb").read()
    with raw(server) as gone:
        gone.sendall(b"\x16\x03\x01")
    connection = http.client.HTTPSConnection("localhost", server.port, context=trusting, timeout=10)
    connection.request("GET", "/-/healthy")
    assert connection.getresponse().status == 200
    connection.close()


PROMPT = """
import sys
from otel_llm.core.config import Config
from otel_llm.exposition.server import serve
serve(Config(port=0, tls_cert=sys.argv[1], tls_key=sys.argv[2]), lambda _: ("", b""))
"""


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads, from Python 3.12 on
def test_an_encrypted_key_is_refused_and_nobody_is_asked_at_the_terminal(certificates, tmp_path: Path) -> None:
    key = load_pem_private_key(Path(certificates[1]).read_bytes(), None)
    hidden = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "key.pem").write_bytes(hidden)
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", PROMPT, certificates[0], str(tmp_path / "key.pem")])
    said = b""
    with suppress(OSError):  # the end of a terminal
        while b"pass phrase" not in said and (more := os.read(terminal, 1000)):
            said += more
    os.close(terminal)
    os.waitpid(child, 0)
    assert b"ServeError: OTEL_LLM_METRICS_TLS_CERT and _KEY: cannot use" in said


@pytest.mark.parametrize(("settings", "says"), [
    ({"tls_cert": "cert.pem"}, "go together"),
    ({"tls_cert": "/no/cert.pem", "tls_key": "/no/key.pem"}, "cannot use /no/cert.pem and /no/key.pem: No such file"),
    ({"tls_cert": __file__, "tls_key": __file__}, "cannot use"),
    ({"basic_auth_file": "/no/users"}, "OTEL_LLM_METRICS_BASIC_AUTH_FILE: .*No such file"),
    ({"basic_auth_file": os.devnull}, "must hold lines of user:password"),
])  # fmt: skip
def test_wrong_files_are_told(settings: dict, says: str) -> None:
    with pytest.raises(ServeError, match=says):
        serve(Config(port=0, **settings), scrape)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text("# who may read\nprom:letmein\n\nops:pass:wörd\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("credentials", ["prom:letmein", "ops:pass:wörd"])
def test_who_knows_the_password_may_read(start: Serve, users: Path, credentials: str) -> None:
    assert get(start(basic_auth_file=str(users)), Authorization=basic(credentials))[2] == BODY


@pytest.mark.parametrize("header", [
    "", "Basic", "Basic !!!", "Basic é".encode().decode("latin-1"), basic("prom:wrong"), basic("prom"), basic(""),
    "Bearer " + basic("prom:letmein")[6:],
])  # fmt: skip
def test_who_does_not_may_not(start: Serve, users: Path, header: str) -> None:
    status, headers, body = get(start(basic_auth_file=str(users)), Authorization=header)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="otel-llm"')
    assert BODY not in body


def test_health_needs_no_password_and_the_front_page_does(start: Serve, users: Path) -> None:
    server = start(basic_auth_file=str(users))
    assert [get(server, path)[0] for path in ("/-/healthy", "/", "/other")] == [200, 401, 401]


def test_new_passwords_are_taken_up_and_broken_files_are_not(start: Serve, users: Path) -> None:
    server = start(basic_auth_file=str(users))
    users.write_text("prom:changed-since\n", encoding="utf-8")
    assert [get(server, Authorization=basic(f"prom:{word}"))[0] for word in ("letmein", "changed-since")] == [401, 200]
    users.write_text("nothing useful", encoding="utf-8")
    assert get(server, Authorization=basic("prom:changed-since"))[0] == 200
    users.unlink()
    assert get(server, Authorization=basic("prom:changed-since"))[0] == 200


BOTH = (socket.AF_INET, socket.AF_INET6)


class Routes:
    """A socket module of a machine that has a way out by some families of addresses, and lacks others altogether.

    ``here``: the families of its loopback.
    """

    def __init__(self, *families: int, lacks: tuple[int, ...] = (), here: tuple[int, ...] = BOTH) -> None:
        self.families, self.lacks, self.here = families, lacks, here
        self.closed = 0

    def __call__(self, family: int, kind: int) -> Routes:
        assert kind == socket.SOCK_DGRAM  # whose connecting sends nothing
        if family in self.lacks:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        self.family = family
        return self

    def connect(self, address: tuple[str, int]) -> None:
        if self.family not in (self.here if address[0] in ("127.0.0.1", "::1") else self.families):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("routes", "only"),
    [
        (Routes(socket.AF_INET6), True),
        (Routes(socket.AF_INET6, lacks=(socket.AF_INET,)), True),
        (Routes(socket.AF_INET, socket.AF_INET6), False),
        (Routes(socket.AF_INET), False),
        (Routes(), False),
        (Routes(here=(socket.AF_INET6,)), True),
        (Routes(socket.AF_INET, here=(socket.AF_INET6,)), False),
    ],
)
def test_a_machine_that_only_ipv6_reaches_is_known(monkeypatch: pytest.MonkeyPatch, routes: Routes, only: bool) -> None:
    monkeypatch.setattr(families.sockets, "socket", routes)
    assert families.ipv6_only() is only
    assert routes.closed > 0


def test_any_ipv4_address_where_there_is_ipv6_only_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    member = Member(Config(), lambda: Store(Config()))
    endpoint = Endpoint(Config(host="0.0.0.0", port=0), member)
    monkeypatch.setattr(families, "ipv6_only", lambda: True)
    endpoint._bind()
    endpoint.close()
    assert "0.0.0.0 is reached by IPv4 only" in caplog.text
    assert "set OTEL_EXPORTER_PROMETHEUS_HOST to ::" in caplog.text

    def without_ipv4(*_: object, **__: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(module, "_listen", without_ipv4)
    with pytest.raises(ServeError, match="set OTEL_EXPORTER_PROMETHEUS_HOST to ::"):
        serve(Config(host="0.0.0.0", port=0), scrape)
