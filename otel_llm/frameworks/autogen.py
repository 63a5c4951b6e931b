"""AutoGen, which traces itself: what its tools are asked and answer, compared for repeats."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs

from .repeats import compare


def _asked(_: Any, args: Args, kwargs: Kwargs) -> Any:
    return dict(kwargs.get("args", args[0] if args else None) or {})


def _answered(tool: Any, arguments: Any, result: Any, error: BaseException | None) -> None:
    compare(str(tool.name), arguments, str(result), error)


framework = Framework(
    name="autogen",
    distribution="autogen-core",
    requires=">=0.7,<1",
    tested=("0.7.5",),
    hooks=(Around("autogen_core.tools._base", ("BaseTool.run_json",), _answered, _asked),),
    scope="autogen-core",
)
