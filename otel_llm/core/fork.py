"""Forks: who is called around one, registered with the system once, and how a fork is noticed that no hook announced."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from .guard import guard


class Forkable(Protocol):
    """What must do nothing during a fork, and let go of its parent's files in the child."""

    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_watched: WeakSet[Forkable] = WeakSet()
_in_child: list[Callable[[], object]] = []
_register = getattr(os, "register_at_fork", None)  # Windows has neither fork nor this
_getpid = os.getpid


class _State:
    """``pid`` is the process that this module knows to be in: where it is another, ``check`` has to be called.

    Slots, as it is read at every call: the interpreter looks up a class's own field in full at each look.
    """

    __slots__ = ("pid", "registered")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.registered = False


State = _State()


def watch(forkable: Forkable) -> None:
    """Call ``forkable`` around every fork, as long as somebody else keeps it."""
    _hook_in()
    _watched.add(forkable)


def forget(forkable: Forkable) -> None:
    """Do not call it any more."""
    _watched.discard(forkable)


def in_child(work: Callable[[], object]) -> None:
    """Call ``work`` in every forked child, for the rest of the process."""
    _hook_in()
    _in_child.append(work)


def check() -> None:
    """Notice a fork that no hook announced: servers written in C fork without Python's knowledge. Costs a look at the pid."""
    if _getpid() != State.pid:
        _after_in_child()


def _hook_in() -> None:
    if not State.registered and _register is not None:
        State.registered = True
        _register(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def _before() -> None:
    check()  # or what the child drops would be dropped again in the grandchild only
    for forkable in tuple(_watched):
        with guard("fork"):
            forkable.before_fork()


def _after_in_parent() -> None:
    for forkable in tuple(_watched):
        with guard("fork"):
            forkable.after_fork_in_parent()


def _after_in_child() -> None:
    State.pid = _getpid()
    for work in tuple(_in_child):
        with guard("fork"):
            work()
    for forkable in tuple(_watched):
        with guard("fork"):
            forkable.after_fork_in_child()
