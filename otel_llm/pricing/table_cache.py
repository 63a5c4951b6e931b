"""Where compiled price tables lie on disk, and the child process that compiles them."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .table import FORMAT, Table

logger = logging.getLogger("otel_llm")
DAY = 86400.0
_TIMEOUT = 120.0  # seconds that a build may take; it takes one on a common machine, a fetch some more
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from otel_llm.pricing.build import main; main(sys.argv[2:])"
)


class Unavailable(Exception):  # noqa: N818 - a state of the machine, told to the user as it is
    """No table can be had; the text says why."""


def library() -> str:
    """The installed version of genai-prices, without importing it. Raises Unavailable where there is none."""
    try:
        return importlib.metadata.version("genai-prices")
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable("genai-prices is not installed") from None


def places(state_dir: str = "") -> list[Path]:
    """Directories to look in, best first: the service's, the user's, the environment's (built ahead), the temporary one."""
    found = [Path(state_dir)] if state_dir else []
    try:
        found.append(Path.home() / ".cache" / "otel-llm")
    except RuntimeError:
        logger.debug("this user has no home directory")  # a container that runs under any user's number
    return [*found, ahead(), Path(tempfile.gettempdir()) / f"otel-llm-{os.getuid()}"]


def ahead() -> Path:
    """Where ``otel-llm prices --build`` puts the table while an image is made: found by every user of the environment."""
    return Path(sys.prefix) / "share" / "otel-llm"


def built(state_dir: str = "") -> Table:
    """The table of the installed genai-prices: from disk, or built now and put there. Raises Unavailable."""
    name = f"prices-{FORMAT}-{library()}.json"
    if (table := _read(name, state_dir)) is not None:
        return table
    with _lock(name, state_dir):  # of several processes that start together one builds
        return _read(name, state_dir) or _make(name, places(state_dir))


def build_ahead(directory: Path | None = None) -> Path:
    """Build the table into ``directory`` (default: the environment's) and return its path. Raises Unavailable."""
    name = f"prices-{FORMAT}-{library()}.json"
    target = [directory] if directory else [ahead(), *places()]
    _make(name, target)
    written = next((place / name for place in target if (place / name).exists()), None)
    if written is None:
        raise Unavailable(f"cannot write to {', '.join(map(str, target))}")
    return written


def fetched(state_dir: str = "", max_age: float = DAY) -> Table | None:
    """The newest published prices, at most ``max_age`` seconds old, or None where nobody has fetched them."""
    table = _read(f"prices-{FORMAT}-{library()}-fetched.json", state_dir)
    return table if table is not None and time.time() - table.made < max_age else None


def fetch(state_dir: str = "") -> Table:
    """Fetch the newest published prices over the network, once for all processes. Raises Unavailable."""
    name = f"prices-{FORMAT}-{library()}-fetched.json"
    with _lock(name, state_dir):
        return fetched(state_dir) or _make(name, places(state_dir), "--fetch")


def _read(name: str, state_dir: str) -> Table | None:
    tables = (_read_at(place, name) for place in places(state_dir))
    return next((table for table in tables if table is not None), None)


def _read_at(place: Path, name: str) -> Table | None:
    try:
        return Table((place / name).read_text(encoding="utf-8")) if _trusted(place) else None
    except (OSError, ValueError):
        return None  # absent, unreadable or cut off: the next one, or a new one


def _trusted(place: Path) -> bool:
    """A directory under a name that anybody can foresee is ours only if we made it."""
    if place.parent != Path(tempfile.gettempdir()):
        return True
    status = place.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _make(name: str, targets: list[Path], *arguments: str) -> Table:
    text = _compile(*arguments)
    try:
        table = Table(text)
    except ValueError as error:
        raise Unavailable(str(error)) from error
    for place in targets:
        if _write(place, name, text):
            break  # nowhere to write is no failure: the next process builds again
    return table


def _write(place: Path, name: str, text: str) -> bool:
    """Write whole or not at all: readers never see half a table."""
    try:
        place.mkdir(mode=0o700 if place.parent == Path(tempfile.gettempdir()) else 0o755, parents=True, exist_ok=True)
        if not _trusted(place):
            return False
        with tempfile.NamedTemporaryFile("w", dir=place, prefix=".prices-", delete=False, encoding="utf-8") as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(place / name)
    except OSError:
        return False
    return True


def _compile(*arguments: str) -> str:
    """Run ``build`` in a process of its own: isolated from sitecustomize, so that it is not itself instrumented."""
    command = [_python(), "-I", "-S", "-c", _CHILD, json.dumps(sys.path), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=_TIMEOUT, check=False, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"the process that compiles prices could not run: {error}") from error
    if not done.stdout:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unavailable(f"the process that compiles prices failed: {last}")
    return done.stdout


def _python() -> str:
    """A Python to run: not ``sys.executable`` where that is a server with Python inside, or a frozen program."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    beside = [Path(sys.exec_prefix) / "bin" / name for name in (f"python{version}", "python3", "python")]
    for candidate in [Path(sys.executable or "?"), *beside]:
        if candidate.name.startswith(("python", "pypy")) and candidate.exists() and not getattr(sys, "frozen", False):
            return str(candidate)
    raise Unavailable("there is no Python interpreter here to compile prices with")


@contextmanager
def _lock(name: str, state_dir: str) -> Iterator[None]:
    """Hold a file lock while building, where there is a place for one; the kernel drops it when a process dies."""
    for place in places(state_dir):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = (place / f".{name}.lock").open("w")
        except OSError:
            continue
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    yield
