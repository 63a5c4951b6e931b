"""A member: one process of the service. It keeps its records in a journal, and aggregates for the others or asks who does."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from otel_llm.aggregate.wire import Verdict, encode
from otel_llm.core import fork
from otel_llm.core.config import Config
from otel_llm.core.guard import INTERNAL_ERRORS, Guard, guard
from otel_llm.core.model import Event, Record
from otel_llm.core.unpatched import RLock, pause

from . import statedir, uwsgi
from .clerk import TICK_SECONDS, Clerk
from .membership import Membership
from .record_writer import RecordWriter
from .role import Role
from .rpc import RemoteAggregator, StoppedError, UnreachableError
from .verdict_queue import Inbox
from .warn import Warnings

if TYPE_CHECKING:
    from prometheus_client import Metric as Samples

    from otel_llm.aggregate.judgement import Change
    from otel_llm.aggregate.store import Store
    from otel_llm.aggregate.summary import Summary

    from .aggregator import Aggregator

TAKEOVER_SECONDS = 3.0
"""How long a question waits for somebody to lead, and a fork for a scrape to end."""

T = TypeVar("T")


class Companion(Protocol):
    """What lives as long as a member and follows its role, as the port of /metrics does."""

    def round(self) -> None:
        """Called in every round of the clerk, without the member's lock."""

    def drop_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without shutting anything."""

    def close(self) -> None:
        """The member stops."""


class Member:
    """``make_store`` makes the store of a leader, ``in_flight`` counts the open calls of this process, ``deliver`` takes each
    verdict about a call of this process."""

    def __init__(
        self,
        config: Config,
        make_store: Callable[[], Store],
        *,
        in_flight: Callable[[], Mapping[tuple[str, str, str], int]] = dict,
        deliver: Callable[[Verdict], object] = lambda _verdict: None,
    ) -> None:
        self.config = config
        self.warn = Warnings()
        self._make_store = make_store
        self._in_flight = in_flight
        self._deliver = deliver
        self._companions: list[Companion] = []
        self._membership = Membership(config, self.warn)
        self._running = False
        self._begin()

    def _begin(self) -> None:
        """As a new process: no journal, no clerk, and somebody else leads."""
        self.lock = RLock()
        """Held while metrics are worked on; never across a fork."""
        self._importing = RLock()
        """Held while a leader's modules are imported, without ``lock``, as calls may wait for that. Never across a fork, either: what a
        parent has half imported stays so in its child."""
        self._held: list[Any] = []
        self._writer = RecordWriter(
            self._membership.folder,
            self.lock,
            Inbox(self._deliver),
            in_flight=self._in_flight,
            opening=self._prepare,
            warn=self.warn,
        )
        self._role = self._new_role()
        self._clerk = Clerk(self._tick, self.lock)
        self._errors = dict(Guard.errors)

    def _new_role(self) -> Role:
        return Role(self._membership.folder, self._writer, self._make_store, self.lock, self.warn)

    @property
    def role(self) -> str:
        """``leader``, ``follower``, or ``single`` where processes cannot share."""
        return self._role.name

    @property
    def serves(self) -> bool:
        """Whether this process should hold the port, which it does for others: no child of it has become another user."""
        return self._role.serves and self._clerk.at_work and not self._membership.child_dropped()

    @property
    def folder(self) -> Path | None:
        """The directory that this start of the service shares; None where its processes cannot share."""
        return self._membership.folder

    @property
    def is_first(self) -> bool:
        """Whether the service began with this process: not with one that has forked, spawned or run it."""
        return self._membership.is_first

    def attach(self, companion: Companion) -> None:
        """Let ``companion`` live as long as this member."""
        self._companions.append(companion)

    def start(self, *, ready: bool = True) -> None:
        """Find the others, lead if nobody does, and keep up in the background. Never raises.

        Unless ``ready``, what a leader has comes when it is needed: where there is something to count already, for the first
        question, by ``get_ready``, or with the clerk's first round.
        """
        with guard("workers"):
            self._membership.enter()
            self._begin()
            self._running = True
            fork.watch(self)
            atexit.register(self.stop)
            if uwsgi.is_master():
                uwsgi.call_in_workers()
            elif self._hire():
                self._tick(lead=ready or self._role.needed)

    def get_ready(self) -> None:
        """Have what a leader has, if this process leads: what calls leave to count is counted then without an import."""
        if self._running and self._role.awaited:
            self._tick()

    def append(self, record: Record) -> None:
        """Keep ``record``: it is counted even if this process is killed right after."""
        if os.getpid() != fork.State.pid:
            fork.check()
        self._writer.append(encode(record))

    def text(self, *, openmetrics: bool) -> bytes:
        """Our families of the whole service as text. Raises ``UnreachableError`` where nobody leads just now."""
        return self._ask(lambda aggregator: aggregator.text(openmetrics=openmetrics))

    def families(self) -> Iterable[Samples]:
        """Our families of the whole service; none where nobody leads just now, for others share the scrape."""
        with suppress(UnreachableError):
            return self._ask(lambda aggregator: aggregator.families())
        return ()

    def stats(self) -> Summary:
        """``Store.summary`` of the whole service. Raises ``UnreachableError``."""
        return self._ask(lambda aggregator: aggregator.stats())

    def check(self, key: tuple[Any, ...], signal: str, value: float) -> tuple[Any, ...] | None:
        """What a call with ``value`` would be called. Raises ``UnreachableError``."""
        return self._ask(lambda aggregator: aggregator.check(key, signal, value))

    def status(self) -> dict[str, Any]:
        """``Store.status`` of the whole service. Raises ``UnreachableError``."""
        return self._ask(lambda aggregator: aggregator.status())

    def judge(self) -> list[Change]:
        """Judge the last minutes of the service, where this process leads: which conditions opened, changed or ended."""
        leadership = self._role.leadership
        return [] if leadership is None else leadership.aggregator.judge()

    def describe(self) -> dict[str, Any]:
        """What ``otel-llm doctor`` shows of this process; live and exited are known to the leader only."""
        leadership = self._role.leadership
        return {
            "pid": os.getpid(),
            "role": self.role,
            "directory": str(self._role.folder or ""),
            "live": None if leadership is None else leadership.consumer.live,
            "exited": None if leadership is None else leadership.consumer.exited,
        }

    def stop(self) -> None:
        """Leave: what is in the journal stays to be counted, and if this process led, another one takes over."""
        if not self._running:
            return
        with guard("workers"):
            atexit.unregister(self.stop)
            fork.forget(self)
            for companion in self._companions:
                companion.close()
            self._clerk.dismiss(TAKEOVER_SECONDS)
            self._tick(lead=self._role.needed)
            self._running = False
            owes = self._role.resign()
            self._writer.leave()
            self._membership.end(owes=owes)
            self._begin()

    def before_fork(self) -> None:
        """Wait until nobody is in the middle of anything, not even of a scrape: its locks would stay locked in the child."""
        journal = self._writer.journal
        locks = (self.lock, self._importing) if journal is None else (self.lock, self._importing, journal.lock)
        self._held = [lock for lock in locks if lock.acquire(timeout=TAKEOVER_SECONDS)]

    def after_fork_in_parent(self) -> None:
        held, self._held = self._held, []
        for lock in reversed(held):
            lock.release()

    def after_fork_in_child(self) -> None:
        """Drop what is the parent's, without unlocking or shutting anything, and begin as a follower."""
        for companion in self._companions:
            companion.drop_after_fork()
        self._role.drop_after_fork()
        self._writer.close()
        self._begin()
        self._hire()  # it stays a member: its copy of the parent's lock keeps the directory, too

    def _hire(self) -> bool:
        """Have a clerk, where threads run at all; returns whether there is one."""
        if not self._running or uwsgi.is_master():
            return False
        if uwsgi.lacks_threads():
            self.warn(
                "uWSGI runs it without threads: /metrics is not served on a port, and calls are counted when a mounted "
                "otel_llm.wsgi_app() is asked; add --enable-threads"
            )
            return False
        return self._clerk.hire()

    def _let_others_lead(self) -> None:
        """Without a thread this process can answer nobody: it leads only while it has something to do itself."""
        with self.lock, guard("workers"):
            if self._membership.folder is not None:
                self._role.resign()

    def _prepare(self) -> bool:
        """Before the first record, and now and then while there is no clerk; returns whether there is one."""
        self._follow_user()
        if not self._hire() and self._running and self._writer.journal is not None and not uwsgi.is_master():
            self._tick()
            self._let_others_lead()
        return self._clerk.at_work or not self._running

    def _tick(self, *, lead: bool = True) -> bool:
        """A round; returns whether the next one is to follow at once."""
        with guard("workers"):
            self._round(lead=lead)
            leadership = self._role.leadership
            return leadership is not None and leadership.behind
        return False

    def _round(self, *, lead: bool = True) -> None:
        """What is to be done now and then. Unless ``lead``, a process that has just been elected does not begin with it."""
        with self.lock:
            self._follow_user()
            self._follow_directory()
            self._count_errors()
            if self._running:
                self._role.stand()
        if lead:
            with self._importing:
                self._role.prepare()
        with self.lock:
            if self._running:
                self._role.round(attended=self._clerk.at_work)
        self._role.after_round()
        for companion in self._companions:
            companion.round()

    def _follow_user(self) -> None:
        """Where this process has become another user, move to the directory of that one."""
        if not self._role.leads and self._membership.user_changed():
            self._move()

    def _follow_directory(self) -> None:
        """Where somebody has removed the directory, go on in a new one."""
        if self._membership.folder is None and self._membership.due():
            self._join_late()
        if not self._membership.is_lost():
            return
        self._writer.leave()  # what comes from now on waits in memory
        counted = self._role.leave()
        self._move()
        if counted is None:
            self._role.wait(3 * TICK_SECONDS)  # for the leader, which has the counts
        elif self._membership.folder is not None:
            statedir.inherit(self._membership.folder, counted)

    def _join_late(self) -> None:
        """Where there was no directory at first, join the others as soon as there is one, with all records so far."""
        if not self._writer.keeps_all:
            return  # too many by now: this process goes on alone
        self._membership.enter()
        if self._membership.folder is None:
            return
        self._role.leave()
        self._writer.replay(self._membership.folder)
        self._role = self._new_role()

    def _move(self) -> None:
        self._writer.leave()  # from now on, records wait in memory
        self._membership.leave()
        self._membership.enter()
        self._writer.move(self._membership.folder)
        self._role = self._new_role()

    def _ask(self, question: Callable[[Aggregator | RemoteAggregator], T]) -> T:
        """Ask who aggregates, this process or another; while nobody does, try to."""
        fork.check()
        self.get_ready()
        until = time.monotonic() + TAKEOVER_SECONDS
        while True:
            aggregator = self._role.aggregator()
            try:
                if aggregator is not None:
                    return self._answered(question, aggregator)
            except StoppedError:
                raise
            except UnreachableError:
                pass
            if not self._running or time.monotonic() > until:
                raise UnreachableError("nobody leads the processes of this service just now")
            self._hire()
            self._round()
            pause(0.02)

    def _answered(
        self, question: Callable[[Aggregator | RemoteAggregator], T], aggregator: Aggregator | RemoteAggregator
    ) -> T:
        try:
            return question(aggregator)
        finally:
            if not self._clerk.at_work and self._running:
                self._let_others_lead()

    def _count_errors(self) -> None:
        if dropped := self._writer.dropped():
            Guard.errors["workers"] = Guard.errors.get("workers", 0) + dropped
        for component, count in tuple(Guard.errors.items()):
            new = count - self._errors.get(component, 0)
            self._errors[component] = count
            if new > 0:
                self.append(Event(INTERNAL_ERRORS, time.time(), (component,), float(new)))
