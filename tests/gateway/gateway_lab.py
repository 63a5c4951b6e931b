"""A gateway in this process, with a clock that tests move, and payloads written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from otel_llm.core.config import Config
from otel_llm.gateway.batch import Naming
from otel_llm.gateway.intake import Intake
from otel_llm.gateway.options import Options
from otel_llm.gateway.service import Gateway

START = 1_790_000_000_000_000_000
"""Nanoseconds since the epoch, of spans whose time does not matter."""
USED = {"gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 30, "gen_ai.usage.cache_read.input_tokens": 100}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06", **USED}  # fmt: skip


def any_value(value: Any) -> dict[str, Any]:
    """A value as OTLP/JSON writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [any_value(member) for member in value]}}
    return {"stringValue": value}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def span(
    number: int,
    attributes: dict[str, Any] | None = None,
    *,
    parent: int = 0,
    trace: int = 1,
    name: str = "chat gpt-4o",
    kind: int = 3,
    start: float = 0.0,
    seconds: float = 1.0,
    **more: Any,
) -> dict[str, Any]:
    """One span; ``start`` is seconds after ``START``, ``parent`` the number of another span of the trace."""
    began = START + int(start * 1e9)
    made: dict[str, Any] = {
        "traceId": f"{trace:032x}", "spanId": f"{number:016x}", "name": name, "kind": kind,
        "startTimeUnixNano": str(began), "endTimeUnixNano": str(began + int(seconds * 1e9)), "attributes": pairs(attributes or {}),
    }  # fmt: skip
    if parent:
        made["parentSpanId"] = f"{parent:016x}"
    return {**made, **more}


def failed(kind: str = "", message: str = "") -> dict[str, Any]:
    """Status and exception event of a span that failed."""
    event = {
        "name": "exception",
        "timeUnixNano": str(START),
        "attributes": pairs({"exception.type": kind, "exception.message": message}),
    }
    return {"status": {"code": 2, "message": message}, "events": [event] if kind else []}


def request(
    *spans: dict[str, Any], service: str = "shop", scope: str = "some.instrumentation", **resource: Any
) -> bytes:
    """A request of one service and one scope, in JSON."""
    attributes = {"service.name": service, **{key.replace("_", "."): value for key, value in resource.items()}}
    scope_spans = [{"scope": {"name": scope}, "spans": list(spans)}]
    return json.dumps(
        {"resourceSpans": [{"resource": {"attributes": pairs(attributes)}, "scopeSpans": scope_spans}]}
    ).encode()


class Lab:
    """A gateway that is driven by hand."""

    def __init__(self, folder: Path, config: Config | None = None, **options: Any) -> None:
        self.now = 1000.0
        self.folder = folder
        self.config = config or Config(state_dir=str(folder), server="off", port=0)
        self.options = Options(**options)
        self.gateway = self.begin()

    def begin(self) -> Gateway:
        """A gateway as a new process would start it."""
        self.gateway = Gateway(self.config, self.options, clock=lambda: self.now)
        self.gateway.start(ticking=False)
        self.intake = Intake(self.gateway)
        return self.gateway

    @property
    def naming(self) -> Naming:
        return self.gateway.naming

    def send(self, *bodies: bytes, signal: str = "traces") -> None:
        for body in bodies:
            self.intake.take(signal, body, is_json=True)

    def settle(self, seconds: float = 11.0) -> None:
        """Let time pass, and have what is due decided."""
        self.now += seconds
        self.gateway.settle()

    def values(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values of a metric by these labels, without those that are 0."""
        sums: dict[tuple[str, ...], float] = {}
        for family in self.gateway.member.families():
            for sample in family.samples:
                if sample.name == name and sample.value:
                    key = tuple(sample.labels.get(label, "") for label in labels)
                    sums[key] = sums.get(key, 0.0) + sample.value
        return sums

    def calls(self, *labels: str) -> dict[tuple[str, ...], float]:
        return self.values("otel_llm_calls_total", *(labels or ("service_name",)))

    def spans(self) -> dict[str, float]:
        return {result: number for (result,), number in self.values("otel_llm_gateway_spans_total", "result").items()}
