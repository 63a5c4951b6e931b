"""Microsoft's Agent Framework, which traces itself: what its tools are asked and answer, compared for repeats."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs

from .repeats import compare


def _asked(_: Any, __: Args, kwargs: Kwargs) -> Any:
    arguments = kwargs.get("arguments")
    dump = getattr(arguments, "model_dump", None)
    return dump() if dump is not None else dict(arguments or {})


def _answered(tool: Any, arguments: Any, result: Any, error: BaseException | None) -> None:
    texts = [getattr(part, "text", None) or str(part) for part in result] if isinstance(result, list) else result
    compare(str(tool.name), arguments, texts, error)


framework = Framework(
    name="agent_framework",
    distribution="agent-framework-core",
    requires=">=1.0,<2",
    tested=("1.23.0",),
    hooks=(Around("agent_framework._tools", ("FunctionTool.invoke",), _answered, _asked),),
    scope="agent_framework",
)
