"""llama-index under us: each call once."""

from __future__ import annotations

from typing import Any

from llama_index.llms.openai import OpenAI


async def test_once(lab: Any) -> None:
    model = OpenAI(model="gpt-4o", api_base=lab.url, api_key="test-key")
    assert model.complete("hi").text
    assert list(model.stream_complete("hi"))
    assert (await model.acomplete("hi")).text
    assert [(call.request_model, call.stream, call.error_type) for call in lab.captured.calls] == [
        ("gpt-4o", False, ""), ("gpt-4o", True, ""), ("gpt-4o", False, ""),
    ]  # fmt: skip
    assert [call.input_tokens for call in lab.captured.calls] == [100, None, 100]
    assert (len(lab.server.requests), lab.captured.open) == (3, 0)
