"""The window of a service: every model's slices, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .facts import Facts, Judgement, Key, Sample, Stats

NOTHING: tuple[Judgement, ...] = ()


class Engine:
    """Sliding window over the calls of a service.

    ``window`` is 300 to 86400 seconds, ``scale`` ``linear``, ``log`` or ``calibrated``, ``sensitivity`` the z-score from which a
    call is unusual (critical from 3, whatever the sensitivity).
    """

    def __init__(self, *, window: float = 3600.0, scale: str = "calibrated", sensitivity: float = 2.0) -> None:
        self.window = window
        self.scale = scale
        self.sensitivity = sensitivity

    def record(
        self,
        key: Key,
        at: float,
        *,
        operation: str,
        duration: float,
        error_type: str,
        input_tokens: int | None,
        output_tokens: int | None,
        thinking_tokens: int | None,
        cost: float | None,
        fallback: bool = False,
    ) -> tuple[Judgement, ...]:
        return NOTHING

    def count(self, key: Key, at: float, what: str, n: int = 1) -> None:
        """Count ``fallback``, ``cache_hit`` or ``cache_miss``."""

    def gauges(self, now: float) -> Iterator[Sample]:
        return iter(())

    def merge(self, other: Engine) -> None:
        """Add what ``other`` holds; in any order and grouping the result is the same."""

    def dump(self) -> object:
        return ("window", 1)

    @classmethod
    def load(cls, state: object, *, window: float = 3600.0, scale: str = "calibrated", sensitivity: float = 2.0) -> Engine:
        return cls(window=window, scale=scale, sensitivity=sensitivity)

    def forget(self, now: float) -> None:
        """Drop what lies before the window."""

    def stats(self, now: float) -> Stats:
        empty = Facts(0, {}, None, None, None, 0.0, {}, None, None, {}, {}, None, None, None, None)
        return Stats(empty, {})
