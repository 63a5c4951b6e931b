"""The state directory: ours alone, found by everyone who belongs to the service, and left alone where it is not safe."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_lab import HERE, Echo, Worker, call, counted, crash, free_port, until

from otel_llm.cluster import journal, processes, rpc, statedir
from otel_llm.cluster.rpc import Listener, RemoteAggregator
from otel_llm.core.config import Config

Make = Callable[..., Worker]


def shown(one: Worker) -> int:
    return counted(one.text(openmetrics=False).decode())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def is_single(one: Worker, caplog: pytest.LogCaptureFixture, reason: str) -> bool:
    """Whether it runs alone, counts all the same, and has said why once."""
    one.append(call())
    until(lambda: shown(one) == 1)
    (warning,) = warnings(caplog)
    assert reason in warning
    assert "OTEL_LLM_STATE_DIR" in warning
    return one.role == "single"


def test_the_default_is_per_user_and_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert statedir.base(Config(port=9464)) == tmp_path / f"otel-llm-{os.geteuid()}-9464"
    assert statedir.base(Config(port=0)) != statedir.base(Config(port=0, service_name="other"))
    start, member = statedir.enter(Config(port=9464), processes.myself())
    assert start.stat().st_mode & 0o777 == start.parent.stat().st_mode & 0o777 == 0o700
    member.drop()


def test_a_directory_that_others_may_enter_is_refused(
    worker: Make, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    statedir.base(config).mkdir(mode=0o755)
    assert is_single(worker(), caplog, "open to other users")


def test_a_link_is_refused(worker: Make, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    statedir.base(config).symlink_to(tmp_path / "elsewhere")
    assert is_single(worker(), caplog, "belongs to somebody else")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_directory_of_another_user_is_refused(
    worker: Make, config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    base = statedir.base(config)
    base.mkdir(mode=0o700)
    monkeypatch.setattr(statedir, "base", lambda _: base)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert is_single(worker(), caplog, "belongs to somebody else")


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/nowhere"])
def test_a_place_that_cannot_be_written_to_means_single(
    worker: Make, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = worker(config=Config(port=free_port(), state_dir=place))
    assert is_single(one, caplog, place)


def test_a_full_disk_is_one_warning_and_loses_nothing(
    worker: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    first, second = worker(), worker()
    monkeypatch.setattr(journal, "_reserve", full)
    for _ in range(3):
        first.append(call())
        second.append(call())
    until(lambda: shown(first) == 6)  # the second hands its records over by the socket
    monkeypatch.undo()
    until(lambda: second._writer._presence and first._writer._presence)  # as soon as there is room, they have journals
    second.append(call())
    crash(second)
    first.append(call())
    until(lambda: shown(first) == 8)
    assert [text.count("No space left") for text in warnings(caplog)] == [1, 1]  # one for each process


def test_foreign_files_do_no_harm(worker: Make) -> None:
    first = worker()
    folder = Path(first.describe()["directory"])
    (folder / "journal.1-0badbad.0").write_bytes(b"no journal")
    (folder / "journal.garbage").write_bytes(b"\xff" * 5000)
    (folder / "presence.1-0badbad").write_bytes(b"no seat")
    first.append(call())
    assert shown(first) == 1


def test_a_damaged_checkpoint_is_told_and_counting_goes_on(worker: Make, caplog: pytest.LogCaptureFixture) -> None:
    first, second = worker(), worker()
    first.append(call())
    assert shown(first) == 1
    first._role.leadership.keep(now=True)
    folder = Path(first.describe()["directory"])
    (folder / statedir.CHECKPOINT).write_bytes(b"\0" * 100)
    crash(first)
    second.append(call())
    assert shown(second) == 2  # the journals of both are still there
    for _ in range(3000):
        second.append(call())
    assert shown(second) == 3002
    second._role.leadership.keep(now=True)  # cuts its journal off
    third = worker()
    (folder / statedir.CHECKPOINT).write_bytes(b"otel-llm")
    crash(second)
    assert 0 < shown(third) < 3002  # what is left of it
    assert any("damaged" in text for text in warnings(caplog))


def test_a_directory_that_somebody_removes_is_made_again(worker: Make, config: Config) -> None:
    first, second = worker(serve=True), worker(serve=True)
    first.append(call())
    second.append(call())
    assert shown(first) == 2
    shutil.rmtree(statedir.base(config))
    until(lambda: all(one._membership._member and not one._membership.is_lost() for one in (first, second)))
    first.append(call())
    second.append(call())
    until(lambda: shown(first) == 4)
    until(lambda: counted(scraped(config.port)) == 4)


def test_who_has_made_no_call_leaves_where_it_was_removed(worker: Make, config: Config) -> None:
    first, second = worker(), worker()
    with second.lock:
        shutil.rmtree(statedir.base(config))
        assert not second._role.needed
    second.stop()
    first.append(call())
    until(lambda: shown(first) == 1)


def test_what_was_not_read_yet_when_it_is_removed_is_counted(worker: Make, config: Config) -> None:
    first, second = worker(), worker()
    for one in (first, second):
        one.append(call())
    assert shown(first) == 2
    with first.lock:
        for one in (first, second):
            one.append(call())
        shutil.rmtree(statedir.base(config))
    until(lambda: all(one._membership._member and not one._membership.is_lost() for one in (first, second)))
    until(lambda: shown(second) == 4)


def test_a_relative_one_stays_where_it_was(worker: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    one = worker(config=Config(port=free_port(), state_dir="state"))
    one.append(call())
    monkeypatch.chdir(tmp_path / "elsewhere")
    one._round()
    one.append(call())
    assert shown(one) == 2
    assert Path(one.describe()["directory"]).is_relative_to(tmp_path / "state")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("system", ["Linux", "macOS"])
def test_a_long_path_can_be_asked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """Where /proc shows open files through them, elsewhere through a link that is gone again right after."""
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        if system == "macOS":
            monkeypatch.setattr(rpc, "_DESCRIPTORS", str(tmp_path / "proc"))
            monkeypatch.setattr(rpc, "_SHORT", short)
        listener = Listener(folder / "socket", Echo())
        assert RemoteAggregator(folder / "socket").stats() == {"answer": 1}
        listener.stop()
        assert [*Path(short).iterdir()] == []


def test_a_service_on_another_port_is_a_stranger(worker: Make, config: Config) -> None:
    first = worker()
    second = worker(config=Config(port=free_port(), state_dir=config.state_dir))
    first.append(call())
    second.append(call())
    assert (first.role, second.role) == ("leader", "leader")
    assert (shown(first), shown(second)) == (1, 1)


def test_a_taken_port_is_one_warning_and_served_once_it_is_free(
    worker: Make, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = worker(config=Config(port=config.port, host="127.0.0.1", state_dir=str(tmp_path / "other")), serve=True)
    second = worker(serve=True)
    second.append(call())
    assert shown(second) == 1  # mounted, it answers
    assert second.describe()["port"] is None
    (warning,) = until(lambda: warnings(caplog))
    assert "OTEL_EXPORTER_PROMETHEUS_PORT" in warning
    stranger.stop()
    until(lambda: second.describe()["port"] == config.port)
    assert len(warnings(caplog)) == 1


DROPPING = """
import os, signal, sys
from prometheus_client import CollectorRegistry
from cluster_lab import Worker, call, until
from otel_llm.core.config import Config
from otel_llm.aggregate import Store
config = Config(port=int(sys.argv[1]), host="127.0.0.1", state_dir=sys.argv[2])
worker = Worker(config, lambda: Store(config), registry=CollectorRegistry())
worker.start()
for _ in range(2):
    if os.fork() == 0:
        os.setgid(65534)
        os.setuid(65534)
        for _ in range(2000):
            worker.append(call())
        break
