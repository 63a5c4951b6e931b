"""litellm under us: each call once, its estimates marked, its Router, cooldowns and cache seen."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import openai
import pytest
from contract import Contract, Kit
from contract_content import CONVERSATION, INSTRUCTION
from litellm.caching.caching import Cache
from litellm.integrations.custom_logger import CustomLogger

VERSION = tuple(map(int, metadata.version("litellm").split(".")[:2]))
MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    litellm.suppress_debug_info = True
    yield
    litellm.cache = None
    litellm.callbacks = []
    litellm.in_memory_llm_clients_cache.flush_cache()


def asked(lab: Any, model: str, **more: Any) -> dict[str, Any]:
    return {"model": f"openai/{model}", "messages": MESSAGES, "api_base": lab.url, "api_key": "test-key", **more}


def _chat(url: str, model: str, **more: Any) -> Any:
    given = {"api_base": f"{url}/v1", "api_key": "test-key", "max_retries": 0, **more}
    return {"model": f"openai/{model}", "messages": MESSAGES, **given}


STREAMED: Any = {"stream": True, "stream_options": {"include_usage": True}}


class TestLiteLLM(Contract):
    """Its functions in the place of a client, and OpenAI's client below them, which is not watched beside them."""

    kit = Kit(
        library="litellm",
        provider="openai",
        prefix="openai/",
        make=lambda url: url,
        make_async=lambda url: url,
        plain=lambda url, model: litellm.completion(**_chat(url, model)),
        plain_async=lambda url, model: litellm.acompletion(**_chat(url, model)),
        stream=lambda url, model: litellm.completion(**_chat(url, model, **STREAMED)),
        stream_async=lambda url, model: litellm.acompletion(**_chat(url, model, **STREAMED)),
        cut_error=("server_error",),  # as litellm words it
        retried=None,  # by the client below, see test_the_inner_clients_retries
        close=lambda _: None,
        talk=lambda url, model: litellm.completion(**{**_chat(url, model), "messages": CONVERSATION}),
        instructed=lambda url, model: litellm.responses(
            model=f"openai/{model}", input="hi", instructions=INSTRUCTION, api_base=f"{url}/v1", api_key="test-key"
        ),
    )

    def may_miss(self) -> set[str]:
        """Its Router moved to another module."""
        return {"litellm.router:run_async_fallback", "litellm.router:Router.async_function_with_fallbacks"}

    if not hasattr(litellm.CustomStreamWrapper, "close"):
        test_left_early = None  # of older versions it can only be dropped


def test_a_call_is_counted_once(lab: Any) -> None:
    reply = litellm.completion(**asked(lab, "gpt-x"))
    assert reply.choices[0].message.content
    call = lab.captured.call
    assert (call.provider, call.request_model, call.operation) == ("openai", "gpt-x", "chat")
    assert (call.input_tokens, call.output_tokens, call.error_type) == (100, 20, "")
    assert (call.server_address, len(lab.server.requests)) == ("127.0.0.1", 1)
    assert len(lab.spans.get_finished_spans()) == 1


async def test_async(lab: Any) -> None:
    await litellm.acompletion(**asked(lab, "gpt-x"))
    assert (lab.captured.call.input_tokens, lab.captured.call.output_tokens) == (100, 20)


def test_another_provider_over_http(lab: Any) -> None:
    litellm.completion(
        model="anthropic/claude-x-cached", messages=MESSAGES, api_base=lab.server.url, api_key="test-key", max_tokens=50
    )
    call = lab.captured.call
    assert (call.provider, call.request_model, call.input_tokens) == ("anthropic", "claude-x-cached", 100)
    written = 10 if VERSION >= (1, 95) else None  # older versions keep it to themselves
    assert (call.cache_read_tokens, call.cache_write_tokens) == (30, written)


def test_embeddings(lab: Any) -> None:
    litellm.embedding(model="openai/text-embedding-x", input=["one"], api_base=lab.url, api_key="test-key")
    call = lab.captured.call
    assert (call.operation, call.request_model, call.error_type) == ("embeddings", "text-embedding-x", "")
    assert call.input_tokens


def test_responses(lab: Any) -> None:
    litellm.responses(model="openai/gpt-x", input="hi", api_base=lab.url, api_key="test-key")
    assert (lab.captured.call.input_tokens, lab.captured.call.output_tokens) == (100, 20)


