"""Newer prices than those of this package: compiled by a process of its own from genai-prices, which the extra ``prices`` installs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from otel_llm.core.files import LOCKS, FileLock, replace, temporary

from . import sources
from .table import Table, head

_TIMEOUT = 120.0  # seconds that a build may take; it takes one on a common machine, a fetch some more
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from otel_llm.pricing.build import main; main(sys.argv[2:])"
)


class UnavailableError(Exception):
    """No table can be had; the text says why, and what to do."""


def build(directory: Path | None = None) -> Path:
    """Compile the table of the installed genai-prices into ``directory`` (default: the environment's) and return its path.

    Raises UnavailableError, also where the installed genai-prices is older than the table of this package.
    """
    ours, installed = head(sources.bundled_text().partition("\n")[0])["library"], _installed()
    if _ordered(installed) < _ordered(ours):
        raise UnavailableError(
            f"genai-prices {installed} is older than the prices of otel-llm itself, which are of {ours}"
        )
    target = directory or sources.environment_place()
    try:
        _write(target, sources.BUILT, _compiled())
    except OSError as error:
        raise UnavailableError(f"cannot write to {target}: {error.strerror}") from error
    return target / sources.BUILT


def fetch(state_dir: str = "") -> None:
    """Fetch the newest published prices over the network, once a day for all processes. Raises UnavailableError."""
    with _lock(state_dir):
        if sources.fresh(state_dir):
            return
        text = _compiled("--fetch")
        for place in sources.places(state_dir):
            try:
                _write(place, sources.FETCHED, text)
            except OSError:
                continue
            return
    raise UnavailableError("there is no directory to keep them in; set OTEL_LLM_STATE_DIR")


def _installed() -> str:
    try:
        return importlib.metadata.version("genai-prices")
    except importlib.metadata.PackageNotFoundError:
        raise UnavailableError("genai-prices is not installed: pip install 'otel-llm[prices]'") from None


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split("."))


def _compiled(*arguments: str) -> str:
    _installed()
    text = _run_child(*arguments, f"{datetime.now(timezone.utc):%Y-%m-%d}")
    try:
        Table(text).check()
    except ValueError as error:
        raise UnavailableError(str(error)) from error
    return text


def _run_child(*arguments: str) -> str:
    """Run ``build`` in a process of its own: isolated from sitecustomize, so that it is not itself instrumented."""
    command = [_python(), "-I", "-S", "-c", _CHILD, json.dumps(sys.path), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=_TIMEOUT, check=False, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"the process that compiles prices could not run: {error}") from error
    if not done.stdout:
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        raise UnavailableError(f"the process that compiles prices failed: {last}")
    return done.stdout


def _python() -> str:
    """A Python to run: not ``sys.executable`` where that is a server with Python inside, or a frozen program."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    beside = [Path(sys.exec_prefix) / "bin" / name for name in (f"python{version}", "python3", "python")]
    for candidate in [Path(sys.executable or "?"), *beside]:
        if (
            candidate.name.startswith(("python", "pypy"))
            and os.access(candidate, os.X_OK)
            and not getattr(sys, "frozen", False)
        ):
            return str(candidate)
    raise UnavailableError("there is no Python interpreter here to compile prices with")


def _write(place: Path, name: str, text: str) -> None:
    """Write whole or not at all: readers never see half a table. Raises OSError."""
    shared = place.parent == temporary()
    place.mkdir(mode=0o700 if shared else 0o755, parents=True, exist_ok=True)
    if not sources.trusted(place):
        raise PermissionError(f"{place} is open to other users")
    replace(place / name, text.encode(), mode=0o644)


@contextmanager
def _lock(state_dir: str) -> Iterator[None]:
    """Hold a file lock while fetching, where the system has locks and there is a place for one."""
    lock = None
    for place in sources.places(state_dir) if LOCKS else ():
        lock = FileLock(place / f".{sources.FETCHED}.lock")
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.take(wait=True)
        except OSError:
            continue
        break
    try:
        yield
    finally:
        if lock is not None:
            lock.drop()
