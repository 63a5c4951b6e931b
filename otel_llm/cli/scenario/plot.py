"""The storyline: chapters in time, each saying what is different from a calm day."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GPT, MINI, EMBEDDING = "gpt-4.1", "gpt-5-mini", "text-embedding-3-small"
SONNET, HAIKU, OPUS = "claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-6"


@dataclass(frozen=True, slots=True)
class Chapter:
    """``seconds`` at speed 1. Factors are by model and multiply what is normal; ``down`` is by provider."""

    name: str
    seconds: float
    says: str
    slower: Mapping[str, float] = field(default_factory=dict)
    longer: Mapping[str, float] = field(default_factory=dict)
    thinking: Mapping[str, float] = field(default_factory=dict)
    context: Mapping[str, float] = field(default_factory=dict)
    research: float = 0.0  # share of calls that one tenant sends to the most expensive model
    down: Mapping[str, float] = field(default_factory=dict)  # share of calls that are refused


STORY = (
    Chapter("calm", 60, "a normal day; the baselines are being learnt"),
    Chapter("latency spike", 40, f"{GPT} answers six times slower", slower={GPT: 6.0}),
    Chapter("calm", 15, "back to normal"),
    Chapter("output degradation", 40, f"{SONNET} gives short answers", longer={SONNET: 0.25}),
    Chapter("calm", 15, "back to normal"),
    Chapter("cost spike", 40, f"one tenant sends whole files to {OPUS}, {MINI} thinks too much",
            thinking={MINI: 8.0}, context={OPUS: 8.0}, research=0.15),
    Chapter("calm", 10, "back to normal"),
    Chapter("outage", 40, "openai is down: the breaker opens, anthropic stands in", down={"openai": 1.0}),
    Chapter("recovery", 25, "openai is back: the breaker closes"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in the story a time is: the chapter, how many chapters began before it, seconds left of it."""

    chapter: Chapter
    number: int
    left: float


@dataclass(slots=True)
class Plot:
    """The story from ``began`` (seconds since the epoch), ``speed`` times as fast, again and again.

    Until somebody sets ``began``, it is about to begin.
    """

    began: float = math.inf
    speed: float = 1.0

    @property
    def length(self) -> float:
        """Seconds that the whole story takes."""
        return sum(chapter.seconds for chapter in STORY) / self.speed

    def at(self, now: float) -> Moment:
        """The moment of the story at ``now``."""
        rounds, passed = divmod(max(0.0, now - self.began), self.length)
        for index, chapter in enumerate(STORY):
            seconds = chapter.seconds / self.speed
            if passed < seconds:
                return Moment(chapter, round(rounds) * len(STORY) + index, seconds - passed)
            passed -= seconds
        return Moment(STORY[-1], round(rounds) * len(STORY) + len(STORY) - 1, 0.0)
