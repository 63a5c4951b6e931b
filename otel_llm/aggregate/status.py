"""The facts of ``/status.json``: what the page and ``top`` show, in plain values that JSON can hold.

Times are RFC 3339 in UTC, ratios from 0 to 1, money US dollars; null is unknown. The schema is described in docs/status-page.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Literal

from otel_llm.core.conditions import BY_ID, CONDITIONS, LOW_TOO
from otel_llm.core.objectives import DEFAULT, Objectives
from otel_llm.core.signals import PAGING, SHAPES
from otel_llm.core.version import __version__

from .judgement import WHO, Entry, Judge, Reading, limit_of, slot
from .recent import Failure, FailureKey
from .recent_cell import Cell
from .situation import Model, Situation
from .spenders import Spender
from .window import Key
from .window.sketch import add, quantiles
from .words import moved

SCHEMA = 1
MINUTE, HOUR = 60.0, 3600.0
NEXT: Mapping[str, str] = {
    "errors": "Look at the failed calls below, newest trace first.",
    "rate_limit": "Slow these calls down, or ask the provider for a higher limit.",
    "latency": "Look whether prompts or answers have grown; if not, the provider is slow.",
    "first_chunk": "Look whether prompts have grown; if not, the provider is slow.",
    "fallback": "Find why the primary model is not used.",
    "cache": "Look whether keys of the cache have changed with the last deployment.",
    "prompt_cache": "Look whether the beginning of the prompts has changed.",
    "breaker": "Find why the calls behind it failed.",
    "anomaly": "Compare prompts, models and tenants of now with those of before.",
    "budget": "See which tenant or model spends, and decide whether it may.",
    "cost": "See which model or tenant has become more expensive.",
    "length": "Read some answers: the model may have changed.",
    "variance": "Read some answers: prompts or the model may have changed.",
    "answers": "Raise the token limit, or see what the filter objects to.",
    "evaluation": "Read some answers with low scores: the model, the prompt or the evaluator may have changed.",
    "guardrail": "See what the guardrail blocks, and whether it is right.",
    "guard": "Decide whether the budget is right, or who may spend less.",
    "agent": "Look at the failed runs of this agent in your traces.",
    "tool": "Look what the tool answers, and with which arguments it is called.",
    "run_cost": "See which model calls and tools the agent's runs make.",
    "runaway": "Give the agent's runs a limit, and see why the tool's answer does not help it.",
    "incomplete": "Give the model a price, or ask the provider for usage.",
    "telemetry": "Read the service's log.",
}
"""What to do first, by the kind of a condition."""
TITLES: Mapping[str, str] = {"errors": "errors", "rate_limit_refused": "refused calls", "burn": "error budget"}
_SAME = ("error_type", "burn")  # the same calls as the errors that they are folded into
_OUTSIDE = tuple(one.id for one in CONDITIONS if one.by_rules_only)


def status(
    now: Situation, judge: Judge, readings: Iterable[Reading], failures: Iterable[tuple[FailureKey, int, Failure]],
    service: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """All of it; ``service`` is what the caller knows of the processes."""
    readings = tuple(readings)
    entries = judge.shown()
    total, hour = _all(now, "five"), now.hour
    calls_hour = sum(cell.calls for cell in hour if cell is not None)
    return {
        "schema": SCHEMA,
        "at": moment(now.at),
        "data_until": moment(now.at),
        "fresh": "live" if now.first or calls_hour else "starting",
        "reason": None,
        "service": {"version": __version__, "started": None, **service},
        "watched": list(now.watched),
        "conditions": [condition(entry, judge.objectives) for entry in entries],
        "judged": _judged(now, readings),
        "not_judged": _not_judged(readings, judge.objectives),
        "limits": _limits(judge.objectives),
        "totals": {
            "calls_per_s": total.calls / now.span if now.first else None,
            "calls": total.calls,
            "failed": total.failed / total.calls if total.calls else None,
            "p95_s": total.p95(),
            "unpriced": total.unpriced / total.calls if total.calls else None,
            "unknown": total.unknown / total.calls if total.calls else None,
            "complete": now.complete,
            "usd_per_h": total.cost / now.span * HOUR if total.costs else None,
            "out_tokens_per_s": total.output / now.span if total.outputs else None,
            "in_flight": sum(now.in_flight.values()),
            "calls_hour": calls_hour,
            "failed_hour": sum(cell.failed for cell in hour if cell is not None),
        },
        "series": _series(now, hour),
        "budgets": [_budget(one) for one in now.money],
        "models": [_model(key, model, now, entries) for key, model in now.models.items() if _alive(model)],
        "anomalies": _anomalies(now, entries),
        "rate_limits": _rate_limits(now, entries),
        "fallbacks": [
            {"from": start, "to": end, "count": count, "reason": now.fallback_reasons.get((start, end), "")}
            for (start, end), count in sorted(now.fallbacks.items(), key=lambda one: -one[1])
        ],
        "breakers": [
            {"name": name, "state": state, "since": moment(since), "level": "critical" if state == "open" else ""}
            for name, (state, since) in sorted(now.breakers.items())
        ],
        "caches": [
            {"name": name, "hits": hits, "lookups": lookups, "ratio": hits / lookups if lookups else None, "usual": usual,
             "level": _level(entries, "cache", cache=name)}
            for name, (hits, lookups, usual) in sorted(now.caches.items())
        ],
        "retries": now.retries,
        "spenders": {"label": now.spenders[0], "period": now.spenders[1],
                     "rows": [{"value": value, "usd": usd} for value, usd in now.spenders[2]]},
        "top_spenders": _largest(now.largest),
        "top_spenders_today": _largest(now.today),
        "in_flight": [
            {"provider": key[0], "model": key[1], "calls": count} for key, count in sorted(now.in_flight.items()) if count
        ],
        "failures": [_failure(*one) for one in failures],
    }  # fmt: skip


def moment(at: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def clock(at: float) -> str:
    """Hours and minutes, UTC."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M")


