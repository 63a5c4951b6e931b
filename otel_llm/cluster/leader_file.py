"""What the leader writes into its lock file: who it is, as far as other processes need to know."""

from __future__ import annotations

import os
from pathlib import Path

from otel_llm.core.shapes import NamedTuple

from . import processes


class Leader(NamedTuple):
    """``boot`` and ``network`` are as of ``processes``: a pid means something inside of its own PID namespace only."""

    pid: int
    boot: str
    network: str

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped by a signal or a debugger; False where that cannot be seen from here."""
        return self.boot == processes.boot() and processes.is_stopped(self.pid)


def text() -> bytes:
    """For this process; always as long, for the file is overwritten and not cut off."""
    return f"{os.getpid():<20} {processes.boot():<31} {processes.network():<20}".encode()


def read(path: Path) -> Leader | None:
    """Who leads, or led last; None where that is not written."""
    try:
        pid, boot, *network = path.read_text(encoding="utf-8").split()
        return Leader(int(pid), boot, network[0] if network else "")
    except (OSError, ValueError):
        return None
