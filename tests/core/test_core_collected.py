"""Calls that a garbage collection ends. It may come while its thread holds any lock, so they are told outside of it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from otel_llm.calls import collected, invocation
from otel_llm.core.model import Observation
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@dataclass
class Ledger:
    """A sink with a lock, as an exporter has one: what it was told, and an event for each."""

    lock: Any = field(default_factory=threading.Lock)
    told: list[str] = field(default_factory=list)
    closing: Any = field(default_factory=threading.Event)

    def opened(self, call: Any) -> None:
        self.told.append(f"opened {call.request.model}")

    def closed(self, call: Any, seen: Observation) -> None:
        with self.lock:
            self.told.append(f"closed {seen.request_model} {seen.error_type}".strip())
        self.closing.set()


@dataclass
class Bench:
    client: openai.OpenAI
    captured: Captured
    ledger: Ledger

    def asked(self, model: str) -> None:
        self.client.chat.completions.create(model=model, messages=MESSAGES)

    def streamed(self, model: str) -> Any:
        stream = self.client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        next(stream)
        return stream

    def dropped(self) -> None:
        """A stream of which nothing but a collection lets go."""
        kept: list[Any] = [self.streamed("dropped-chunks-9")]
        kept.append(kept)
        del kept
        self.ledger.told.clear()

    def collected(self) -> None:
        """End a call by a collection while there is no other thread to be had."""
        self.dropped()
        gc.collect()
        assert self.ledger.told == []


DROPPED = "closed dropped-chunks-9 abandoned"


@pytest.fixture
def bench() -> Iterator[Bench]:
    ledger = Ledger()
    gc.collect()
    gc.disable()
    with (
        Loopback() as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client,
        capture("openai", sinks=(ledger,)) as captured,
    ):
        yield Bench(client, captured, ledger)
    gc.enable()


@pytest.fixture
def scarce(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """No thread can be started."""

    def start(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(collected, "start_thread", start)
    return bench


def test_it_is_told_when_the_collection_is_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collected, "WAIT", 60)
    bench.dropped()
    gc.collect()
    assert bench.ledger.told == [DROPPED]


def test_it_is_told_when_the_lock_is_free_that_the_collection_came_under(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collected, "WAIT", 0.01)
    bench.dropped()
    with bench.ledger.lock:
        gc.collect()
        assert bench.ledger.told == []
    assert bench.ledger.closing.wait(60)
    assert bench.ledger.told == [DROPPED]


def test_it_is_told_when_somebody_looks(scarce: Bench) -> None:
    scarce.collected()
    assert scarce.captured.observer.in_flight() == {}
    assert scarce.ledger.told == [DROPPED]
    assert scarce.captured.call.error_type == "abandoned"


def test_it_is_told_when_the_next_call_opens(scarce: Bench) -> None:
    scarce.collected()
    scarce.asked("next")
    assert scarce.ledger.told == [DROPPED, "opened next", "closed next"]


def test_it_is_told_when_the_next_call_ends(scarce: Bench) -> None:
    running = scarce.streamed("running-chunks-9")
    scarce.collected()
    running.close()
    assert scarce.ledger.told == ["closed running-chunks-9 abandoned", DROPPED]


def test_it_is_told_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collected, "WAIT", 60)
    bench.dropped()
    gc.collect()
    bench.asked("next")
    bench.asked("next")
    assert bench.captured.observer.in_flight() == {}
    assert bench.ledger.told.count(DROPPED) == 1


def test_it_is_not_in_flight_while_it_waits(scarce: Bench) -> None:
    scarce.collected()
    assert scarce.captured.open == 0


def test_it_lasted_until_it_was_collected(scarce: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(invocation, "_CLOCK", lambda: now[0])
    stream = scarce.streamed("dropped-chunks-9")
    kept = [stream]
    kept.append(kept)  # type: ignore[arg-type]
    del kept, stream
    now[0] = 103.0
    gc.collect()
    assert scarce.ledger.told == ["opened dropped-chunks-9"]
    now[0] = 200.0
    assert scarce.captured.call.duration == 3.0


def test_a_collection_in_another_thread_is_not_waited_for(bench: Bench) -> None:
    """What ends in a thread while another one collects is told at once."""
    inside, ended = threading.Event(), threading.Event()

    class Slow:
        def __del__(self) -> None:
            inside.set()
            ended.wait()

    def collect() -> None:
        slow: Any = Slow()
        slow.itself = slow
        del slow
        gc.collect()

    running = bench.streamed("running-chunks-9")
    collecting = threading.Thread(target=collect)
    collecting.start()
    inside.wait()
    running.close()
    told = list(bench.ledger.told)
    ended.set()
    collecting.join()
    assert told == ["opened running-chunks-9", "closed running-chunks-9 abandoned"]


# processes

FORKED = """
import gc, os, openai, otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

gc.disable()
spans = InMemorySpanExporter()
traces = TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(traces)
otel_llm.instrument("openai")

def ask(model, **more):
    client = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key="test-key")
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], **more)

def show(who):
    print(who, [span.name for span in spans.get_finished_spans()], flush=True)

from otel_llm.calls import collected

def scarce(*_):
    raise RuntimeError("can't start new thread")

collected.start_thread = scarce
kept = [ask("dropped-chunks-9", stream=True)]
kept.append(kept)
del kept
gc.collect()
show("before")
if child := os.fork():
    os.waitpid(child, 0)
    ask("parents")
    show("parent")
else:
    spans.clear()  # the clerk may have concluded it before the fork
    ask("childs")
    show("child")
    os._exit(0)
"""


def test_it_is_the_parents_and_not_a_forked_childs(run: Callable[..., Any]) -> None:
    told = run(FORKED, bare=True, OTEL_LLM_METRICS_SERVER="off").stdout.splitlines()
    assert told == ["before []", "child ['chat childs']", "parent ['chat dropped-chunks-9', 'chat parents']"]


CYCLES = """
import gc, openai, otel_llm
from otel_llm.calls.observer import Observer
for _ in range(3):
    otel_llm.instrument("openai")
    otel_llm.uninstrument()
gc.collect()
print(sum(type(found) is Observer for found in gc.get_objects()))  # isinstance has openai's proxies import all of it
"""


def test_nothing_of_us_is_left_after_we_are_taken_out(run: Callable[..., Any]) -> None:
    assert run(CYCLES, bare=True, OTEL_LLM_METRICS_SERVER="off").stdout == "0\n"
