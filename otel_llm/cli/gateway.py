"""``otel-llm gateway``: counts the calls of services in any language, from the spans that they send."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar

import click

from otel_llm.core.config import Config

from .problems import Problem

F = TypeVar("F", bound=Callable[..., Any])

NEEDED = {
    "google.protobuf": "protobuf",
    "opentelemetry.proto": "opentelemetry-proto",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
}
HELP = """Take OTLP from services in any language, and show what a Python service shows of its calls.

\b
  otel-llm gateway                                   OTLP on localhost:4318 (HTTP) and :4317 (gRPC), /metrics on :9464
  otel-llm gateway --http :4318 --grpc :4317         the same for other machines
  otel-llm gateway --forward http://collector:4318   and pass everything on, unchanged
  otel-llm gateway --auth-file senders.txt --tls-cert cert.pem --tls-key key.pem

Services send with OTEL_EXPORTER_OTLP_ENDPOINT=http://<this host>:4318. A call is counted once, some seconds after it ended, under the
label service_name. What was acknowledged is on disk (OTEL_LLM_STATE_DIR) and is counted after a crash, too. Every option can be
set by a variable: OTEL_LLM_GATEWAY_HTTP, OTEL_LLM_GATEWAY_GRPC and so on. It ends with SIGTERM or Ctrl-C.
"""


def _option(name: str, default: Any, help: str, **more: Any) -> Callable[[F], F]:
    variable = "OTEL_LLM_GATEWAY_" + name.lstrip("-").upper().replace("-", "_")
    return click.option(
        name, default=default, show_default=default not in ("", None), envvar=variable, help=help, **more
    )


@click.command("gateway", help=HELP)
@_option("--http", "localhost:4318", "Where OTLP/HTTP is taken, or off.", metavar="HOST:PORT")
@_option("--grpc", "localhost:4317", "Where OTLP/gRPC is taken, or off.", metavar="HOST:PORT")
@_option(
    "--keys", "service", "What calls are kept apart by: service, and with it namespace, environment.", metavar="NAMES"
)
@_option(
    "--settle", 10.0, "Seconds that a call is held until the spans around it have come.", type=click.FloatRange(0, 300)
)
@_option(
    "--remember",
    600.0,
    "Seconds that a span is known: sent again, it is not counted twice.",
    type=click.FloatRange(10, 86400),
)
@_option("--body-limit", 16.0, "MiB of a request, packed or not.", type=click.FloatRange(0.001, 1024))
@_option(
    "--memory-limit",
    64.0,
    "MiB of requests at a time; past it senders are asked to try again later.",
    type=click.FloatRange(1, 65_536),
)
@_option("--auth-file", "", "File of user:password or bearer TOKEN lines that senders need.", metavar="PATH")
@_option("--tls-cert", "", "PEM file with the certificate of both ports.", metavar="PATH")
@_option("--tls-key", "", "PEM file with its private key.", metavar="PATH")
@_option("--forward", "", "OTLP/HTTP endpoint that gets every request as it came.", metavar="URL")
@_option("--forward-header", (), "A header for it; may be given several times.", metavar="NAME=VALUE", multiple=True)
def command(
    *, http: str, grpc: str, keys: str, settle: float, remember: float, body_limit: float, memory_limit: float, auth_file: str,
    tls_cert: str, tls_key: str, forward: str, forward_header: tuple[str, ...],
) -> None:  # fmt: skip
    missing = [package for module, package in NEEDED.items() if not _installed(module)]
    if missing:
        raise Problem(f"the gateway needs {', '.join(missing)}: pip install 'otel-llm[gateway]'")
    from otel_llm.gateway import options, serve  # noqa: PLC0415 - of the extra

    try:
        chosen = options.Options(
            http=http, grpc=grpc, keys=options.keys(keys), settle=settle, remember=remember, body_limit=int(body_limit * 1024 * 1024),
            memory_limit=int(memory_limit * 1024 * 1024), auth_file=auth_file, tls_cert=tls_cert, tls_key=tls_key, forward=forward,
            forward_headers=options.headers(forward_header),
        )  # fmt: skip
        serve.run(Config.from_env(), chosen)
    except options.OptionError as error:
        raise Problem(str(error)) from None
    except OSError as error:
        raise Problem(f"the gateway cannot start: {error}") from None


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
