"""Conversations that are under way: turns and cost of each, until nothing more comes of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from otel_llm.core.model import Event, Observation
from otel_llm.core.shapes import dataclass

IDLE = 1800.0
"""Seconds without a call after which a conversation has ended."""
MOST = 10_000
"""Conversations that are remembered; past it the one that was quiet for longest has ended."""


@dataclass(slots=True)
class Talk:
    """A conversation: when its last call ended, how many turns it has, what they cost (None without a price)."""

    at: float
    labels: tuple[str, ...]
    turns: int = 0
    cost: float | None = None


class Conversations:
    """Adds calls up by conversation. What has ended comes out as events of two histograms; nobody is named."""

    def __init__(self) -> None:
        self._talks: OrderedDict[str, Talk] = OrderedDict()

    def add(self, call: Observation) -> list[Event]:
        """Count a call that is part of one. Returns what has ended by then."""
        key, turn = call.conversation  # type: ignore[misc]
        talk = self._talks.pop(key, None)
        if talk is not None and call.at - talk.at > IDLE:
            ended = list(_events(talk))
            talk = None
        else:
            ended = []
        if talk is None:
            talk = Talk(call.at, call.labels)
        talk.at, talk.labels = max(talk.at, call.at), call.labels
        talk.turns += turn
        if call.cost is not None:
            talk.cost = (talk.cost or 0.0) + call.cost
        self._talks[key] = talk
        while len(self._talks) > MOST:
            ended += _events(self._talks.popitem(last=False)[1])
        return ended + self.ended(call.at)

    def ended(self, now: float) -> list[Event]:
        """What has ended by ``now``, seconds since the epoch."""
        ended: list[Event] = []
        while self._talks and now - next(iter(self._talks.values())).at > IDLE:
            ended += _events(self._talks.popitem(last=False)[1])
        return ended


def _events(talk: Talk) -> Iterator[Event]:
    yield Event("otel_llm_conversation_turns", talk.at, talk.labels, max(1, talk.turns))
    if talk.cost is not None:
        yield Event("otel_llm_conversation_cost_usd", talk.at, talk.labels, talk.cost)
