"""What happens around a fork: nobody is in the middle of anything, and the child drops what is its parent's."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

from otel_llm.core.guard import guard


class Forkable(Protocol):
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_watched: WeakSet[Forkable] = WeakSet()
_registered = False


def watch(forkable: Forkable) -> None:
    """Call ``forkable`` around every fork from now on."""
    global _registered  # noqa: PLW0603 - hooks cannot be taken off again
    _watched.add(forkable)
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def forget(forkable: Forkable) -> None:
    """Do not call it any more."""
    _watched.discard(forkable)


def _before() -> None:
    for forkable in tuple(_watched):
        with guard("fork"):
            forkable.before_fork()


def _in_parent() -> None:
    for forkable in tuple(_watched):
        with guard("fork"):
            forkable.after_fork_in_parent()


def _in_child() -> None:
    for forkable in tuple(_watched):
        with guard("fork"):
            forkable.after_fork_in_child()
