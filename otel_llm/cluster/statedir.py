"""Where the processes of a service meet: a directory per user and port, in it one per start of the service.

Inside ``otel-llm-<user>-<port>``, ``start.<process>`` is the directory of one start, named after the process that the service
began with; ``at.<process>`` says which start a process belongs to, so that whatever descends from it finds the way.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from otel_llm.aggregate.wire import SIGNATURE
from otel_llm.core.config import Config
from otel_llm.core.files import FileLock, is_locked, locked, own_directory, temporary, user

from . import checkpoint, processes
from .checkpoint import Checkpoint
from .journal import FRAMES

_FORM = (
    f"{crc32(f'{SIGNATURE}, frames {FRAMES}'.encode()):08x}"  # other versions write other files: they are never mixed
)
LOCK, LEADER, SOCKET, CHECKPOINT, SPEND = "lock", "leader.lock", "leader.sock", "checkpoint", "spend"
LEDGER = "ledger.sqlite"
BASELINES = "baselines"
SPENDERS = "spenders"
_KEPT = "kept-0-0"  # in the place of boot and process, which no process has


def base(config: Config) -> Path:
    """The directory of this user and port. Raises ``OSError`` where none is named and the system has none to be written to."""
    root = Path(config.state_dir) if config.state_dir else temporary()
    if root is None:
        raise OSError(errno.EROFS, "no directory for temporary files can be written to")
    port = str(config.port) if config.port else f"0-{crc32(config.service_name.encode()):08x}"
    return root / f"otel-llm-{user()}-{port}"


def unused(config: Config) -> str:
    """Where no service has kept anything: that, and where others have (by port, or by name where there is no port). Else empty."""
    try:
        own = base(config)
        if own.is_dir():
            return ""
        others = sorted(entry.name for entry in own.parent.glob(f"otel-llm-{user()}-*") if entry.is_dir())
    except OSError as error:
        return f"the state directory cannot be read: {error}"
    beside = f"; beside it are {', '.join(others)}" if others else ""
    return (
        f"no service has kept anything in {own}{beside}. Give OTEL_LLM_STATE_DIR, OTEL_EXPORTER_PROMETHEUS_PORT and, where that is 0, "
        "OTEL_SERVICE_NAME as the service has them"
    )


def settled(config: Config) -> Config:
    """``config`` with the directory where it is now, wherever the program goes. Raises ``OSError`` where that is nowhere."""
    if not config.state_dir or Path(config.state_dir).is_absolute():
        return config
    return replace(config, state_dir=str(Path(config.state_dir).absolute()))


def enter(config: Config, program: processes.Process) -> tuple[Path, FileLock]:
    """The directory of the start of the service that ``program`` belongs to, made where there is none, and the membership that keeps it.

    Raises ``OSError`` where there can be none.
    """
    folder = base(config)
    if config.state_dir:
        Path(config.state_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    own_directory(folder)
    with locked(folder / LOCK):
        name = _joined(folder, program) or (_living(folder) if config.state_dir else None) or f"start.{_tag(program)}"
        own_directory(folder / name)
        for process in {program, processes.myself()}:
            (folder / f"at.{_tag(process)}").write_text(name, encoding="utf-8")
        _tidy(folder)
        return folder / name, join(folder / name)


def keep(config: Config, program: processes.Process) -> Path:
    """Have ``program`` go on with what the program before it counted: its start has a name of its own, and outlives it.

    To be called before ``enter``, by a program of which one runs at a time. Raises ``OSError`` where there can be no directory.
    """
    folder = base(settled(config))
    if config.state_dir:
        Path(config.state_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    own_directory(folder)
    name = f"start.{_FORM}-{_KEPT}"
    own_directory(folder / name)
    for process in {program, processes.myself()}:
        (folder / f"at.{_tag(process)}").write_text(name, encoding="utf-8")
    return folder / name


def join(start: Path) -> FileLock:
    """Be a member of ``start`` as long as the lock is kept. Raises ``OSError`` where ``start`` is no more.

    The lock is on the directory itself: that is also what keeps systemd-tmpfiles from clearing it away.
    """
    if not start.is_dir():
        raise FileNotFoundError(f"{start} was removed")
    member = FileLock(start, shared=True)
    member.take(wait=True)
    return member


def inherit(start: Path, counted: Checkpoint) -> None:
    """Let the leader of ``start`` begin with what was ``counted`` elsewhere, unless there is one already."""
    leading = FileLock(start / LEADER)
    if leading.take():
        checkpoint.save(start / CHECKPOINT, counted)
        leading.drop()


def leave(start: Path) -> None:
    """Remove ``start`` if the process that it began with ends now, and nobody else is there."""
    with locked(start.parent / LOCK):
        if start.name == f"start.{_tag(processes.myself())}" and not has_members(start):
            discard(start)


def starts(folder: Path) -> Iterator[Path]:
    """The directories of this version's starts, dead ones included."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(f"start.{_FORM}")]
    yield from (folder / name for name in sorted(names))


def is_alive(start: Path) -> bool:
    """Whether a process of this start lives, or the one that it began with, which may yet have others."""
    boot, _, process = start.name.removeprefix(f"start.{_FORM}-").partition("-")
    if boot == processes.boot() and processes.alive(process):
        return True
    return has_members(start)


def discard(start: Path) -> None:
    """Remove a dead start."""
    shutil.rmtree(start, ignore_errors=True)


def has_members(start: Path) -> bool:
    return is_locked(start, shared=True)


def _tag(process: processes.Process) -> str:
    return f"{_FORM}-{processes.boot()}-{process.name}"


def _joined(folder: Path, program: processes.Process) -> str | None:
    """The start that ``program`` belongs to, by itself or by an ancestor."""
    for process in processes.lineage(program):
        try:
            name = (folder / f"at.{_tag(process)}").read_text(encoding="utf-8")
        except OSError:
            continue
        if name and (folder / name).is_dir():
            return name
    return None


def descends(folder: Path, program: processes.Process) -> bool:
    """Whether ``program`` was started, by whatever way, by a process of this user and port that is watched as well."""
    ancestors = processes.lineage(program)
    next(ancestors, None)
    return any((folder / f"at.{_tag(ancestor)}").exists() for ancestor in ancestors)


def _living(folder: Path) -> str | None:
    """The start to join where the directory was named on purpose: whoever names it is of one service."""
    return next((start.name for start in starts(folder) if is_alive(start)), None)


def _tidy(folder: Path) -> None:
    """Forget the processes that are no more."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith("at.")]
    for name in names:
        boot, _, process = name.removeprefix(f"at.{_FORM}-").partition("-")
        if boot == processes.boot():
            kept = processes.alive(process)
        else:  # of another container nobody here knows which processes live
            kept = _machine(boot) == _machine(processes.boot()) and _names_start(folder, name)
        if not kept:
            (folder / name).unlink(missing_ok=True)


def _machine(boot: str) -> str:
    return boot.partition(".")[0]


def _names_start(folder: Path, name: str) -> bool:
    try:
        start = (folder / name).read_text(encoding="utf-8")
    except OSError:
        return False
    return bool(start) and (folder / start).is_dir()
