"""The boards' queries against a real Prometheus: with the exporter alone, with rules and servers around it, and with nothing."""

from __future__ import annotations

import contextlib
import http.server
import json
import math
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_lab as lab
import pytest
import scripted_run

from otel_llm.cluster.text import render
from otel_llm.core.catalogue import shown
from otel_llm.core.objectives import DEFAULT
from otel_llm.exposition.server import serve
from otel_llm.ops.alerts import alert_group
from otel_llm.ops.boards import boards
from otel_llm.ops.boards.model import Query
from otel_llm.ops.boards.variables import breakers, notes, values_of
from otel_llm.ops.dashboards import asked
from otel_llm.ops.promql import RELEASED, Clock
from otel_llm.ops.rules import Context, recording_groups

LENGTH, SCRAPE = 3600, 60
SPOKEN = ("released", "latest")
PACE = 60  # of the live story: a minute of it at each scrape, a second apart


def queries(vocabulary: str | None) -> Iterator[tuple[str, Query]]:
    """Of the boards without rules, or with them: then no vocabulary is given."""
    for board in boards(asked(vocabulary), DEFAULT):
        for panel in board.panels():
            for query in panel.queries:
                yield f"{board.uid}/{panel.key}/{query.legend}", query


LONG_FAULT = "otel_llm_baseline_shifted_seconds"
"""Shown while a fault outlasts the window, which none of the script does."""


def needs_more_than_the_exporter(query: Query) -> bool:
    """Alerts, a fault longer than the scripted ones, and what Prometheus and Alertmanager say of themselves."""
    others = ("ALERTS{", "ALERTS_FOR_STATE{", "prometheus_", "alertmanager_", LONG_FAULT, "offset 1d")
    return any(name in query.expr for name in others)


def answer(prometheus: lab.Prometheus, query: Query, **values: str) -> list[Any]:
    return (
        prometheus.instant(query.expr, **values)
        if query.instant
        else prometheus.course(query.expr, LENGTH, SCRAPE, **values)
    )


def numbers(series: list[Any]) -> list[float]:
    return [float(value) for one in series for _, value in one.get("values", [one.get("value")])]


