"""The providers of the demo: loopback servers that answer as slowly, as long and as badly as the story says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from otel_llm.testing.loopback import Loopback, Reply, Request, Timing, refuse

from .draws import CONTEXT_TOKENS, GENERATED_TOKENS
from .plot import EMBEDDING, GPT, HAIKU, MINI, OPUS, SONNET

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plot import Plot

PIECES = 16  # chunks of a stream at most: enough to see them arrive, few enough to cost nothing
RATE_LIMITED, TOO_LONG = 0.008, 0.003  # shares of calls on a normal day
REFUSAL_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model answers: seconds per call, per input and per output token; parts of the tokens that think or were cached."""

    start: float
    per_input: float
    per_output: float
    thinks: float = 0.0
    caches: float = 0.0


# Latencies are modelled from the tokens: a prompt is read at once, an answer is written token by token.
MANNERS = {
    GPT: Manner(0.25, 0.00008, 0.0080, caches=0.3),
    MINI: Manner(0.20, 0.00005, 0.0045, thinks=0.6),
    EMBEDDING: Manner(0.05, 0.00002, 0.0),
    SONNET: Manner(0.35, 0.00008, 0.0075, caches=0.8),
    HAIKU: Manner(0.15, 0.00004, 0.0035),
    OPUS: Manner(0.50, 0.00012, 0.0110, thinks=0.3),
}


class Script:
    """What the loopback asks for every request. Draws come from ``seed``; the story's time is that of ``clock``."""

    def __init__(self, plot: Plot, seed: int, clock: Callable[[], float] = time.time) -> None:
        self._plot, self._random, self._clock = plot, Random(seed), clock  # noqa: S311 - no secrets are made of it

    def refusal(self, request: Request) -> Reply | None:
        """An error where the story or an ordinary day has one, else None. The first request begins the story."""
        self._plot.began = min(self._plot.began, self._clock())
        chance, down = self._random.random(), self._plot.at(self._clock()).chapter.down
        status = 503 if chance < down.get(_provider(request), 0.0) else 0
        if not status and (chance := self._random.random()) < RATE_LIMITED + TOO_LONG:
            status = 429 if chance < RATE_LIMITED else 400
        if not status:
            return None
        kind = "context" if status == 400 else ""  # noqa: PLR2004 - HTTP
        reply = refuse(request, status, kind, retry_after=1 if status == 429 else None)  # noqa: PLR2004 - likewise
        reply.wait = REFUSAL_SECONDS
        return reply

    def timing(self, request: Request) -> Timing:
        """How long the answer takes and how many tokens it reports."""
        chapter, model = self._plot.at(self._clock()).chapter, request.model
        manner = MANNERS.get(model, MANNERS[HAIKU])
        given = max(1, round(CONTEXT_TOKENS.draw(self._random) * chapter.context.get(model, 1.0)))
        answer = max(1, round(GENERATED_TOKENS.draw(self._random) * chapter.longer.get(model, 1.0)))
        thought = round(answer * manner.thinks * chapter.thinking.get(model, 1.0))
        slower = chapter.slower.get(model, 1.0) * self._random.lognormvariate(0.0, 0.15)
        first = (manner.start + given * manner.per_input + thought * manner.per_output) * slower
        writing = answer * manner.per_output * slower
        events = min(PIECES, max(2, answer // 12))
        streamed = request.json.get("stream") is True
        return Timing(
            first=first if streamed else first + writing,
            gap=writing / events if streamed else 0.0,
            input_tokens=given,
            output_tokens=None if model == EMBEDDING else answer + thought,
            thinking_tokens=thought or None,
            cache_read_tokens=round(given * manner.caches * self._random.random()) or None,
            events=events,
        )


def _provider(request: Request) -> str:
    return "anthropic" if "/messages" in request.path else "openai"


def start(plot: Plot, seed: int) -> Loopback:
    """Providers on a free port of this machine, playing the story from now on."""
    script = Script(plot, seed)
    return Loopback(script=script.refusal, delay=script.timing, keep=1).start()
