"""Which journals are in a directory."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from .filesystem import may_map

_NAME = r"journal\.(\d+-[0-9a-f]{12})\.(\d+)"  # compiled by whoever looks for some
_LATELY = 3_000_000_000  # nanoseconds: more than the steps of any file system's times


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    """Who has a journal in ``folder``, with the numbers of the first and the last file that are left of it."""
    files, pattern = dict[str, tuple[int, int]](), re.compile(_NAME)
    for name in os.listdir(folder):  # noqa: PTH208 - no object for each file: a leader looks often
        if match := pattern.fullmatch(name):
            number = int(match[2])
            first, last = files.get(match[1], (number, number))
            files[match[1]] = min(first, number), max(last, number)
    return files


class Listing:
    """``owners`` of a directory, none where it was removed. It is read only where files have come or gone since: its time of change
    says so.

    A directory that has changed lately is read each time, for two changes may have the same time. So is one on a file system that may
    say an old time, as over a network.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exact = may_map(folder)
        self._changed = -1
        self._owners: dict[str, tuple[int, int]] = {}

    def owners(self) -> dict[str, tuple[int, int]]:
        before = time.time_ns()
        try:
            changed = os.stat(self._folder).st_mtime_ns  # noqa: PTH116 - as often as it is asked
            if changed != self._changed:
                self._owners = owners(self._folder)
                self._changed = changed if self._exact and before - changed > _LATELY else -1
        except FileNotFoundError:
            return {}
        return self._owners
