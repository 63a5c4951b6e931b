"""Events of calls, as log records of OpenTelemetry's: a call's attributes and content, where that is asked for, and its failure."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from otel_llm.calls.invocation import Invocation
from otel_llm.core.model import Observation
from otel_llm.core.semconv import start_attributes
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.version import __version__

DETAILS = "gen_ai.client.inference.operation.details"
EXCEPTION = "gen_ai.client.operation.exception"
_SEVERITIES = {DETAILS: "INFO", EXCEPTION: "WARN"}


def event_logger() -> Any:
    """The logger of our events. It is a proxy where the host has set up no logging yet, and drops events until it does."""
    from opentelemetry import _logs  # noqa: PLC0415 - only where there is something to say

    if "event_name" not in inspect.signature(_logs.Logger.emit).parameters:
        return _Deaf()
    return _logs.get_logger("otel_llm", __version__, schema_url=SCHEMA_URL)


class _Deaf:
    """A logger of an OpenTelemetry that knows no events: those before 1.36."""

    def emit(self, **_: Any) -> None:
        """Drop an event."""


def emit(logger: Any, name: str, call: Invocation, observation: Observation, attributes: Mapping[str, Any]) -> None:
    """Emit the event ``name`` of a call that has ended, in the context of its span."""
    from opentelemetry._logs import SeverityNumber  # noqa: PLC0415 - as above

    severity = _SEVERITIES[name]
    logger.emit(
        event_name=name, timestamp=int(observation.at * 1e9), context=call.scope, severity_text=severity,
        severity_number=SeverityNumber[severity], attributes=dict(attributes),
    )  # fmt: skip


class Exceptions:
    """Emits ``gen_ai.client.operation.exception`` for a call that an exception ended. The message may hold a prompt and stays out."""

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger

    def prepare(self) -> None:
        """Take the logger before the first call fails."""
        if self._logger is None:
            self._logger = event_logger()

    def __call__(self, call: Invocation, observation: Observation, attributes: Mapping[str, Any]) -> None:
        """Take a call that failed, and its attributes. One that its caller cancelled met no exception of its own."""
        if call.error is None or observation.error_type == "cancelled":
            return
        self.prepare()
        emit(self._logger, EXCEPTION, call, observation, {**start_attributes(call.request, call.labels), **attributes})
