"""The window of a service: every model's track, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from .facts import Facts, Judgement, Key, Sample, Stats
from .scales import SCALES
from .slices import Grid, Slice
from .track import Track
from .views import facts, samples

VERSION = 1
NOTHING: tuple[Judgement, ...] = ()
WITHOUT_OUTPUT = frozenset(("embeddings", "moderation", "rerank"))  # whatever usage says, no answer has a length there
_FOREIGN = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


class Engine:
    """Sliding window over the calls of a service.

    ``window`` is 300 to 86400 seconds, ``scale`` ``linear``, ``log`` or ``calibrated``, ``sensitivity`` the z-score from which
    a call is unusual (critical from 3). Raises ValueError on anything else. Not thread-safe: the caller holds its lock.
    """

    def __init__(self, *, window: float = 3600.0, scale: str = "calibrated", sensitivity: float = 2.0) -> None:
        if not 300 <= window <= 86400 or scale not in SCALES or not sensitivity > 0:  # noqa: PLR2004 - as documented
            raise ValueError(f"no window: {window=}, {scale=}, {sensitivity=}")
        self.grid = Grid.of_window(window)
        self.scale = scale
        self.sensitivity = sensitivity
        self.first = inf  # when the cell of the first call began, seconds since the epoch
        self.tracks: dict[Key, Track] = {}

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
        """Count one call of ``key`` (provider, request model) that ended at ``at``; returns what is unusual about it.

        Latency and output tokens are judged of successful calls only, and cost as well; an ``error_type`` other than "" tells
        a failed one.
        """
        track = self.tracks.get(key) or self._track(key)
        cell = track.current if track.start <= at < track.end else self._enter(track, at)
        cell.calls += 1
        if fallback:
            cell.fallbacks += 1
        if error_type:
            cell.failed(error_type, (input_tokens, output_tokens, thinking_tokens), cost)
            return NOTHING
        if input_tokens is not None:
            cell.input_count += 1
            cell.input_total += input_tokens
        if thinking_tokens is not None:
            cell.thinking_count += 1
            cell.thinking_total += thinking_tokens
        latency_high, output_low, output_high, cost_high = track.bounds
        unusual = duration > latency_high
        cell.latency.add(duration)
        if output_tokens is not None and operation not in WITHOUT_OUTPUT:
            cell.output_tokens.add(output_tokens)
            unusual = unusual or not output_low <= output_tokens <= output_high
        else:
            output_tokens = None
        if cost is not None:
            cell.cost.add(cost)
            unusual = unusual or cost > cost_high
        return track.judge(duration, output_tokens, cost) if unusual else NOTHING

    def count(self, key: Key, at: float, what: str, n: int = 1) -> None:
        """Count ``n`` of ``fallback``, ``cache_hit`` or ``cache_miss``. Raises KeyError on anything else."""
        track = self.tracks.get(key) or self._track(key)
        cell = track.current if track.start <= at < track.end else self._enter(track, at)
        name = {"fallback": "fallbacks", "cache_hit": "cache_hits", "cache_miss": "cache_misses"}[what]
        setattr(cell, name, getattr(cell, name) + n)

    def _track(self, key: Key) -> Track:
        return self.tracks.setdefault(key, Track(self.grid, self.scale, self.sensitivity))

    def _enter(self, track: Track, at: float) -> Slice:
        self.first = min(self.first, self.grid.of(at) * self.grid.cell)  # of the cell, so that no call's order matters
        return track.enter(at)

    def gauges(self, now: float) -> Iterator[Sample]:
        """The derived gauges of the catalogue, but for spend: (Prometheus name, label values in the catalogue's order, value)."""
        self.forget(now)
        at = self.grid.of(now)
        span = self._span(now)
        for key, track in self.tracks.items():
            yield from samples(key, track, at, span)

    def stats(self, now: float) -> Stats:
        """The same facts for code: all calls together, and by model."""
        self.forget(now)
        at = self.grid.of(now)
        span = self._span(now)
        everything = Slice()
        models: dict[Key, Facts] = {}
        for key, track in self.tracks.items():
            total = track.total(at)
            everything.merge(total)
            models[key] = facts(total, span)
        return Stats(facts(everything, span), models)

    def _span(self, now: float) -> float:
        """Seconds that rates are over: from the window's first slice or the first call, and a minute at least."""
        slice_start = (self.grid.of(now) // self.grid.per_slice - 59) * self.grid.slice
        return max(now - max(self.first, slice_start), 60.0)

    def merge(self, other: Engine) -> None:
        """Add what ``other`` holds; in any order and grouping the result is the same. Raises ValueError on another window."""
        if other.grid != self.grid:
            raise ValueError("windows of different lengths do not merge")
        self.first = min(self.first, other.first)
        for key, track in other.tracks.items():
            self._track(key).merge(track)

    def dump(self) -> object:
        """What ``load`` takes: plain values that marshal can write."""
        return (
            "otel_llm.window",
            VERSION,
            self.grid.window,
            self.first,
            [(key, track.dump()) for key, track in self.tracks.items()],
        )

    @classmethod
    def load(cls, state: Any, *, window: float = 3600.0, scale: str = "calibrated", sensitivity: float = 2.0) -> Engine:
        """Take up what ``dump`` gave. Raises ValueError on what is not of this version and window, or damaged."""
        engine = cls(window=window, scale=scale, sensitivity=sensitivity)
        try:
            name, version, length, engine.first, tracks = state
            if (name, version, length) != ("otel_llm.window", VERSION, engine.grid.window):
                raise ValueError(f"not this window: {name} {version}, {length} s")
            for (provider, model), track in tracks:
                engine._track((provider, model)).load(track)
        except _FOREIGN as error:
            raise ValueError(f"no state of a window: {error}") from error
        return engine

    def forget(self, now: float) -> None:
        """Drop what is past the window; models that have nothing in it disappear.

        Also renews the baselines that ``record`` judges by. ``gauges`` and ``stats`` do it too; without either of them, ``record``
        renews a model's baselines every five minutes.
        """
        at = self.grid.of(now)
        for key, track in list(self.tracks.items()):
            track.forget(at)
            track.prepare(at)
            if not track.slices and not track.cells:
                del self.tracks[key]
