"""LangChain under us: each call once, fallbacks of chains and agents, look-ups in its caches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain_anthropic import ChatAnthropic
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def chat(lab: Any, model: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=lab.url, api_key="test-key", max_retries=0, **more)


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    yield
    set_llm_cache(None)


def test_openai_once(lab: Any) -> None:
    chat(lab, "gpt-x").invoke("hi")
    list(chat(lab, "gpt-x", stream_usage=True).stream("hi"))
    chat(lab, "gpt-x", use_responses_api=True).invoke("hi")
    OpenAIEmbeddings(model="e", base_url=lab.url, api_key="test-key", check_embedding_ctx_length=False).embed_query("x")
    assert [(call.operation, call.stream, call.error_type) for call in lab.captured.calls] == [
        ("chat", False, ""), ("chat", True, ""), ("chat", False, ""), ("embeddings", False, ""),
    ]  # fmt: skip
    assert [(call.input_tokens, call.output_tokens) for call in lab.captured.calls[:3]] == [(100, 20)] * 3
    assert len(lab.server.requests) == 4


async def test_openai_async_once(lab: Any) -> None:
    await chat(lab, "gpt-x").ainvoke("hi")
    assert [chunk async for chunk in chat(lab, "gpt-x", stream_usage=True).astream("hi")]
    assert [(call.input_tokens, call.output_tokens) for call in lab.captured.calls] == [(100, 20)] * 2


def test_anthropic_once(lab: Any) -> None:
    model = ChatAnthropic(model="claude-x", base_url=lab.server.url, api_key="test-key", max_retries=0)
    model.invoke("hi")
    list(model.stream("hi"))
    assert [(call.provider, call.input_tokens, call.stream) for call in lab.captured.calls] == [
        ("anthropic", 100, False), ("anthropic", 100, True),
    ]  # fmt: skip


def chain(lab: Any) -> Any:
    """Three models, of which the first and the second are down."""
    return chat(lab, "gpt-fail-429").with_fallbacks([chat(lab, "gpt-fail-500"), chat(lab, "gpt-fine")])


CHAIN = [("gpt-fail-429", "rate_limit"), ("gpt-fail-500", "server_error"), ("gpt-fine", "")]
FELL = [("gpt-fail-429", "gpt-fail-500", "error"), ("gpt-fail-500", "gpt-fine", "error")]


def test_a_chain_of_three(lab: Any) -> None:
    chain(lab).invoke("hi")
    assert (lab.models, lab.fallbacks) == (CHAIN, FELL)
    attributes = lab.span("gpt-fine").attributes
    assert (attributes["otel_llm.fallback.from"], attributes["otel_llm.fallback.to"]) == ("gpt-fail-500", "gpt-fine")
    assert "otel_llm.fallback.from" not in lab.span("gpt-fail-429").attributes


def test_a_chain_streamed(lab: Any) -> None:
    assert list(chain(lab).stream("hi"))
    assert (lab.models, lab.fallbacks) == (CHAIN, FELL)


async def test_a_chain_async(lab: Any) -> None:
    await chain(lab).ainvoke("hi")
    assert [chunk async for chunk in chain(lab).astream("hi")]
    assert (lab.models, lab.fallbacks) == (CHAIN * 2, FELL * 2)


def test_a_chain_over_a_batch_falls_back_once(lab: Any) -> None:
    assert len(chain(lab).batch(["one", "two"])) == 2
    assert sorted(lab.models) == sorted(CHAIN * 2)
    assert lab.fallbacks == FELL


def test_no_fallback_where_none_was_needed(lab: Any) -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{text}")])
    first = prompt | chat(lab, "gpt-fine")
    first.with_fallbacks([prompt | chat(lab, "gpt-other")]).invoke({"text": "hi"})
    assert (lab.models, lab.fallbacks) == ([("gpt-fine", "")], [])


def test_a_chain_of_chains_is_named_by_its_models(lab: Any) -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{text}")])
    (prompt | chat(lab, "gpt-fail-500")).with_fallbacks([prompt | chat(lab, "gpt-fine").bind(stop=["x"])]).invoke(
        {"text": "hi"}
    )
    assert lab.fallbacks == [("gpt-fail-500", "gpt-fine", "error")]


def test_an_agents_fallback(lab: Any) -> None:
    middleware = ModelFallbackMiddleware(chat(lab, "gpt-fail-500"), chat(lab, "gpt-fine"))
    agent = create_agent(model=chat(lab, "gpt-fail-429"), tools=[], middleware=[middleware])
    agent.invoke({"messages": [{"role": "user", "content": "hi"}]})
    assert lab.models == CHAIN
    assert lab.fallbacks == [
        ("gpt-fail-429", "gpt-fail-500", "rate_limit"),
        ("gpt-fail-500", "gpt-fine", "server_error"),
    ]


async def test_an_agents_fallback_async(lab: Any) -> None:
    agent = create_agent(
        model=chat(lab, "gpt-fail-429"), tools=[], middleware=[ModelFallbackMiddleware(chat(lab, "gpt-fine"))]
    )
    await agent.ainvoke({"messages": [{"role": "user", "content": "hi"}]})
    assert lab.fallbacks == [("gpt-fail-429", "gpt-fine", "rate_limit")]


def test_the_cache(lab: Any) -> None:
    set_llm_cache(InMemoryCache())
    for _ in range(2):
        chat(lab, "gpt-x").invoke("hi")
    asyncio.run(chat(lab, "gpt-x").ainvoke("hi"))
    assert lab.models == [("gpt-x", "")]
    assert lab.lookups == [("gpt-x", "in_memory", "miss"), ("gpt-x", "in_memory", "hit"), ("gpt-x", "in_memory", "hit")]
    assert {event.labels[0] for event in lab.events("otel_llm_cache_requests_total")} == {"openai"}


def test_a_cache_of_the_hosts_own(lab: Any) -> None:
    class ShelfCache(BaseCache):
        """Made after we are there, with a look-up of its own."""

        def lookup(self, prompt: str, llm_string: str) -> None:
            return None

        def update(self, prompt: str, llm_string: str, return_val: Any) -> None: ...

        def clear(self, **_: Any) -> None: ...

    asyncio.run(chat(lab, "gpt-x", cache=ShelfCache()).ainvoke("hi"))
    assert lab.lookups == [("gpt-x", "shelf", "miss")]


def test_our_bugs_stay_with_us(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_llm.core.guard import Guard
    from otel_llm.reliability import langchain, langchain_core

    def bug(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Guard, "strict", False)
    for module in (langchain, langchain_core):
        monkeypatch.setattr(module, "name_of", bug)
    monkeypatch.setattr(langchain_core, "record_cache", bug)
    set_llm_cache(InMemoryCache())
    assert chain(lab).invoke("hi").content
    agent = create_agent(
        model=chat(lab, "gpt-fail-429"), tools=[], middleware=[ModelFallbackMiddleware(chat(lab, "gpt-fine"))]
    )
    assert agent.invoke({"messages": [{"role": "user", "content": "hi"}]})["messages"][-1].content
