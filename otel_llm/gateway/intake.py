"""A request's body to the gateway: decoded by its signal and form, the same for every transport."""

from __future__ import annotations

import time

from . import logs, otlpjson, points, protobuf, records
from .service import Gateway

SIGNALS = ("traces", "metrics", "logs")
_REJECTED = "spans without a valid trace id and span id, or too many of them, were rejected"


class Intake:
    """Takes bodies for ``gateway``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._points = points.Points(time.time_ns())

    def take(self, signal: str, body: bytes, *, is_json: bool) -> tuple[int, str]:
        """How many spans were rejected, and why. Raises ``MalformedError``, ``FullError`` or ``NoRoomError``."""
        naming = self._gateway.naming
        if signal == "traces":
            rejected = self._gateway.take(otlpjson.traces(body, naming) if is_json else protobuf.traces(body, naming))
            return rejected, _REJECTED if rejected else ""
        if signal == "logs":
            logged = records.logs(body, naming, is_json=is_json)
            self._gateway.report(filter(None, map(logs.call, logged)))
            for record in logged:
                for event in logs.evaluation(record):
                    self._gateway.member.append(event)
        else:
            measured = records.points(body, naming, is_json=is_json)
            self._gateway.report(self._points.calls(measured, self._gateway.clock()))
        return 0, ""
