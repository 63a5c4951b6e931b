"""What the boards have in common: words, links, colours and the panels that several of them show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from otel_llm.core import series
from otel_llm.ops import promql, recorded

from .model import BAD, GOOD, WARN, Link, Panel, Query, Step
from .queries import RANGE, either, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_llm.core.objectives import Objectives

    from .queries import Queries

PM = series.MODEL
BUDGET = ("job", "budget")  # services whose budgets have the same name do not share them
MODEL = "{{gen_ai_request_model}}"
WHO = ("job", *PM)  # a model of one service: what an alert is about
BY_SERVICE = "{{gen_ai_request_model}} · {{job}}"
BY_MODEL = "{{gen_ai_request_model}} · {{gen_ai_provider_name}}"
SECONDS, USD, SHARE, COUNT, SIGMA = "s", "currencyUSD", "percentunit", "short", "suffix: σ"  # noqa: RUF001 - sigma is meant
CALLS, RATE = "reqps", "suffix:/s"
TOKENS, TOKEN_RATE = "si:tok", "si:tok/s"
OK = {"error_type": ""}
OUTPUT = {"gen_ai_token_type": "output"}
FAILED = {"error_type": promql.FAILED}  # a caller that went away is nobody's failure

WINDOW = (
    "Computed by otel-llm over its own sliding window (an hour unless set otherwise), so it is there right after the "
    "first call; it is not split by custom labels."
)

_KEEP = "${__url_time_range}&${__all_variables}"


def to(board: str, title: str) -> tuple[Link, ...]:
    """A click that opens another board with the same time and variables."""
    return (Link(f"Open {title}", f"/d/otel-llm-{board}?{_KEEP}"),)


def to_model(board: str, title: str) -> Link:
    """A click on a model's name that opens another board for this model only."""
    keep = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${label:queryparam}&${value:queryparam}"
    return Link(f"Open {title} of this model", f"/d/otel-llm-{board}?{keep}&var-model=${{__value.text}}")


def traces(title: str, condition: str) -> Link:
    """A click on a model's line that searches Tempo for its calls that meet a TraceQL ``condition``."""
    query = f'{{ span.gen_ai.request.model = "${{__field.labels.gen_ai_request_model}}" && {condition} }}'
    escaped = query.replace('"', '\\"')
    panes = (
        '{"otel":{"datasource":"${traces}","queries":[{"refId":"A","queryType":"traceql","query":"' + escaped + '"}],'
        '"range":{"from":"${__from}","to":"${__to}"}}}'
    )
    return Link(title, "/explore?schemaVersion=1&panes=" + quote(panes, safe="${}:_."))


def slow_traces(objectives: Objectives) -> tuple[Link, ...]:
    return (traces("Slow calls in traces", f"duration > {objectives.p95:g}s"),)


def failed_traces() -> tuple[Link, ...]:
    return (traces("Failed calls in traces", "status = error"),)


YESTERDAY = "a day before"
NOT_ZERO = 1e-9  # a limit is reached at its value, and nothing is wrong with zero


def warn_above(value: float) -> tuple[Step, ...]:
    return ((value, WARN),)


def around_zero(objectives: Objectives) -> tuple[Step, ...]:
    """The z-score's limits on both sides, as colours of a number; to be used with a base of BAD."""
    low, high = objectives.zscore_warning, objectives.zscore_critical
    return ((-high, WARN), (-low, GOOD), (low, WARN), (high, BAD))


def lines_around_zero(objectives: Objectives) -> tuple[Step, ...]:
    """The same limits as lines: Grafana draws each in the colour of what begins there, going up."""
    low, high = objectives.zscore_warning, objectives.zscore_critical
    return ((-high, BAD), (-low, WARN), (low, WARN), (high, BAD))


def length_limits(objectives: Objectives) -> tuple[Step, ...]:
    """How far answers may be from their usual length, as colours of a number; to be used with a base of WARN."""
    return ((-objectives.output_drop, GOOD), (objectives.output_tokens_factor - 1, WARN))


def failing(q: Queries, by: tuple[str, ...] = ()) -> str:
    """The share of calls that failed; without rules and before there are rates, that of otel-llm's window."""
    recent = share(q.rate("duration", by, **FAILED), q.rate("duration", by))
    if q.rules or by:
        return recent
    speed = q.gauge("otel_llm_requests_per_second", PM)
    types = f"sum by (job, instance, {', '.join(PM)}) ({q.select('otel_llm_error_ratio', **FAILED)})"
    own = f"sum by (job, instance, {', '.join(PM)}) ({q.select('otel_llm_requests_per_second')})"
    return q.first(recent, share(f"sum ({types} * {own})", f"sum ({speed})"))


def changed(q: Queries, by: tuple[str, ...]) -> str:
    """How far the mean answer is from usual: from the fleet's day, and until there is one from the processes' own baseline."""
    own = q.gauge("otel_llm_output_tokens_change_ratio", by=by)
    if not q.rules:
        return own
    usual = q.rule(recorded.BASELINE_MEAN, by, signal="output_tokens")
    return either(f"{q.rule(recorded.OUTPUT_TOKENS_15M, by)} / {usual} - 1", own)


def calls_to_click(q: Queries, name: str, **where: str) -> list[Query]:
    """Dots that lead to traces, where the query itself has none."""
    return [Query(expr, "calls", exemplar=True) for expr in q.exemplars(name, **where)]


def targets_up(q: Queries) -> str:
    """The share of the known targets with otel-llm that answered the last scrape."""
    if q.rules:
        up, every = (f"sum ({q.record(recorded.TARGETS, **where)})" for where in ({"state": "up"}, {}))
        return share(up, every)
    targets = f"last_over_time({q.select('otel_llm_build_info')}[{RANGE}])"
    return f'avg (up{{job=~"$job"}} and on (job, instance) {targets})'


def lines(key: str, title: str, unit: str, queries: Sequence[Query], description: str, **more: Any) -> Panel:
    """A time series."""
    return Panel(
        kind="timeseries", key=key, title=title, unit=unit, queries=tuple(queries), description=description, **more
    )


def stat(key: str, title: str, unit: str, query: Query | Sequence[Query], description: str, **more: Any) -> Panel:
    """A number with its recent course behind it."""
    queries = (query,) if isinstance(query, Query) else tuple(query)
    given = {"width": 4, "height": 4, "base": GOOD, "empty": "No calls yet", **more}
    return Panel(kind="stat", key=key, title=title, unit=unit, queries=queries, description=description, **given)


def bars(key: str, title: str, unit: str, query: Query, description: str, **more: Any) -> Panel:
    """One horizontal bar for each series."""
    return Panel(kind="bargauge", key=key, title=title, unit=unit, queries=(query,), description=description, **more)


def heat(key: str, title: str, unit: str, expr: str, description: str, **more: Any) -> Panel:
    """A histogram over time."""
    queries = (Query(expr, "{{le}}", exemplar=True),)
    return Panel(kind="heatmap", key=key, title=title, unit=unit, queries=queries, description=description, **more)


def table(key: str, title: str, queries: Sequence[str], description: str, **more: Any) -> Panel:
    """Rows of labels and numbers; the columns say which."""
    instant = tuple(Query(expr, instant=True) for expr in queries)
    return Panel(kind="table", key=key, title=title, unit="none", queries=instant, description=description, **more)
