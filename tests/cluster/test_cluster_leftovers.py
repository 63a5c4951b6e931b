"""Processes that leave without a push: another one of the service pushes their calls over OTLP, each once."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_lab import BIN, HERE, call, free_port, until
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from otlp_receiver import Received, receiving

from otel_llm.core.catalogue import METRICS
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Record
from otel_llm.outputs import exports, leftovers
from otel_llm.outputs.instruments import Instruments
from otel_llm.outputs.leftovers import Leftovers
from otel_llm.testing.loopback import Loopback

CHILDREN = """
import multiprocessing, os, sys
from leftover_jobs import call, die, leave, push_and_leave

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for _ in range(5): call()
    for what in (leave, die, push_and_leave, die):
        child = context.Process(target=what)
        child.start()
        child.join()
    call()
"""


@pytest.fixture
def received() -> Iterator[Received]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def environment(tmp_path: Path, received: Received) -> Iterator[dict[str, str]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PROMETHEUS_"))}
    with Loopback() as server:
        yield {
            **clean,
            "PATH": f"{BIN}{os.pathsep}{clean['PATH']}",
            "PYTHONPATH": str(HERE),
            "LLM_URL": server.url,
            "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
            "OTEL_LLM_STATE_DIR": str(tmp_path / "state"),
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{received.url}/v1/metrics",
        }


def run(environment: dict[str, str], where: Path, *command: str) -> None:
    done = subprocess.run(
        [str(BIN / "opentelemetry-instrument"), *command], cwd=where, env=environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_the_parent_pushes_for_children_that_left_without(
    tmp_path: Path, received: Received, environment: dict[str, str], method: str, temporality: str
) -> None:
    (tmp_path / "app.py").write_text(CHILDREN, encoding="utf-8")
    environment["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = temporality
    run(environment, tmp_path, "python", "app.py", method)
    assert sorted(received.calls.values()) == [
        1,
        10,
    ]  # what a child pushed itself, and 6 of the parent with 4 of children


def test_what_a_child_could_not_send_is_the_parents_to_push(
    tmp_path: Path, received: Received, environment: dict[str, str]
) -> None:
    received.refuse = 1
    code = """
import os
import otel_llm
from leftover_jobs import call
if (child := os.fork()) == 0:
    call()
    otel_llm.flush(timeout=60)
    os._exit(0)
os.waitpid(child, 0)
"""
    run(environment, tmp_path, "python", "-c", code)
    assert received.refuse == 0
    assert list(received.calls.values()) == [1]


def test_a_parent_whose_provider_is_set_by_hand_pushes_at_its_end(
    tmp_path: Path, received: Received, environment: dict[str, str]
) -> None:
    code = """
import os
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
from leftover_jobs import call, leave
call()
if (child := os.fork()) == 0:
    leave()
os.waitpid(child, 0)
"""
    environment["OTEL_METRICS_EXPORTER"] = "none"
    run(environment, tmp_path, "python", "-c", code)
    assert list(received.calls.values()) == [2]


def test_spans_of_a_process_that_leaves_at_once_are_those_that_it_sent(
    tmp_path: Path, received: Received, environment: dict[str, str]
) -> None:
    """The page says so: what waits in its batch goes with it, and flush sends it."""
    environment |= {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{received.url}/v1/traces",
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
    }
    (tmp_path / "app.py").write_text(CHILDREN, encoding="utf-8")
    run(environment, tmp_path, "python", "app.py", "fork")
    assert received.spans.count("chat gpt-4o") == 7  # the parent's six, and the one that a child flushed


@pytest.fixture
def redis() -> Iterator[int]:
    """A Redis of its own; the package of its tools has the server, too, and starts none by itself."""
    from redis import Redis
    from redis.exceptions import ConnectionError as NotYet

    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", ""],
        executable=shutil.which("redis-check-rdb"),
        stdout=subprocess.DEVNULL,
    )

    def answers() -> bool:
        try:
            return bool(Redis(port=port).ping())
        except NotYet:
            return False

    try:
        until(answers)
        yield port
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("interval", ["60000", "3000"])
def test_the_worker_of_rq_pushes_for_its_work_horses(
    tmp_path: Path, received: Received, environment: dict[str, str], redis: int, interval: str
) -> None:
    """rq forks for each job, and the fork leaves by ``os._exit``: at the worker's end, and while it works on. A job is over
    before a push of its own process is due, which could leave the process in the middle of it, and count twice."""
    from redis import Redis
    from rq import Queue

    environment["OTEL_METRIC_EXPORT_INTERVAL"] = interval
    queue = Queue(connection=Redis(port=redis))
    for job in ["leftover_jobs.call"] * 4 + ["leftover_jobs.die", "leftover_jobs.push_and_leave"]:
        queue.enqueue(job)
    command = ["rq", "worker", "--url", f"redis://127.0.0.1:{redis}"]
    if interval == "60000":
        run(environment, tmp_path, *command, "--burst")
        assert sorted(received.calls.values()) == [1, 6]
        return
    worker = subprocess.Popen(
        [str(BIN / "opentelemetry-instrument"), *command], cwd=tmp_path, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert received.wait(7)
        queue.enqueue("leftover_jobs.call")
        assert received.wait(8)
    finally:
        worker.terminate()
        worker.wait(60)
    assert sum(received.calls.values()) == 8


def test_a_fork_in_the_middle_of_an_export_can_push(
    tmp_path: Path, received: Received, environment: dict[str, str]
) -> None:
    """The SDK holds a lock during an export, which is locked for ever in a child that is forked meanwhile."""
    code = """
