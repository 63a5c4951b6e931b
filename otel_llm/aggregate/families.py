"""Every series of a service, by name and labels: bounded in number, shown under one vocabulary or both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from otel_llm.core.catalogue import BY_NAME, METRICS, shown
from otel_llm.core.measures import latest
from otel_llm.core.metric import Metric
from otel_llm.core.series import OTHER

from .bounds import Bounds
from .cells import Cell, Family, Histogram, Labels, Number, Row, lines_per_row
from .window import Key

MOST_LINES = 100_000
"""Samples of a scrape. Past it a new combination of label values is counted under ``_other``."""
MOST_WINDOWS = 500
"""Windows of labels' values, of some 400 kB each where there is traffic. Past it new values share one."""
WINDOW = "_window"
"""What ``otel_llm_label_overflow_total`` calls a value that has no window of its own."""
COMBINATION = "_combination"
"""What ``otel_llm_label_overflow_total`` calls such a combination."""

_KEPT = frozenset(
    ("error_type", "gen_ai_token_type", "cost_source", "state", "from_state", "to_state", "result", "outcome")
)


class Families:
    """Cells by the released name (a name that only the latest vocabulary has is a second row of the same cell)."""

    def __init__(self, semconv: str, custom: Labels, bounds: Bounds, apart: Labels = ()) -> None:
        self.custom = custom
        self._apart = tuple([(name, custom.index(name) - len(custom)) for name in custom if name in apart])
        self.bounds = bounds
        self.lines = 0
        self._cells: dict[str, dict[Labels, Cell]] = {
            metric.name: {} for metric in METRICS if metric.section not in ("latest", "derived")
        }
        self.apart = tuple([name for name, _ in self._apart])  # custom labels by which windows are kept apart
        self._windows: set[Key] = set()
        self._shown = {metric.name: Family(metric, custom, self.apart) for metric in shown(semconv)}

    def __iter__(self) -> Iterator[Family]:
        return iter(self._shown.values())

    def key(self, labels: Labels) -> Key:
        """The window of a call or event with these label values: provider and model first, custom ones last."""
        if not self._apart:
            return labels[:2]
        key = (labels[0], labels[1], *((name, labels[place]) for name, place in self._apart))
        if key not in self._windows:
            if len(self._windows) >= MOST_WINDOWS:
                self.bounds.count(WINDOW)
                return (labels[0], labels[1], *((name, OTHER) for name, _ in self._apart))
            self._windows.add(key)
        return key

    def cells(self, name: str) -> dict[Labels, Cell]:
        """The cells of the metric that the released vocabulary calls ``name``, by their label values."""
        return self._cells[name]

    @property
    def kept(self) -> Iterable[str]:
        """The released names of all metrics that records can change."""
        return self._cells.keys()

    def numbers(self, name: str) -> Iterator[Number]:
        """The cells of a counter or gauge."""
        return (cell for cell in self._cells[name].values() if isinstance(cell, Number))

    def histograms(self, name: str) -> Iterator[Histogram]:
        """The cells of a histogram."""
        return (cell for cell in self._cells[name].values() if isinstance(cell, Histogram))

    def names(self, name: str) -> Labels:
        """The label names of a metric, custom ones last. Raises ``ValueError`` where no series of that name is kept."""
        if name not in self._cells:
            raise ValueError(f"{name[:80]!r} is no metric that records can change")
        metric = BY_NAME[name]
        return (*metric.labels, *(self.custom if metric.custom else self.apart if metric.apart else ()))

    def number(self, name: str, labels: Labels) -> Number:
        """The cell of a counter or gauge, made at 0 if it is new."""
        cell = self.cell(name, labels)
        if not isinstance(cell, Number):
            raise TypeError(f"{name} is a histogram")
        return cell

    def histogram(self, name: str, labels: Labels) -> Histogram:
        """The cell of a histogram, made empty if it is new."""
        cell = self.cell(name, labels)
        if not isinstance(cell, Histogram):
            raise TypeError(f"{name} is no histogram")
        return cell

    def cell(self, name: str, labels: Labels) -> Cell:
        """The cell of a metric of whatever kind, made if it is new."""
        cells = self._cells[name]
        if labels not in cells:
            metric = BY_NAME[name]
            labels = self._with_room(metric, labels)
            if labels not in cells:
                cells[labels] = self._add(metric, labels)
        return cells[labels]

    def restored(self, name: str, labels: Labels) -> Cell:
        """The cell, made again, of a series that had its place before: bounds have nothing to say to it."""
        self.bounds.know(self.names(name), labels)
        cell = self._cells[name][labels] = self._add(BY_NAME[name], labels)
        return cell

    def _with_room(self, metric: Metric, labels: Labels) -> Labels:
        if self.lines < MOST_LINES:
            return labels
        self.bounds.count(COMBINATION)
        pairs = zip(self.names(metric.name), labels, strict=True)
        return tuple(value if name in _KEPT else OTHER for name, value in pairs)

    def _add(self, metric: Metric, labels: Labels) -> Cell:
        cell: Cell = Histogram(metric.buckets) if metric.kind == "histogram" else Number()
        places = [(metric.name, labels)]
        if (other := latest(metric.name, labels)) is not None:
            places.append(other)
        for name, shown_labels in places:
            if (family := self._shown.get(name)) is not None:
                family.rows.append(Row(shown_labels, cell))
                self.lines += lines_per_row(metric)
        return cell
