"""How rules and boards read the series of a metric: histograms classic or native, and whose, where others emit the same names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_llm.core.metric import Metric

SCOPE = "otel_scope_name"
"""The label that says by which package's meter a series was recorded, where the way to Prometheus keeps it."""
OURS, OTHERS = "=~|otel_llm", "!~|otel_llm"  # /metrics shows nothing but ours, and no scope
HISTOGRAMS = ("classic", "native")
_PARTS = {"_count": "histogram_count", "_sum": "histogram_sum"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Selectors and ranges of the catalogue's metrics.

    ``native`` reads native histograms: those that Prometheus makes of classic buckets (``convert_classic_histograms_to_nhcb``,
    ``convert_histograms_to_nhcb``), whose bounds stay, or exponential ones. ``suffix`` is that of a classic histogram's series:
    ``_bucket``, ``_count`` or ``_sum``; empty for what is none.
    """

    native: bool = False

    def selector(self, metric: Metric, suffix: str = "", **where: str) -> str:
        """The series that hold ``suffix``. A label that the metric does not have raises ValueError."""
        return metric.selector("" if self.native else suffix, **where)

    def over(self, function: str, metric: Metric, suffix: str, window: str, **where: str) -> str:
        """``rate`` or ``increase`` of a metric, or of a part of a histogram."""
        return self.part(suffix, f"{function}({self.selector(metric, suffix, **where)}[{window}])")

    def part(self, suffix: str, expr: str) -> str:
        """What ``suffix`` names, of ``expr`` made of ``selector``: count or sum of a native histogram; buckets stay what they are."""
        return f"{_PARTS[suffix]}({expr})" if self.native and suffix in _PARTS else expr

    def every(self, buckets: str) -> str:
        """How many values are in ``buckets``, which are added up by whatever is to stay apart and by ``le``."""
        return f"histogram_count({buckets})" if self.native else f'sum without (le) ({buckets}{{le="+Inf"}})'

    def up_to(self, bound: float, buckets: str) -> str:
        """How many of them are not above ``bound``, which must be one of the bounds: Prometheus 2 shows 30, Prometheus 3 30.0."""
        if self.native:
            return f"histogram_fraction(-Inf, {bound:g}, {buckets}) * histogram_count({buckets})"
        number = f"{bound:g}"
        le = number.replace(".", r"\\.") if "." in number else number + r"(\\.0)?"
        return f'sum without (le) ({buckets}{{le=~"{le}"}})'


def is_shared(metric: Metric) -> bool:
    """Whether the name is one of the conventions', which other packages in the same process may emit too."""
    return metric.section in ("conventions", "latest")
