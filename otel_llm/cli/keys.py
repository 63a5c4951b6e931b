"""Single key presses from a terminal, without waiting for a line."""

from __future__ import annotations

import importlib
import os
import select
import sys
import time
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

if TYPE_CHECKING:
    from types import TracebackType


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:  # Windows
        return None


_termios, _tty = _module("termios"), _module("tty")


class Keys:
    """``with Keys() as keys: keys.wait(2.0)``: the terminal is put back as it was.

    Without a terminal, or on a system whose terminals are others, it only waits.
    """

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._pending: list[str] = []
        self._input = sys.stdin.fileno() if _termios and _tty and sys.stdin and sys.stdin.isatty() else -1

    def __enter__(self) -> Self:
        if self._input >= 0:
            self._before = _termios.tcgetattr(self._input)
            _tty.setcbreak(self._input)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            _termios.tcsetattr(self._input, _termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The next key, or an empty string after ``seconds``. Sequences (arrows, function keys) are passed over."""
        if self._pending:
            return self._pending.pop(0)
        if self._input < 0:
            time.sleep(max(0.0, seconds))
            return ""
        ready, _, _ = select.select([self._input], [], [], max(0.0, seconds))
        if not ready:
            return ""
        text = os.read(self._input, 64).decode("utf-8", "replace")
        if not text:
            self._input = -1  # the terminal is gone; from here on there is only waiting
        if text == "\x1b" or not text.startswith("\x1b"):
            self._pending = list(text[1:])
            return text[:1]
        return ""
