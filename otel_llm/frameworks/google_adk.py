"""Google's Agent Development Kit, which traces itself: what its tools are asked and answer, compared for repeats."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs

from .repeats import compare


def _asked(_: Any, __: Args, kwargs: Kwargs) -> Any:
    return dict(kwargs.get("args") or {})


def _answered(tool: Any, arguments: Any, result: Any, error: BaseException | None) -> None:
    compare(str(tool.name), arguments, result, error)


framework = Framework(
    name="google_adk",
    distribution="google-adk",
    requires=">=1.0,<3",
    tested=("2.13.0",),
    hooks=(Around("google.adk.tools.function_tool", ("FunctionTool.run_async",), _answered, _asked),),
    scope="gcp.vertex.agent",
)
