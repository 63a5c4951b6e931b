"""What is known of a metric, and how PromQL asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .shapes import dataclass

Kind = Literal["counter", "gauge", "histogram"]
Section = Literal["conventions", "latest", "events", "derived", "self"]
Adds = Literal["sum", "max", "min", "mean", "none"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``name`` is the Prometheus family as scraped (counters end in ``_total``), ``otel`` the instrument.

    ``labels`` are fixed and in order; where ``custom`` is true, the labels of ``OTEL_LLM_METRIC_LABELS`` follow them.
    ``apart`` says that the labels of ``OTEL_LLM_WINDOW_LABELS`` follow them.
    ``vocabulary`` says under which ``OTEL_LLM_SEMCONV`` the metric is shown; empty means always. ``created`` asks for a
    ``_created`` sample beside each series of OpenMetrics.

    ``adds`` is how the values of several instances of a service become one: their sum, largest, smallest, or their mean,
    weighted by the metric ``weight`` if it has one; ``none`` where they do not (a percentile, a z-score): then the worst one is
    shown by name.
    """

    name: str
    otel: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...]
    section: Section
    buckets: tuple[float, ...] = ()
    custom: bool = False
    vocabulary: str = ""
    adds: Adds = "sum"
    weight: str = ""
    created: bool = False
    apart: bool = False

    @property
    def family(self) -> str:
        """The name without ``_total``, as OpenMetrics writes it in TYPE and HELP lines."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name

    @property
    def samples(self) -> tuple[str, ...]:
        """The sample names a scrape shows."""
        if self.kind == "histogram":
            return tuple(self.name + suffix for suffix in ("_bucket", "_sum", "_count"))
        return (self.name,)

    def selector(self, suffix: str = "", **where: str) -> str:
        """``name{label="value"}``; a value that opens with ``~`` or ``!`` brings its own operator (``=~"..."``)."""
        self._known(where)
        parts = [f"{label}{_operator(value)}" for label, value in where.items()]
        return f"{self.name}{suffix}" + ("{" + ", ".join(parts) + "}" if parts else "")

    def rate(self, over: str = "5m", by: Iterable[str] = (), **where: str) -> str:
        """PromQL: events per second (of a histogram, its count)."""
        suffix = "_count" if self.kind == "histogram" else ""
        return f"sum{self._by(by)} (rate({self.selector(suffix, **where)}[{over}]))"

    def total(self, over: str = "5m", by: Iterable[str] = (), **where: str) -> str:
        """PromQL: a histogram's sum of values per second."""
        return f"sum{self._by(by)} (rate({self.selector('_sum', **where)}[{over}]))"

    def quantile(self, q: float, over: str = "5m", by: Iterable[str] = (), **where: str) -> str:
        """PromQL: a quantile of a histogram, clamped to its last finite bucket."""
        inner = f"sum{self._by((*by, 'le'))} (rate({self.selector('_bucket', **where)}[{over}]))"
        return f"histogram_quantile({q}, {inner})"

    def _by(self, by: Iterable[str]) -> str:
        names = tuple(by)
        self._known(name for name in names if name != "le")
        return f" by ({', '.join(names)})" if names else ""

    def _known(self, names: Iterable[str]) -> None:
        free = {
            "job",
            "instance",
            "service_name",
            "namespace",
            "cluster",
            "environment",
            "pod",
            "le",
            "otel_scope_name",
        }
        own = {name for name in names if not isinstance(name, TargetLabel)}
        if not self.custom and (unknown := own - set(self.labels) - free):
            raise ValueError(f"{self.name} has no label {', '.join(sorted(unknown))}")


class TargetLabel(str):
    """A label that the scrape or the storage gives to every metric of a target, whatever it is called."""

    __slots__ = ()


def _operator(value: str) -> str:
    if value.startswith(("=~", "!~", "!=")):
        return f'{value[:2]}"{value[2:]}"'
    return f'="{value}"'
