"""From all that a store holds to the situation that is judged and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from math import inf
from typing import TypeVar

from otel_llm.core.objectives import CALLER_ENDED, DEFAULT

from .cells import Labels, Number
from .recent import CUT, FINE, HOUR, OVERFLOW, QUARTER, RUN_COST, WITHHELD, Recent
from .recent_cell import Cell
from .situation import Model, Money, RateLimit, Runs, Situation
from .spenders import Spender
from .state import State
from .summary import SHOWN, complete
from .window import Key
from .window.facts import Cause
from .window.signals import KINDS
from .window.slices import SIGNALS
from .window.track import Track

_USAGE = "gen_ai_client_inference_usage_"
_FINISH = "otel_llm_finish_reasons_total"
_FROM, _TO, _REASON, _CACHE, _RESULT = 3, 4, 5, 3, 4  # where the labels of a fallback and of a look-up have them


AT_ONCE = 3
"""Models after which others get the lock, a millisecond or two of work."""


def survey(
    state: State,
    in_flight: Mapping[Labels, float],
    now: float,
    give_way: Callable[[], object],
    *,
    shown: bool,
    price_age: float | None = None,
) -> Situation:
    """The situation at ``now``, seconds since the epoch; where it is to be ``shown``, with the last hour.

    ``give_way`` is called after some models: meanwhile others may count calls. So each model is as it was at one moment, and one may
    have calls that came after another was looked at. What is usual of a model is of when the first was looked at; sums over all
    models, money and events are of when the last one was.
    """
    recent, engine = state.recent, state.engine
    recent.forget(now)
    recent.overflowed(state.bounds.overflow, now)
    engine.renewed(now, give_way)
    usual = _Usual(state)
    models = {}
    for number, key in enumerate(list(recent.models)):
        if number and number % AT_ONCE == 0:
            give_way()
        if key not in recent.models:
            continue
        track = engine.tracks.get(key)
        shifts, peaks, scores = ({}, {}, {}) if track is None else _scores(track, now)
        five, fifteen, hour = recent.total(key, now)
        models[key] = Model(
            five, fifteen, hour, recent.minutes(key, now) if shown else [], shifts, scores, peaks,
            None if track is None else _output(track), None if track is None else _cost(track),
            None if track is None else _variation(track, now), usual.of(key, (hour, fifteen)),
            {} if track is None else _causes(track, scores, DEFAULT.zscore_warning if shown else DEFAULT.zscore_critical),
            frozenset() if track is None or now - state.views.began >= state.engine.grid.window else track.before_start,
        )  # fmt: skip
    away = recent.counted("otel_llm_fallbacks_total", now, QUARTER).items()
    decided = recent.counted("otel_llm_budget_decisions_total", now, QUARTER).items()
    checked = recent.counted("otel_llm_guardrail_checks_total", now, QUARTER).items()
    repeated = recent.counted("otel_llm_tool_repeats_total", now, QUARTER).items()
    errors = recent.counted("otel_llm_internal_errors_total", now, HOUR).items()
    return Situation(
        at=now,
        first=recent.first,
        span=recent.span(now, FINE),
        models=models,
        hour=recent.hour(now) if shown else [],
        rate_limits=tuple(_rate_limits(state)),
        fallbacks=_sums(((labels[_FROM], labels[_TO]), count) for labels, count in away),
        fallback_reasons=_reasons(away),
        caches=_caches(state, now),
        lookups=_by_model(state, now),
        misses=_misses(state, now),
        breakers=_breakers(state),
        money=tuple(_money(state, now)),
        retries=sum(recent.counted("otel_llm_retries_total", now, QUARTER).values()),
        internal_errors=_sums((labels[0], count) for labels, count in errors),
        overflow={label: count for (label,), count in recent.counted(OVERFLOW, now, HOUR).items()},
        in_flight=_sums(((labels[0], labels[1]), count) for labels, count in in_flight.items()),
        watched=tuple(sorted(" ".join(labels) for labels, _ in _values(state, "otel_llm_instrumented"))),
        decisions=_sums(((labels[0], labels[1]), count) for labels, count in decided),
        guardrails=_sums(((labels[2], labels[3]), count) for labels, count in checked),
        blocked=_blocked(state, dict(checked)),
        agents=_agents(recent, now),
        tools=_tools(recent, now),
        repeats=_sums(((labels[0], labels[1]), count) for labels, count in repeated),
        price_age=price_age,
        evaluations=dict(state.quality.standings(now)),
        spenders=_spenders(state),
        largest=_largest(state, now, "%Y-%m") if shown else {},
        today=_largest(state, now, "%Y-%m-%d") if shown else {},
        complete=complete(state.families) if shown else None,
    )


Kind = TypeVar("Kind")


def _sums(pairs: Iterable[tuple[Kind, float]]) -> dict[Kind, float]:
    sums: dict[Kind, float] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0.0) + value
    return sums


def _reasons(away: Iterable[tuple[Labels, float]]) -> dict[tuple[str, str], str]:
    """Why calls fell back for the most part, by from and to."""
    counts = _sums(((labels[_FROM], labels[_TO], labels[_REASON]), count) for labels, count in away)
    return {(start, end): reason for (start, end, reason), _ in sorted(counts.items(), key=lambda one: one[1])}


def _values(state: State, name: str) -> Iterator[tuple[Labels, float]]:
    """Label values and value of a counter or gauge."""
    return ((labels, cell.value) for labels, cell in state.families.cells(name).items() if isinstance(cell, Number))


def _scores(track: Track, now: float) -> tuple[dict[str, float], dict[str, float], dict[tuple[str, str], float]]:
    """Shifts as they are shown (trends where those are farther), peaks, and all scores by signal and kind."""
    at = track.grid.of(now)
    shifts: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for signal in SIGNALS:
        baseline = track.baselines[signal]
        if baseline is None:
            continue
        if (peak := track.peak(signal, at)) is not None:
            peaks[signal] = peak
        if (shift := track.shift(signal, at, baseline)) is not None:
            shifts[signal] = shift
    scores = {(signal, "shift"): shift for signal, shift in shifts.items()}
    for signal, kind, score in track.watch.scores(at // track.grid.per_minute):
        scores[signal, kind] = score
        if abs(score) > abs(shifts.get(signal, inf)):
            shifts[signal] = score
    return shifts, peaks, scores


def _causes(track: Track, scores: Mapping[tuple[str, str], float], least: float) -> dict[str, tuple[Cause, ...]]:
    """What moved most, of the signals that are far enough from usual to ask."""
    far = {signal for (signal, _), score in scores.items() if abs(score) >= least}
    return {signal: causes for signal in KINDS if signal in far and (causes := track.samples.causes(signal))}


def _output(track: Track) -> tuple[float, float, float] | None:
    baseline = track.baselines["output_tokens"]
    return None if baseline is None else (baseline.mean, baseline.stddev, baseline.count)


def _cost(track: Track) -> float | None:
    baseline = track.baselines["cost"]
    return None if baseline is None else baseline.mean


def _variation(track: Track, now: float) -> float | None:
    output = track.outputs(track.grid.of(now))
    return output.stddev / output.mean if output.stddev is not None and output.mean else None


class _Usual:
    """Shares since the start, which stand for what is usual."""

    def __init__(self, state: State) -> None:
        of = state.families.key
        self._input = _sums((of(labels), count) for labels, count in _values(state, f"{_USAGE}input_tokens_total"))
        self._cached = _sums(
            (of(labels), count) for labels, count in _values(state, f"{_USAGE}cache_read_input_tokens_total")
        )
        ended = [(of(labels), labels[3].lower(), count) for labels, count in _values(state, _FINISH)]
        self._answers = _sums((key, count) for key, _, count in ended)
        self._kinds = {
            kind: _sums((key, count) for key, reason, count in ended if reason in reasons)
            for kind, reasons in (("cut", CUT), ("withheld", WITHHELD))
        }

    def of(self, key: Key, lately: Iterable[Cell]) -> dict[str, float]:
        """Without the first of ``lately`` that leaves something: what is judged must not say what is usual."""
        shares: dict[str, float] = {}
        for cell in lately:
            given, every = self._input.get(key, 0.0) - cell.input, self._answers.get(key, 0.0) - cell.answers
            if "cached" not in shares and given > 0:
                shares["cached"] = max(self._cached.get(key, 0.0) - cell.cached, 0.0) / given
            if "cut" not in shares and every > 0:
                counted = {"cut": cell.cut, "withheld": cell.withheld}
                shares.update(
                    (kind, max(counts.get(key, 0.0) - counted[kind], 0.0) / every)
                    for kind, counts in self._kinds.items()
                )
        return shares


def _rate_limits(state: State) -> Iterator[RateLimit]:
    limits = dict(_values(state, "otel_llm_rate_limit_limit"))
    for labels, cell in state.families.cells("otel_llm_rate_limit_remaining").items():
        if isinstance(cell, Number) and (limit := limits.get(labels)) is not None:
            provider, model, _, kind = labels
            yield RateLimit(provider, model, kind, cell.value, limit, cell.at)


def _caches(state: State, now: float) -> dict[str, tuple[float, float, float | None]]:
    name = "otel_llm_cache_requests_total"
    since, lately = _lookups(_values(state, name)), _lookups(state.recent.counted(name, now, QUARTER).items())
    caches: dict[str, tuple[float, float, float | None]] = {}
    for cache in dict.fromkeys(cache for cache, _ in since):
        hits, misses = (since.get((cache, result), 0.0) for result in ("hit", "miss"))
        recent_hits, recent_misses = (lately.get((cache, result), 0.0) for result in ("hit", "miss"))
        usual = hits / (hits + misses) if hits + misses else None
        caches[cache] = (recent_hits, recent_hits + recent_misses, usual)
    return caches


def _by_model(state: State, now: float) -> dict[tuple[str, str, str], tuple[float, float]]:
    hits: dict[tuple[str, str, str], float] = {}
    every: dict[tuple[str, str, str], float] = {}
    for labels, count in state.recent.counted("otel_llm_cache_requests_total", now, QUARTER).items():
        key = (labels[0], labels[1], labels[_CACHE])
        every[key] = every.get(key, 0.0) + count
        hits[key] = hits.get(key, 0.0) + (count if labels[_RESULT] == "hit" else 0.0)
    return {key: (hits[key], count) for key, count in every.items()}


def _agents(recent: Recent, now: float) -> dict[str, Runs]:
    ended = recent.counted("gen_ai_invoke_agent_duration_seconds", now, QUARTER).items()
    every, failed = _sums((labels[0], count) for labels, count in ended), _failed(ended, 1)
    cost, priced = (
        _sums((labels[0], count) for labels, count in recent.counted(name, now, QUARTER).items())
        for name in (RUN_COST, f"{RUN_COST}_count")
    )
    return {
        name: Runs(every.get(name, 0.0), failed.get(name, 0.0), cost.get(name, 0.0), priced.get(name, 0.0))
        for name in dict.fromkeys((*every, *priced))
    }


def _tools(recent: Recent, now: float) -> dict[str, Runs]:
    ended = recent.counted("gen_ai_execute_tool_duration_seconds", now, QUARTER).items()
    every, failed = _sums((labels[0], count) for labels, count in ended), _failed(ended, 3)
    return {name: Runs(count, failed.get(name, 0.0)) for name, count in every.items()}


def _failed(ended: Iterable[tuple[Labels, float]], error: int) -> dict[str, float]:
    left = ("", *CALLER_ENDED)
    return _sums((labels[0], count) for labels, count in ended if labels[error] not in left)


def _blocked(state: State, lately: Mapping[Labels, float]) -> dict[str, float]:
    """The share of a guardrail's checks since the start that was blocked, without the last 15 minutes."""
    name = "otel_llm_guardrail_checks_total"
    before = [(labels, count - lately.get(labels, 0.0)) for labels, count in _values(state, name)]
    every = _sums((labels[2], count) for labels, count in before)
    blocked = _sums((labels[2], count) for labels, count in before if labels[3] == "blocked")
    return {name: blocked.get(name, 0.0) / count for name, count in every.items() if count > 0}


