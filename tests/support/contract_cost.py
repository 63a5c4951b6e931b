"""What a plain call and a stream of each client library cost in our code: byte codes and bytes, which no load on the machine changes."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from contract_content import needs
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.calls import invocation, limits, runs
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture

OURS = f"{Path(otel_llm.__file__).parent}/"
ASIDE = f"{OURS}testing/"  # the server and what captures are the tests' own
SLACK = 1.15  # beyond what was counted on Python 3.11
ELSEWHERE = (
    1.4  # the same on Python 3.10, and with other versions of a library (rows of the matrix), which go other ways
)
KEPT = 205
"""Bytes that a call may leave behind in our lines: of three calls the last record, of 576, and a time, of 36, may stay."""
BYTE_CODES = {
    "TestAI21": 2221, "TestAnthropic": 3290, "TestAzureInference": 2143, "TestCerebras": 2208, "TestChats": 4047, "TestCohere":
    3516, "TestContent": 3264, "TestConverse": 2867, "TestGroq": 2190, "TestHuggingFace": 2175, "TestInteractions": 3036,
    "TestInvoke": 4194, "TestMistral": 2226, "TestOllama": 1888, "TestOpenAIChat": 2090, "TestOpenAIResponses": 3007,
    "TestOpenRouter": 2440, "TestReplicate": 1938, "TestTogether": 2216, "TestVertexOverHttpx": 3265, "TestWriter": 2369,
    "TestXAI": 2300, "vertexai.TestContent": 4400, "vertexai.TestChats": 5700,
}  # fmt: skip
"""Byte codes of ours in a plain call, by the contract's class, as counted on Python 3.11. A call that takes fewer by a third has a
smaller number put here."""
MOST = 3000
"""The same of a library that is new here, until its own number stands above."""


class Streamed(NamedTuple):
    """What a stream costs: byte codes as a whole beside its chunks, and of a chunk."""

    call: float
    chunk: float


STREAMS = {
    "TestAI21": Streamed(2732, 169), "TestAnthropic": Streamed(4468, 109), "TestAzureInference": Streamed(2152, 253),
    "TestCerebras": Streamed(3039, 177), "TestChats": Streamed(3184, 1129), "TestCohere": Streamed(3380, 153),
    "TestContent": Streamed(2391, 1126), "TestConverse": Streamed(3432, 240), "TestGroq": Streamed(2807, 175),
    "TestHuggingFace": Streamed(2665, 298), "TestInteractions": Streamed(3951, 210), "TestInvoke": Streamed(5121, 544),
    "TestMistral": Streamed(2925, 230), "TestOllama": Streamed(2052, 246), "TestOpenAIChat": Streamed(2655, 138),
    "TestOpenAIResponses": Streamed(3197, 145), "TestOpenRouter": Streamed(2963, 250), "TestReplicate": Streamed(1956, 321),
    "TestTogether": Streamed(3036, 129), "TestVertexOverHttpx": Streamed(2438, 1126), "TestWriter": Streamed(2828, 177),
    "TestXAI": Streamed(2120, 660), "vertexai.TestContent": Streamed(3140, 1922), "vertexai.TestChats": Streamed(3198, 2004),
}  # fmt: skip
ASYNC_STREAMS = {
    "TestAI21": Streamed(2875, 191), "TestAnthropic": Streamed(4512, 131), "TestAzureInference": Streamed(2182, 259),
    "TestCerebras": Streamed(3104, 199), "TestChats": Streamed(3394, 1125), "TestCohere": Streamed(3438, 175),
    "TestContent": Streamed(2601, 1125), "TestConverse": Streamed(3518, 277), "TestGroq": Streamed(2907, 193),
    "TestHuggingFace": Streamed(2730, 300), "TestInteractions": Streamed(3886, 257), "TestInvoke": Streamed(5207, 581),
    "TestMistral": Streamed(2895, 244), "TestOllama": Streamed(2164, 248), "TestOpenAIChat": Streamed(2740, 156),
    "TestOpenAIResponses": Streamed(3241, 167), "TestOpenRouter": Streamed(2907, 271), "TestTogether": Streamed(3064, 199),
    "TestVertexOverHttpx": Streamed(2660, 1125), "TestWriter": Streamed(2893, 199), "TestXAI": Streamed(2161, 665),
    "vertexai.TestContent": Streamed(3211, 1927), "vertexai.TestChats": Streamed(3354, 2006),
}  # fmt: skip
"""As ``BYTE_CODES``, of streams."""
MOST_STREAMED = Streamed(5200, 1130)
"""The same of a library that is new here, until its own numbers stand above."""
FEW, MANY = 10, 110
"""Chunks of two streams whose difference is what chunks cost."""
HELD = 6.0
"""Bytes in our lines for each chunk of a stream that goes on: a reference to each would be 8."""
STAYS = 3300
"""Bytes of a stream that has ended may stay as long as its connection is open: the last one's."""
AFTER = 12


