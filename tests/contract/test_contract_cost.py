"""The gates of what calls and streams cost fail where something has become dearer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import contract_cost
import pytest
from test_contract_openai import TestOpenAIChat as OpenAIChat

from otel_llm.calls.invocation import Invocation
from otel_llm.testing.loopback import Loopback

CALL, STREAM = "test_a_plain_call_costs_what_it_did", "test_a_stream_costs_what_it_did"
PLANTED = """
held = []

def more_work(call, *args):
    for _ in range(200):
        pass
    return original(call, *args)

def a_reference(call, *args):
    held.append((call, args))
    return original(call, *args)
"""


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


def plant(monkeypatch: pytest.MonkeyPatch, method: str, name: str) -> None:
    """Put the function ``name`` of ``PLANTED`` around a method of each call, as if it were a line of ours: of a file that is there, as
    what measures coverage reads it."""
    scope: dict[str, Any] = {"original": getattr(Invocation, method)}
    exec(compile(PLANTED, f"{contract_cost.OURS}calls/invocation.py", "exec"), scope)
    monkeypatch.setattr(Invocation, method, scope[name])


@pytest.mark.parametrize(
    ("gate", "method", "name", "says"),
    [
        (CALL, "conclude", "more_work", "byte codes, 2090 expected"),
        (CALL, "conclude", "a_reference", "bytes are left"),
        (STREAM, "conclude", "more_work", "Streamed"),
        (STREAM, "conclude", "a_reference", "bytes are left of a stream"),
        (STREAM, "chunk", "more_work", "Streamed"),
        (STREAM, "chunk", "a_reference", "bytes are held for each chunk"),
    ],
)
def test_a_gate_closes(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, gate: str, method: str, name: str, says: str
) -> None:
    with contract_cost.plainly("openai", monkeypatch) as captured:
        plant(monkeypatch, method, name)
        with pytest.raises(AssertionError, match=says):
            getattr(OpenAIChat(), gate)(server, captured)
