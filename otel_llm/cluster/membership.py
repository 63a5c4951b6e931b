"""Which directory a process shares with the others of its service, and when it has to move to another one."""

from __future__ import annotations

import time
from pathlib import Path

from otel_llm.core.config import Config
from otel_llm.core.files import LOCKS, FileLock

from . import processes, statedir
from .effective_user import EffectiveUser
from .warn import Warnings

RETRY_SECONDS = 5.0
"""Between two attempts to share a directory, where there was none."""


class Membership:
    """``folder`` is the directory of the start that this process belongs to; None where it cannot share one."""

    def __init__(self, config: Config, warn: Warnings) -> None:
        self.folder: Path | None = None
        self.dropped = False
        """Whether a child of this process has become another user: those who make the calls then serve /metrics."""
        self._config = config
        self._warn = warn
        self._member: FileLock | None = None
        self._program: processes.Process | None = None
        self._user: EffectiveUser | None = None
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time to try again to find a directory."""
        return LOCKS and time.monotonic() >= self._next

    def enter(self) -> None:
        """Find or make the directory, and keep it from being removed."""
        if not LOCKS:
            self._warn("this system has no file locks, so each process shows its own metrics only")
            return
        self._next = time.monotonic() + RETRY_SECONDS
        try:
            self._config = statedir.settled(self._config)
            self._program = self._program or processes.program(processes.myself())
            self._user = self._user or EffectiveUser()
            self.folder, self._member = statedir.enter(self._config, self._program)
        except OSError as error:
            self._warn(
                f"the processes of this service cannot share metrics, so each shows its own only: {error}; "
                "set OTEL_LLM_STATE_DIR to a directory that this user may write to"
            )

    @property
    def is_first(self) -> bool:
        """Whether the service began with this process: not with one that has forked, spawned or run it."""
        if self._program is None:
            return True
        me = processes.myself()
        return self._program.name == me.name and not (
            self.folder is not None and statedir.descends(self.folder.parent, me)
        )

    def user_changed(self) -> bool:
        """Whether this process acts as another user than when it was asked last, and so needs another directory."""
        return self._user is not None and self._user.changed()

    def child_dropped(self) -> bool:
        """Whether a child has become another user, now or before."""
        self.dropped = self.dropped or (self._user is not None and self._user.dropped())
        return self.dropped

    def is_lost(self) -> bool:
        """Whether somebody has removed the directory: a cleaner of /tmp, say."""
        return self._member is not None and not self._member.is_there()

    def leave(self) -> None:
        """Be no member any more."""
        if self._member is not None:
            self._member.drop()
        self.folder = self._member = None

    def end(self, *, owes: bool) -> None:
        """Leave, and remove the directory if nobody else needs it: who keeps the spend does where this process ``owes`` some."""
        folder = self.folder
        self.leave()
        if folder is not None and not owes:
            statedir.leave(folder)
        if self._user is not None:
            self._user.close()
            self._user = None