import os, threading
from opentelemetry import metrics
import otel_llm
from leftover_jobs import call
call()
reader, = metrics.get_meter_provider()._metric_readers
forked, under_way = threading.Event(), threading.Event()
export = reader._exporter.export
def slow(*arguments, **options):
    under_way.set()
    forked.wait()
    return export(*arguments, **options)
reader._exporter.export = slow
exporting = threading.Thread(target=otel_llm.flush, args=(60,))
exporting.start()
under_way.wait()
child = os.fork()
forked.set()
if child == 0:
    call()
    os._exit(0 if otel_llm.flush(timeout=60) else 1)
exporting.join()
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run(environment, tmp_path, "python", "-c", code)
    assert sorted(received.calls.values()) == [1, 1]


class Taken:
    """A recorder, as ``Instruments`` is one."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def __call__(self, record: Record) -> None:
        self.records.append(record)


def left(folder: Path) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in folder.iterdir())


def test_what_was_claimed_and_not_sent_goes_to_the_next_one(tmp_path: Path) -> None:
    first, second, third = Taken(), Taken(), Taken()
    one = Leftovers(lambda: tmp_path, first)
    made = [call(at=float(number)) for number in range(5)]
    for record in made[:3]:
        one.record(record)
    _, what = one.collected(lambda: "data")
    one.sent(what)
    for record in made[3:]:
        one.record(record)
    two = Leftovers(lambda: tmp_path, second)
    two.adopt(at_once=True)
    assert second.records == []  # the first one lives
    one.let_go()
    two.adopt(at_once=True)
    two.adopt(at_once=True)
    assert second.records == made[3:]
    two.let_go()  # before it could push
    three = Leftovers(lambda: tmp_path, third)
    three.adopt(at_once=True)
    assert third.records == made[3:]
    _, what = three.collected(lambda: "data")
    assert left(tmp_path) == ["claimed", "pushes"]
    three.sent(what)
    assert left(tmp_path) == ["pushes"]


def test_a_follower_waits_for_the_leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(leftovers, "time", type("clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    one, taken = Leftovers(lambda: tmp_path, Taken()), Taken()
    one.record(call())
    one.let_go()
    other = Leftovers(lambda: tmp_path, taken)
    other.adopt(at_once=False)
    now[0] += leftovers.PATIENCE_SECONDS - 0.1
    other.adopt(at_once=False)
    assert taken.records == []
    now[0] += 0.2
    other.adopt(at_once=False)
    assert len(taken.records) == 1


def test_the_gauges_of_who_has_ended_are_older_than_those_of_who_lives(tmp_path: Path) -> None:
    one, taken = Leftovers(lambda: tmp_path, Taken()), Taken()
    gauge = next(metric for metric in METRICS if metric.section == "events" and metric.kind == "gauge")
    one.record(Event(gauge.name, time.time(), ("openai",) * len(gauge.labels), 5.0))
    one.record(call())
    one.let_go()
    Leftovers(lambda: tmp_path, taken).adopt(at_once=True)
    assert [type(record).__name__ for record in taken.records] == ["Observation"]


def test_a_receiver_that_is_away_fills_no_disk(tmp_path: Path) -> None:
    one = Leftovers(lambda: tmp_path, Taken())
    for _ in range(leftovers.MOST_FILES + 9):
        one.record(call())
        one.collected(lambda: "data")  # and nothing of it is sent
    assert left(tmp_path).count("unsent") == leftovers.MOST_FILES


def test_a_directory_that_is_gone_or_another_costs_the_push_of_others_only(tmp_path: Path) -> None:
    taken = Taken()
    one = Leftovers(lambda: tmp_path / "gone", taken)
    one.record(call())
    one.adopt(at_once=True)
    one.collected(lambda: "data")
    assert len(taken.records) == 1
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        place.mkdir()
    moved = Leftovers(lambda: places[0], taken)
    moved.record(call())
    places.pop(0)  # to another one: it still pushes what it has recorded
    moved.record(call())
    assert (left(tmp_path / "first"), left(tmp_path / "second")) == (["pushes"], ["pushes", "unsent"])
    moved.end()
    moved.record(call())
    assert left(tmp_path / "second") == ["pushes"]
    assert len(taken.records) == 4


class Sending(MetricExporter):
    """An exporter whose result is set."""

    def __init__(self) -> None:
        super().__init__()
        self.result = MetricExportResult.SUCCESS

    def export(self, metrics_data: Any, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
        return self.result

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None: ...


def test_the_sdks_exports_are_noticed_and_left_as_they_were(tmp_path: Path) -> None:
    exporter = Sending()
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    collect = reader._collect
    kept = Leftovers(lambda: tmp_path, Instruments(provider.get_meter("otel_llm"), Config()))
    end = exports.watch(provider, kept)
    assert end is not None
    exporter.result = MetricExportResult.FAILURE
    kept.record(call())
    provider.force_flush()
    assert left(tmp_path) == ["pushes", "unsent"]
    exporter.result = MetricExportResult.SUCCESS
    provider.force_flush()
    assert left(tmp_path) == ["pushes"]
    end()
    assert (reader._collect, "export" in vars(exporter)) == (collect, False)


def test_a_provider_that_pushes_nothing_keeps_nothing(tmp_path: Path) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    assert exports.watch(provider, Leftovers(lambda: tmp_path, Taken())) is None
    assert exports.watch(object(), Leftovers(lambda: tmp_path, Taken())) is None
    provider.get_meter("otel_llm").create_counter("ours").add(1)
    provider.get_meter("host").create_counter("theirs").add(1)
    exports.begin_at_zero(provider, "otel_llm")
    exports.begin_at_zero(object(), "otel_llm")
    data = reader.get_metrics_data()
    assert data is not None
    assert [scope.scope.name for one in data.resource_metrics for scope in one.scope_metrics] == ["host"]
