"""What the work of one request adds up to: each call that ends inside is added where it ends, in the same process."""

from __future__ import annotations

from contextvars import ContextVar

from .model import Observation


class Tally:
    """Totals of the calls made while something else was served. Cheap to add to, from any thread or task of it.

    ``pending`` holds the bills of calls whose price was not known when they ended; they are no part of ``cost`` yet.
    """

    __slots__ = ("calls", "cost", "errors", "input_tokens", "output_tokens", "pending", "spans", "unpriced")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost = 0.0  # US dollars, of the calls that have a price
        self.unpriced = 0  # calls with usage and no price
        self.pending: list[tuple[object, ...]] = []
        self.spans: list[tuple[float, float]] = []  # (start, end) of each call, seconds since the epoch

    def add(self, observation: Observation) -> None:
        """Count a finished call."""
        self.calls += 1
        self.errors += bool(observation.error_type)
        self.input_tokens += observation.input_tokens or 0
        self.output_tokens += observation.output_tokens or 0
        self.spans.append((observation.at - observation.duration, observation.at))
        if observation.cost is not None:
            self.cost += observation.cost
        elif observation.bill is not None:
            self.pending.append(observation.bill)
        elif observation.cost_source == "unpriced":
            self.unpriced += 1


TALLY: ContextVar[Tally | None] = ContextVar("otel_llm_tally", default=None)


def add(observation: Observation) -> None:
    """Add ``observation`` to the tally of the request it was made for, if there is one."""
    tally = TALLY.get()
    if tally is not None:
        tally.add(observation)
