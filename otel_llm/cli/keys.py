"""Single key presses from a terminal, without waiting for a line."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

if TYPE_CHECKING:
    from types import TracebackType


class Keys:
    """``with Keys() as keys: keys.wait(2.0)``: the terminal is put back as it was. Without a terminal it only waits."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._pending: list[str] = []
        self._input = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else -1

    def __enter__(self) -> Self:
        if self._input >= 0:
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The next key, or an empty string after ``seconds``. Sequences (arrows, function keys) are passed over."""
        if self._pending:
            return self._pending.pop(0)
        watched = [self._input] if self._input >= 0 else []
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if not ready:
            return ""
        text = os.read(self._input, 64).decode("utf-8", "replace")
        if not text:
            self._input = -1  # the terminal is gone; from here on there is only waiting
        if text == "\x1b" or not text.startswith("\x1b"):
            self._pending = list(text[1:])
            return text[:1]
        return ""
