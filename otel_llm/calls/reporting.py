"""The frame around code that is not ours, where no call is made current: what it raises is reported, and goes on to its caller."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any


class Reporting:
    """``with Reporting(report):`` what the block raises is given to ``report`` and raised on, cancellations and exits included."""

    __slots__ = ("_report",)

    def __init__(self, report: Callable[[BaseException], Any] | None) -> None:
        self._report = report

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None and self._report is not None:
            self._report(error)