def test_a_stream_with_usage(lab: Any) -> None:
    stream = litellm.completion(**asked(lab, "gpt-x", stream=True, stream_options={"include_usage": True}))
    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert [chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
    call = lab.captured.call
    assert (call.stream, call.input_tokens, call.output_tokens) == (True, 100, 20)
    assert call.first_chunk is not None
    assert "otel_llm.usage.estimated" not in lab.span("gpt-x").attributes


def test_a_stream_without_usage_carries_litellms_estimate(lab: Any) -> None:
    list(litellm.completion(**asked(lab, "gpt-x", stream=True)))
    call = lab.captured.call
    assert call.error_type == ""
    if call.usage_unknown:  # a version that estimates, and keeps it to itself
        assert (1, 106) <= VERSION < (1, 109)
        assert (call.usage_unknown, call.input_tokens) == ("stream_without_usage", None)
        return
    assert 0 < call.input_tokens != 100
    assert lab.span("gpt-x").attributes["otel_llm.usage.estimated"] is True


def test_a_provider_that_does_not_tell_what_it_was_asked_for(lab: Any) -> None:
    list(litellm.completion(**asked(lab, "gpt-nousage", stream=True, stream_options={"include_usage": True})))
    assert lab.captured.call.input_tokens != 100
    assert lab.span("gpt-nousage").attributes["otel_llm.usage.estimated"] is True


async def test_an_async_stream(lab: Any) -> None:
    stream = await litellm.acompletion(**asked(lab, "gpt-x", stream=True, stream_options={"include_usage": True}))
    assert [chunk async for chunk in stream]
    assert (lab.captured.call.input_tokens, lab.captured.call.output_tokens) == (100, 20)


def test_a_stream_that_is_left(lab: Any) -> None:
    stream = litellm.completion(**asked(lab, "gpt-x-chunks-50", stream=True))
    next(stream)
    del stream
    assert lab.captured.call.error_type == "abandoned"


@pytest.mark.parametrize(
    ("status", "error"), [(401, "authentication"), (404, "not_found"), (429, "rate_limit"), (500, "server_error")]
)
def test_refusals(lab: Any, status: int, error: str) -> None:
    with pytest.raises(openai.OpenAIError):
        litellm.completion(**asked(lab, f"gpt-x-fail-{status}", max_retries=0))
    assert lab.captured.call.error_type == error


def test_the_inner_clients_retries(lab: Any) -> None:
    litellm.completion(**asked(lab, "gpt-x-fail-429-2", max_retries=3))
    assert lab.captured.call.error_type == ""
    assert sum(event.value for event in lab.events("otel_llm_retries_total")) == 2


def test_a_hit_is_no_call(lab: Any) -> None:
    litellm.cache = Cache()
    for _ in range(2):
        litellm.completion(**asked(lab, "gpt-x"))
    assert lab.captured.call.input_tokens == 100
    assert lab.lookups == [("gpt-x", "local", "miss"), ("gpt-x", "local", "hit")]
    assert lab.captured.open == 0
    assert [span.attributes.get("otel_llm.cache.hit") for span in lab.spans.get_finished_spans()] == [None, True]


async def test_a_hit_is_no_call_async_and_streamed(lab: Any) -> None:
    litellm.cache = Cache()
    await litellm.acompletion(**asked(lab, "gpt-x"))
    await asyncio.sleep(0)
    await litellm.acompletion(**asked(lab, "gpt-x"))
    stream = await litellm.acompletion(**asked(lab, "gpt-x", stream=True))
    assert [chunk async for chunk in stream]
    hits = [result for _, _, result in lab.lookups].count("hit")
    assert len(lab.captured.calls) + hits == 3
    assert len(lab.captured.calls) == len(lab.server.requests)


def deployment(lab: Any, group: str, model: str) -> dict[str, Any]:
    params = {"model": f"openai/{model}", "api_base": lab.url, "api_key": "test-key", "max_retries": 0}
    return {"model_name": group, "litellm_params": params, "model_info": {"id": model}}


def router(lab: Any, *models: str, **settings: Any) -> litellm.Router:
    deployments = [deployment(lab, f"group-{index}", model) for index, model in enumerate(models)]
    return litellm.Router(model_list=deployments, num_retries=0, **settings)


async def test_a_chain_of_three_with_two_down(lab: Any) -> None:
    chain = router(lab, "gpt-fail-429", "gpt-fail-500", "gpt-fine", fallbacks=[{"group-0": ["group-1", "group-2"]}])
    await chain.acompletion(model="group-0", messages=MESSAGES)
    assert lab.models == [("gpt-fail-429", "rate_limit"), ("gpt-fail-500", "server_error"), ("gpt-fine", "")]
    later = "server_error" if VERSION >= (1, 106) else "rate_limit"  # older versions hold on to the first failure
    assert lab.fallbacks == [("group-0", "group-1", "rate_limit"), ("group-0", "group-2", later)]
    assert lab.span("gpt-fine").attributes["otel_llm.fallback.from"] == "group-0"


def test_a_chain_from_sync_code(lab: Any) -> None:
    chain = router(lab, "gpt-fail-429", "gpt-fine", fallbacks=[{"group-0": ["group-1"]}])
    chain.completion(model="group-0", messages=MESSAGES)
    assert lab.models == [("gpt-fail-429", "rate_limit"), ("gpt-fine", "")]
    assert lab.fallbacks == [("group-0", "group-1", "rate_limit")]


async def test_a_chain_for_a_stream_and_one_after_it(lab: Any) -> None:
    chain = router(lab, "gpt-fail-429", "gpt-fine", fallbacks=[{"group-0": ["group-1"]}])
    stream = await chain.acompletion(model="group-0", messages=MESSAGES, stream=True)
    assert [chunk async for chunk in stream]
    await chain.acompletion(model="group-1", messages=MESSAGES)
    assert lab.models == [("gpt-fail-429", "rate_limit"), ("gpt-fine", ""), ("gpt-fine", "")]
    assert lab.fallbacks == [("group-0", "group-1", "rate_limit")]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_call_with_fallbacks_of_its_own(lab: Any, asynchronous: bool) -> None:
    more = {"fallbacks": ["openai/gpt-fail-500", {"model": "openai/gpt-fine"}], "max_retries": 0}
    if asynchronous:
        await litellm.acompletion(**asked(lab, "gpt-fail-401", **more))
    else:
        await asyncio.to_thread(litellm.completion, **asked(lab, "gpt-fail-401", **more))
    assert lab.models == [("gpt-fail-401", "authentication"), ("gpt-fail-500", "server_error"), ("gpt-fine", "")]
    assert lab.fallbacks == [("gpt-fail-401", "gpt-fail-500", "error"), ("gpt-fail-500", "gpt-fine", "error")]
    assert lab.captured.open == 0


async def test_a_deployment_cools_down_and_recovers(lab: Any) -> None:
    deployments = [deployment(lab, "group", model) for model in ("gpt-fail-429", "gpt-fine")]
    pair = litellm.Router(model_list=deployments, num_retries=3, retry_after=0, cooldown_time=0.05)
    for _ in range(10):
        await pair.acompletion(model="group", messages=MESSAGES)
        if lab.events("otel_llm_circuit_breaker_transitions_total"):
            break
    steps = lambda: [event.labels for event in lab.events("otel_llm_circuit_breaker_transitions_total")]
    assert steps()[0] == ("gpt-fail-429", "closed", "open")
    await asyncio.sleep(0.1)  # the cooldown is litellm's own, by the clock
    await pair.acompletion(model="group", messages=MESSAGES)
    assert ("gpt-fail-429", "open", "closed") in steps()


class Judge(CustomLogger):
    """A host's callback, which litellm runs after the call, in its context: it judges the answer with a model."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.client: Any = {"base_url": url, "api_key": "test-key"}
        self.answered, self.done = threading.Event(), threading.Event()

    def log_success_event(self, **_: Any) -> None:
        self.answered.wait()  # litellm begins it before it answers
        try:
            with openai.OpenAI(**self.client) as client:
                client.chat.completions.create(model="judge", messages=MESSAGES)
        finally:
            self.done.set()


def test_calls_of_a_callback_are_calls(lab: Any) -> None:
    judge = Judge(lab.url)
    litellm.callbacks = [judge]
    litellm.completion(**asked(lab, "gpt-x"))
    judge.answered.set()
    judge.done.wait()
    assert lab.models == [("gpt-x", ""), ("judge", "")]
