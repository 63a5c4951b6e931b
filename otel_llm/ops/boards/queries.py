"""The boards' queries without recording rules: the catalogue's metrics in one vocabulary, narrowed by what the reader picked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.metric import Metric
from otel_llm.core.series import MODEL
from otel_llm.ops.promql import CLASSIC, RELEASED, Vocabulary
from otel_llm.ops.recorded import LABELS
from otel_llm.ops.series import OTHERS, OURS, SCOPE, Reading, is_shared

RATE = "$__rate_interval"  # Grafana's: never under four scrapes
RANGE = "$__range"  # all of the time that is shown
LABEL = "$label"  # the custom label that the reader splits by
PROVIDER, NAME = MODEL
PLACES = ("instance", "pod")  # labels of a target, which the reader can pick where a panel is split by them

# a selector with its range, if it has one: where an offset goes; in a subquery, within it
_MOVABLE = re.compile(r"(?:[a-z_]\w*:)*[a-z_]\w*\{[^}]*\}(?:\[[^\]:]+\])?")

FOLDS = {"sum": "sum", "max": "max", "min": "min", "mean": "avg", "none": "max"}
"""PromQL for how values become one; what does not add up is shown at its worst."""

_Part = tuple[Metric, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Queries:
    """PromQL over the metrics of one vocabulary.

    ``name`` is a metric of the catalogue, or a word that the two vocabularies spell differently: ``duration``,
    ``first_chunk``, ``chunk_gap``, ``input``, ``output`` (tokens per call). A label that the metric does not have raises
    ValueError. Every selector is narrowed by the variables job, provider, model and the custom label, as far as the
    metric has them.
    """

    vocabulary: Vocabulary = RELEASED
    read: Reading = CLASSIC
    rules: bool = False  # whether records are read instead: see records.py

    def pick(self, _rule: str, *raw: str) -> str:
        """The answer where there are no rules: the first of ``raw`` that has one."""
        return either(*raw)

    def first(self, expr: str, *before: str) -> str:
        """``expr``, and until there are rates the answer of otel-llm's own window."""
        return either(expr, *before)

    def exemplars(self, name: str, **where: str) -> tuple[str, ...]:
        """Nothing more: the queries themselves have the calls' trace ids. A label that there is not raises ValueError."""
        self.selectors(name, "_bucket", where)
        return ()

    def select(self, name: str, suffix: str = "", **where: str) -> str:
        """The selector of a metric that both vocabularies have."""
        (only,) = self.selectors(name, suffix, where)
        return only

    def rate(self, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """Events per second; of a histogram, its count."""
        return self._sum("rate", name, self._count(name), by, over, where)

    def increase(self, name: str, by: Iterable[str] = (), over: str = RANGE, **where: str) -> str:
        """Events within ``over``; of a histogram, its count."""
        return self._sum("increase", name, self._count(name), by, over, where)

    def total(self, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """A histogram's sum of values per second."""
        return self._sum("rate", name, "_sum", by, over, where)

    def buckets(self, name: str, **where: str) -> str:
        """A histogram's buckets, for a heatmap: what each step of the graph added."""
        return self._sum("increase", name, "_bucket", ("le",), RATE, where)

    def quantile(self, q: float, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """A quantile, absent (not NaN) where nothing was counted."""
        inner = self._sum("rate", name, "_bucket", (*by, "le"), over, where)
        return f"histogram_quantile({q}, {inner}) >= 0"

    def within(self, name: str, bound: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """Observations per second up to ``bound``; Prometheus 2 shows it as 30, Prometheus 3 as 30.0."""
        if self.read.native:
            return self.read.up_to(float(bound), self._sum("rate", name, "_bucket", by, over, where))
        le = "=~" + bound.replace(".", "[.]") + ("" if "." in bound else "([.]0)?")
        return self._sum("rate", name, "_bucket", by, over, {**where, "le": le})

    def mean(self, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """A histogram's mean, absent where nothing was counted."""
        by = tuple(by)
        return ratio(self.total(name, by, over, **where), self.rate(name, by, over, **where))

    def gauge(self, name: str, by: Iterable[str] = (), **where: str) -> str:
        """A gauge of instances and whatever else is not in ``by``, made one as the catalogue's table says."""
        by, metric, values = tuple(by), BY_NAME[name], self.select(name, **_picked(by), **where)
        if metric.weight:
            return self._mean(values, metric.weight, by)
        return f"{FOLDS[metric.adds]}{by_names(by)} ({values})"

    def _mean(self, values: str, weight: str, by: tuple[str, ...]) -> str:
        """The mean of ``values`` weighted by another metric of the same instance and model."""
        each = ("job", "instance", *MODEL)
        weights = f"on ({', '.join(each)}) group_left () sum{by_names(each)} ({self.select(weight)})"
        names = by_names(by)
        return f"sum{names} ({values} * {weights}) / (sum{names} (0 * {values} + {weights}) > 0)"

    def rule(self, name: str, by: Iterable[str] = MODEL, **where: str) -> str:
        """Nothing: there are no rules. Takes what records have, so that a board asks for the same in both variants."""
        if unknown := {*where, *by} - {*LABELS[name]}:
            raise ValueError(f"{name} has no label {', '.join(sorted(unknown))}")
        return ""

    def record(self, name: str, by: Iterable[str] = (), **where: str) -> str:
        """Nothing, as ``rule``."""
        return self.rule(name, by, **where)

    def busiest(self, expr: str) -> str:
        """``expr`` of the one picked model with most calls in the shown time."""
        calls = self.selectors("duration", "_count", {})
        counts = " or ".join(self.read.part("_count", f"increase({one}[{RANGE}] @ end())") for one in calls)
        return f"({expr}) and on ({', '.join(MODEL)}) topk(1, sum by ({', '.join(MODEL)}) ({counts}))"

    def _count(self, name: str) -> str:
        return "_count" if self._parts(name)[0][0].kind == "histogram" else ""

    def _parts(self, name: str) -> list[_Part]:
        v = self.vocabulary
        words: dict[str, list[_Part]] = {
            "duration": [(metric, {}) for metric in v.durations],
            "first_chunk": [(v.first_chunk, {})],
            "chunk_gap": [(v.per_chunk, {})],
            "input": [v.input_tokens],
            "output": [v.output_tokens],
        }
        return words.get(name) or [(BY_NAME[name], {})]

    def day_before(self, expr: str) -> str:
        """``expr`` a day before the shown time: every selector and range of it moved."""
        return _MOVABLE.sub(r"\g<0> offset 1d", expr)

    def selectors(self, name: str, suffix: str, where: Mapping[str, str]) -> list[str]:
        """The selectors of a metric, one for each spelling of it."""
        return [
            self.read.selector(metric, suffix, **_scope(metric), **own, **where) for metric, own in self._parts(name)
        ]

    def _sum(
        self, function: str, name: str, suffix: str, by: Iterable[str], over: str, where: Mapping[str, str]
    ) -> str:
        by = tuple(by)
        labels = {*self._parts(name)[0][0].labels, LABEL, "le", "job", *PLACES}
        if unknown := set(by) - labels:
            raise ValueError(f"{name} has no label {', '.join(sorted(unknown))}")
        series = " or ".join(
            self._once(function, metric, suffix, over, {**_scope(metric), **_picked(by), **own, **where})
            for metric, own in self._parts(name)
        )
        return f"sum{by_names(by)} ({series})"

    def _once(self, function: str, metric: Metric, suffix: str, over: str, where: Mapping[str, str]) -> str:
        """Our series; of names that others emit as well, theirs in services that have none of ours."""
        if not is_shared(metric):
            return self.read.over(function, metric, suffix, over, **where)
        ours, theirs = (
            self.read.over(function, metric, suffix, over, **where, **{SCOPE: scope}) for scope in (OURS, OTHERS)
        )
        return f"{ours} or {theirs} unless on (job) {BY_NAME['otel_llm_calls_total'].selector(job='=~$job')}"


def either(*expressions: str) -> str:
    """The first of ``expressions`` that has an answer, series by series. ``or`` binds weakest of all, so none is wrapped."""
    return " or ".join(expressions)


def ratio(part: str, whole: str) -> str:
    """``part / whole``, absent where the whole is nothing."""
    return f"{part} / ({whole} > 0)"


def share(part: str, whole: str) -> str:
    """``part / whole`` with 0, not absence, for a part that has no series yet. Both sides have the same labels."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def split(parts: str, whole: str) -> str:
    """Each of ``parts`` as a share of the one number ``whole``."""
    return f"{parts} / on () group_left () ({whole} > 0)"


def most(expr: str, count: int = 10) -> str:
    """The ``count`` largest at each moment, so that fifty models do not become fifty lines."""
    return f"topk({count}, {expr})"


def extreme(expr: str, count: int = 1) -> str:
    """The ``count`` values that are farthest from zero, with their signs."""
    return f"({expr}) and topk({count}, abs({expr}))"


def _scope(metric: Metric) -> dict[str, str]:
    scope = {"job": "=~$job"}
    if PROVIDER in metric.labels:
        scope |= {PROVIDER: "=~$provider", NAME: "=~$model"}
    if metric.custom:
        scope[LABEL] = "=~$value"
    return scope


def _picked(by: Iterable[str]) -> dict[str, str]:
    """What narrows a panel about instances to the picked ones. "All" matches what has no pod, too."""
    return {one: f"=~${one}" for one in PLACES if one in by}


def series(name: str, matchers: Mapping[str, str]) -> str:
    """A selector: a value may begin with its operator, else it must be equal."""
    return name + "{" + ", ".join(label + _operator(value) for label, value in matchers.items()) + "}"


def _operator(value: str) -> str:
    operator, text = (value[:2], value[2:]) if value.startswith(("=~", "!~", "!=")) else ("=", value)
    return f'{operator}"{text}"'


def by_names(by: Iterable[str]) -> str:
    """The clause of an aggregation, empty for no label."""
    names = tuple(by)
    return f" by ({', '.join(names)})" if names else ""
