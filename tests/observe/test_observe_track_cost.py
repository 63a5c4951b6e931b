"""``track_cost``: what the calls of a block add up to, once each, whoever makes them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import openai
import pytest

import otel_llm
from otel_llm import Config, runtime
from otel_llm.testing.loopback import Loopback


@pytest.fixture
def server(tmp_path: Path) -> Any:
    otel_llm.instrument("openai", config=Config(port=0, server="off", state_dir=str(tmp_path)))
    with Loopback() as loopback:
        yield loopback
    runtime.stop()


def ask(server: Loopback, model: str = "gpt-4o") -> Any:
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


def sums(spent: Any) -> tuple[int, int, int, bool]:
    return spent.calls, spent.input_tokens, spent.output_tokens, spent.complete


def test_a_block_adds_up_its_calls_and_no_others(server: Loopback) -> None:
    ask(server)
    with otel_llm.track_cost() as spent:
        reply = ask(server)
        ask(server)
    ask(server)
    usage = reply.usage
    assert sums(spent) == (2, 2 * usage.prompt_tokens, 2 * usage.completion_tokens, True)
    each = 2.5e-6 * usage.prompt_tokens + 10e-6 * usage.completion_tokens
    assert spent.cost_usd == pytest.approx(2 * each, rel=1e-9)


def test_blocks_nest_and_none_counts_twice(server: Loopback) -> None:
    with otel_llm.track_cost() as outer, outer:
        with otel_llm.track_cost() as inner:
            ask(server)
        ask(server)
    assert (outer.calls, inner.calls) == (2, 1)
    assert outer.cost_usd == pytest.approx(2 * inner.cost_usd)


def test_threads_and_tasks_of_the_block_count(server: Loopback) -> None:
    with otel_llm.track_cost() as spent, ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            pool.submit(copy_context().run, ask, server).result()
    assert spent.calls == 3

    async def many() -> None:
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="test-key") as client:
            messages: Any = [{"role": "user", "content": "hi"}]
            await asyncio.gather(*(client.chat.completions.create(model="gpt-4o", messages=messages) for _ in range(4)))

    with otel_llm.track_cost() as spent:
        asyncio.run(many())
    assert spent.calls == 4


def test_a_decorator_adds_up_every_call_of_the_function(server: Loopback) -> None:
    spent = otel_llm.track_cost()

    @spent
    def answer(depth: int) -> None:
        ask(server)
        if depth:
            answer(depth - 1)

    @spent
    async def answer_later() -> int:
        ask(server)
        return 7

    answer(1)
    threads = [threading.Thread(target=answer, args=(0,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(answer_later()) == 7
    assert answer.__name__ == "answer"
    assert spent.calls == 5


def test_what_is_missing_is_said(server: Loopback) -> None:
    with otel_llm.track_cost() as spent:
        ask(server)
        ask(server, "no-such-model-anywhere")
    assert (spent.calls, spent.unpriced_calls, spent.complete) == (2, 1, False)
    assert repr(spent).startswith("track_cost(calls=2, input_tokens=")
    assert repr(spent).endswith("complete=False)")


def test_a_failed_call_is_a_call_without_cost(server: Loopback) -> None:
    with otel_llm.track_cost() as spent, pytest.raises(openai.APIStatusError):
        ask(server, "gpt-4o-fail-400")
    assert (spent.calls, spent.cost_usd) == (1, 0.0)
