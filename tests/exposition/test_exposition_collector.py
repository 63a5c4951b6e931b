"""One registry, the host's metrics and ours, each once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector as AnyCollector

from otel_llm.aggregate import Store
from otel_llm.cluster.families import StoreFamilies
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.core.model import Observation
from otel_llm.exposition import other_exporter
from otel_llm.exposition.collector import Collector
from otel_llm.exposition.other_exporter import served_elsewhere

AT = 1_763_711_000.0
DURATION = "gen_ai_client_operation_duration_seconds"


class Scrapes:
    """A source that counts how often it is asked."""

    def __init__(self, store: Store) -> None:
        self._source = StoreFamilies(store, clock=lambda: AT)
        self.asked = 0

    def text(self, *, openmetrics: bool) -> bytes:
        self.asked += 1
        return self._source.text(openmetrics=openmetrics)

    def families(self):
        self.asked += 1
        return self._source.families()


@pytest.fixture
def source() -> Scrapes:
    store = Store(Config())
    store.apply(Observation(AT, "openai", "gpt-5", "chat", "gpt-5", "api.openai.com", "", 0.5))
    return Scrapes(store)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


def names(body: bytes) -> list[str]:
    return [family.name for family in parse_text(body.decode())]


def test_registration_does_not_scrape_and_happens_once(source, registry) -> None:
    mine = Collector(Config(), source, registry)
    mine.register()
    mine.register()
    assert source.asked == 0
    assert names(generate_latest(registry)).count(DURATION) == 1
    mine.unregister()
    mine.unregister()
    assert names(generate_latest(registry)) == []
    mine.register()
    assert DURATION in names(generate_latest(registry))


def test_the_registry_knows_our_names(source, registry) -> None:
    Collector(Config(), source, registry).register()
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Counter("otel_llm_cost_usd", "somebody else's", registry=registry)


def test_a_name_that_is_taken_is_a_warning_and_ours_is_shown_by_us(source, registry, caplog) -> None:
    Counter("otel_llm_cost_usd", "somebody else's", registry=registry)
    mine = Collector(Config(), source, registry)
    with caplog.at_level(logging.WARNING, "otel_llm"):
        mine.register()
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "otel-llm shows its metrics on its own endpoint only"
    ]
    found = names(mine.render("")[1])
    assert (found.count(DURATION), found.count("otel_llm_cost_usd")) == (1, 0)
    mine.unregister()


def test_the_hosts_metrics_and_ours_are_shown_once(source, registry) -> None:
    Counter("host_requests", "of the host", ["route"], registry=registry).labels('/a b"').inc(3)
    mine = Collector(Config(), source, registry)
    mine.register()
    for accept in ("", "application/openmetrics-text;version=1.0.0;escaping=dots"):
        body = mine.render(accept)[1]
        assert body.count(b"TYPE host") >= 1
        assert body.count(b"duration_seconds histogram") + body.count(b"duration__seconds histogram") == 1
    assert source.asked == 2
    host = next(family for family in parse_text(mine.render("")[1].decode()) if family.name == "host_requests")
    assert host.samples[0].value == 3


def test_the_files_of_the_hosts_other_workers_are_read_in_the_registrys_place(source, registry, tmp_path) -> None:
    """prometheus_client's multiprocess mode, as gunicorn's users have it: what stands in the registry is one worker's."""
    written = MmapedDict(str(tmp_path / "counter_7.db"))
    written.write_value(mmap_key("jobs", "jobs_total", ["queue"], ["mail"], "Jobs."), 3.0, AT)
    written.close()
    Counter("jobs", "of this worker alone", ["queue"], registry=registry).labels("mail").inc(1)
    mine = Collector(Config(multiproc_dir=str(tmp_path)), source, registry)
    families = {family.name: family for family in parse_text(mine.render("")[1].decode())}
    assert [sample.value for sample in families["jobs"].samples] == [3.0]
    assert DURATION in families
    gone = Collector(Config(multiproc_dir=str(tmp_path / "gone")), source, registry)
    assert [family.samples[0].value for family in gone._others()] == [1.0]


def test_the_default_registry_is_left_as_it_was(source) -> None:
    before = names(generate_latest(REGISTRY))
    mine = Collector(Config(), source)
    mine.register()
    assert DURATION in names(generate_latest(REGISTRY))
    assert "python_info" in names(mine.render("")[1])
    mine.unregister()
    assert names(generate_latest(REGISTRY)) == before


def test_a_broken_collector_of_the_host_does_not_take_ours_away(source, registry, monkeypatch) -> None:
    class Broken(AnyCollector):
        def describe(self):
            return []

        def collect(self):
            raise RuntimeError("the host's bug")

    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    registry.register(Broken())
    assert DURATION in names(Collector(Config(), source, registry).render("")[1])
    assert Guard.errors == {"registry": 1}


def test_what_opentelemetrys_exporter_shows_under_our_names_is_left_out(source, registry) -> None:
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    provider.get_meter("other").create_histogram("gen_ai.client.operation.duration", "s", "theirs").record(9.0)
    provider.get_meter("other").create_counter("host.things", "{thing}").add(2)
    found = names(Collector(Config(), source, registry).render("")[1])
    assert (found.count(DURATION), found.count("host_things")) == (1, 1)
    provider.shutdown()


def test_opentelemetrys_exporter_is_seen_in_the_registry(registry) -> None:
    assert not served_elsewhere(Config(), registry)
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    assert served_elsewhere(Config(), registry)
    provider.shutdown()
    assert not served_elsewhere(Config(), registry)


@pytest.mark.parametrize(
    ("exporter", "seen"), [("prometheus", True), ("otlp, prometheus", True), ("otlp", False), ("", False)]
)
def test_opentelemetrys_exporter_is_seen_in_its_variable(registry, exporter: str, seen: bool) -> None:
    assert served_elsewhere(Config.from_env({"OTEL_METRICS_EXPORTER": exporter}), registry) is seen


def test_opentelemetrys_exporter_that_is_not_installed_serves_nothing(
    monkeypatch: pytest.MonkeyPatch, registry
) -> None:
    monkeypatch.setattr(other_exporter, "entry_points", lambda **_: ())
    assert not served_elsewhere(Config(metrics_exporter=("prometheus",)), registry)


HOST = """
import os, sys
from prometheus_client import Counter
from otel_llm.core.config import Config
from otel_llm.cluster.families import StoreFamilies
from otel_llm.exposition.collector import Collector
from otel_llm.core.model import Observation
from otel_llm.aggregate import Store

requests = Counter("host_requests", "of the host")
for _ in range(2):
    if not (child := os.fork()):
        requests.inc(5)
        os._exit(0)
    os.waitpid(child, 0)
requests.inc()
config = Config.from_env()
store = Store(config)
store.apply(Observation(1.0, "openai", "gpt-5", "chat", "gpt-5", "api.openai.com", "", 0.5))
mine = Collector(config, StoreFamilies(store))
mine.register()
sys.stdout.buffer.write(mine.render("")[1])
"""


@pytest.mark.parametrize("there", [True, False])
def test_prometheus_clients_multiprocess_mode_shows_all_of_the_host_and_ours_once(tmp_path: Path, there: bool) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environ["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    script = (
        HOST
        if there
        else HOST.replace("config = Config", f"import shutil; shutil.rmtree({str(tmp_path)!r})\nconfig = Config")
    )
    body = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, check=True).stdout
    families = {family.name: family for family in parse_text(body.decode())}
    assert names(body).count(DURATION) == 1
    assert families["host_requests"].samples[0].value == (11 if there else 1)
