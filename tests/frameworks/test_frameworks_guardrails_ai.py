"""guardrails-ai, run for real: each validator of a guard is a check."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from otel_llm.testing import capture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what typer does with a newer click
    import guardrails
    from guardrails.validators import FailResult, PassResult, ValidationResult, Validator, register_validator

pytestmark = pytest.mark.filterwarnings("ignore")


@register_validator(name="shop/no-shouting", data_type="string")
class NoShouting(Validator):
    """Fails on capitals, and knows what to say instead."""

    def _validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        assert metadata is not None
        return FailResult(error_message="loud", fix_value=value.lower()) if value.isupper() else PassResult()


def test_validators_are_checks() -> None:
    with capture() as seen:
        for action, said in (("noop", "quiet"), ("noop", "LOUD"), ("fix", "LOUD")):
            guardrails.Guard().use(NoShouting(on_fail=action)).validate(said)
    found = [event.labels[2:] for event in seen.events if event.metric == "otel_llm_guardrail_checks_total"]
    assert found[:2] == [("shop/no-shouting", "passed"), ("shop/no-shouting", "blocked")]
    assert found[2] == ("shop/no-shouting", "changed")
    took = [event.value for event in seen.events if event.metric == "otel_llm_guardrail_duration_seconds"]
    assert len(took) == len(found)
    assert all(0 <= one < 10 for one in took)
