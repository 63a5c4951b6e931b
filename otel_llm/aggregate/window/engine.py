"""The window of a service: every model's track, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from .baseline import Baseline
from .facts import Check, Facts, Judgement, Key, Sample, Shifted, Signal, Stats
from .scales import SCALES
from .sketch import Bins, add
from .slices import Grid, Slice
from .track import Track
from .views import facts, samples
from .watch import Alarms

VERSION = 8
WIDER = 2  # classes of prompt lengths are so many times as wide as those of answer lengths, as prompts differ more
NOTHING: tuple[Judgement, ...] = ()
AT_ONCE = 20  # models, or a fifth of them, whose baselines one look renews; by the fifth all are
WAITS = 5  # slices that settled baselines may be old
WITHOUT_OUTPUT = frozenset(("embeddings", "moderation", "rerank"))  # whatever usage says, no answer has a length there
_FOREIGN = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


def _no_rest() -> None: ...


def _key(kept: Sequence[Any]) -> Key:
    """The key of a track from how it was written down."""
    provider, model, *labels = kept
    return (provider, model, *((name, value) for name, value in labels))


class Engine:
    """Sliding window over the calls of a service.

    ``window`` is 300 to 86400 seconds, ``scale`` ``linear``, ``log`` or ``calibrated``, ``sensitivity`` the z-score from which
    a call is unusual (critical from 3). Raises ValueError on anything else. Not thread-safe: the caller holds its lock.

    Handlers get recent calls from the score ``line`` on, of a single call as critical from the ``alarms``-th of a kind within five
    minutes on, and of ``signals`` only, where there are any. ``labels`` are the names of the calls' label values.
    """

    def __init__(
        self,
        *,
        window: float = 3600.0,
        scale: str = "calibrated",
        sensitivity: float = 2.0,
        line: float = 3.0,
        alarms: int = 3,
        signals: Sequence[str] = (),
        labels: tuple[str, ...] = (),
    ) -> None:
        if not 300 <= window <= 86400 or scale not in SCALES or not sensitivity > 0:  # noqa: PLR2004 - as documented
            raise ValueError(f"no window: {window=}, {scale=}, {sensitivity=}")
        self.grid = Grid.of_window(window)
        self.scale = scale
        self.sensitivity = sensitivity
        self.alarming = Alarms(line, alarms, frozenset(signals), labels)
        self.first = inf  # when the cell of the first call began, seconds since the epoch
        self.tracks: dict[Key, Track] = {}
        self.tended = -2  # the slice in which ``tend`` was last called

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
        first_chunk: float | None = None,
        labels: tuple[str, ...] = (),
        cached: int | None = None,
        saved: float = 0.0,
        avoidable: float = 0.0,
        whole: bool | None = None,
        problem: bool = False,
        model: str = "",
    ) -> tuple[Judgement, ...]:
        """Count one call of ``key`` (provider, request model) that ended at ``at``; returns what is unusual about it.

        Latency and output tokens are judged of successful calls only, and cost as well; an ``error_type`` other than "" is that of
        a failed one. ``cached`` are input tokens from the provider's prompt cache, ``saved`` and ``avoidable`` US dollars, ``whole``
        says whether ``cost`` is all of it; None where there was nothing to price. ``problem`` says that the answer went wrong,
        ``model`` which one answered.
        """
        track = self.tracks.get(key) or self._track(key)
        cell = track.current if track.start <= at < track.end else self._enter(track, at)
        cell.calls += 1
        cell.money(input_tokens, cached, saved, avoidable, whole=whole)
        track.samples.add(
            (duration, output_tokens, input_tokens, cost, first_chunk, error_type, labels, problem, model)
        )
        if fallback:
            cell.fallbacks += 1
        if error_type:
            cell.failed(error_type, (input_tokens, output_tokens, thinking_tokens), cost)
            return track.reported() if track.pending else NOTHING
        if problem:
            cell.problems += 1
        asked = None
        if input_tokens is not None:
            cell.input_count += 1
            cell.input_total += input_tokens
            asked = cell.input_tokens.add(input_tokens)
        if first_chunk is not None:
            cell.time_to_first_chunk.add(first_chunk)
        if thinking_tokens is not None:
            cell.thinking_count += 1
            cell.thinking_total += thinking_tokens
        latency_high, output_low, output_high, cost_high = track.bounds
        unusual = duration > latency_high
        took = cell.latency.add(duration)
        if output_tokens is not None and operation not in WITHOUT_OUTPUT:
            length = cell.output_tokens.add(output_tokens)
            (cell.latency.joint or cell.latency.of_lengths()).add(length, took)
            if asked is not None:  # an empty answer is as short as one of a token
                (cell.output_tokens.joint or cell.output_tokens.of_lengths()).add(asked // WIDER, max(length, 0))
            unusual = unusual or not output_low <= output_tokens <= output_high
        else:
            output_tokens = None
        if cost is not None:
            cell.cost.add(cost)
            cell.priced(cost, input_tokens, output_tokens)
            unusual = unusual or cost > cost_high
        return track.judge(at, duration, output_tokens, cost) if unusual else NOTHING

    def count(self, key: Key, at: float, what: str, n: int = 1) -> None:
        """Count ``n`` of ``fallback``, ``cache_hit`` or ``cache_miss``. Raises KeyError on anything else."""
        track = self.tracks.get(key) or self._track(key)
        cell = track.current if track.start <= at < track.end else self._enter(track, at)
        name = {"fallback": "fallbacks", "cache_hit": "cache_hits", "cache_miss": "cache_misses"}[what]
        setattr(cell, name, getattr(cell, name) + n)

    def _track(self, key: Key) -> Track:
        return self.tracks.setdefault(key, Track(self.grid, self.scale, self.sensitivity, self.alarming))

    def _enter(self, track: Track, at: float) -> Slice:
        self.first = min(self.first, self.grid.of(at) * self.grid.cell)  # of the cell, so that no call's order matters
        return track.enter(at)

    def gauges(self, now: float, give_way: Callable[[], object] = _no_rest) -> Iterator[Sample]:
        """The derived gauges of the catalogue, except for spend: (Prometheus name, label values in the catalogue's order, value).

        Between two samples the caller may give its lock away. ``give_way`` is called where that is due without a sample: baselines of a
        model have been made, which takes as long as the gauges of many.
        """
        at = self.grid.of(now)
        due = set(self._due(at))
        span = self._span(now)
        for key, track in list(self.tracks.items()):
            if key in due and key in self.tracks:
                self._renew(key, at)
                give_way()
            if track.slices or track.cells:
                yield from tuple(samples(key, track, at, span))

    def stats(self, now: float, give_way: Callable[[], object] = _no_rest) -> Stats:
        """The same facts for code: all calls together, and by model. ``give_way`` as for ``renewed``."""
        at = self.renewed(now, give_way)
        span = self._span(now)
        everything = Slice()
        models: dict[Key, Facts] = {}
        all_costs: Bins = {}
        shifted: list[Shifted] = []
        for key, track in self.tracks.items():
            if track.slices or track.cells:
                total = track.total(at)
                costs = track.costs(at)
                everything.merge(total)
                add(all_costs, costs)
                models[key] = facts(total, span, costs)
                shifted += track.shifted(key, at)
        return Stats(facts(everything, span, all_costs), models, tuple(shifted))

    def renewed(self, now: float, give_way: Callable[[], object] = _no_rest) -> int:
        """The cell of ``now``; baselines are renewed unless ``tend`` sees to it. ``give_way`` is called after each model: meanwhile
        others may record calls."""
        at = self.grid.of(now)
        for key in self._due(at):
            if key in self.tracks:
                self._renew(key, at)
                give_way()
        return at

    def _due(self, at: int) -> list[Key]:
        """Models whose baselines a look at cell ``at`` renews: none where ``tend`` sees to it.

        Of many models, those with settled baselines take turns, so that no scrape waits for all.
        """
        slice_now = at // self.grid.per_slice
        if 0 <= slice_now - self.tended <= 1:
            return []
        waiting = [
            key for key, track in self.tracks.items() if 0 < slice_now - track.now <= WAITS and not track.unsettled
        ]
        later = set(waiting[max(AT_ONCE, len(self.tracks) // 5) :])
        return [key for key in self.tracks if key not in later]

    def _span(self, now: float) -> float:
        """Seconds that rates are over: from the window's first slice or the first call, and a minute at least."""
        slice_start = (self.grid.of(now) // self.grid.per_slice - 59) * self.grid.slice
        return max(now - max(self.first, slice_start), 60.0)

    def check(self, key: Key, signal: Signal, value: float, now: float) -> Check | None:
        """What a single call with ``value`` would be called; None without a baseline.

        An empty provider is any, and so is the value of a label that ``key`` does not name: of several windows, the one whose
        baseline has most calls judges, and the verdict says which one that was.
        """
        at = self.renewed(now)
        judging: tuple[int, Key, Baseline] | None = None
        for other, track in self.tracks.items():
            if other[1] != key[1] or key[0] not in ("", other[0]) or not set(key[2:]) <= set(other[2:]):
                continue
            if track.now != at // self.grid.per_slice or track.unsettled:  # as after a restart, before the first call
                track.prepare(at)
            baseline = track.baselines.get(signal)
            if baseline is not None and (judging is None or baseline.count > judging[0]):
                judging = baseline.count, other, baseline
        if judging is None:
            return None
        _, (provider, model, *labels), baseline = judging
        return baseline.check(value)._replace(provider=provider, model=model, labels=tuple(labels))

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
    def load(cls, state: Any, **settings: Any) -> Engine:
        """Take up what ``dump`` gave, with the settings of an engine. Raises ValueError on what is not of this version and window,
        or damaged."""
        engine = cls(**settings)
        try:
            name, version, length, engine.first, tracks = state
            if (name, version, length) != ("otel_llm.window", VERSION, engine.grid.window):
                raise ValueError(f"not this window: {name} {version}, {length} s")
            for key, track in tracks:
                engine._track(_key(key)).load(track)
        except _FOREIGN as error:
            raise ValueError(f"no state of a window: {error}") from error
        return engine

    def tend(self, now: float, give_way: Callable[[], object] = _no_rest) -> None:
        """Renew what is due of one model in a hundred. Called every half second, ``gauges`` has nothing to renew. ``give_way`` is
        called after each model: others may record calls meanwhile."""
        at = self.grid.of(now)
        slice_now = at // self.grid.per_slice
        minute = at // self.grid.per_minute
        due = [key for key, track in self.tracks.items() if track.now != slice_now or 0 <= track.minute < minute - 1]
        due.sort(key=lambda key: self.tracks[key].now)  # in a short window not all are done before all are due again
        self.tended = slice_now
        for key in due[: len(self.tracks) // 100 + 1]:
            if key in self.tracks:
                self._renew(key, at)
            if key in self.tracks:
                self.tracks[key].keep(slice_now)
            give_way()

    def _renew(self, key: Key, at: int) -> None:
        track = self.tracks[key]
        track.forget(at)
        if track.slices or track.cells:
            track.prepare(at)
        elif track.memory.blocks:
            track.now = at // self.grid.per_slice
        else:
            del self.tracks[key]

    def learned(self) -> list[Any]:
        """What outlives a restart, by model: plain values that JSON can hold, under 2 kB a signal."""
        return [[*key, track.keeps()] for key, track in self.tracks.items()]

    def take_up(self, learned: Any) -> None:
        """What ``learned`` gave. Raises ValueError on what is none of it."""
        try:
            for *key, state in learned:
                Track(self.grid, self.scale, self.sensitivity).take_up(state)  # damaged: before ours is touched
                ours = self._track(_key(key))
                ours.take_up(state)
        except _FOREIGN as error:
            raise ValueError(f"no baselines: {error}") from error

    def forget(self, now: float) -> None:
        """Drop what is past the window; models that have nothing in it disappear.

        Also renews the baselines that ``record`` judges by. ``gauges`` and ``stats`` do it too; without either of them, ``record``
        renews a model's baselines every five minutes.
        """
        at = self.grid.of(now)
        for key in list(self.tracks):
            self._renew(key, at)
