"""Helpers that mostly run in processes that tests start."""

from __future__ import annotations

import os

import pytest

from otel_llm.calls.declarations import keyword, positional
from otel_llm.core.config import overridden
from otel_llm.core.model import Reader, Request, Response, Usage
from otel_llm.core.setting_readers import read_vocabulary


def test_a_switch_of_a_model_by_keyword_or_by_place() -> None:
    switch = positional(1)
    assert switch(("self", "gpt-4o", 3), {"n": 1}, "gpt-4o-mini") == (("self", "gpt-4o-mini", 3), {"n": 1})
    assert switch(("self",), {"model": "gpt-4o"}, "gpt-4o-mini") == (("self",), {"model": "gpt-4o-mini"})
    assert switch(("self",), {}, "gpt-4o-mini") is None
    assert keyword((), {"model": 5}, "gpt-4o-mini") is None


def test_an_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_TEST_KEPT", "before")
    monkeypatch.delenv("OTEL_LLM_TEST_NEW", raising=False)
    with overridden({"OTEL_LLM_TEST_KEPT": "inside", "OTEL_LLM_TEST_NEW": "inside"}):
        assert (os.environ["OTEL_LLM_TEST_KEPT"], os.environ["OTEL_LLM_TEST_NEW"]) == ("inside", "inside")
    assert os.environ["OTEL_LLM_TEST_KEPT"] == "before"
    assert "OTEL_LLM_TEST_NEW" not in os.environ


def test_vocabularies_are_read_in_any_case() -> None:
    assert read_vocabulary("Latest, proposed") == "latest,proposed"
    with pytest.raises(ValueError, match="'new' is no vocabulary"):
        read_vocabulary("new")


def test_what_is_made_for_every_call_is_what_its_class_makes() -> None:
    reader = Reader(lambda reply, into: None)
    request = Request("openai", "chat", "gpt-4o", reader, "mock.example", 80, True, {"a": 1}, region="eu")
    assert Usage.of(3, None) == Usage(3, None)
    assert Response.to([1]) == Response(content=[1])
    assert Request.to("openai", "chat", "gpt-4o", reader, "mock.example", 80, True, {"a": 1}, None, "eu") == request
