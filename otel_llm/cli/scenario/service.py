"""The service of the demo: an ordinary asyncio program on the real openai and anthropic clients, watched from outside.

Nothing here records a call: that is what ``opentelemetry-instrument`` is for. It only names what nobody can see from outside:
the tenant, its own response cache, its own fallback and its own circuit breaker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import time
from random import Random
from typing import TYPE_CHECKING, Any

import anthropic
import openai

import otel_llm

from .plot import EMBEDDING, GPT, HAIKU, MINI, OPUS, SONNET, Plot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TENANTS = (("acme", 5), ("globex", 3), ("initech", 2), ("umbrella", 1))
RESEARCHER = "umbrella"
QUESTIONS = 40  # different ones that the cache may have seen
CACHED_SHARE = 0.35  # of questions that are asked again
RULES = "You are the support desk of a shop that sells tea. Answer politely, in one paragraph."
TOOL = {
    "name": "order_status",
    "description": "Where an order is",
    "input_schema": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
}
FAILURES = (openai.OpenAIError, anthropic.AnthropicError)


class Breaker:
    """Opens after ``limit`` failures in a row, tries again after ``rest`` seconds, closes on the first success."""

    def __init__(self, name: str, limit: int, rest: float) -> None:
        self._reported = otel_llm.circuit_breaker(name)
        self._limit, self._rest = limit, rest
        self._failures, self._opened = 0, 0.0

    def lets_through(self) -> bool:
        if not self._opened:
            return True
        if time.monotonic() - self._opened < self._rest:
            return False
        self._opened = time.monotonic()  # one call tries, the others go on waiting
        self._reported.half_opened()
        return True

    def failed(self) -> None:
        self._failures += 1
        if self._opened or self._failures == self._limit:
            self._opened = time.monotonic()
            self._reported.opened()

    def succeeded(self) -> None:
        if self._opened:
            self._reported.closed()
        self._failures, self._opened = 0, 0.0


class Service:
    """The jobs that people give it."""

    def __init__(self, plot: Plot, seed: int) -> None:
        self.random, self.plot = Random(seed), plot  # noqa: S311 - no secrets are made of it
        self.openai = openai.AsyncOpenAI(max_retries=1)
        self.anthropic = anthropic.AsyncAnthropic(max_retries=1)
        self.plain = anthropic.Anthropic(max_retries=1)
        self.breaker = Breaker("openai", limit=4, rest=6.0 / plot.speed)
        self.jobs: tuple[tuple[Callable[[], Awaitable[Any]], int], ...] = (
            (self.support, 8), (self.summary, 6), (self.writing, 6), (self.order, 5), (self.search, 5),
        )  # fmt: skip

    async def work(self) -> None:
        """One job for one tenant. A provider's refusal ends the job, not the service."""
        research = self.random.random() < self.plot.at(time.time()).chapter.research
        job = self.research if research else _choose(self.random, self.jobs)
        tenant = RESEARCHER if research else _choose(self.random, TENANTS)
        with otel_llm.labels(tenant=tenant), contextlib.suppress(*FAILURES):
            await job()

    async def support(self) -> None:
        """A streamed chat behind a response cache, a breaker and a fallback."""
        hit = self.random.random() < CACHED_SHARE
        otel_llm.record_cache(hit=hit, cache="answers", provider="openai", model=GPT, operation="chat")
        if hit:
            return None
        if not self.breaker.lets_through():
            return await self.stand_in("circuit_open")
        try:
            async for _ in await self.openai.chat.completions.create(
                model=GPT, messages=[{"role": "system", "content": RULES}, {"role": "user", "content": self.question()}],
                stream=True, stream_options={"include_usage": True},
            ):  # fmt: skip
                pass
        except (openai.APIConnectionError, openai.InternalServerError):
            self.breaker.failed()
            return await self.stand_in("error")
        return self.breaker.succeeded()

    async def stand_in(self, reason: str) -> None:
        """The same question to another provider."""
        with otel_llm.fallback(GPT, SONNET, reason=reason):
            await self.writing()

    async def summary(self) -> None:
        """A model that thinks, through the responses endpoint."""
        await self.openai.responses.create(model=MINI, input=self.question(), reasoning={"effort": "medium"})

    async def writing(self) -> None:
        """A stream that reads its rules from the provider's prompt cache."""
        rules: Any = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}}]
        async with self.anthropic.messages.stream(
            model=SONNET, max_tokens=1024, system=rules, messages=[{"role": "user", "content": self.question()}]
        ) as stream:
            async for _ in stream.text_stream:
                pass

    async def order(self) -> None:
        """A plain call with a tool, of the synchronous client in a thread."""
        tools: Any = [TOOL]
        create: Any = self.plain.messages.create
        await asyncio.to_thread(
            create, model=HAIKU, max_tokens=512, tools=tools,
            messages=[{"role": "user", "content": self.question()}],
        )  # fmt: skip

    async def search(self) -> None:
        """An embedding."""
        await self.openai.embeddings.create(model=EMBEDDING, input=self.question())

    async def research(self) -> None:
        """What makes the bill jump: an expensive model, and whole files for context."""
        await self.anthropic.messages.create(
            model=OPUS, max_tokens=4096, messages=[{"role": "user", "content": self.question()}]
        )

    def question(self) -> str:
        return f"Question {self.random.randrange(QUESTIONS)}: how long should green tea steep?"

    async def run(self, rate: float, stop: asyncio.Event, parent: int) -> None:
        """Jobs arrive at random, ``rate`` a second on average, until ``stop`` or until ``parent`` is no more."""
        running: set[asyncio.Task[None]] = set()
        while not stop.is_set() and os.getppid() == parent:
            task = asyncio.create_task(self.work())
            running.add(task)
            task.add_done_callback(running.discard)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), self.random.expovariate(rate))
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _choose(random: Random, among: tuple[tuple[Any, int], ...]) -> Any:
    return random.choices([each for each, _ in among], [weight for _, weight in among])[0]


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await Service(Plot(time.time(), arguments.speed), arguments.seed).run(arguments.rate, stop, arguments.parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True, help="process that this one must not outlive")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=8.0)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
