"""Google's Agent Development Kit, which traces itself: what its tools are asked and answer, compared for repeats, and which of
them hand over to another agent."""

from __future__ import annotations

from typing import Any

from otel_llm.calls import runs
from otel_llm.calls.declarations import Args, Around, Framework, Kwargs

from .repeats import compare


def _asked(_: Any, __: Args, kwargs: Kwargs) -> tuple[Any, Any]:
    return dict(kwargs.get("args") or {}), kwargs.get("tool_context")


def _answered(tool: Any, call: tuple[Any, Any], result: Any, error: BaseException | None) -> None:
    arguments, context = call
    compare(str(tool.name), arguments, result, error)
    run = runs.agent_run()
    if run is not None and getattr(getattr(context, "actions", None), "transfer_to_agent", None):
        run.handed_over = True  # its generator is closed, as one is that nobody reads any more


framework = Framework(
    name="google_adk",
    distribution="google-adk",
    requires=">=1.0,<3",
    tested=("2.13.0",),
    hooks=(Around("google.adk.tools.function_tool", ("FunctionTool.run_async",), _answered, _asked),),
    scope="gcp.vertex.agent",
)