class Count:
    """Byte codes of ours, executed in this thread while it counted."""

    codes = 0


@contextmanager
def counting() -> Iterator[Count]:
    """Count byte codes of ours."""
    count = Count()

    def inside(frame: FrameType, event: str, _: object) -> Any:
        count.codes += event == "opcode"
        return inside

    def entering(frame: FrameType, _: str, __: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(OURS) or file.startswith(ASIDE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return inside

    before = sys.gettrace()
    sys.settrace(entering)
    try:
        yield count
    finally:
        sys.settrace(before)


@contextmanager
def allocating() -> Iterator[Callable[[], int]]:
    """What tells how many bytes live that our lines have asked for since."""
    ours = [tracemalloc.Filter(True, f"{OURS}*"), tracemalloc.Filter(False, f"{ASIDE}*")]

    def living() -> int:
        gc.collect()
        found = tracemalloc.take_snapshot().filter_traces(ours)
        print(*found.statistics("lineno")[:3], sep="\n")  # shown where a test fails
        return sum(trace.size for trace in found.traces)

    before = sys.gettrace()
    sys.settrace(None)  # what counts lines keeps them where they run, as if they were ours
    tracemalloc.start()
    try:
        yield living
    finally:
        tracemalloc.stop()
        sys.settrace(before)


def byte_codes(work: Callable[[], object]) -> int:
    """How many byte codes of ours ``work`` executes in this thread."""
    with counting() as count:
        work()
    return count.codes


def kept(work: Callable[[], object]) -> int:
    """Bytes that live after ``work``, of those that our lines asked for."""
    with allocating() as living:
        work()
        return living()


def limit(counted: float) -> float:
    """The most that something may take that took ``counted`` on Python 3.11."""
    counted_here = sys.version_info[:2] == (3, 11) and "OTHER_VERSIONS" not in os.environ
    return counted * (SLACK if counted_here else ELSEWHERE)


TURNS = 100
"""Of the event loop, in which it does what streams have left to it."""


class Measured(NamedTuple):
    """What one library's stream took: see ``Streamed``; bytes held for a chunk, and left by a stream that has ended."""

    took: Streamed
    held: float
    left: float

    def check(self, expected: Streamed) -> None:
        """Hold it to what is expected, of a library that is new here from above only."""
        new = expected is MOST_STREAMED
        assert (0 if new else expected.call / 1.5) < self.took.call <= limit(expected.call), f"{self}, {expected}"
        assert self.took.chunk <= limit(expected.chunk) + 2, f"{self}, {expected}"
        assert self.held <= HELD, f"{self.held} bytes are held for each chunk"
        assert self.left <= KEPT + STAYS / AFTER, f"{self.left} bytes are left of a stream"


def let_go_of_timers() -> None:
    """Forget the contexts of timers that were cancelled: aiohttp's stay until they would have been due, one for each chunk that it had
    to wait for."""
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:  # a stream that is read without one
        return
    for timer in loop._scheduled:
        if timer.cancelled():
            timer._context = None


Reading = Callable[[int, int, Callable[[], object]], Awaitable[int]]
"""Reads a stream of so many chunks, calls something when it has so many items, and returns how many items there were."""


async def measured(stream: Reading) -> Measured:
    """What a stream takes. A chunk of text is an item of most libraries, but not of all."""

    def nothing() -> None: ...

    async def codes(chunks: int) -> tuple[int, int]:
        with counting() as count:
            items = await stream(chunks, 0, nothing)
        return count.codes, items

    async def held(chunks: int, items: int) -> int:
        found: list[int] = []

        def seen() -> None:
            let_go_of_timers()
            found.append(living())

        with allocating() as living:
            await stream(chunks, items, seen)
        return found[0]

    async def after(living: Callable[[], int]) -> float:
        """What lives after some more streams."""
        for _ in range(AFTER):
            await stream(FEW, 0, nothing)
        for _ in range(TURNS):
            await asyncio.sleep(0)  # litellm 1.85 has a queue there, whose entries hold the context of their call
        let_go_of_timers()
        return living() / AFTER

    for _ in range(3):
        await stream(FEW, 0, nothing)
    gc.collect()
    gc.disable()
    try:
        (few, some), (many, more) = await codes(FEW), await codes(MANY)
        assert more > some + 20, f"the server sent {some} and {more} items"
        chunk = (many - few) / (more - some)
        of_chunk = (await held(MANY, more) - await held(FEW, some)) / (more - some)
        with allocating() as living:
            left = -(await after(living)) + await after(living)
    finally:
        gc.enable()
    return Measured(Streamed(few - some * chunk, chunk), of_chunk, left)


@contextmanager
def plainly(library: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The captured calls of a process that has spans, and nothing else that a call could cost."""
    if sys.version_info >= (3, 12):
        pytest.skip("from 3.12 on a frame that has begun has no events of byte codes")
    monkeypatch.setattr(invocation, "REPLY_SECONDS", 3600.0)  # the headers of the first reply are read, and no others
    monkeypatch.setattr(limits.STATE, "on", False)  # a process that has not opted in: a guard of another test stays on
    monkeypatch.setattr(runs.STATE, "used", False)  # nor has it had an agent run
    traces = TracerProvider(shutdown_on_exit=False)
    with capture(library, sinks=(Spans(traces.get_tracer("cost")),)) as captured:
        yield captured


class CostScenarios:
    """The scenarios of what calls cost. ``kit`` is the subclass's, as in ``Contract``."""

    kit: Any

    @pytest.fixture
    def costs(self, monkeypatch: Any) -> Iterator[Any]:
        """The captured calls of a process that has spans, and nothing else that a call could cost."""
        with plainly(self.kit.library, monkeypatch) as captured:
            yield captured

    def expected(self, table: dict[str, Any], default: Any) -> Any:
        """What ``table`` says of this class, by its library and name or by its name."""
        name = type(self).__name__
        return table.get(f"{self.kit.library}.{name}", table.get(name, default))

    @needs("make", "plain")
    def test_a_plain_call_costs_what_it_did(self, server: Any, costs: Any) -> None:
        from contract import with_client

        def use(client: Any) -> tuple[int, int]:
            def call() -> None:
                self.kit.plain(client, self.kit.model)
                costs.clear()

            for _ in range(3):
                call()
            gc.collect()
            gc.disable()
            try:
                return byte_codes(call), kept(lambda: [call() for _ in range(3)])
            finally:
                gc.enable()

        codes, left = with_client(self.kit, server.url, use)
        expected = self.expected(BYTE_CODES, MOST)
        floor = expected / 1.5 if expected != MOST else 0
        assert floor < codes <= limit(expected), f"{codes} byte codes, {expected} expected"
        assert left <= 3 * KEPT, f"{left} bytes are left"

    @needs("make", "stream")
    def test_a_stream_costs_what_it_did(self, server: Any, costs: Any) -> None:
        from contract import with_client

        def use(client: Any) -> Measured:
            async def stream(chunks: int, at: int, look: Callable[[], object]) -> int:
                number = 0
                for _ in self.kit.stream(client, f"{self.kit.model}-chunks-{chunks}"):
                    number += 1
                    if number == at:
                        look()
                costs.clear()
                return number

            return asyncio.run(measured(stream))  # nothing in it waits

        expected = self.expected(STREAMS, MOST_STREAMED)
        with_client(self.kit, server.url, use).check(expected)

    @needs("make_async", "stream_async")
    async def test_an_async_stream_costs_what_it_did(self, server: Any, costs: Any) -> None:
        from contract import opened, with_async_client

        async def use(client: Any) -> Measured:
            async def stream(chunks: int, at: int, look: Callable[[], object]) -> int:
                number = 0
                async for _ in await opened(self.kit.stream_async(client, f"{self.kit.model}-chunks-{chunks}")):
                    number += 1
                    if number == at:
                        look()
                costs.clear()
                return number

            return await measured(stream)

        expected = self.expected(ASYNC_STREAMS, MOST_STREAMED)
        (await with_async_client(self.kit, server.url, use)).check(expected)
