"""Spans that other libraries make, as metrics of ours: agent runs, tools, workflows, MCP, retrieval, and inference."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary, ref

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, get_current_span

from otel_llm.calls import runs, shared_span
from otel_llm.calls.context import given
from otel_llm.calls.invocation import current_call
from otel_llm.calls.observer import Observer
from otel_llm.calls.runs import Kind, Step
from otel_llm.clients import NAMES
from otel_llm.core.guard import guarded

from . import duplicates, reading
from .inference import count
from .report import Ending, report
from .steps import CONVERSATION

COMPARED = ("agent_framework", "gcp.vertex.agent", "semantic_kernel")
"""Scopes whose tool calls a hook of ours compares: their spans have arguments and results only where content is captured."""
OURS = "otel_llm"  # the instrumentation scope of our own spans
_NAMES: Mapping[str, tuple[str, ...]] = {
    "agent": (reading.AGENT, "gen_ai.agent.id"), "workflow": ("gen_ai.workflow.name",), "tool": (reading.TOOL,),
    "retrieval": ("gen_ai.data_source.id",),
}  # fmt: skip


class SpanStep(Step):
    """A step that a live span reports. Its kind and name are read when they are asked for: a span may set them late."""

    __slots__ = ("epoch", "handled", "inside_call", "server", "shadow")

    def __init__(self, span: Any, source: str, parent: Step | None, epoch: int) -> None:
        super().__init__("", "", source, parent, span)
        self.epoch = epoch
        self.server: bool = getattr(span, "kind", None) is SpanKind.SERVER
        self.inside_call = False  # it began while a call of a library that we watch was open
        self.shadow = False  # nobody records its span
        self.handled = sys.exc_info()[1]  # an exception that is not this step's

    def resolve(self) -> Kind:
        """The kind, from what the span has by now."""
        if not self.kind:
            span = self.span
            if span is None:
                return ""
            self.kind = reading.kind_of(span.attributes or {}, self.source, span.name, server=self.server)
        return self.kind

    def model(self) -> str:
        """The model that the span names by now."""
        return reading.model(getattr(self.span, "attributes", None) or {})

    def method(self) -> str:
        """The method that the span names."""
        return str((getattr(self.span, "attributes", None) or {}).get(reading.METHOD, ""))

    def label(self) -> str:
        """The name, from what the span has by now; else from the form of the span's name."""
        if not self.name and self.span is not None:
            attributes = self.span.attributes or {}
            names = (attributes.get(key) for key in _NAMES.get(self.resolve(), ()))
            self.name = str(next((name for name in names if name), reading.named_by_form(self.span.name)[1]))
        return super().label()