def _misses(state: State, now: float) -> dict[Key, str]:
    counts = state.recent.counted("otel_llm_prompt_cache_misses_total", now, QUARTER)
    return {labels[:-1]: labels[-1] for labels, _ in sorted(counts.items(), key=lambda one: one[1])}


def _lookups(values: Iterable[tuple[Labels, float]]) -> dict[tuple[str, str], float]:
    return _sums(((labels[_CACHE], labels[_RESULT]), value) for labels, value in values)


def _breakers(state: State) -> dict[str, tuple[str, float]]:
    return {
        labels[0]: (labels[1], cell.at)
        for labels, cell in state.families.cells("otel_llm_circuit_breaker_state").items()
        if isinstance(cell, Number) and cell.value
    }


def _money(state: State, now: float) -> Iterator[Money]:
    spend = state.ledger.spend
    values: dict[tuple[str, str], dict[str, float]] = {}
    for name, (period, budget), value in spend.gauges(now):
        values.setdefault((period, budget), {})[name] = value
    for (period, budget), gauges in values.items():
        spent, limit = gauges.get("otel_llm_spend_usd"), gauges.get("otel_llm_budget_usd")
        forecast = gauges.get("otel_llm_budget_forecast_ratio")
        passes, course = spend.passes(budget, period, now), spend.course(budget, period, now)
        yield Money(period, budget, spent, limit, forecast, passes, course)


def _largest(state: State, now: float, period: str) -> Mapping[str, Sequence[Spender]]:
    return state.spenders.top(date.fromordinal(state.ledger.spend.day(now)).strftime(period), SHOWN)


def _spenders(state: State) -> tuple[str, str, tuple[tuple[str, float], ...]]:
    names = state.families.names("otel_llm_cost_usd_total")
    label = state.families.custom[0] if state.families.custom else "gen_ai_request_model"
    place = names.index(label)
    sums = _sums((labels[place], value) for labels, value in _values(state, "otel_llm_cost_usd_total"))
    shown = label if state.families.custom else ""
    return shown, "since the start", tuple(sorted(sums.items(), key=lambda one: -one[1]))
