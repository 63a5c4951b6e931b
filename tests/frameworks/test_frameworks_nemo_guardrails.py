"""NeMo Guardrails, run for real: rails of input and output are checks, and the one that stops blocks."""

from __future__ import annotations

from typing import Any

import pytest
from nemoguardrails import LLMRails, RailsConfig

from otel_llm.testing import capture

pytestmark = pytest.mark.filterwarnings("ignore")
COLANG = """
define flow check words
  $allowed = execute check_words(text=$user_message)
  if not $allowed
    bot refuse to respond
    stop

define bot refuse to respond
  "I will not answer that."

define flow check answer
  $fine = execute check_words(text=$bot_message)
  if not $fine
    bot refuse to respond
    stop

define user greet
  "hello"

define flow greeting
  user greet
  bot express greeting

define bot express greeting
  "Good day."
"""
YAML = """
models: []
rails:
  input:
    flows: [check words]
  output:
    flows: [check answer]
"""


async def check_words(text: str = "") -> bool:
    return "forbidden" not in (text or "")


async def test_rails_are_checks() -> None:
    with capture() as seen:
        rails = LLMRails(RailsConfig.from_content(COLANG, YAML))
        rails.register_action(check_words, "check_words")
        answer: Any = await rails.generate_async(messages=[{"role": "user", "content": "a forbidden word"}])
    assert answer["content"] == "I will not answer that."
    found = [event.labels[2:] for event in seen.events if event.metric == "otel_llm_guardrail_checks_total"]
    assert found[0] == ("check words", "blocked")
    assert {result for _, result in found} <= {"blocked", "passed"}
