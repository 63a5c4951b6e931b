"""A service whose real client calls a provider on the loopback, with a fault planted after hours, on a clock that only the script moves.

From the client through otel-llm to what people get: gauges, handlers, the page, and what Prometheus scrapes. The client makes the
calls of the first minutes, and those around the fault; the hours between are what it made at first, at other times.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from agreement import BEGIN, Seen, watch

from otel_llm import runtime
from otel_llm.aggregate import Store
from otel_llm.calls import invocation
from otel_llm.core.config import Config
from otel_llm.core.model import Record
from otel_llm.outputs import alerts
from otel_llm.outputs.anomaly import Anomaly
from otel_llm.pricing import Prices
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback, Reply, Request, Timing, answer, refuse

MODEL = "gpt-4.1"
CALM, MINUTES = 180, 197  # the minute in which the fault begins, and the last one
TAUGHT, AGAIN = 15, CALM - 3  # minutes between which no client calls
EVERY, STEP = 7.5, 15  # seconds between two calls in good health, and between two scrapes
MESSAGES: Any = [{"role": "user", "content": "Where is my order?"}]
USAGE: Any = {"include_usage": True}
WAIT = 300.0  # seconds, on a machine at a load of 50


@dataclass
class Answer:
    """What one call gets, in seconds and tokens. ``again`` are further calls at once."""

    seconds: float
    first: float
    given: int
    output: int
    status: int = 200
    refusal: bool = False
    again: int = 0

    @classmethod
    def healthy(cls, dice: random.Random) -> Answer:
        output = 1 + int(dice.lognormvariate(5.3, 0.35))
        seconds = (0.5 + output / 120) * dice.lognormvariate(0, 0.15)
        return cls(seconds, 0.4 * dice.lognormvariate(0, 0.2), int(dice.lognormvariate(6.5, 0.3)), output)


Fault = Any  # (Answer, random.Random) -> None: changes what a call gets


@dataclass
class Heard:
    """What a handler got: the second of the script, and the anomaly."""

    second: float
    anomaly: Anomaly


@dataclass
class Service:
    """Calls on a clock of their own. ``way`` is how the client asks: plain, async, stream or async stream."""

    way: str
    fault: Fault
    lasts: int = 14  # minutes
    every: float = EVERY
    now: float = BEGIN
    heard: list[Heard] = field(default_factory=list)
    gauges: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)  # by signal and kind

    def run(self, monkeypatch: pytest.MonkeyPatch) -> Seen:
        """Play the script; what each surface says of it, minute by minute."""
        monkeypatch.setattr(invocation, "_CLOCK", lambda: self.now)
        monkeypatch.setattr(invocation, "time", SimpleNamespace(time=lambda: self.now))
        monkeypatch.setattr(alerts, "_DISPATCHER", alerts.Dispatcher(lambda: self.now))
        config = Config(metric_labels=("tenant",))
        store = Store(config, price_date=lambda: BEGIN)
        self.dice, self.numbers, self.waiting = random.Random(5), count(), list[tuple[float, int, Record]]()
        self.loop, self.past = asyncio.new_event_loop(), list[list[Record]]()
        with (
            Loopback(script=self._reply) as server,
            capture("openai", config=config, price=Prices(config).of_call) as captured,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key", max_retries=0) as client,
        ):
            self.captured, self.client = captured, client
            self.later = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="test-key", max_retries=0)
            alerts.on_anomaly(self._hear, severity="warning")
            seen = watch(store, lambda since, until: self._script(store, since, until), MINUTES, STEP, CALM - 2)
            self.loop.run_until_complete(self.later.close())
        self.loop.close()
        return seen

    def _hear(self, anomaly: Anomaly) -> None:
        self.heard.append(Heard(self.second, anomaly))

    def _script(self, store: Store, since: float, until: float) -> Iterator[Record]:
        """The records of what ends in these seconds. Verdicts on what was applied before go to handlers first."""
        self.second = since
        store.tend(BEGIN + since)
        for verdict in store.drain_verdicts():
            runtime.deliver(verdict)
        assert alerts.drain(WAIT)
        if since >= (CALM - 2) * 60:
            self._look(store, since)
        for place in range(round((until - since) / self.every)):
            self._calls(BEGIN + since + place * self.every)
        while self.waiting and self.waiting[0][0] <= BEGIN + until:
            yield heapq.heappop(self.waiting)[2]

    def _look(self, store: Store, since: float) -> None:
        for view in store.views(BEGIN + since):
            if view.metric.name == "otel_llm_zscore":
                for row in view.rows:
                    *_, signal, kind = row.labels
                    self.gauges.setdefault((signal, kind), []).append((since, row.cell.value))

    def _calls(self, at: float) -> None:
        self.answer = Answer.healthy(self.dice)
        minute = (at - BEGIN) / 60
        if CALM <= minute < CALM + self.lasts:
            self.fault(self.answer, self.dice)
        if TAUGHT <= minute < AGAIN:
            self._await(record._replace(at=at + record.at) for record in self.dice.choice(self.past))
            return
        for _ in range(1 + self.answer.again):
            self.now = at
            self._call()
            records = [*self.captured.calls, *self.captured.events]
            self.captured.clear()
            self.past.append([record._replace(at=record.at - at) for record in records])
            self._await(records)

    def _await(self, records: Iterable[Record]) -> None:
        for record in records:
            heapq.heappush(self.waiting, (record.at, next(self.numbers), record))

    def _call(self) -> None:
        asked: dict[str, Any] = {"model": MODEL, "messages": MESSAGES}
        try:
            if self.way == "plain":
                self.client.chat.completions.create(**asked)
            elif self.way == "async":
                self.loop.run_until_complete(self.later.chat.completions.create(**asked))
            elif self.way == "stream":
                with self.client.chat.completions.create(**asked, stream=True, stream_options=USAGE) as stream:
                    for place, _ in enumerate(stream):
                        self._pass(place)
            else:
                self.loop.run_until_complete(self._stream(asked))
        except openai.APIStatusError as error:
            assert error.status_code == self.answer.status  # noqa: PT017 - a call that must not fail raises

    async def _stream(self, asked: dict[str, Any]) -> None:
        place = 0
        async for _ in await self.later.chat.completions.create(**asked, stream=True, stream_options=USAGE):
            self._pass(place)
            place += 1

    def _pass(self, place: int) -> None:
        """The rest of an answer's time passes after its first pieces."""
        if place == 3:
            self.now += max(self.answer.seconds - self.answer.first, 0.0)

    def _reply(self, request: Request) -> Reply:
        """In the server's thread, while the client waits: time passes."""
        one = self.answer
        streams = bool(request.field("stream"))
        self.now += one.first if streams else one.seconds
        if one.status != 200:
            return refuse(request, one.status)
        reply = answer(request, Timing(input_tokens=one.given, output_tokens=one.output))
        if one.refusal:
            body = json.loads(reply.body)
            body["choices"][0]["message"].update(content=None, refusal="I cannot help with that.")
            reply.body = json.dumps(body).encode()
        return reply

    def first(self, signal: str, kind: str, *, low: bool = False) -> tuple[float, float]:
        """Seconds after the fault began until a gauge was beyond 3, and its farthest value."""
        values = [(at - CALM * 60, -value if low else value) for at, value in self.gauges.get((signal, kind), ())]
        beyond = [at for at, value in values if value >= 3]
        return (beyond[0] if beyond else float("inf")), max((value for _, value in values), default=0.0)

    def told(self, kind: str, severity: str) -> list[tuple[float, Anomaly]]:
        """Seconds after the fault began, and each anomaly of a type that handlers got."""
        return [
            (one.second - CALM * 60, one.anomaly)
            for one in self.heard
            if (one.anomaly.type, one.anomaly.severity) == (kind, severity)
        ]
