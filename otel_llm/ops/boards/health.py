"""Telemetry health: can what the other boards say be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded

from .model import BAD, GOOD, NEUTRAL, WARN, Board, Column, Panel, Query, Row
from .parts import COUNT, MODEL, NOT_ZERO, OK, PM, RATE, SECONDS, SHARE, lines, stat, table, targets_up, warn_above
from .queries import Queries, most, share

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "Whether the other boards can be trusted: targets and processes, what scraping costs, what could not be counted or priced, and "
    "whether rules are evaluated and alerts sent (needs Prometheus and Alertmanager to scrape themselves)."
)
GROUPS = 'rule_group=~".*otel_llm[.].*"'
SELF = "Prometheus does not scrape itself, or has no rules of otel-llm"
SLOW_SCRAPE = 1.0  # seconds, a tenth of Prometheus's default timeout
SLOW_RULES = 15.0  # seconds, half of the shortest interval of the groups


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("Is everything there?", (*_now(q, o), *_there(q))),
        Row("Is anything missing from the numbers?", _missing(q, o)),
        Row("What is watched, and by which version?", _who(q)),
        Row("Do rules run and alerts leave?", _rules()),
    )
    return Board("otel-llm-health", "LLM / Telemetry health", DESCRIPTION, rows)


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    unknown = share(q.rate("otel_llm_usage_unknown_total"), q.rate("duration", **OK))
    return (
        stat(
            "up", "Targets up", SHARE, Query(targets_up(q), "up"),
            "Share of the scrape targets with otel-llm that answered the last scrape.", base=BAD, steps=((1.0, GOOD),),
            empty="No target has answered", decimals=0,
        ),
        stat(
            "processes", "Live processes", COUNT, Query(q.gauge("otel_llm_processes", state="live"), "live"),
            "Processes whose calls are shown, over all targets.", base=NEUTRAL, empty="No target has answered",
            decimals=0,
        ),
        stat(
            "series", "Series", COUNT, Query(q.gauge("otel_llm_series"), "series"),
            "Series that otel-llm shows, over all targets: what it costs in Prometheus.", base=NEUTRAL, empty="No target has answered",
        ),
        stat(
            "scrape", "Slowest scrape", SECONDS, Query(q.gauge("otel_llm_scrape_duration_seconds"), "scrape"),
            "How long /metrics took to answer, of the slowest target.", steps=warn_above(SLOW_SCRAPE),
            empty="No target has answered",
        ),
        stat(
            "unknown", "Calls without usage", SHARE, Query(unknown, "unknown"),
            "Successful calls that brought no token counts: they are in no token and no cost number.",
            steps=warn_above(o.usage_unknown_share), decimals=1,
        ),
        stat(
            "internal", "Own errors", COUNT,
            Query(q.increase("otel_llm_internal_errors_total"), "errors", instant=True),
            "Errors of otel-llm itself within the shown time. Callers saw none of them.", steps=((1.0, BAD),),
            empty="None", sparkline=False, decimals=0,
        ),
    )


def _there(q: Queries) -> tuple[Panel, ...]:
    processes = q.gauge("otel_llm_processes", ("job", "state"))
    return (
        lines(
            "process_course", "Processes", COUNT, [Query(processes, "{{job}} {{state}}")],
            "A drop of live ones is a restart or a crash; exited ones still count.", low=0,
            empty="No target has answered",
        ),
        lines(
            "scrape_course", "Scrape duration", SECONDS,
            [Query(most(q.gauge("otel_llm_scrape_duration_seconds", by=("job", "instance"))), "{{job}} {{instance}}")],
            "How long each target took to answer, ten slowest. Prometheus gives up after ten seconds by default.",
            low=0, steps=warn_above(SLOW_SCRAPE), empty="No target has answered",
        ),
        lines(
            "series_course", "Series by target", COUNT,
            [Query(most(q.gauge("otel_llm_series", by=("job", "instance"))), "{{job}} {{instance}}")],
            "Growing without an end: a label with too many values.", low=0, empty="No target has answered",
        ),
    )


def _missing(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    usage = share(q.rate("otel_llm_usage_unknown_total", PM), q.rate("duration", PM, **OK))
    return (
        lines(
            "usage_unknown", "Calls without usage, ten most", SHARE, [Query(most(f"({usage}) > 0"), MODEL)],
            "Often a stream without stream_options.include_usage, or one that was left early. The dashed line is the alert's.",
            width=6, low=0, steps=warn_above(o.usage_unknown_share), empty="Every call brought its usage",
        ),
        lines(
            "unpriced", "Calls without a price", RATE,
            [Query(most(q.rate("otel_llm_unpriced_requests_total", PM)), MODEL)],
            "Missing from every cost number; add prices with OTEL_LLM_PRICES_FILE.", width=6, low=0,
            steps=warn_above(NOT_ZERO), empty="Every call had a price",
        ),
        lines(
            "overflow", "Label values cut", RATE,
            [Query(q.rate("otel_llm_label_overflow_total", ("label",)), "{{label}}")],
            "New values past OTEL_LLM_MAX_LABEL_VALUES, per second. An id or user text has become a label.", width=6,
            low=0, steps=warn_above(NOT_ZERO), empty="No label has overflowed",
        ),
        lines(
            "internal_errors", "Own errors by component", RATE,
            [Query(q.rate("otel_llm_internal_errors_total", ("component",)), "{{component}}")],
            "Errors of otel-llm itself. Callers saw none of them; the log has them.", width=6, low=0, steps=warn_above(NOT_ZERO),
            empty="otel-llm has had no error of its own",
        ),
    )


def _who(q: Queries) -> tuple[Panel, ...]:
    watched, versions = q.select("otel_llm_instrumented"), q.select("otel_llm_build_info")
    libraries = q.pick(_counted(q, recorded.WATCHED, "library", "version"), f"count by (library, version) ({watched})")
    versions = q.pick(_counted(q, recorded.VERSIONS, "job", "version"), f"count by (job, version) ({versions})")
    reasons = f"round({q.increase('otel_llm_usage_unknown_total', (*PM, 'reason'))}) > 0"
    return (
        table(
            "libraries", "Watched libraries", [libraries],
            "Client libraries that are watched, and on how many targets.", height=6,
            empty="No library is watched: start under opentelemetry-instrument",
            columns=(
                Column("library", "Library"),
                Column("version", "Version", width=110),
                Column("Value #A", "Targets", COUNT, width=90),
            ),
        ),
        table(
            "versions", "Versions of otel-llm", [versions], "Two versions at once: a rollout under way, or forgotten.",
            height=6, empty="No target has answered",
            columns=(
                Column("job", "Job"),
                Column("version", "Version", width=110),
                Column("Value #A", "Targets", COUNT, width=90),
            ),
        ),
        table(
            "reasons", "Why calls reported no usage", [reasons], "Calls within the shown time.", sort="Calls", height=6,
            empty="Every call brought its usage",
            columns=(
                Column("gen_ai_request_model", "Model"),
                Column("reason", "Reason", width=185),
                Column("Value #A", "Calls", COUNT, width=80, decimals=0),
            ),
        ),
    )


def _counted(q: Queries, name: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({q.record(name)})"


def _rules() -> tuple[Panel, ...]:
    took = f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{GROUPS}}})"
    short = f'label_replace({took}, "group", "$1", "rule_group", ".*;(.+)")'
    failed = f"sum (rate(prometheus_rule_evaluation_failures_total{{{GROUPS}}}[$__rate_interval]))"
    missed = f"sum (rate(prometheus_rule_group_iterations_missed_total{{{GROUPS}}}[$__rate_interval]))"
    sent = "sum (rate(prometheus_notifications_sent_total[$__rate_interval]))"
    errors = "sum (rate(prometheus_notifications_errors_total[$__rate_interval]))"
    dropped = "sum (rate(prometheus_notifications_dropped_total[$__rate_interval]))"
    delivered, refused = (
        f"sum by (integration) (rate({name}[$__rate_interval]) and {name} > 0)"
        for name in ("alertmanager_notifications_total", "alertmanager_notifications_failed_total")
    )
    return (
        lines(
            "rule_time", "Evaluation of otel-llm's rules", SECONDS, [Query(short, "{{group}}")],
            "How long each group of rules took.", width=6, low=0, empty=SELF, steps=warn_above(SLOW_RULES),
        ),
        lines(
            "rule_failures", "Rules that failed or were late", RATE, [Query(failed, "failed"), Query(missed, "missed")],
            "Above zero, alerts may be missing.", width=6, low=0, empty=SELF, steps=((NOT_ZERO, BAD),), soft_high=1.0,
        ),
        lines(
            "to_alertmanager", "Prometheus to Alertmanager", RATE,
            [Query(sent, "sent"), Query(errors, "errors"), Query(dropped, "dropped")],
            "Notifications of all alerts; dropped ones are lost.", width=6, low=0,
            empty="Prometheus does not scrape itself, or has no Alertmanager",
            colours=(("errors", WARN), ("dropped", BAD)),
        ),
        lines(
            "to_people", "Alertmanager to people", RATE,
            [Query(delivered, "{{integration}}"), Query(refused, "{{integration}} failed")],
            "Notifications by receiver; failed ones did not arrive.", width=6, low=0,
            empty="Alertmanager is not scraped, or has not sent anything",
        ),
    )
