"""A batch of spans by resource, and what of it is kept: names, numbers and short texts, never what users wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .span import Resource, Span
from .values import LONGEST

MOST_SPANS = 20_000
"""Spans of one request; more are rejected."""
MOST_ATTRIBUTES = 512
MOST_EVENTS = 16
CONTENT = (
    "gen_ai.prompt", "gen_ai.completion.0.content", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gen_ai.tool.", "llm.input_messages", "llm.output_messages", "llm.prompts", "llm.prompt_template", "input.value", "output.value",
    "ai.prompt", "ai.response.text", "ai.response.toolCalls", "ai.response.object", "ai.toolCall.", "langfuse.observation.input",
    "langfuse.observation.output", "langfuse.trace.", "traceloop.entity.input", "traceloop.entity.output", "gcp.vertex.agent.llm_re",
    "gcp.vertex.agent.tool_", "retrieval.documents", "embedding.embeddings", "logfire.msg", "logfire.json_schema", "exception.stacktrace",
    "langsmith.metadata.LANGSMITH", "langsmith.metadata.revision", "gen_ai.request.functions", "all_messages", "final_result",
)  # fmt: skip
"""What attributes begin with that hold content, or settings of the sender: they are never read."""


class MalformedError(ValueError):
    """The request is no OTLP. Its text says what is wrong and may be sent to the sender: it quotes nothing."""


@dataclass(slots=True)
class Batch:
    """Spans by resource, and how many were rejected because they have no ids or there were too many."""

    spans: list[tuple[Resource, list[Span]]] = field(default_factory=list)
    rejected: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Naming:
    """The labels of the calls that the gateway counts: those of the service, from the resource, before those of the application."""

    service: tuple[str, ...] = ("service_name",)
    custom: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.service, *self.custom)

    def resource(self, attributes: dict[str, Any]) -> Resource:
        """The resource of ``attributes``. A service without a name is ``unknown_service``, as the SDKs call it."""
        values = [
            _text(next((attributes[key] for key in SOURCES[name] if attributes.get(key)), "")) for name in self.service
        ]
        if self.service and self.service[0] == "service_name" and not values[0]:
            values[0] = "unknown_service"
        instance = "/".join(
            (*values, _text(attributes.get("service.instance.id")), _text(attributes.get("process.pid")))
        )
        values += [_text(attributes.get(name)) for name in self.custom]
        return Resource(tuple(values), instance, attributes)

    def labels(self, resource: Resource, span: Span) -> tuple[str, ...]:
        """The values of all labels for a call: where the span has a value of its own for one, that counts."""
        if not self.custom:
            return resource.labels
        start = len(self.service)
        own = [
            _text(next((span.attributes[key] for prefix in _PREFIXES if (key := prefix + name) in span.attributes), ""))
            or inherited
            for name, inherited in zip(self.custom, resource.labels[start:], strict=True)
        ]
        return (*resource.labels[:start], *own)


SOURCES = {
    "service_name": ("service.name",),
    "service_namespace": ("service.namespace",),
    "deployment_environment_name": ("deployment.environment.name", "deployment.environment"),
}
"""The labels of a service, and the resource attributes that they come from."""
_PREFIXES = ("otel_llm.label.", "", "traceloop.association.properties.", "ai.telemetry.metadata.", "langsmith.metadata.",
             "langfuse.trace.metadata.", "langfuse.observation.metadata.")  # fmt: skip


def _text(value: Any) -> str:
    return (
        value[:128] if isinstance(value, str) else "" if value is None or isinstance(value, tuple) else str(value)[:128]
    )


def kept(name: str) -> bool:
    """Whether an attribute may be read."""
    return not name.startswith(CONTENT) or name == "gen_ai.tool.name"


def short(value: Any) -> Any:
    """A value as it is kept: one that is too long to be read is cut, which makes it none of what is read."""
    return value[: LONGEST + 1] if isinstance(value, str) and len(value) > LONGEST else value
