"""Ctrl-C in the middle of a call: it ends, and nothing of it stays current, wherever in our code the interrupt comes."""

from __future__ import annotations

import gc
import sys
from types import FrameType
from typing import Any

import openai
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from otel_llm.calls import runs
from otel_llm.calls.invocation import current_call
from otel_llm.calls.observe import active
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

OURS = "otel_llm/calls/"
EVENTS = 200  # more functions of ours than a call enters


class Interrupt:
    """Raises at the ``number``-th function of ours that is entered, as a signal does that is handled there."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and OURS in frame.f_code.co_filename:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def interrupted(number: int, ask: Any) -> bool:
    """Whether ``ask`` got as far as the ``number``-th function of ours."""
    sys.setprofile(Interrupt(number))  # not settrace, which coverage has
    try:
        ask()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize("agents", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_an_interrupt_anywhere_leaves_nothing_open(
    stream: bool, agents: bool, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs.STATE, "used", agents)  # whether a call looks for the agent that it is made for
    tracer = TracerProvider().get_tracer("otel_llm")
    with Loopback() as server, capture("openai", tracer=tracer) as captured:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0)

        def ask() -> None:
            asked: Any = client.chat.completions.create
            answer = asked(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=stream)
            if stream:
                list(answer)

        ask()
        observer = active()
        assert observer is not None
        reached = 0
        for number in range(1, EVENTS):
            if not interrupted(number, ask):
                break
            reached = number
            gc.collect()
            assert current_call() is None, number
            assert not trace.get_current_span().get_span_context().is_valid, number
            assert dict(context.get_current()) == {}, number
            assert observer.open == {}, number
        assert 5 < reached < EVENTS - 1
        before = len(captured.calls)
        ask()
        assert len(captured.calls) == before + 1
    assert not [warning for warning in recwarn if "unraisable" in str(warning.message)]
