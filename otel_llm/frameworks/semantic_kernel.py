"""Semantic Kernel, which traces itself: what its tools are asked and answer, compared for repeats."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs

from .repeats import compare


def _asked(_: Any, args: Args, kwargs: Kwargs) -> Any:
    return kwargs.get("context", args[0] if args else None)


def _answered(function: Any, context: Any, _: Any, error: BaseException | None) -> None:
    compare(str(function.fully_qualified_name), dict(context.arguments), str(context.result), error)


framework = Framework(
    name="semantic_kernel",
    distribution="semantic-kernel",
    requires=">=1.30,<2",
    tested=("1.45.0",),
    hooks=(
        Around(
            "semantic_kernel.functions.kernel_function_from_method",
            ("KernelFunctionFromMethod._invoke_internal",),
            _answered,
            _asked,
        ),
    ),
    scope="semantic_kernel",
)