def text(entry: Entry) -> str:
    """One sentence: who, what, since when (UTC)."""
    if entry.until is not None:
        return f"{entry.text}, {clock(entry.since)} to {clock(entry.until)}"
    return f"{entry.text}, since {clock(entry.since)}"


def condition(entry: Entry, objectives: Objectives) -> dict[str, Any]:
    """One condition with what is folded into it."""
    reading, facts = entry.reading, entry.reading.facts
    inside: dict[str, list[Entry]] = {"why": [], "meanwhile": [], "also": []}
    for one in entry.folded:
        inside[slot(entry, one) or "also"].append(one)
    severity: Literal["critical", "warning"] = "critical" if "critical" in (entry.level, entry.worst) else "warning"
    reason = "rate_limit" if any(one.condition.kind == "rate_limit" for one in inside["why"]) else entry.condition.kind
    return {
        "id": reading.condition,
        "level": entry.level,
        "worst": entry.worst,
        "since": moment(entry.since),
        "until": moment(entry.until),
        "key": dict(reading.key),
        "subject": reading.subject,
        "what": entry.what,
        "text": text(entry),
        "value": reading.value,
        "limit": limit_of(entry.condition, severity, objectives),
        "window_s": entry.condition.window,
        "calls": facts.get("calls"),
        "share": facts.get("share"),
        "who": [{"label": label, "value": value, "share": share} for label, value, share in facts.get("who", ())],
        "why": "; ".join(dict.fromkeys((*(_within(one, entry) for one in inside["why"]), *_moved(entry)))) or None,
        "meanwhile": "; ".join(map(_meanwhile, inside["meanwhile"])) or None,
        "also": "; ".join(_within(one, entry) for one in inside["also"] if one.reading.condition not in _SAME) or None,
        "cause_of": list(dict.fromkeys(one.reading.condition for one in entry.folded)),
        "folded": [condition(one, objectives) for one in entry.folded],
        "next": NEXT.get(reason, ""),
        "runbook": f"{objectives.runbook_url}#{entry.condition.alert.lower()}",
    }


