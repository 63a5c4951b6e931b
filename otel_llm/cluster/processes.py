"""Who a process is and whom it descends from, from /proc: a pid alone is reused, a pid and its start are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from otel_llm.core.shapes import NamedTuple

_HELPERS = (b"--multiprocessing-fork", b"multiprocessing.forkserver", b"multiprocessing.resource_tracker")


class Process(NamedTuple):
    """One process at one moment. ``started`` is in clock ticks since boot; ``image`` where exec put its code and stack."""

    pid: int
    parent: int
    started: int
    image: tuple[int, int]
    command: bytes

    @property
    def name(self) -> str:
        return f"{self.pid}-{self.started}"


_FIRST_PIDS = "4026531836"  # the PID namespace that a machine starts with, in every Linux


@lru_cache(maxsize=1)
def boot() -> str:
    """What differs from one boot of the machine to the next: eight digits, and for a container's PID namespace its number."""
    machine = _read("/proc/sys/kernel/random/boot_id")[:8].decode("ascii", "replace") or "noboot"
    pids = _namespace("pid")
    return f"{machine}.{pids}" if pids not in ("", _FIRST_PIDS) else machine


def network() -> str:
    """The number of the network namespace: processes of one share their ports. Empty where the system has none."""
    return _namespace("net")


def _namespace(kind: str) -> str:
    try:
        return str(Path(f"/proc/self/ns/{kind}").readlink()).strip(f"{kind}:[]")
    except OSError:
        return ""


def look(pid: int) -> Process | None:
    """The process, or None where it does not run (or where there is no /proc).

    Fields as numbered in proc_pid_stat(5): 3 state, 4 ppid, 22 starttime, 26 startcode, 28 startstack.
    """
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(b")") + 2 :].split()  # the name before may hold blanks and brackets
    if len(fields) < 26 or fields[0] in (b"Z", b"X"):  # noqa: PLR2004 - up to field 28; a zombie only waits to be buried
        return None
    return Process(
        pid, int(fields[1]), int(fields[19]), (int(fields[23]), int(fields[25])), _read(f"/proc/{pid}/cmdline")
    )


def alive(name: str) -> bool:
    """Whether the process of this ``Process.name`` still runs."""
    pid = name.partition("-")[0]
    process = look(int(pid)) if pid.isdigit() else None
    return process is not None and process.name == name


def is_stopped(pid: int) -> bool:
    """Whether the process was stopped by a signal or a debugger (states T and t of proc_pid_stat(5)); False where it is unknown."""
    stat = _read(f"/proc/{pid}/stat")
    return stat[stat.rfind(b")") + 2 :][:1] in (b"T", b"t")


def myself() -> Process:
    """Who runs this; without /proc, its process group stands for the start of the service."""
    return look(os.getpid()) or Process(os.getpgid(0), 0, os.getsid(0), (0, 0), b"")


def lineage(process: Process) -> Iterator[Process]:
    """``process`` and its ancestors, nearest first."""
    ancestor: Process | None = process
    while ancestor is not None:
        yield ancestor
        ancestor = look(ancestor.parent) if ancestor.parent > 0 else None


def program(process: Process) -> Process:
    """The process whose exec ``process`` still runs: the master of a forked worker, the parent of a spawned one.

    A fork keeps the addresses that exec had chosen at random; where they may not be read, the same command line says it.
    """
    for parent in lineage(process):
        if parent is process or _same_program(process, parent):
            process = parent
        else:
            break
    return process


def _same_program(child: Process, parent: Process) -> bool:
    if any(helper in child.command for helper in _HELPERS):
        return True
    if child.image[1] > 0 and parent.image[1] > 0:
        return child.image == parent.image
    return bool(child.command) and child.command == parent.command


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - runs once per ancestor, also in a forked child
            return file.read()
    except OSError:
        return b""
