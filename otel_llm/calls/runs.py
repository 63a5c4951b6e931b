"""The agent runs, tool calls and workflows that a call is part of, whoever reports them."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any, Literal
from weakref import ref

from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from otel_llm.core import dispatch
from otel_llm.core.digest import digest
from otel_llm.core.model import Observation

from .totals import RequestTotals

Kind = Literal["", "agent", "workflow", "tool", "inference", "retrieval", "mcp_client", "mcp_server"]
MANY = 100
"""Model calls of one run from which it counts as a runaway."""
UNNAMED = "_unnamed"
"""The agent label of an agent without a name."""

_ON_SPAN = "_otel_llm_step"  # the attribute of a live span object that holds its step


class _State:
    __slots__ = ("called", "used")

    def __init__(self) -> None:
        self.used = False  # whether this process has ever had a step: calls of one that has no agents ask no further
        self.called = 0  # when the last call began before that, nanoseconds since the epoch: the first step may be a second span of it


STATE = _State()


class Step:
    """One run of an agent or a workflow, one tool call, one retrieval, one MCP request, or one inference reported by a span.

    ``source`` names who reports it. ``span`` is the live OpenTelemetry span, or None where nobody records one. ``covered`` is
    set on an inference step once a call inside of it has been counted, so that it is not counted again.
    """

    __slots__ = (
        "__weakref__",
        "begun",
        "covered",
        "depth",
        "doubled",
        "ended",
        "handed_over",
        "inference_calls",
        "inner",
        "kind",
        "name",
        "own_begun",
        "parent",
        "provider",
        "repeats",
        "source",
        "span",
        "sums",
        "tally",
        "tool_calls",
    )  # fmt: skip

    kind: Kind
    name: str

    def __init__(self, kind: Kind, name: str, source: str, parent: Step | None, span: Any = None) -> None:
        STATE.used = True
        self.kind = kind
        self.name = name
        self.source = source
        self.parent = parent
        self.span = span
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.ended = False
        self.covered = False
        self.doubled = False  # a call inside has a span of its own beside this one
        self.sums: dict[str, float] | None = None  # what the calls inside have written on this step's span
        self.begun = 0  # calls that have begun inside
        self.own_begun = 0  # of those, calls of this agent run itself
        self.inference_calls = 0
        self.inner: Any = None  # the ending of a step inside that reports this same request
        self.tool_calls = 0
        self.tally: RequestTotals | None = None  # of the calls inside an outermost agent run
        self.provider = ""  # of the first model call of this agent run
        self.handed_over = False  # this agent run is left on purpose: another agent goes on
        self.repeats: dict[Any, Any] | None = None  # what the tools of this agent run were asked and answered

    def resolve(self) -> Kind:
        """What kind of step this is; a span may reveal it only after its start."""
        return self.kind

    def model(self) -> str:
        """The model that an inference step asks, as far as it is known by now."""
        return ""

    def method(self) -> str:
        """The method of an MCP request, where a span names it."""
        return ""

    def around(self, *kinds: Kind) -> Step | None:
        """The nearest step above this one that is of one of ``kinds``."""
        step = self.parent
        while step is not None and step.resolve() not in kinds:
            step = step.parent
        return step

    @property
    def agent(self) -> str:
        """The name of the agent that this step belongs to, itself included; empty outside of any."""
        step = self if self.resolve() == "agent" else self.around("agent")
        return "" if step is None else step.label()

    def label(self) -> str:
        """The name that metrics show."""
        return self.name or UNNAMED

    def calling(self) -> None:
        """A call begins in this step: what may turn out to be an inference around it is that call, and no other. A span may end
        before the call does, as where a stream is read by somebody else."""
        step: Step | None = self
        nearest = False
        while step is not None:
            step.begun += 1
            if not nearest and step.resolve() == "agent":
                nearest = True
                step.own_begun += 1
            if step.resolve() in ("inference", ""):
                step.covered = True
            step = step.parent

    def called(self, call: Observation) -> None:
        """A call that began in this step has ended: count it for the nearest agent, add it to the outermost run."""
        nearest = outermost = None
        step: Step | None = self
        while step is not None:
            kind = step.resolve()
            if kind == "agent":
                nearest, outermost = nearest or step, step
            step = step.parent
        if nearest is not None and outermost is not None:
            nearest.inference_calls += 1
            nearest.provider = nearest.provider or call.provider
            if nearest.inference_calls == MANY:
                dispatch.runaway(nearest.label(), "", MANY)
            if outermost.tally is None:
                outermost.tally = RequestTotals()
            outermost.tally.add(call)


def outermost(step: Step) -> Step | None:
    """The agent run that is around all others, from ``step`` upwards; None outside of any."""
    inner: Step | None = None
    above: Step | None = step
    while above is not None:
        if above.resolve() == "agent":
            inner = above
        above = above.parent
    return inner


def turn(conversation: object, step: Step | None) -> tuple[str, int]:
    """The conversation, as a hash, and 1 where a call in ``step`` begins a turn, as outermost agent runs and calls outside of any do."""
    run = None if step is None else outermost(step)
    return digest(str(conversation), 8).hex(), int(run is None or run.tally is None)


STEP: ContextVar[Step | None] = ContextVar("otel_llm_step", default=None)


def enter(step: Step) -> Token[Step | None]:
    """Make ``step`` the current one of this context."""
    return STEP.set(step)


def leave(step: Step, token: Token[Step | None]) -> bool:
    """Undo ``enter``, and say whether this is the context that entered. In another there is nothing to undo."""
    try:
        STEP.reset(token)
    except ValueError:
        if STEP.get() is step:
            STEP.set(step.parent)
        return False
    return True


def mark(span: Any, step: Step | None) -> None:
    """Remember on a live span which step it is, or is inside of."""
    if step is not None:
        setattr(span, _ON_SPAN, step)


def of(span: Any) -> Step | None:
    """The step that a live span is, or is inside of; None for a span of another process."""
    return getattr(span, _ON_SPAN, None)


def current(context: Context | None = None) -> Step | None:
    """The innermost open step here: of the current span (of ``context``, where given) or of a framework's hook."""
    if not STATE.used:
        return None
    step, hooked = _open(of(get_current_span(context))), _open(STEP.get())
    if step is None or hooked is None:
        return step or hooked
    return hooked if hooked.depth >= step.depth else step


def agent_run() -> Step | None:
    """The innermost agent run that is open here."""
    step = current()
    return step if step is None or step.resolve() == "agent" else step.around("agent")


STARTED: ContextVar[ref[Step] | None] = ContextVar("otel_llm_started", default=None)
"""The last inference step that an instrumentation of a client library began here. Its span need not be current."""


CALLED: ContextVar[int] = ContextVar("otel_llm_called", default=0)
"""When the last call of this context that is on a recorded span began, in nanoseconds since the epoch."""


def around_call(model: str | None) -> Step | None:
    """The step that a call of ``model`` begins in: the innermost open one, or the one of the same call whose owner, as
    OpenLLMetry for anthropic, starts a span and does not make it current."""
    step, started = current(), STARTED.get()
    beside = None if started is None else started()
    if beside is None or beside.ended or beside.covered or beside.parent is not step:
        return step
    return beside if model and beside.model() == model else step


def _open(step: Step | None) -> Step | None:
    while step is not None and step.ended:
        step = step.parent
    return step