signal.pause()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_cluster_that_drop_to_another_user_are_served_by_one_of_them(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        port = free_port()
        environment = {"PYTHONPATH": str(HERE), "PATH": os.environ["PATH"]}
        command = [sys.executable, "-W", "ignore", "-c", DROPPING, str(port), folder]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as master:
            try:
                until(lambda: counted(scraped(port)) == 4000)
            finally:
                os.killpg(master.pid, signal.SIGKILL)
            assert master.stderr is not None
            assert master.stderr.read() == b""


def scraped(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


PROGRAM = "from otel_llm.cluster import processes as p; print(p.program(p.myself()).pid)"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads, from Python 3.12 on
def test_a_forked_or_spawned_process_belongs_to_the_program_that_it_came_from() -> None:
    heard, said = os.pipe()
    if (child := os.fork()) == 0:
        os.write(said, str(processes.program(processes.myself()).pid).encode())
        os._exit(0)
    os.waitpid(child, 0)
    mine = processes.program(processes.myself()).pid
    assert int(os.read(heard, 20)) == mine
    started = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert int(started.communicate()[0]) == started.pid
    helper = [sys.executable, "-c", PROGRAM, "--multiprocessing-fork"]
    assert int(subprocess.run(helper, stdout=subprocess.PIPE, text=True, check=True).stdout) == mine


def test_a_process_that_is_no_more_is_told_from_its_successor() -> None:
    me = processes.myself()
    assert processes.alive(me.name)
    assert not processes.alive(f"{me.pid}-{me.started - 1}")
    assert processes.look(0) is None
