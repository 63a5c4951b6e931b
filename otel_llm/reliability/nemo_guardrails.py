"""NeMo Guardrails: the input, output and retrieval rails that a generation went through, and which one stopped it."""

from __future__ import annotations

import sys
from typing import Any

from otel_llm.calls import checks
from otel_llm.calls.declarations import Around, ReliabilityLibrary

_LOG = "nemoguardrails.logging.processing_log"
_RAILS = frozenset(("input", "output", "retrieval", "tool_input", "tool_output"))


def _generated(_: Any, __: Any, ___: Any, ____: BaseException | None) -> None:
    module: Any = sys.modules.get(_LOG)
    log = module.processing_log_var.get() if module is not None else None
    if not log:
        return
    for rail in module.compute_generation_log(log).activated_rails:
        if rail.type in _RAILS:
            checks.record(str(rail.name), "blocked" if rail.stop else "passed", rail.duration)


signal = ReliabilityLibrary(
    name="nemo_guardrails",
    distribution="nemoguardrails",
    requires=">=0.10,<1",
    tested=("0.24.1",),
    hooks=(Around("nemoguardrails.rails.llm.llmrails", ("LLMRails.generate_async",), _generated),),
    notes="Rails of Colang 1.0; dialog rails are not counted.",
)
