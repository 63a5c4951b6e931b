"""Checks of guardrails: what an answer says of them, and what libraries report beside the calls."""

from __future__ import annotations

import time
from typing import Any

from otel_llm.core import dispatch
from otel_llm.core.model import Event, Observation

from .context import custom_values

CHECKS, DURATION = "otel_llm_guardrail_checks_total", "otel_llm_guardrail_duration_seconds"
UNNAMED = "content_filter"
"""The guardrail of a provider that gives it no name."""


def record(
    guardrail: str,
    result: str,
    seconds: float | None = None,
    of: tuple[str, str] = ("", ""),
    custom: tuple[str, ...] | None = None,
) -> None:
    """Count a check: ``result`` is passed, blocked or changed, ``of`` are provider and model where they are known."""
    now, more = time.time(), custom_values() if custom is None else custom
    dispatch.emit(Event(CHECKS, now, (*of, guardrail, result, *more)))
    if seconds is not None and seconds >= 0:
        dispatch.emit(Event(DURATION, now, (*of, guardrail, *more), seconds))


def report(call: Any, observation: Observation) -> None:
    """Count the checks of a call that has ended. Withheld is blocked; a guardrail that was asked for and says nothing let it pass."""
    request, of = call.request, (observation.provider, observation.request_model)
    named = request.guardrail or UNNAMED
    withheld = observation.error_type == "content_filter" or "content_filter" in observation.problems
    checks = {name or named: (result, seconds) for name, result, seconds in call.response.checks}
    if withheld and not any(result == "blocked" for result, _ in checks.values()):
        seconds = checks.get(named, ("", None))[1]
        checks[named] = ("blocked", seconds)
    elif not checks and request.guardrail and not observation.error_type:
        checks[named] = ("passed", None)
    for name, (result, seconds) in checks.items():
        record(name, result, seconds, of, observation.labels)
