"""What rules are made from: one recording rule, and the constants and expressions that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_llm.core import objectives as normal
from otel_llm.core.metric import TargetLabel
from otel_llm.ops import recorded
from otel_llm.ops.promql import CLASSIC, Clock, Vocabulary, born
from otel_llm.ops.series import OTHERS, OURS, SCOPE, Reading, is_shared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_llm.core.metric import Metric
    from otel_llm.core.objectives import Objectives

STEP = 60  # seconds between the values that a sum over a longer window adds up
LONG_STEP = normal.SHORT  # of windows of hours: each call of five minutes is then read once
LONGEST_FINE = 7_200  # seconds; from here on the long step


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {"record": self.name, "expr": self.expr, **({"labels": dict(self.labels)} if self.labels else {})}


@dataclass(frozen=True, slots=True)
class Context:
    """What rules are made from. ``service`` are the labels that distinguish services, ``custom`` a user's own."""

    objectives: Objectives
    vocabulary: Vocabulary
    clock: Clock = field(default_factory=Clock)
    service: tuple[str, ...] = recorded.SERVICE
    custom: tuple[str, ...] = recorded.CUSTOM
    read: Reading = CLASSIC

    def over(self, seconds: float) -> str:
        """A duration on the clock of these rules."""
        return self.clock.text(seconds)

    def by(self, *labels: str) -> tuple[str, ...]:
        """The labels of the service and ``labels``."""
        return (*map(TargetLabel, self.service), *labels)

    @property
    def model(self) -> str:
        """What a record about a model is matched on."""
        return ", ".join(self.by(*recorded.PROVIDER_MODEL))

    @property
    def of_service(self) -> str:
        """What a record about a service is matched on."""
        return ", ".join(self.service)

    def added(
        self,
        by: tuple[str, ...],
        metrics: Metric | Sequence[Metric],
        suffix: str = "",
        function: str = "rate",
        **where: str,
    ) -> str:
        """Rates of five minutes, added up: of a counter, or of a part of histograms (``_bucket``, ``_count``, ``_sum``)."""
        names = metrics if isinstance(metrics, (list, tuple)) else (metrics,)
        short = self.over(normal.SHORT)

        def expr(**scope: str) -> str:
            one = (self.read.over(function, metric, suffix, short, **where, **scope) for metric in names)
            return summed(by, " or ".join(one))

        return self.once(expr) if is_shared(names[0]) else expr()

    def born(self, by: tuple[str, ...], metric: Metric, **where: str) -> str:
        """How much a counter or the count of a histogram rose in five minutes, its birth included."""

        def expr(**scope: str) -> str:
            return born(metric, self.over(normal.SHORT), by, self.read, **where, **scope)

        return self.once(expr) if is_shared(metric) else expr()

    def once(self, expr: Callable[..., str]) -> str:
        """``expr`` of series that other packages emit as well: ours, and theirs in services that have none of ours."""
        ours, theirs = (expr(**{SCOPE: scope}) for scope in (OURS, OTHERS))
        return f"{ours}\nor\n{theirs}\nunless on ({self.of_service})\n{recorded.OWN}"

    def total(self, rate: str, seconds: float) -> str:
        """How much a recorded ``rate5m`` adds up to within ``seconds``: cheap, whatever the number of pods, and exact
        however often rules are evaluated."""
        if seconds == normal.MEDIUM:
            return f"{self.parts(rate)} * {self.clock.seconds(normal.SHORT):g}"
        step = STEP if seconds <= LONGEST_FINE else LONG_STEP
        return f"sum_over_time({rate}{self.steps(seconds, step)}) * {self.clock.seconds(step):g}"

    def parts(self, record: str) -> str:
        """The sum of a ``record`` of five minutes over the last 15: of now, five and ten minutes ago, so that no call counts
        before or after its time. Reads three values of a series."""
        since = [0, normal.SHORT, 2 * normal.SHORT]
        ago = [record if not one else f"{record} offset {self.over(one)}" for one in since]
        parts = [f'label_replace({one}, "part", "{number}", "", "")' for number, one in enumerate(ago)]
        return "sum without (part) (\n  " + "\n  or\n  ".join(parts) + "\n)"

    def steps(self, seconds: float, step: float) -> str:
        """The window of a subquery. It is a second short: Prometheus 2 counts both of its ends, and would have a step too many."""
        return f"[{self.over(seconds - 1)}:{self.over(step)}]"


def ratio(part: str, whole: str) -> str:
    """A share that is 0, and not absent, where there is a whole without a part."""
    return f"(\n  {indent(part)}\n  or\n  0 * {indent(whole)}\n)\n/\n({indent(whole)} > 0)"


def indent(expr: str) -> str:
    """``expr`` one level deeper."""
    return expr.replace("\n", "\n  ")


def summed(names: tuple[str, ...], expr: str) -> str:
    """The sum of ``expr`` by ``names``."""
    return f"sum by ({', '.join(names)}) ({expr})"
