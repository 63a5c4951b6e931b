"""What an operator sets of the gateway, checked."""

from __future__ import annotations

from dataclasses import dataclass

KEYS = {
    "service": ("service_name",),
    "namespace": ("service_namespace",),
    "environment": ("deployment_environment_name",),
}
"""What calls may be kept apart by, and the labels that it brings."""


class OptionError(ValueError):
    """A setting that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``settle`` is how long a call is held, ``remember`` how long its id is known, both in seconds; sizes are in bytes."""

    http: str = "localhost:4318"
    grpc: str = "localhost:4317"
    keys: tuple[str, ...] = ("service",)
    settle: float = 10.0
    remember: float = 600.0
    body_limit: int = 16 * 1024 * 1024
    memory_limit: int = 64 * 1024 * 1024
    most_held: int = 200_000
    body_seconds: float = 30.0
    auth_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    forward: str = ""
    forward_headers: tuple[tuple[str, str], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a service."""
        return tuple(label for key in self.keys for label in KEYS[key])


def address(text: str) -> tuple[str, int] | None:
    """Host and port of ``host:port`` or ``:port`` (all addresses); None for ``off``. Raises ``OptionError``."""
    if text.lower() == "off":
        return None
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - of TCP
        raise OptionError(f"{text!r} is not host:port (allowed: host:port with a port of 0 to 65535, :port, off)")
    return host or "0.0.0.0", int(port)  # noqa: S104 - as it was asked for


def keys(text: str) -> tuple[str, ...]:
    """The parts of the key, the service first. Raises ``OptionError``."""
    chosen = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [part for part in chosen if part not in KEYS]
    if unknown or "service" not in chosen:
        what = f"{unknown[0]!r} is unknown" if unknown else "service is missing"
        raise OptionError(f"{what} (allowed: service, and with it namespace, environment)")
    return tuple(key for key in KEYS if key in chosen)


def headers(pairs: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``NAME=VALUE`` pairs. Raises ``OptionError``."""
    options = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise OptionError("a header is not NAME=VALUE")
        options.append((name.strip(), value.strip()))
    return tuple(options)
