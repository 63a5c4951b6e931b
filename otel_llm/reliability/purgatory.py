"""purgatory: the state of each circuit, of sync and async factories."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Around, ReliabilityLibrary

from ._states import report


def _stands(context: Any, _: Any, __: Any, error: BaseException | None) -> None:
    if error is None:
        report(context.name, context.state)


signal = ReliabilityLibrary(
    name="purgatory",
    distribution="purgatory",
    requires=">=1.0,<4",
    tested=("3.0.1",),
    hooks=(Around("purgatory.domain.model", ("Context.__init__", "Context.set_state"), _stands),),
)
