"""guardrails-ai: what every validator of a guard says, when it has run."""

from __future__ import annotations

from typing import Any

from otel_llm.calls import checks
from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary

_CHANGES = (
    "fix",
    "fix_reask",
    "filter",
    "refrain",
    "custom",
)  # what a validator does on failure that changes the value


def _ran(_: Any, args: Args, kwargs: Kwargs) -> tuple[Any, Any]:
    validator = kwargs.get("validator", args[0] if args else None)
    return validator, kwargs.get("result", args[2] if len(args) > 2 else None)  # noqa: PLR2004


def _logged(_: Any, checked: tuple[Any, Any] | None, logs: Any, error: BaseException | None) -> None:
    if checked is None or error is not None:
        return
    validator, result = checked
    on_fail = getattr(validator, "on_fail_descriptor", "")
    failed = "changed" if str(getattr(on_fail, "value", on_fail)) in _CHANGES else "blocked"
    began, ended = getattr(logs, "start_time", None), getattr(logs, "end_time", None)
    seconds = (ended - began).total_seconds() if began is not None and ended is not None else None
    name = getattr(validator, "rail_alias", None) or type(validator).__name__
    checks.record(str(name), "passed" if getattr(result, "outcome", "") == "pass" else failed, seconds)


signal = ReliabilityLibrary(
    name="guardrails_ai",
    distribution="guardrails-ai",
    requires=">=0.6,<1",
    tested=("0.11.0",),
    hooks=(
        Around(
            "guardrails.validator_service.validator_service_base",
            ("ValidatorServiceBase.after_run_validator",),
            _logged,
            _ran,
        ),
    ),
    notes="A validator is a guardrail, by the name that it is registered under. A failure that fixes or filters is `changed`.",
)
