"""A slice that is complete, in a third of its memory: sketches in bytes, all other numbers in one string of bytes."""

from __future__ import annotations

import marshal
from typing import Any

from .light import Light
from .slices import COUNTS, NONE, SIGNALS, Slice
from .summary import Summary


class Complete:
    """Read through ``open``, some ten microseconds."""

    __slots__ = ("bins", "numbers")

    def __init__(self, whole: Slice) -> None:
        whole.freeze()
        self.bins = tuple(getattr(whole, signal).bins for signal in SIGNALS)
        self.numbers = marshal.dumps((
            tuple(getattr(whole, name) for name in COUNTS), whole.errors, whole.failed_tokens, whole.time_to_first_chunk.dump(),
            whole.input_tokens.dump(), tuple(getattr(whole, signal).numbers() for signal in SIGNALS),
        ))  # fmt: skip

    @property
    def costs(self) -> Any:
        """Their sketch."""
        return self.bins[-1]

    def open(self) -> Slice:
        """The slice as it was when it was complete."""
        counts, errors, failed_tokens, first_chunk, inputs, numbers = marshal.loads(self.numbers)  # noqa: S302 - our own
        opened = Slice()
        for name, value in zip(COUNTS, counts, strict=True):
            setattr(opened, name, value)
        opened.errors, opened.failed_tokens = errors or NONE, failed_tokens or NONE
        opened.time_to_first_chunk, opened.input_tokens = Light(*first_chunk), Light(*inputs)
        opened.latency, opened.output_tokens, opened.cost = map(Summary.of_numbers, numbers, self.bins)
        return opened