def _moved(entry: Entry) -> tuple[str, ...]:
    """What changed when a signal left what is usual; it is kept when that has ended."""
    return (entry.reading.facts["moved"],) if entry.reading.facts.get("moved") else ()


def _within(inner: Entry, outer: Entry) -> str:
    """What a folded condition says, without the subject where that is the same."""
    same = inner.reading.subject == outer.reading.subject
    return inner.what.removeprefix(f"{WHO}: ") if same else inner.text


def _meanwhile(entry: Entry) -> str:
    verb = "answered" if entry.level == "ended" else "answers"
    return f"{entry.reading.facts.get('to', 'another model')} {verb} {entry.reading.shown} of its calls"


def _all(now: Situation, window: str) -> Cell:
    total = Cell()
    for model in now.models.values():
        total.merge(getattr(model, window))
    return total


def _series(now: Situation, hour: list[Cell | None]) -> dict[str, Any]:
    start = (int(now.at // MINUTE) - 59) * MINUTE
    first = now.first // MINUTE * MINUTE
    known = [
        cell if cell is not None else Cell() if start + place * MINUTE >= first > 0 else None
        for place, cell in enumerate(hour)
    ]
    fives = []
    for place in range(0, 60, 5):
        bins: dict[int, int] = {}
        for cell in hour[place : place + 5]:
            if cell is not None:
                add(bins, cell.latency)
        fives.append(quantiles(bins, (0.95,))[0] if bins else None)
    return {
        "step_s": MINUTE,
        "partial_s": now.at % MINUTE,
        "from": moment(start),
        "times": [moment(start + place * MINUTE) for place in range(0, 60, 5)],
        "calls": [None if cell is None else cell.calls for cell in known],
        "failed": [None if cell is None else cell.failed for cell in known],
        "p95_s": [None if cell is None else cell.p95() for cell in known],
        "p95_5min_s": fives,
        "unpriced": [None if cell is None or not cell.calls else cell.unpriced / cell.calls for cell in known],
    }


def _limits(objectives: Objectives) -> dict[str, list[float | None]]:
    names = {
        "failed": "errors",
        "p95_s": "latency",
        "unpriced": "unpriced",
        "budget": "budget",
        "rate_limit": "rate_limit",
    }
    return {
        field: [limit_of(BY_ID[name], severity, objectives) for severity in ("warning", "critical")]
        for field, name in names.items()
    }


def _alive(model: Model) -> bool:
    return model.fifteen.calls > 0 or any(cell is not None for cell in model.hour)


def _level(entries: Iterable[Entry], name: str, **key: str) -> str:
    """The level that an open condition has, folded or not; empty where it has none."""
    for entry in entries:
        for one in (entry, *entry.folded):
            if one.open and one.reading.condition == name and key.items() <= dict(one.reading.key).items():
                return one.level
    return ""


def _of(key: Key) -> dict[str, str]:
    """Provider, model, and the labels that have windows of their own."""
    return {"provider": key[0], "model": key[1], **dict(key[2:])}


def _model(key: Key, model: Model, now: Situation, entries: list[Entry]) -> dict[str, Any]:
    cell = model.five
    of = _of(key)
    failed = cell.failed / cell.calls if cell.calls else None
    return {
        **of,
        "calls_per_s": cell.calls / now.span,
        "failed": failed,
        "errors": dict(cell.errors),
        "p95_s": cell.p95(),
        "first_chunk_p95_s": cell.first_chunk_p95(),
        "out_tokens_per_s": cell.output / now.span if cell.outputs else None,
        "usd_per_h": cell.cost / now.span * HOUR if cell.costs else None,
        "unpriced": cell.unpriced / cell.calls if cell.calls else None,
        "unknown": cell.unknown / cell.calls if cell.calls else None,
        "shift": dict(model.shifts),
        "levels": {
            "failed": _level(entries, "errors", **of),
            "p95": _level(entries, "latency", **of),
            "shift": _level(entries, "anomaly", **of),
        },
        "calls": [None if one is None else one.calls for one in model.hour],
        "failed_calls": [None if one is None else one.failed for one in model.hour],
        "latency_bins": [list(pair) for pair in sorted(cell.latency.items())],
    }


def _anomalies(now: Situation, entries: list[Entry]) -> list[dict[str, Any]]:
    return [
        {**_of(key), "signal": signal, "shift": shift, "peak": model.peaks.get(signal),
         "level": _level(entries, "mix" if signal in SHAPES else "anomaly", **_of(key), signal=signal),
         "explanation": moved(model.causes.get(signal, ())) or None}
        for key, model in now.models.items()
        for signal, shift in {**model.shifts, **_far(model.farthest)}.items()
    ]  # fmt: skip


def _far(scores: Mapping[str, float]) -> dict[str, float]:
    """Those of ``anomaly`` and ``mix`` that are worth a look."""
    return {
        signal: score for signal, score in scores.items()
        if signal in (*PAGING, *SHAPES) and abs(score) >= DEFAULT.zscore_warning and (score > 0 or signal in LOW_TOO)
    }  # fmt: skip


def _rate_limits(now: Situation, entries: list[Entry]) -> list[dict[str, Any]]:
    return [
        {"provider": one.provider, "model": one.model, "kind": one.kind, "remaining": one.remaining, "limit": one.limit,
         "left": one.remaining / one.limit, "at": moment(one.at),
         "level": _level(entries, "rate_limit", provider=one.provider, model=one.model, kind=one.kind)}
        for one in now.rate_limits
        if one.limit > 0
    ]  # fmt: skip


def _budget(one: Any) -> dict[str, Any]:
    return {
        "period": one.period, "name": one.budget, "spend": one.spend, "limit": one.limit,
        "used": one.spend / one.limit if one.limit and one.spend is not None else None, "forecast": one.forecast,
        "passes": moment(one.passes), "series": [list(point) for point in one.series],
    }  # fmt: skip


def _largest(by_label: Mapping[str, Iterable[Spender]]) -> list[dict[str, Any]]:
    return [
        {"label": label, "rows": [{"value": one.value, "usd": one.amount, "error_usd": one.error} for one in largest]}
        for label, largest in by_label.items()
    ]


def _failure(key: FailureKey, count: int, failure: Failure) -> dict[str, Any]:
    model, kind, status_code, route = key
    return {
        **_of(model), "type": kind, "status": status_code or None, "route": route, "count": count,
        "first": moment(failure.first), "last": moment(failure.last), "trace_id": failure.trace_id,
    }  # fmt: skip


def _judged(now: Situation, readings: tuple[Reading, ...]) -> dict[str, Any]:
    judged = {reading.condition for reading in readings if reading.value is not None}
    return {"conditions": len(judged), "of": len(CONDITIONS) - len(_OUTSIDE), "calls": now.calls}


def _not_judged(readings: tuple[Reading, ...], objectives: Objectives) -> list[dict[str, Any]]:
    judged = {reading.condition for reading in readings if reading.value is not None}
    missing = []
    for one in CONDITIONS:
        if one.id not in judged and one.id not in _OUTSIDE:
            have = max((reading.have for reading in readings if reading.condition == one.id), default=0)
            need = min((getattr(objectives, name) for name in one.least), default=1)
            reason = (
                "too_few" if have else "no_baseline" if one.kind in ("anomaly", "length", "variance") else "not_used"
            )
            title = TITLES.get(one.id, one.id.replace("_", " "))
            missing.append({"id": one.id, "title": title, "reason": reason, "have": have, "need": need})
    return missing