@pytest.fixture(scope="module", params=SPOKEN)
def alone(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, lab.Prometheus]]:
    """An hour of the scripted service, and no rules."""
    prometheus = lab.Prometheus(tmp_path_factory.mktemp("alone"), end=time.time() // 60 * 60)
    script = scripted_run.Script(prometheus.end - LENGTH, LENGTH)
    prometheus.load(
        scripted_run.openmetrics(scripted_run.scrapes(script, scripted_run.store(semconv=request.param), SCRAPE))
    )
    with prometheus.running():
        yield request.param, prometheus


def test_the_script_exercises_every_metric(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    names = set(prometheus.values('label_values({job=~".+"}, __name__)'))
    missing = {metric.name for metric in shown(vocabulary) if not names.intersection(metric.samples)}
    assert missing - {LONG_FAULT} == set()


def test_every_query_has_an_answer_from_the_exporter_alone(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    silent = [
        name
        for name, query in queries(vocabulary)
        if not needs_more_than_the_exporter(query) and all(map(math.isnan, numbers(answer(prometheus, query))))
    ]
    assert silent == []


def test_every_variable_has_values(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    found = {name: prometheus.values(query) for name, _, query in values_of(asked(vocabulary))}
    assert found["job"] == [scripted_run.JOB]
    assert found["value"] == sorted(scripted_run.TENANTS)
    chats = {model.name for model in scripted_run.MODELS if vocabulary == "released" or model.operation == "chat"}
    assert set(found["model"]) == chats
    assert set(found["provider"]) == {model.provider for model in scripted_run.MODELS}


def test_breakers_are_annotated_without_rules(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    _, expr, *_ = breakers(asked(vocabulary))
    assert {one["metric"]["breaker"] for one in prometheus.course(expr, LENGTH, SCRAPE)} == {"anthropic"}


def test_narrowing_to_one_model_and_tenant_narrows_every_answer(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    picked = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
    for name, query in queries(vocabulary):
        if needs_more_than_the_exporter(query):
            continue
        for one in answer(prometheus, query, **picked):
            assert one["metric"].get("gen_ai_request_model", "claude-sonnet-4-5") == "claude-sonnet-4-5", name
    q = asked(vocabulary)
    whole, one = (numbers(prometheus.instant(q.rate("duration"), value=value))[0] for value in (".*", "acme"))
    assert 0.3 * whole < one < 0.7 * whole
    assert prometheus.instant(q.rate("duration"), value="nobody") == []


def test_numbers_agree_with_the_script(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    q = asked(vocabulary)
    (median,) = prometheus.instant(q.quantile(0.5, "duration", over="1h", error_type=""), model="gemini-2.5-flash")
    assert float(median["value"][1]) == pytest.approx(1.4, rel=0.15)
    (error,) = numbers(
        prometheus.instant(
            f"{q.rate('duration', over='1h', error_type='overloaded')} / {q.rate('duration', over='1h')}"
        )
    )
    assert 0.0002 < error < 0.02


@pytest.mark.parametrize("vocabulary", SPOKEN)
def test_one_scrape_is_enough_for_the_first_answers(vocabulary: str, tmp_path: Path) -> None:
    prometheus = lab.Prometheus(tmp_path, end=time.time() // 60 * 60)
    script = scripted_run.Script(prometheus.end - 60, 60)
    prometheus.load(scripted_run.openmetrics(scripted_run.scrapes(script, scripted_run.store(semconv=vocabulary), 60)))
    with prometheus.running():
        found: dict[str, set[str]] = {}
        for board in boards(asked(vocabulary), DEFAULT):
            answered = [
                panel.key for panel in board.panels() if any(answer(prometheus, query) for query in panel.queries)
            ]
            found[board.uid.removeprefix("otel-llm-")] = set(answered)
    assert found["overview"] >= {"slow", "failing", "money", "trust", "models"}
    assert found["latency"] >= {"p50", "p95", "p99", "slowest", "compare", "in_flight"}
    assert found["tokens"] >= {"in", "out", "window_rates", "spread"}
    assert found["cost"] >= {"day_spend", "day_used", "month_spend", "month_used", "models", "rate"}
    assert found["reliability"] >= {"error_rate", "open", "breakers", "cache_now", "limits"}
    assert found["health"] >= {"up", "processes", "series", "libraries", "versions"}


def test_a_month_can_be_asked_for(alone: tuple[str, lab.Prometheus]) -> None:
    vocabulary, prometheus = alone
    month = {"__range": "30d", "__range_s": "2592000", "__rate_interval": "2h", "__interval": "2h"}
    for name, query in queries(vocabulary):
        seconds = 30 * 86_400
        found = (
            prometheus.instant(query.expr, **month)
            if query.instant
            else prometheus.course(query.expr, seconds, 7200, **month)
        )
        assert found or needs_more_than_the_exporter(query), name


def test_fifty_models_are_no_fifty_lines(tmp_path: Path) -> None:
    prometheus = lab.Prometheus(tmp_path, end=time.time() // 60 * 60)
    prometheus.load(fifty_models(prometheus.end))
    with prometheus.running():
        for board in boards(asked("released"), DEFAULT):
            for panel in board.panels():
                if panel.kind != "table":
                    lines = sum(len(prometheus.instant(query.expr)) for query in panel.queries)
                    assert lines <= 25, f"{board.uid}: {panel.title}"
        overview = next(board for board in boards(asked("released"), DEFAULT) if board.uid.endswith("overview"))
        models = next(panel for panel in overview.panels() if panel.key == "models")
        assert len(prometheus.instant(models.queries[0].expr)) == 50


def fifty_models(end: float) -> Iterator[str]:
    for minute in range(11):
        at = end - 600 + 60 * minute
        for model in range(50):
            labels = f'job="shop",instance="one",gen_ai_provider_name="openai",gen_ai_request_model="m{model}",gen_ai_operation_name="chat"'
            for le in ("1.28", "2.56", "+Inf"):
                yield f'gen_ai_client_operation_duration_seconds_bucket{{{labels},le="{le}"}} {minute * (model + 1)} {at}'
            yield f"gen_ai_client_operation_duration_seconds_count{{{labels}}} {minute * (model + 1)} {at}"
            yield f"gen_ai_client_operation_duration_seconds_sum{{{labels}}} {minute * (model + 1)} {at}"
            yield f"otel_llm_cost_usd_total{{{labels}}} {minute * (model + 1) / 100} {at}"
            yield f'otel_llm_latency_seconds{{{labels},quantile="0.95"}} {model} {at}'
            for signal in ("latency", "output_tokens", "cost"):
                for kind in ("shift", "peak"):
                    yield f'otel_llm_zscore{{{labels},signal="{signal}",kind="{kind}"}} {model / 10} {at}'
    yield "# EOF"


def test_nothing_is_an_error_on_an_empty_prometheus(tmp_path: Path) -> None:
    with lab.Prometheus(tmp_path).running() as prometheus:
        for vocabulary in SPOKEN:
            spoken = asked(vocabulary)
            for name, query in queries(vocabulary):
                assert answer(prometheus, query) == [], name
            for _, expr, *_ in notes(spoken):
                assert prometheus.course(expr) == []
            for _, _, variable in values_of(spoken):
                assert prometheus.values(variable) == []


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes notifications at one address and refuses them at any other."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/taken" else 404)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@dataclass
class LiveStory:
    """The scripted service behind a real endpoint: each scrape sees another minute of its outage."""

    script: scripted_run.Script

    def __post_init__(self) -> None:
        self.store = scripted_run.store()
        self.at = self.script.begin

    def scrape(self, accept: str) -> tuple[str, bytes]:
        for record in self.script.records(self.at, self.at + PACE):
            self.store.apply(record)
        self.at += PACE
        body = render(self.store.views(self.at), self.store.lock, openmetrics=True)
        return "application/openmetrics-text; version=1.0.0; charset=utf-8", body + b"# EOF\n"


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[int]:
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    port, where = lab.free_port(), f"http://127.0.0.1:{sink.server_port}"
    hooks = [{"url": f"{where}/taken"}, {"url": f"{where}/refused"}]
    config = {
        "route": {"receiver": "both", "group_by": ["..."], "group_wait": "1s", "group_interval": "1s"},
        "receivers": [{"name": "both", "webhook_configs": hooks}],
    }
    (folder / "am.yml").write_text(json.dumps(config), encoding="utf-8")
    command = [
        lab.needed("prometheus-alertmanager"), f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error",
    ]  # fmt: skip
    with (folder / "am.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)
        sink.shutdown()
        sink.server_close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Prometheus]:
    """Exporter, Prometheus with all rules sixty times as fast, and Alertmanager."""
    folder = tmp_path_factory.mktemp("live")
    port = lab.free_port()
    story = LiveStory(scripted_run.Script(time.time(), 3600, scripted_run.Story(outage=(0.02, 0.9), traffic=1.0)))
    it = Context(DEFAULT, RELEASED, Clock(PACE))
    groups = [group for file in recording_groups(it).values() for group in file] + [alert_group(it)]
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    with alertmanager(folder) as manager:
        jobs = {"shop": f"127.0.0.1:{port}", "prometheus": "SELF", "alertmanager": f"127.0.0.1:{manager}"}
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [jobs["alertmanager"]]}]}]},
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": [target]}]} for name, target in jobs.items()
            ],
        }
        server = serve(scripted_run.config(host="127.0.0.1", port=port), story.scrape)
        try:
            with lab.Prometheus(folder, json.dumps(config)).running() as prometheus:
                yield prometheus
        finally:
            server.close()


def wait_for(live: lab.Prometheus, recorded: str) -> None:
    """Look from now on at a moment that has a recorded metric, whichever tests came before."""

    def there() -> object:
        live.end = time.time()
        return live.instant(recorded)

    live.until(there, recorded)


def paced(expr: str) -> str:
    """What is asked of minutes, asked of the live story's seconds."""
    return expr.replace("[$__range:5m", "[1m:1s").replace("* 300 /", "* 1 /")


# a fault that outlasts the window, a day before, what is only there to be clicked, what the endpoint and live calls add to a store
NOT_IN_THE_STORY = ("shifted_seconds", "offset 1d", " @ 0", "otel_llm_scrape_duration", "otel_llm_in_flight")


def test_rules_and_servers_fill_every_panel(live: lab.Prometheus) -> None:
    waiting = {name: query for name, query in queries(None) if not any(word in query.expr for word in NOT_IN_THE_STORY)}
    waiting |= {
        note[0]: Query(note[1]) for note in notes(asked(None)) if note[0] != "Deployments"
    }  # it has begun long ago
    assert len(waiting) >= 120

    def all_answered() -> bool:
        live.end = time.time()
        for name in [name for name, query in waiting.items() if live.instant(paced(query.expr), __rate_interval="5s")]:
            del waiting[name]
        return not waiting

    try:
        live.until(all_answered, "every panel to have an answer")
    except RuntimeError as error:
        raise AssertionError("\n".join(waiting)) from error


@pytest.mark.parametrize("variant", [None, "released"])
def test_exemplars_lead_to_traces(live: lab.Prometheus, variant: str | None) -> None:
    latency = next(board for board in boards(asked(variant), DEFAULT) if board.uid.endswith("latency"))
    clickable = [
        query for panel in latency.panels() for query in panel.queries if query.exemplar and ":" not in query.expr
    ]
    assert len(clickable) >= 3
    for query in clickable:

        def exemplars(expr: str = query.expr) -> list[str]:
            given = {"query": lab.filled_in(expr), "start": time.time() - 86_400, "end": time.time() + 86_400}
            return [
                one["labels"]["trace_id"]
                for series in live.ask("query_exemplars", given)
                for one in series["exemplars"]
            ]

        live.until(exemplars, f"exemplars of {query.expr}")
        assert all(len(trace) == 32 for trace in exemplars())
        if variant is None:  # they cost nothing else
            stats = live.ask("query", {"query": lab.filled_in(query.expr), "stats": "all"})["stats"]
            assert stats["samples"]["totalQueryableSamples"] == 0


def test_no_series_shows_twice(live: lab.Prometheus) -> None:
    wait_for(live, "provider_model:otel_llm_duration_seconds:quantile5m")
    for name, query in queries(None):
        if "ALERTS" in query.expr:  # a row each, about a model or about none
            continue
        shown = [tuple(sorted(one["metric"].items())) for one in live.instant(paced(query.expr), __rate_interval="5s")]
        names = {frozenset(key for key, _ in labels) for labels in shown}
        assert len(names) <= 1, f"{name}: {names}"


# records of a whole service, and shares of one
WHOLE_SERVICE = (
    "service:",
    "instance:",
    "operation:",
    "modality:",
    "path:",
    '{job=~"$job"}',
    "le:",
    "component:",
    "source:",
    "route:",
)


def test_nothing_leaks_past_what_the_reader_picked(live: lab.Prometheus) -> None:
    wait_for(live, "llm:otel_llm_cost_usd:rate1h")
    of_no_job = ["ALERTS{", "prometheus_", "alertmanager_"]
    of_no_model = ["budget", "spend", "breaker", "http_request", "processes", "_series", "scrape_duration", "overflow"]
    of_no_model += ["internal_errors", "instrumented", "build_info", *of_no_job, *WHOLE_SERVICE]
    for name, query in (*queries("released"), *queries(None)):
        if not any(word in query.expr for word in of_no_job):
            assert live.instant(query.expr, __rate_interval="5s", job="nobody") == [], name
        of_runs = name.startswith("otel-llm-agents")  # of runs, whatever models are asked in them
        if not of_runs and not any(word in query.expr for word in of_no_model):
            assert live.instant(query.expr, __rate_interval="5s", model="nothing") == [], name
