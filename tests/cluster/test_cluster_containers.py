"""As containers run it: a read-only root, no home, any user, and several containers on one volume."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import confined
import pytest
from cluster_lab import HERE, free_port, until

ROOT = HERE.parents[1]
CONTAINER = ("--mount", "--net", "--pid", "--mount-proc")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="otel-llm-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def btrfs(open_path: Path) -> Iterator[Path]:
    """A disk of its own, copy-on-write. Skipped where none can be mounted: root on a system that knows btrfs has to."""
    if os.geteuid() or "\tbtrfs\n" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        pytest.skip("only root can mount btrfs, where the kernel has it")
    image, disk = open_path / "image", open_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mkfs.btrfs", "-q", "-m", "single", image], capture_output=True, check=True)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> Path:
    """Leave no room at all: the last pieces are small."""
    full = disk / "full"
    with full.open("wb", buffering=0) as file:
        for piece in (1 << 16, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(piece))
            os.fsync(file.fileno())
    return full


@pytest.fixture
def start() -> Iterator[Start]:
    confined.needed()
    running: list[subprocess.Popen[str]] = []

    def started(calls: int, *more: str, **surroundings: object) -> subprocess.Popen[str]:
        program = confined.start(sys.executable, HERE / "contained.py", str(calls), *more, **surroundings)
        running.append(program)
        assert program.stdout.readline() == "made\n", program.communicate(timeout=20)[1]
        return program

    yield started
    for program in running:
        program.kill()
        program.communicate()


def asked(program: subprocess.Popen[str], question: str) -> str:
    program.stdin.write(f"{question}\n")
    return program.stdout.readline().strip()


def all_show(programs: list[subprocess.Popen[str]], calls: int) -> None:
    until(lambda: {asked(program, "page") for program in programs} == {str(calls)})


def ended(program: subprocess.Popen[str]) -> str:
    """What it logged, once it has ended by itself."""
    _, logged = program.communicate(timeout=60)
    assert program.returncode == 0, logged
    return logged


def environment(open_path: Path, **more: str) -> dict[str, str]:
    prices = open_path / "prices.json"
    prices.write_text('{"prices": [{"provider": "acme", "model": "acme-1", "input": 2}]}', encoding="utf-8")
    named = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()), "OTEL_LLM_PRICES_FILE": str(prices)}
    return {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **named, **more}


@pytest.mark.parametrize("update", ["off", "daily"])
def test_on_a_read_only_root_calls_are_counted_and_priced_by_ones_own_list(
    start: Start, open_path: Path, update: str
) -> None:
    """No home, no temporary directory, a user without a name: one source that fails leaves the others alone."""
    named = environment(open_path, OTEL_LLM_PRICES_UPDATE=update)
    program = start(3, read_only=True, user=True, environment=named, cwd=Path("/"))
    assert asked(program, "role") == "single"
    assert asked(program, "page") == "3"
    assert asked(program, "cost") == "6.000000"
    logged = [line for line in ended(program).splitlines() if "fetch prices" not in line]
    assert len(logged) == 1
    assert "no directory for temporary files can be written to" in logged[0]
    assert "set OTEL_LLM_STATE_DIR" in logged[0]


def test_on_a_read_only_root_the_state_directory_is_all_that_is_written(start: Start, open_path: Path) -> None:
    state = open_path / "state"
    state.mkdir()
    state.chmod(0o777)
    named = environment(open_path, OTEL_LLM_STATE_DIR=str(state))
    program = start(3, read_only=True, writable=(state,), user=True, environment=named, cwd=Path("/"))
    assert asked(program, "role") == "leader"
    assert asked(program, "cost") == "6.000000"
    assert ended(program) == ""


def test_containers_on_one_volume_each_serve_what_all_have_counted(start: Start, open_path: Path) -> None:
    """A service that is scaled to two, then updated one by one: whoever is asked says the same, and nothing is lost."""
    named = environment(open_path, OTEL_LLM_STATE_DIR=str(open_path / "state"))
    first = start(5, "own-network", namespaces=CONTAINER, environment=named)
    second = start(7, "own-network", namespaces=CONTAINER, environment=named)
    all_show([first, second], 12)
    assert {asked(first, "role"), asked(second, "role")} == {"leader", "follower"}
    first.kill()
    first.wait()
    until(lambda: asked(second, "role") == "leader")
    third = start(3, "own-network", namespaces=CONTAINER, environment=named)
    all_show([second, third], 15)
    assert ended(second) == ""
    until(lambda: asked(third, "page") == "15")
    assert asked(third, "role") == "leader"
    assert ended(third) == ""


def test_three_containers_on_one_volume_lose_nothing_while_each_is_replaced(start: Start, open_path: Path) -> None:
    """As ``compose --scale`` and a rolling update have it: the old one ends, its calls just made, while the new one starts."""
    named = environment(open_path, OTEL_LLM_STATE_DIR=str(open_path / "state"))
    members = [start(calls, "own-network", namespaces=CONTAINER, environment=named) for calls in (5, 7, 9)]
    all_show(members, 21)
    for turn, old in enumerate(tuple(members), 1):
        assert asked(old, "call 1000") == "made"
        old.stdin.write("end\n")
        members = [*members[1:], start(3, "own-network", namespaces=CONTAINER, environment=named)]
        assert ended(old) == ""
        all_show(members, 21 + 1003 * turn)
    assert sorted(asked(member, "role") for member in members) == ["follower", "follower", "leader"]


def test_containers_that_share_a_network_have_one_port(start: Start, open_path: Path) -> None:
    named = environment(open_path, OTEL_LLM_STATE_DIR=str(open_path / "state"))
    pids_only = ("--mount", "--pid", "--mount-proc")
    first = start(5, namespaces=pids_only, environment=named)
    second = start(7, namespaces=pids_only, environment=named)
    all_show([first, second], 12)
    assert ended(second) == ""
    assert asked(first, "page") == "12"
    assert ended(first) == ""


def test_without_proc_and_below_a_long_path_forks_are_one_service(start: Start, open_path: Path) -> None:
    """As on macOS: no /proc, and a temporary directory whose path is too long for a socket's address."""
    long = open_path / "zz" / "zyxvpxvq6csfxvn_n0000000000000" / ("T" * 60)
    long.mkdir(parents=True)
    named = environment(open_path, TMPDIR=str(long))
    program = start(3, "forking", without_proc=True, environment=named)
    assert asked(program, "role") == "leader"
    until(lambda: asked(program, "page") == "9")
    assert ended(program) == ""
    assert [path.name for path in long.iterdir()] == [f"otel-llm-0-{named['OTEL_EXPORTER_PROMETHEUS_PORT']}"]


def test_a_full_copy_on_write_disk_ends_no_process_and_loses_no_call(
    start: Start, open_path: Path, btrfs: Path
) -> None:
    """Mapped memory would end it with SIGBUS: reserved room is none on btrfs."""
    state = btrfs / "state"
    program = start(200, environment=environment(open_path, OTEL_LLM_STATE_DIR=str(state)))
    full = fill(btrfs)
    for _ in range(20):
        assert asked(program, "call 1000") == "made"
    assert asked(program, "page") == "20200"
    full.unlink()
    assert asked(program, "call 100") == "made"
    until(lambda: asked(program, "page") == "20300")
    assert asked(program, "role") == "leader"
    program.communicate(timeout=60)
    assert program.returncode == 0
