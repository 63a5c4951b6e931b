"""What is wrong now, for whom, since when, how bad: conditions opened and ended from readings. Pure: no clock, no I/O.

A reading is what one condition measures of one model, budget, breaker or the like at one moment. A condition opens when its
readings have been beyond a limit for as long as the alert of the same limit waits, and shows as ended for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Literal

from otel_llm.core.conditions import BY_ID, Condition
from otel_llm.core.conditions import Level as Limits
from otel_llm.core.objectives import DEFAULT, Objectives
from otel_llm.core.shapes import NamedTuple, dataclass

Level = Literal["critical", "warning", "pending", "ended"]
Slot = Literal["why", "meanwhile", "also"]
Labels = tuple[tuple[str, str], ...]
LEVELS: tuple[Level, ...] = ("critical", "warning", "pending", "ended")
SHOWN_ENDED = 900.0  # seconds that an ended condition is shown
WHO = "{who}"  # stands for the subject in an entry's sentence
Limit = Literal["grave", "critical", "slow", "warning"]
_FIRING: tuple[Literal["critical", "warning"], ...] = ("critical", "warning")
_LIMITS: tuple[tuple[Limit, Literal["critical", "warning"]], ...] = (
    ("grave", "critical"),
    ("critical", "critical"),
    ("slow", "critical"),
    ("warning", "warning"),
)
# whose limit is reached, and need not be passed: a budget that is spent is spent
_REACHED = ("anomaly", "mix", "breaker", "budget", "guard", "internal_errors", "label_overflow")
_FALLS = ("length", "prompt_cache", "variance_low")  # whose limit is how far the value may fall below the usual one
_KNOWN = (
    "provider", "model", "budget", "period", "error_type", "signal", "direction", "kind", "slo", "cache", "breaker", "agent", "tool",
    "decision", "guardrail", "gen_ai_evaluation_name", "component", "label",
)  # fmt: skip
_REASONS = (
    "rate_limit",
    "rate_limit_refused",
    "breaker",
    "prompt_cache",
)  # are reported as the reason of what they explain


class Reading(NamedTuple):
    """One measurement. ``value`` is None where there is too little to judge by; ``have`` counts what it was taken from.

    ``shown`` is the value in words, ``detail`` what the condition's sentence adds to it; ``facts`` are for people and scripts, and
    hold the parts of a measure that has several.
    """

    condition: str
    key: Labels
    subject: str
    value: float | None
    have: float
    shown: str = ""
    detail: str = ""
    facts: Mapping[str, Any] = {}

    def beyond(self, severity: Limit, objectives: Objectives) -> bool:
        """Whether the value is past the limit of ``severity``."""
        condition = BY_ID[self.condition]
        limit = limit_of(condition, severity, objectives)
        if self.value is None or limit is None:
            return False
        value = self.facts.get(getattr(condition, severity).of, self.value)
        if condition.beyond == "below":
            return bool(value < limit)
        return bool(value >= limit if self.condition in _REACHED else value > limit)


def limit_of(condition: Condition, severity: Limit, objectives: Objectives = DEFAULT) -> float | None:
    """What the value is compared with; None where the condition does not have that severity."""
    if getattr(condition, severity) is None:
        return None
    limit = condition.limit(severity, objectives)
    return 1 - limit if condition.id in _FALLS else limit


@dataclass(frozen=True, slots=True)
class Entry:
    """One condition of one subject, from its first reading beyond a limit on. Times are seconds since the epoch."""

    reading: Reading
    level: Level
    since: float
    until: float | None = None
    began: Mapping[str, float] = field(default_factory=dict)  # level -> since when its limit has been passed
    worst: Level = "pending"
    peak: Reading | None = None  # the worst one; an ended entry shows it
    folded: tuple[Entry, ...] = ()

    @property
    def open(self) -> bool:
        """Whether people are to act on it."""
        return self.level in _FIRING

    @property
    def condition(self) -> Condition:
        """What it is an instance of."""
        return BY_ID[self.reading.condition]

    @property
    def what(self) -> str:
        """What is wrong, or was, with ``WHO`` for the subject."""
        return self.condition.sentence(WHO, self.reading.shown, self.reading.detail, ended=self.level == "ended")

    @property
    def text(self) -> str:
        """What is wrong, or was, and with whom."""
        return self.what.replace(WHO, self.reading.subject, 1)


class Change(NamedTuple):
    """An entry that opened, became worse (or less bad), or ended."""

    kind: Literal["opened", "raised", "lowered", "ended"]
    entry: Entry


class Judge:
    """The entries of one service. Not thread-safe: the caller holds its lock."""

    def __init__(self, objectives: Objectives = DEFAULT) -> None:
        self.objectives = objectives
        self.entries: dict[tuple[str, Labels], Entry] = {}
        self.at = 0.0  # of the last judgement
        self._known: set[tuple[str, Labels]] = set()  # incidents that people know of

    def judge(self, readings: Iterable[Reading], at: float) -> list[Change]:
        """Take the readings of ``at``; returns what changed. A subject without a reading is not beyond its limit."""
        self.at = at
        changes: list[Change] = []
        entries: dict[tuple[str, Labels], Entry] = {}
        for reading in readings:
            key = (reading.condition, reading.key)
            entry = _next(self.entries.get(key), reading, at, self.objectives)
            if entry is not None:
                entries[key] = entry
        for key, before in self.entries.items():
            if key not in entries and (left := _without(before, at)) is not None:
                entries[key] = left
        for key, entry in entries.items():
            changes += _changes(self.entries.get(key), entry)
        self.entries = entries
        return changes

    def incidents(self, changes: Iterable[Change]) -> list[Change]:
        """Of ``changes``, those that people get: what is folded into another entry comes with that one.

        Who got the beginning of an incident gets its end, also where something else explains it meanwhile; and what
        was folded is reported as soon as it stands alone.
        """
        outer = {(one.reading.condition, one.reading.key): one for one in self.shown()}
        incidents: list[Change] = []
        for change in changes:
            key = (change.entry.reading.condition, change.entry.reading.key)
            if change.kind == "ended":
                if key in self._known:
                    self._known.discard(key)
                    incidents.append(change._replace(entry=outer.get(key, change.entry)))
            elif key in outer:
                self._known.add(key)
                incidents.append(change._replace(entry=outer[key]))
        alone = [key for key, entry in outer.items() if entry.open and key not in self._known]
        self._known.update(alone)
        return incidents + [Change("opened", outer[key]) for key in alone]

    def shown(self) -> list[Entry]:
        """What to show: the worst first, then what began first. Entries with one cause are one."""
        return sorted(folded(self.entries.values()), key=_order)

    def dump(self) -> object:
        """What ``load`` takes: plain values that marshal can write."""
        return [
            (
                _dumped(one.reading),
                one.level,
                one.since,
                one.until,
                dict(one.began),
                one.worst,
                _dumped(one.peak or one.reading),
            )
            for one in self.entries.values()
        ]

    @classmethod
    def load(cls, state: Any, objectives: Objectives = DEFAULT) -> Judge:
        """Take up what ``dump`` gave, without conditions that are no longer known."""
        judge = cls(objectives)
        for dumped, level, since, until, began, worst, peak in state:
            reading = _loaded(dumped)
            if reading.condition in BY_ID:
                entry = Entry(reading, level, since, until, dict(began), worst, _loaded(peak))
                judge.entries[reading.condition, reading.key] = entry
        judge._known = {(one.reading.condition, one.reading.key) for one in judge.shown() if one.open}
        return judge


def _dumped(reading: Reading) -> tuple[Any, ...]:
    return (*reading[:-1], dict(reading.facts))


def _loaded(state: Any) -> Reading:
    condition, key, *rest = state
    return Reading(condition, tuple((name, value) for name, value in key), *rest)


def _order(entry: Entry) -> tuple[int, float, str]:
    return (
        LEVELS.index(entry.level),
        -(entry.until or 0) if entry.level == "ended" else entry.since,
        entry.reading.subject,
    )


def _next(before: Entry | None, reading: Reading, at: float, objectives: Objectives) -> Entry | None:
    """The entry that a reading makes of the one before it; None where there is nothing to show."""
    condition, running = BY_ID[reading.condition], before is not None and before.level != "ended"
    began: dict[str, float] = {
        limit: before.began.get(limit, at) if before is not None and running else at
        for limit, _ in _LIMITS
        if reading.beyond(limit, objectives)
    }
    if not began:
        return None if before is None else _without(before, at)
    level: Level = next(
        (each for limit, each in _LIMITS if limit in began and at - began[limit] >= _held(condition, limit)), "pending"
    )
    since = before.since if before is not None and running else at
    worst = min((level, before.worst) if before is not None and running else (level,), key=LEVELS.index)
    peak = _worse(before.peak if before is not None and running else None, reading)
    return Entry(reading, level, since, None, began, worst, peak)


def _worse(one: Reading | None, other: Reading) -> Reading:
    if one is None:
        return other
    before, after = one.value or 0.0, other.value or 0.0
    worse = after < before if BY_ID[other.condition].beyond == "below" else after > before
    return other if worse else one


def _held(condition: Condition, limit: Limit) -> float:
    level: Limits | None = getattr(condition, limit)
    return level.held if level is not None else 0.0


def _without(before: Entry, at: float) -> Entry | None:
    """The entry after a reading that is within the limits."""
    if before.level == "pending" and before.worst == "pending":
        return None
    if before.level != "ended":
        return replace(before, level="ended", until=at, began={}, reading=before.peak or before.reading)
    return before if at - (before.until or at) < SHOWN_ENDED else None


def _changes(before: Entry | None, entry: Entry) -> Iterator[Change]:
    was = before is not None and before.level != "ended" and before.worst != "pending"
    if entry.level == "ended":
        if before is not None and before.level != "ended":
            yield Change("ended", entry)
    elif entry.open and not was:
        yield Change("opened", entry)
    elif entry.open and before is not None and before.level != entry.level:
        yield Change("raised" if entry.level == "critical" else "lowered", entry)


def folded(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with one cause as one: what explains another one, or follows from it, stands inside of it."""
    every = sorted(entries, key=_order)
    outer = {
        place: next((other for other, one in enumerate(every) if slot(one, entry) and _together(one, entry)), None)
        for place, entry in enumerate(every)
    }
    inside: dict[int, list[Entry]] = {place: [] for place, parent in outer.items() if parent is None}
    for place, entry in enumerate(every):
        root = place
        while (parent := outer[root]) is not None:
            root = parent
        if root != place:
            inside[root].append(entry)
    return [replace(every[place], folded=tuple(within)) for place, within in inside.items()]


