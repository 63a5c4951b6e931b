"""What the clocks of a stream say, with a clock that only the test moves: the first output, and the time between pieces of it.

A stream is drawn piece by piece, and the clock moves before each: piece ``n`` comes at a second of its own. So first chunk, gaps and
buckets are known to the bit, and which pieces count as output is written here, for each family of client libraries.
"""

from __future__ import annotations

import gc
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import test_contract_anthropic as anthropic_
import test_contract_bedrock as bedrock
import test_contract_cohere as cohere
import test_contract_google_genai as google
import test_contract_huggingface as huggingface
import test_contract_ollama as ollama
import test_contract_openai as openai_
import test_contract_openai_like as like
import test_contract_small as small
import test_contract_speakeasy as speakeasy
import test_contract_xai as xai
from contract import Kit, opened, with_async_client, with_client

from otel_llm.calls import invocation
from otel_llm.core.series import DURATION_BUCKETS
from otel_llm.testing import capture

# How many pieces the caller gets, which of them is the first of five that hold output (before it are roles, starts of items and
# blocks, after it reasons and usage), and whether the call begins with the first draw.
FAMILIES: dict[str, tuple[Kit, int, int, bool]] = {
    "openai chat": (openai_.TestOpenAIChat.kit, 8, 1, False),
    "openai responses": (openai_.TestOpenAIResponses.kit, 13, 4, False),
    "anthropic": (anthropic_.TestAnthropic.kit, 10, 2, False),
    "groq": (like.TestGroq.kit, 7, 1, False),
    "together": (like.TestTogether.kit, 7, 1, False),
    "cerebras": (like.TestCerebras.kit, 7, 1, False),
    "writer": (like.TestWriter.kit, 8, 1, False),
    "ai21": (small.TestAI21.kit, 8, 1, False),
    "azure-ai-inference": (small.TestAzureInference.kit, 7, 1, False),
    "mistral": (speakeasy.TestMistral.kit, 7, 1, False),
    "openrouter": (speakeasy.TestOpenRouter.kit, 8, 1, False),
    "huggingface": (huggingface.TestHuggingFace.kit, 8, 1, False),
    "ollama": (ollama.TestOllama.kit, 6, 0, True),
    "cohere": (cohere.TestCohere.kit, 9, 2, True),
    "google": (google.TestContent.kit, 5, 0, True),
    "google interactions": (google.TestInteractions.kit, 10, 3, False),
    "bedrock converse": (bedrock.TestConverse.kit, 9, 1, False),
    "bedrock invoke": (bedrock.TestInvoke.kit, 11, 3, False),
    "xai": (xai.TestXAI.kit, 6, 0, True),
}
# Streams that call a tool, and streams that think first: how many pieces, and which of them are output. Signatures, plans and parts of
# arguments are, the start of a block or of a tool's call is not, unless it comes with (empty) arguments in one piece.
SHAPES: dict[str, dict[str, tuple[int, tuple[int, ...]]]] = {
    "tools": {
        "openai chat": (6, (1, 2, 3)),
        "openai responses": (8, (3, 4)),
        "anthropic": (8, (2, 3, 4)),
        "groq": (5, (1, 2, 3)),
        "together": (5, (1, 2, 3)),
        "cerebras": (5, (1, 2, 3)),
        "writer": (6, (1, 2, 3)),
        "ai21": (6, (1, 2, 3)),
        "azure-ai-inference": (5, (1, 2, 3)),
        "mistral": (3, (1,)),
        "openrouter": (6, (1, 2, 3)),
        "huggingface": (6, (1, 2, 3)),
        "ollama": (2, (0,)),
        "cohere": (7, (1, 3, 4)),
        "google": (1, (0,)),
        "google interactions": (7, (3, 4)),
        "bedrock converse": (7, (2, 3)),
        "bedrock invoke": (9, (3, 4, 5)),
        "xai": (2, (0,)),
    },
    "thinking": {
        "openai responses": (20, (4, 5, 11, 12, 13, 14, 15)),
        "anthropic": (15, (2, 3, 4, 7, 8, 9, 10, 11)),
        "groq": (9, (1, 2, 3, 4, 5, 6, 7)),
        "together": (9, (1, 2, 3, 4, 5, 6, 7)),
        "cerebras": (9, (1, 2, 3, 4, 5, 6, 7)),
        "mistral": (9, (1, 2, 3, 4, 5, 6, 7)),
        "openrouter": (10, (1, 2, 3, 4, 5, 6, 7)),
        "ollama": (8, (0, 1, 2, 3, 4, 5, 6)),
        "cohere": (13, (2, 3, 6, 7, 8, 9, 10)),
        "google": (7, (0, 1, 2, 3, 4, 5, 6)),
        "google interactions": (15, (3, 4, 5, 8, 9, 10, 11, 12)),
        "bedrock converse": (13, (1, 2, 3, 5, 6, 7, 8, 9)),
        "bedrock invoke": (16, (3, 4, 5, 8, 9, 10, 11, 12)),
    },
}
ASKED = ("ollama", "google")  # whose asynchronous calls begin when they are awaited, and not with the first draw
START = 1000.0
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ai21 and google-genai, about what they use


