"""Where price tables come from: the one in this package, one that was built into the environment, one that was fetched."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from otel_llm.core.files import is_own, temporary, user

from .table import DAY, FORMAT, Table, head

logger = logging.getLogger("otel_llm")
BUNDLED = "prices.jsonl"
BUILT = f"prices-{FORMAT}.jsonl"
FETCHED = f"prices-{FORMAT}-fetched.jsonl"
_LOADER: Any = __spec__.loader  # also where the package lies in an archive


def newest(state_dir: str = "", *, fetched: bool = False) -> Table | None:
    """The newest table there is; ``fetched``: those that were fetched from the network count. None where none can be read."""
    for _, _, read in sorted(
        _candidates(state_dir, fetched=fetched), key=lambda candidate: candidate[:2], reverse=True
    ):
        if (table := read()) is not None:
            return table
    return None


def newest_date(state_dir: str = "", *, fetched: bool = False) -> float | None:
    """From when the newest table's prices are, seconds since the epoch, by the tables' first lines only."""
    return max((date for date, _, _ in _candidates(state_dir, fetched=fetched)), default=None)


def bundled_text() -> str:
    """The text of the table in this package. Raises OSError where there is none."""
    return str(_LOADER.get_data(str(Path(__file__).with_name(BUNDLED))), "utf-8")


def places(state_dir: str = "") -> list[Path]:
    """Directories for tables that were fetched, best first: the service's, the user's, the temporary one."""
    directories = [Path(state_dir)] if state_dir else []
    try:
        directories.append(Path.home() / ".cache" / "otel-llm")
    except RuntimeError:
        logger.debug("this user has no home directory")  # a container that runs under any user's number
    shared = temporary()
    return directories if shared is None else [*directories, shared / f"otel-llm-{user()}"]


def environment_place() -> Path:
    """Where ``otel-llm prices --build`` puts a table: read by every process of this environment."""
    return Path(sys.prefix) / "share" / "otel-llm"


def fetched_at(place: Path) -> float | None:
    """When the table in ``place`` was fetched, seconds since the epoch; None where there is none that may be trusted."""
    try:
        return (place / FETCHED).stat().st_mtime if trusted(place) else None
    except OSError:
        return None


def fresh(state_dir: str = "", max_age: float = DAY) -> bool:
    """Whether somebody fetched prices in the last ``max_age`` seconds."""
    return any(at is not None and time.time() - at < max_age for at in map(fetched_at, places(state_dir)))


def trusted(place: Path) -> bool:
    """Whether a directory is ours: one under a name that anybody can foresee is so only if we made it. Raises OSError."""
    if place.parent != temporary():
        return True
    return is_own(place, closed=0o022)


def _read(path: Path) -> Table | None:
    try:
        return Table(path.read_text(encoding="utf-8")).check()
    except (OSError, ValueError) as error:
        logger.warning("otel-llm goes on without the prices of %s, which cannot be read: %s", path, error)
        return None


def _candidates(state_dir: str, *, fetched: bool) -> Iterator[tuple[float, int, Callable[[], Table | None]]]:
    """Of each table its date, its rank among those of the same date, and what reads it."""
    paths = [environment_place() / BUILT]
    paths += [place / FETCHED for place in places(state_dir) if fetched_at(place) is not None] if fetched else []
    for rank, path in enumerate(paths, 1):
        try:
            with path.open(encoding="utf-8") as file:
                date = head(file.readline())["made"]
        except (OSError, ValueError, LookupError, TypeError):
            continue  # absent, cut off, of another version, or something else altogether
        yield date, rank, partial(_read, path)
    try:
        text = bundled_text()
        yield head(text.partition("\n")[0])["made"], 0, lambda: Table(text)
    except (OSError, ValueError) as error:
        logger.warning(
            "otel-llm has no built-in prices (%s). Calls without a price of your own count as unpriced.", error
        )