def slot(outer: Entry, inner: Entry) -> Slot | None:
    """What ``inner`` is to ``outer``: its reason, what helps meanwhile, or something else that comes with it."""
    outside, within = outer.reading.condition, inner.reading.condition
    if not _of_one_objective(outer, inner):
        return None
    if within in _REASONS and (outside, within) != ("fallback", "breaker"):  # which is the outer one of these two
        return "why" if within in outer.condition.explained_by and _explains(inner, outer) else None
    if (outside, within) == ("errors", "burn"):  # the same calls, over an hour
        return "also"
    if outside in inner.condition.explained_by and (
        outside not in _REASONS or (outside, within) == ("breaker", "fallback")
    ):
        return "meanwhile" if within == "fallback" else "also"
    return None


def _of_one_objective(outer: Entry, inner: Entry) -> bool:
    """Whether a budget of errors that burns is of what the other one is about: slow calls, or failed ones."""
    for burn, other in ((outer, inner), (inner, outer)):
        if burn.reading.condition == "burn":
            slo = "latency" if other.reading.condition == "latency" else "availability"
            return dict(burn.reading.key).get("slo", slo) == slo
    return True


def _explains(reason: Entry, outer: Entry) -> bool:
    """Whether a rate limit is what the calls fail with."""
    return not reason.reading.condition.startswith("rate_limit") or "rate_limit" in outer.reading.facts.get(
        "types", ("rate_limit",)
    )


def _together(outer: Entry, inner: Entry) -> bool:
    """Whether both are about the same provider and model, and both are over or both are open."""
    ours, theirs = dict(inner.reading.key), dict(outer.reading.key)
    common = [name for name in ("provider", "model", "budget", "period") if ours.get(name) and theirs.get(name)]
    if any(name not in _KNOWN and theirs.get(name, value) != value for name, value in ours.items()):
        return False  # of services that have windows of their own
    over = (inner.level == "ended") == (outer.level == "ended")
    held = outer.level != "pending" or inner.level == "pending"  # what is no incident yet holds none
    return over and held and bool(common) and all(ours[name] == theirs[name] for name in common)
