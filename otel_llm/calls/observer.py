"""Who watches the calls of a process, and what it knows of those that are open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from otel_llm.core.guard import guarded
from otel_llm.core.model import Observation, Request, Response, Usage

from . import background, collected
from .answers import Remembered
from .spenders import Spenders

Priced = tuple[
    float | None, str, float, tuple[str, ...]
]  # cost, who says so, what the cache saved, what the cost lacks
Price = Callable[[Request, Response, Usage, float], Priced]
OnReply = Callable[[Any, float, Mapping[str, str]], None]  # call, seconds since the epoch, headers


class Sink(Protocol):
    """Somewhere that calls (each an ``Invocation``) are shown as they happen. What it raises is counted and goes no further."""

    def opened(self, call: Any) -> None: ...
    def closed(self, call: Any, observation: Observation) -> None: ...


class Observer:
    """Who watches the calls of this process: sinks, what is open now, and the settings that calls need."""

    __slots__ = (
        "__weakref__", "answers", "capture", "due", "epoch", "label_names", "on_reply", "open", "prepare", "price", "remembered",
        "sinks", "sinks_closed", "sinks_opened", "spenders",
    )  # fmt: skip

    def __init__(
        self,
        sinks: Sequence[Sink] = (),
        *,
        label_names: tuple[str, ...] = (),
        price: Price | None = None,
        capture: bool = False,
        on_reply: OnReply | None = None,
        spenders: Spenders | None = None,
        answers: str = "asked",
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self.sinks = tuple(sinks)
        self.sinks_opened = tuple([guarded("open", sink.opened, 1) for sink in sinks])
        self.sinks_closed = tuple([guarded("end", sink.closed, 2) for sink in sinks])
        self.on_reply = on_reply
        self.label_names = label_names
        self.prepare = prepare  # loads what calls need: asked before the first is made
        self.spenders = spenders
        self.price = None if price is None else guarded("pricing", price, 4)
        self.answers = (
            answers != "ends"
        )  # whether answers are looked into where JSON was asked for or tools were offered
        self.remembered: Remembered | None = {} if answers == "all" else None
        self.capture = capture or answers == "all"  # whether readers shall keep messages
        self.open: dict[int, tuple[str, str, str]] = {}
        self.epoch = 0
        self.due: dict[
            int, float
        ] = {}  # when the next reply is shown to ``on_reply``, by the hash of a key: a name may be long

    def disown(self) -> None:
        """The calls that are open are not ours to count, however they end: in a forked child, they are the parent's."""
        self.epoch += 1
        self.open.clear()

    def in_flight(self) -> Mapping[tuple[str, str, str], int]:
        """Open calls by (provider, request model, operation). Concludes what a garbage collection has ended before."""
        collected.conclude()
        background.expire()
        return Counter(list(self.open.values())) if self.open else {}
