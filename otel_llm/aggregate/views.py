"""What a scrape shows at one moment: families with their rows, those that are worked out on the way included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from math import isfinite

from otel_llm.core.catalogue import METRICS
from otel_llm.core.metric import Metric
from otel_llm.core.shapes import NamedTuple
from otel_llm.core.version import __version__

from .cells import Labels, Number, Row, lines_per_row
from .families import Families
from .ledger import Ledger
from .quality import Quality
from .window import Engine

_OF_WINDOW = frozenset(metric.name for metric in METRICS if metric.section == "derived" and metric.apart)
_PEAK = ("otel_llm_zscore", "peak")
_PASSING = ("otel_llm_rate_limit_remaining", "otel_llm_rate_limit_limit")
"""Gauges that disappear when nobody has set them for a window's length."""

SLICE = 150
"""Samples of the window after which others get the lock: those of three models, a millisecond."""

Processes = Mapping[int, Mapping[Labels, int]]
_Sample = tuple[str, Labels, float]


class View(NamedTuple):
    """One family as a scrape shows it; ``names`` are the label names of ``rows``."""

    metric: Metric
    names: Labels
    rows: list[Row]


class Views:
    """Rows of derived series are kept from scrape to scrape, for the sake of their ready text."""

    def __init__(self, families: Families, engine: Engine, ledger: Ledger, quality: Quality) -> None:
        self._families = families
        self._engine = engine
        self._ledger = ledger
        self.quality = quality
        self._window = quality.window
        self._rows: dict[tuple[str, Labels], Row] = {}
        self._opened: dict[Labels, float] = {}  # when calls were last open, seconds since the epoch
        self.scrape_seconds: float | None = None
        self.backlog: int | None = None  # bytes that are written down and not counted
        self.began = 0.0  # when what is counted began, seconds since the epoch

    def at(
        self,
        now: float,
        processes: Processes,
        price_age: float | None,
        give_way: Callable[[], object],
        *,
        fleet: bool = False,
    ) -> list[View]:
        """All that has series at ``now``, in the catalogue's order; ``price_age`` is the price table's, in seconds. ``fleet``
        leaves out what each process works out of its window, but how far its recent calls are from usual. ``give_way`` is called now
        and then: meanwhile others may count calls."""
        self.begin(now)
        of_window = _in_slices(self._engine.gauges(now, give_way), give_way)
        gauges = chain(
            filter(_of_fleet, of_window) if fleet else of_window,
            self._ledger.spend.gauges(now),
            self.quality.gauges(now),
            self._in_flight(now, processes),
            self._own(price_age),
        )
        derived = self._derived(gauges)
        lines = self._families.lines + len(self._rows)
        views = []
        for family in self._families:
            name = family.metric.name
            rows = derived.get(name) or family.rows
            if name in _PASSING:
                rows = [row for row in rows if row.cell.at >= now - self._window]
            if name == "otel_llm_series":
                rows = [Row((), Number(lines + 1))]
            if rows:
                views.append(View(family.metric, family.names, rows))
        return views

    def begin(self, at: float) -> None:
        """Nothing was counted before ``at``, unless an earlier time is known. Rules recognise a fresh pod by it."""
        self.began = self.began or at

    def _derived(self, samples: Iterable[_Sample]) -> dict[str, list[Row]]:
        before, rows = self._rows, dict[tuple[str, Labels], Row]()
        families: dict[str, list[Row]] = {}
        for name, labels, value in samples:
            if isfinite(value):
                row = before.get((name, labels)) or Row(labels, Number())
                row.cell.value = value
                rows[name, labels] = row
                families.setdefault(name, []).append(row)
        self._rows = rows
        return families

    def _in_flight(self, now: float, processes: Processes) -> Iterator[_Sample]:
        """Sums over the processes; 0 for a window's length after the last call has ended."""
        calls: Counter[Labels] = Counter()
        for process in processes.values():
            calls.update(process)
        self._opened.update((labels, now) for labels, count in calls.items() if count)
        self._opened = {labels: at for labels, at in self._opened.items() if at >= now - self._window}
        for labels in self._opened:
            yield "otel_llm_in_flight_requests", labels, calls[labels]

    def _own(self, price_age: float | None) -> Iterator[_Sample]:
        for label, replaced in self._families.bounds.overflow.items():
            yield "otel_llm_label_overflow_total", (label,), replaced
        yield "otel_llm_build_info", (__version__,), 1
        if price_age is not None:
            yield "otel_llm_price_table_age_seconds", (), price_age
        yield "otel_llm_start_time_seconds", (), self.began
        if self.backlog is not None:
            yield "otel_llm_backlog_bytes", (), self.backlog
        if self.scrape_seconds is not None:
            yield "otel_llm_scrape_duration_seconds", (), self.scrape_seconds


def _in_slices(samples: Iterator[_Sample], give_way: Callable[[], object]) -> Iterator[_Sample]:
    for number, sample in enumerate(samples, 1):
        yield sample
        if number % SLICE == 0:
            give_way()


def _of_fleet(sample: _Sample) -> bool:
    name, labels, _ = sample
    return name not in _OF_WINDOW or (name == _PEAK[0] and _PEAK[1] not in labels)


def lines(views: Iterable[View]) -> int:
    """How many samples a scrape shows."""
    return sum(len(view.rows) * lines_per_row(view.metric) for view in views)
