"""The ports of the gateway, from the first request to the last."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from otel_llm.core.config import Config

from . import options
from .access import Access
from .forward import Forwarder
from .http import Receiver
from .options import OptionError, Options
from .service import REQUESTS, Gateway

logger = logging.getLogger("otel_llm")
_BACKLOG = 1_024
CONNECTIONS = 2_000
"""At a time; more are refused with 503."""


def run(config: Config, chosen: Options) -> None:
    """Serve until SIGTERM or SIGINT. Raises ``OptionError`` for what cannot be, ``OSError`` without a port or a directory."""
    logging.basicConfig(level=logging.WARNING, format="otel-llm gateway: %(message)s")
    where = options.address(chosen.http)
    at = options.address(chosen.grpc)
    if where is None and at is None:
        raise OptionError("--http off and --grpc off leave nothing to listen on")
    access = Access.of_file(chosen.auth_file) if chosen.auth_file else Access()
    _check_tls(chosen)
    if at is not None and not _has_grpc():
        logger.warning(
            "grpcio is not installed, so there is no OTLP/gRPC: pip install 'otel-llm[gateway]', or --grpc off"
        )
        at = None
    gateway = Gateway(config, chosen)
    gateway.start()
    forwarder = _forwarder(chosen, gateway)
    receiver = Receiver(gateway, access, forwarder)
    rpc = None
    try:
        if at is not None:
            from .grpc import serve  # noqa: PLC0415 - grpcio is slow to import

            rpc = serve(at, receiver, access, chosen)
        _serve(where, receiver, chosen, rpc.address if rpc is not None else "")
    finally:
        if rpc is not None:
            rpc.close()
        receiver.close()
        if forwarder is not None:
            forwarder.close()
        gateway.stop()


class _Server(uvicorn.Server):
    """uvicorn's, which ends at SIGTERM and SIGINT and leaves the end of the process to us: what is held is to be counted first."""

    def listen(self) -> None:
        """End at these signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn's own would raise the signal again at the end."""
        yield


def _serve(where: tuple[str, int] | None, receiver: Receiver, chosen: Options, also: str) -> None:
    """The HTTP port; without one, uvicorn keeps the process on a socket that no client has."""
    host, port = where or ("127.0.0.1", 0)
    tls = {"ssl_certfile": chosen.tls_cert, "ssl_keyfile": chosen.tls_key} if chosen.tls_cert else {}
    config = uvicorn.Config(
        receiver.app, log_level="warning", access_log=False, lifespan="off", limit_concurrency=CONNECTIONS, timeout_keep_alive=75,
        timeout_graceful_shutdown=10, h11_max_incomplete_event_size=65_536, **tls,  # type: ignore[arg-type]
    )  # fmt: skip
    with _bound(host, port) as listening:
        address = f"http{'s' if tls else ''}://{host}:{listening.getsockname()[1]}" if where else ""
        ports = ", ".join(
            part for part in (address and f"OTLP/HTTP on {address}", also and f"OTLP/gRPC on {also}") if part
        )
        listening.listen(_BACKLOG)
        server = _Server(config)
        server.listen()
        sys.stderr.write(f"otel-llm gateway: {ports}\n")
        sys.stderr.flush()
        server.run([listening])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from None
    return listening


def _check_tls(chosen: Options) -> None:
    if bool(chosen.tls_cert) != bool(chosen.tls_key):
        raise OptionError("--tls-cert and --tls-key go together: one of them is missing")
    if chosen.tls_cert:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chosen.tls_cert, chosen.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise OptionError(f"{chosen.tls_cert} and {chosen.tls_key} are no certificate and key: {error}") from None


def _forwarder(chosen: Options, gateway: Gateway) -> Forwarder | None:
    if not chosen.forward:
        return None
    from collections import Counter  # noqa: PLC0415 - only here

    return Forwarder(
        chosen.forward,
        dict(chosen.forward_headers),
        lambda outcome: gateway.count(Counter({(REQUESTS, f"forward {outcome}"): 1})),
    )


def _has_grpc() -> bool:
    try:
        import grpc  # noqa: F401, PLC0415 - slow, and may be missing
    except ImportError:
        return False
    return True