class Clock:
    """Moves by the next of unlike steps: 0.25 s, 0.5 s, 0.75 s, ... so that each sum of neighbours is another one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        self.moments: list[float] = []
        monkeypatch.setattr(invocation, "_CLOCK", lambda: self.now)

    def move(self) -> None:
        self.moments.append(self.now + 0.25 * (len(self.moments) + 1))
        self.now = self.moments[-1]


def judge(captured: Any, clock: Clock, pieces: int, output: Sequence[int], *, drawn: bool) -> None:
    gc.collect()
    call = captured.call
    began = clock.moments[0] if drawn else START
    at = [clock.moments[piece] for piece in output]
    gaps = [after - before for before, after in pairwise(at)]
    buckets = Counter(bisect_left(DURATION_BUCKETS, gap) for gap in gaps)
    assert len(clock.moments) == pieces + 1  # and the one that finds the end
    assert call.first_chunk == at[0] - began
    assert dict(call.chunk_gaps) == buckets
    assert call.chunk_gap_sum == sum(gaps)
    assert call.duration == clock.moments[-1] - began


def drawn_by_hand(clock: Clock, ask: Callable[[Any], Iterator[Any]]) -> Callable[[Any], None]:
    """What draws the stream piece by piece, the clock moving before each."""

    def draw(client: Any) -> None:
        stream = iter(ask(client))
        while True:
            clock.move()
            try:
                next(stream)
            except StopIteration:
                return

    return draw


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_drawn_by_hand_is_timed_to_the_bit(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    kit, pieces, first, drawn = FAMILIES[family]
    clock = Clock(monkeypatch)
    with kit.serve() as server, capture(kit.library) as captured:
        with_client(kit, server.url, drawn_by_hand(clock, lambda client: kit.stream(client, kit.model)))
        judge(captured, clock, pieces, range(first, first + 5), drawn=drawn)


@pytest.mark.parametrize(("shape", "family"), [(shape, family) for shape in SHAPES for family in SHAPES[shape]])
def test_tools_and_thoughts_are_timed_to_the_bit(monkeypatch: pytest.MonkeyPatch, shape: str, family: str) -> None:
    kit, _, _, drawn = FAMILIES[family]
    clock = Clock(monkeypatch)
    with kit.serve() as server, capture(kit.library) as captured:
        ask = drawn_by_hand(clock, lambda client: kit.stream(client, f"{kit.model}-{shape}"))
        with_client(kit, server.url, ask)
        judge(captured, clock, *SHAPES[shape][family], drawn=drawn)


def test_two_choices_are_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = openai_.TestOpenAIChat.kit
    clock = Clock(monkeypatch)
    asked: dict[str, Any] = {"messages": openai_.MESSAGES, "stream": True, "stream_options": openai_.USAGE, "n": 2}
    with kit.serve() as server, capture(kit.library) as captured:
        ask = drawn_by_hand(clock, lambda client: client.chat.completions.create(model=kit.model, **asked))
        with_client(kit, server.url, ask)
        judge(captured, clock, 15, (1, 2, 3, 4, 5, 8, 9, 10, 11, 12), drawn=False)


@pytest.mark.parametrize("family", [name for name, (kit, *_) in FAMILIES.items() if kit.stream_async])
async def test_what_is_awaited_by_hand_is_timed_to_the_bit(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    kit, pieces, first, drawn = FAMILIES[family]
    clock = Clock(monkeypatch)

    async def draw(client: Any) -> None:
        stream = aiter(await opened(kit.stream_async(client, kit.model)))
        while True:
            clock.move()
            try:
                await anext(stream)
            except StopAsyncIteration:
                return

    with kit.serve() as server, capture(kit.library) as captured:
        await with_async_client(kit, server.url, draw)
        judge(captured, clock, pieces, range(first, first + 5), drawn=drawn and family not in ASKED)
