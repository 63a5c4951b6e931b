"""A request's body to the gateway: decoded by its signal and form, the same for every transport."""

from __future__ import annotations

from . import otlpjson, protobuf
from .service import Gateway

SIGNALS = ("traces", "metrics", "logs")
_REJECTED = "spans without a valid trace id and span id, or too many of them, were rejected"


class Intake:
    """Takes bodies for ``gateway``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def take(self, signal: str, body: bytes, *, is_json: bool) -> tuple[int, str]:
        """How many spans were rejected, and why. Raises ``MalformedError``, ``FullError`` or ``NoRoomError``."""
        if signal != "traces":
            return 0, ""
        decode = otlpjson.traces if is_json else protobuf.traces
        rejected = self._gateway.take(decode(body, self._gateway.naming))
        return rejected, _REJECTED if rejected else ""