class Bridge:
    """A span processor. It sees every span of the process that is recorded, and records metrics of those that it knows."""

    reads_own_attributes = False  # our own spans are none of its business: they need no attributes at their start

    def __init__(self, observer: Observer, watches: Callable[[str], bool] = lambda _: False) -> None:
        self._observer = observer
        self._watches = watches  # whether the calls of a client library are counted by hooks of ours
        self._live: WeakValueDictionary[int, SpanStep] = WeakValueDictionary()  # kept by their spans
        self.active = True
        self._start = guarded("bridge", self._started, 2)
        self._settle_live = guarded("bridge", self._ending, 1)
        self._end = guarded("bridge", self._ended, 1)

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Give the span its step. Called by the SDK where the span starts."""
        if not self.active:
            return
        if not runs.STATE.used:  # then none of ours is inside of a step
            scope = getattr(span, "instrumentation_scope", None)
            if scope is not None and scope.name == OURS:
                return
        self._start(span, parent_context)

    def _on_ending(self, span: Any) -> None:
        """Called by SDKs from 1.40 on, while the span may still be written on."""
        if runs.STATE.used:
            self._settle_live(span)

    def on_end(self, span: Any) -> None:
        """Report the span, if it has a step. Called by the SDK where the span has ended."""
        if runs.STATE.used:
            self._end(span)

    def _started(self, span: Any, parent_context: Context | None) -> None:
        if _scope(span) == OURS:
            runs.mark(span, runs.current(parent_context))
            return
        step = self._live[span.context.span_id] = self.begin(span, parent_context)
        conversation = given().get("conversation")
        if conversation is not None and step.resolve() == "agent" and CONVERSATION not in (span.attributes or {}):
            span.set_attribute(CONVERSATION, conversation)

    def begin(self, span: Any, parent_context: Context | None) -> SpanStep:
        """The step of a span that starts. A server's span has its caller elsewhere, also where that is in this process; where one
        is open, it is the same request, whatever context was handed on with that."""
        parent = runs.current(parent_context)
        if span.kind is SpanKind.SERVER:
            around = (parent, runs.of(get_current_span()))
            parent = next((step for step in around if step is not None and step.resolve() == "mcp_server"), None)
        step = SpanStep(span, _scope(span), parent, self._observer.epoch)
        call = current_call()
        step.inside_call = call is not None and not call.done
        step.doubled = step.inside_call and call is not None and call.span is not None
        runs.mark(span, step)
        if client_library(step.source):
            runs.STARTED.set(ref(step))
        return step

    def _ending(self, span: Any) -> None:
        step = self._live.get(span.context.span_id)
        if step is not None:
            self._settle(step, span)

    def _settle(self, step: SpanStep, span: Any) -> None:
        """Have the span say what is to be exported of it."""
        if step.ended or step.epoch != self._observer.epoch or not self.active:
            return
        if step.sums is not None:
            if client_library(step.source):  # else it may stand for more than the calls that wrote on it
                duplicates.correct(span, step.sums)
        elif step.resolve() == "inference" and self._repeats(step, span):
            step.ended = True
            duplicates.note(step.source)
            duplicates.quiet(span)

    def _repeats(self, step: SpanStep, span: Any) -> bool:
        """Whether a span on which no call wrote is of a call that is on another one: it was not known for an inference when
        the call began inside it, or was made when the call had begun, for the reader of a stream or of a whole answer."""
        if step.doubled:
            return True
        if not self._watches(client_library(step.source)):
            return False
        answer = (span.attributes or {}).get("gen_ai.response.id")
        return span.start_time <= (runs.CALLED.get() or runs.STATE.called) or (
            isinstance(answer, str) and shared_span.answers(answer)
        )

    def _ended(self, span: Any) -> None:
        step = self._live.pop(span.context.span_id, None)
        if step is not None:
            self._settle(step, span)  # for the exporters of an older SDK, if they come later
            self.finish(step, span)

    def finish(self, step: SpanStep, span: Any) -> None:
        """Record what ``span``, which has ended, reports. A span that began before a fork is the parent's to report."""
        if step.ended or step.epoch != self._observer.epoch or not self.active:
            return
        attributes = span.attributes or {}
        step.kind = reading.kind_of(attributes, step.source, span.name, server=step.server)
        if not step.kind:
            step.ended = True
            return
        step.label()
        seconds = max(0.0, (span.end_time - span.start_time) / 1e9)
        error = reading.failure(attributes, span.status, span.events) or _interrupted(step)
        context = span.context
        trace_id = format(context.trace_id, "032x") if context.trace_flags.sampled else ""
        if step.kind == "inference":
            step.ended = True
            ours = not step.inside_call and self._watches(client_library(step.source))
            if (step.doubled or ours) and step.sums is None:  # else a call wrote on this span
                duplicates.note(step.source)
            if not (step.covered or step.inside_call or ours):
                count(self._observer, step, span, seconds, error)
        else:
            report(step, _ending(step, span, seconds, error, trace_id))

    def shutdown(self) -> None:
        """Part of OpenTelemetry's interface; there is nothing to do."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - OpenTelemetry's signature
        """Part of OpenTelemetry's interface; there is nothing to do."""
        return True


def client_library(scope: str) -> str:
    """The client library that is a word of a scope, as in ``opentelemetry.instrumentation.openai.v1``, ``logfire.openai`` or
    ``com.anthropic.sdk.python``; "" for a framework's own scope.

    Its span may not be current while the library works, as OpenLLMetry's of anthropic: then our call is not inside of it, though
    it is the same call.
    """
    if reading.known_scope(scope):
        return ""
    words = (word.removesuffix("_v2") for word in scope.split("."))
    return next((_LIBRARIES[word] for word in words if word in _LIBRARIES), "")


_LIBRARIES: Mapping[str, str] = {
    **{name: name for name in NAMES},
    "mistralai": "mistral", "botocore": "bedrock", "google_genai_sdk": "google_genai", "google_generativeai": "google_genai",
    "llamacpp": "llama_cpp", "groq": "groq", "vertex_ai": "vertexai", "voyageai": "voyage", "watson": "watsonx",
}  # fmt: skip
"""Words of scopes -> client libraries."""


def _scope(span: Any) -> str:
    scope = getattr(span, "instrumentation_scope", None)
    return scope.name if scope is not None else ""


def _ending(step: Step, span: Any, seconds: float, error: str, trace_id: str) -> Ending:
    attributes = span.attributes or {}
    method = str(attributes.get(reading.METHOD, ""))
    if error == "_OTHER" and method == "tools/call":
        error = "tool_error"  # an exception of the tool: the protocol's own errors have codes
    arguments, result = (None, None) if step.source.startswith(COMPARED) else reading.tool_call(attributes, span.events)
    kind, tool = str(attributes.get("gen_ai.tool.type", "")), str(attributes.get(reading.TOOL, ""))
    return Ending(seconds, error, kind, method, tool, arguments, result, trace_id=trace_id)


def _interrupted(step: SpanStep) -> str:
    """``cancelled`` or ``abandoned`` where the span ends because its code is being left: OpenTelemetry sets no status for
    a ``CancelledError`` or a ``GeneratorExit``. One that was being handled when the span began is somebody else's."""
    error = sys.exc_info()[1]
    if error is None or error is step.handled or isinstance(error, Exception):
        return ""
    if step.handed_over and isinstance(error, GeneratorExit):
        return ""
    return reading.raised(error)
