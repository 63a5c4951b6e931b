"""A worker: one process of the service. It keeps its records in a journal, and leads or follows.

The leader owns the store, serves /metrics and answers the others; who leads is whoever holds a lock in the state directory.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import wrapt

from otel_llm.aggregate import Store, Verdict, encode
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard, guard, logger
from otel_llm.core.model import Event, Record
from otel_llm.core.unpatched import RLock, Thread, pause

from . import forks, processes, statedir
from .election import INTERNAL_ERRORS, Election
from .locks import AVAILABLE, FileLock
from .presence import InFlight
from .rpc import Question, UnreachableError, ask
from .users import Users
from .verdicts import Inbox
from .writer import RecordWriter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client import Metric as Samples

    from otel_llm.exposition.collector import Collector, StoreSource

TICK_SECONDS = 0.4
"""Between two rounds of the clerk: how late a follower's open calls show, and how late a takeover begins."""
TAKEOVER_SECONDS = 3.0
"""How long a question waits for somebody to lead, and a fork for a scrape to end."""


def _weakly(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """``method``, without keeping its object: nobody takes a hook of an import back."""
    found = WeakMethod(method)

    def called(told: Any) -> None:
        still = found()
        if still is not None:
            still(told)

    return called


class Member:
    """``make_store`` makes the store of a leader, ``in_flight`` tells the open calls of this process, ``deliver`` is given each
    verdict about a call of this process. Without ``serve`` nobody binds a port, and mounted apps answer."""

    def __init__(
        self,
        config: Config,
        make_store: Callable[[], Store],
        *,
        in_flight: Callable[[], Mapping[tuple[str, str, str], int]] = dict,
        deliver: Callable[[Verdict], object] = lambda _verdict: None,
        serve: bool = True,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.config = config
        self._registry = registry
        self._collector: Collector | None = None
        self._make_store = make_store
        self._in_flight = in_flight
        self._deliver = deliver
        self._serve = serve
        self._folder: Path | None = None
        self._member: FileLock | None = None
        self._program: processes.Process | None = None
        self._users: Users | None = None
        self._warned: set[str] = set()
        self._running = False
        self._begin()

    def _begin(self) -> None:
        """As a new process: no journal, no clerk, and somebody else leads."""
        self._lock = RLock()  # held while metrics are worked on; never across a fork
        self._held: list[Any] = []
        self._inbox = Inbox(self._deliver)
        self._desk = RecordWriter(self._folder, self._lock, self._inbox, opening=self._prepare, warn=self._warn)
        self._leadership: Election | None = None
        self._source: StoreSource | None = None
        self._clerk: Thread | None = None
        self._stands_from = 0.0
        self._errors = dict(Guard.errors)

    @property
    def role(self) -> str:
        """``leader``, ``follower``, or ``single`` where processes cannot share."""
        if self._folder is None:
            return "single"
        return "follower" if self._leadership is None else "leader"

    def start(self) -> None:
        """Find the others, lead if nobody does, and keep up in the background. Never raises."""
        with guard("workers"):
            self._enter()
            self._begin()
            self._running = True
            forks.watch(self)
            atexit.register(self.stop)
            self._tick()
            self._hire()
            # before that, nobody can look for us there
            wrapt.register_post_import_hook(_weakly(self._join), "prometheus_client")

    @property
    def collector(self) -> Collector:
        """What stands in the registry for us. Made at the first scrape, or when the host imports prometheus_client."""
        if self._collector is None:
            with self._lock:  # a fork waits for it: what is half imported in a parent stays so in its child
                from prometheus_client import REGISTRY  # noqa: PLC0415 - 15 ms, which a start can do without

                from otel_llm.exposition.collector import Collector  # noqa: PLC0415 - likewise

                self._collector = self._collector or Collector(self.config, self, self._registry or REGISTRY)
        return self._collector

    def _join(self, _: Any) -> None:
        with guard("registry"):
            if self._running:
                self.collector.register()

    def append(self, record: Record) -> None:
        """Keep ``record``: it is counted even if this process is killed right after."""
        self._desk.append(encode(record))

    def scrape(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body of /metrics: the service's metrics, and those of this process's registry.

        Raises ``UnreachableError`` where nobody leads just now.
        """
        return self.collector.render(accept)

    def text(self, *, openmetrics: bool) -> bytes:
        """Our families of the whole service. Raises ``UnreachableError``."""
        return bytes(self._ask(("text", openmetrics)))

    def families(self) -> Iterable[Samples]:
        """Our families of the whole service; none where nobody leads just now, for others share the scrape."""
        with suppress(UnreachableError):
            if self._leadership is None:
                with self._lock:
                    from otel_llm.exposition.collector import parsed  # noqa: PLC0415 - as the collector
                return tuple(parsed(self.text(openmetrics=True)))
            return tuple(self._answer(("families",)))
        return ()

    def stats(self) -> dict[str, Any]:
        """``Store.summary`` of the whole service. Raises ``UnreachableError``."""
        return dict(self._ask(("stats",)))

    def describe(self) -> dict[str, Any]:
        """What ``otel-llm doctor`` tells of this process; live and exited are known to the leader only."""
        leads = self._leadership
        return {
            "pid": os.getpid(),
            "role": self.role,
            "directory": str(self._folder or ""),
            "port": None if leads is None else leads.port,
            "live": None if leads is None else leads.leader.live,
            "exited": None if leads is None else leads.leader.exited,
        }

    def stop(self) -> None:
        """Leave: what is in the journal stays to be counted, and if this process led, another one takes over."""
        if not self._running:
            return
        with guard("workers"):
            atexit.unregister(self.stop)
            forks.forget(self)
            if self._collector is not None:
                self._collector.unregister()
            if self._clerk is not None:
                self._clerk.stop(TAKEOVER_SECONDS)
            self._tick()
            self._running = False
            self._leave()
            if self._users is not None:
                self._users.close()
                self._users = None

    def before_fork(self) -> None:
        """Wait until nobody is in the middle of anything, not even of a scrape: its locks would stay locked in the child."""
        journal = self._desk.journal
        locks = (self._lock,) if journal is None else (self._lock, journal.lock)
        self._held = [lock for lock in locks if lock.acquire(timeout=TAKEOVER_SECONDS)]

    def after_fork_in_parent(self) -> None:
        held, self._held = self._held, []
        for lock in reversed(held):
            lock.release()

    def after_fork_in_child(self) -> None:
        """Drop what is the parent's, without unlocking or shutting anything, and begin as a follower."""
        if self._leadership is not None:
            self._leadership.drop_after_fork()
        self._desk.close()
        self._begin()
        self._hire()  # it stays a member: its copy of the parent's lock keeps the directory, too

    def _enter(self) -> None:
        if not AVAILABLE:
            self._warn("this system has no file locks, so each process shows its own metrics only")
            return
        try:
            self.config = statedir.settled(self.config)
            self._program = self._program or processes.program(processes.myself())
            self._folder, self._member = statedir.enter(self.config, self._program)
            self._users = self._users or Users()
        except OSError as error:
            self._warn(
                f"the processes of this service cannot share metrics, so each shows its own only: {error}; "
                "set OTEL_LLM_STATE_DIR to a directory that this user may write to"
            )

    def _hire(self) -> None:
        """Have a clerk keep this process up to date. Where there is no thread to be had, the next who comes tries again."""
        with self._lock, suppress(RuntimeError):
            if self._clerk is None and self._running:
                clerk = Thread(self._tick, TICK_SECONDS)
                clerk.start()
                self._clerk = clerk

    def _prepare(self) -> None:
        """Before the first record."""
        self._mind_user()
        self._hire()

    def _tick(self) -> None:
        with guard("workers"):
            self._round()

    def _round(self) -> None:
        with self._lock:
            self._mind_user()
            self._mind_directory()
            self._tell_errors()
            self._desk.make_room()
            if self._leadership is None and self._running and time.monotonic() >= self._stands_from:
                self._stand()
            if self._leadership is not None:
                self._lead(self._leadership)
            else:
                self._desk.show(self._open_calls())
                self._desk.hand_over()
                self._inbox.look()
        if self._leadership is not None:
            self._leadership.after_round()

    def _stand(self) -> None:
        """Lead, if nobody else does."""
        self._leadership = Election.take(self._folder, self._make_store, self._inbox, lambda: self._desk.owner)
        self._source = None

    def _mind_user(self) -> None:
        """Where this process has become another user, move to the directory of that one."""
        if self._leadership is None and self._users is not None and self._users.changed():
            self._move()

    def _mind_directory(self) -> None:
        """Where somebody removed the directory (a cleaner of /tmp, say), go on in a new one."""
        if self._member is None or self._member.is_there():
            return
        self._desk.leave()  # what comes from now on waits in memory
        counted = None if self._leadership is None else self._leadership.leave()
        self._leadership = None
        self._move()
        if counted is None:
            self._stands_from = time.monotonic() + 3 * TICK_SECONDS  # after the leader, which has the counts
        elif self._folder is not None:
            statedir.inherit(self._folder, counted)

    def _move(self) -> None:
        self._desk.leave()  # from now on, records wait in memory
        if self._member is not None:
            self._member.drop()
        self._folder = self._member = None
        self._enter()
        self._desk.move(self._folder)

    def _lead(self, leadership: Election) -> None:
        if self._users is not None and self._users.dropped():
            self._serve = False  # those who make the calls serve them
            leadership.unbind()
        if self._folder is not None:
            leadership.listen(self._folder, self._answer, self._warn)
        if self._serve:
            leadership.bind(self.config, self.scrape, self._warn)
        self._refresh()
        leadership.survey(self._desk.journal)
        leadership.keep()

    def _refresh(self) -> None:
        if self._leadership is not None:
            self._leadership.refresh(self._desk.journal, self._open_calls())

    def _ask(self, question: Question) -> Any:
        """Answer it here if this process leads, else ask who does; while nobody does, try to."""
        until = time.monotonic() + TAKEOVER_SECONDS
        while self._leadership is None:
            with suppress(UnreachableError):
                return self._ask_leader(question)
            if not self._running or time.monotonic() > until:
                raise UnreachableError("nobody leads the processes of this service just now")
            self._hire()
            self._round()
            pause(0.02)
        return self._answer(question)

    def _ask_leader(self, question: Question) -> Any:
        if self._folder is None:
            raise UnreachableError("this process is alone")
        return ask(self._folder / statedir.SOCKET, question)

    def _answer(self, question: Question) -> Any:
        kind, *rest = question
        with self._lock:
            if self._leadership is None:
                raise UnreachableError("this process does not lead any more")
            if self._source is None:
                self._source = self._leadership.source(self._refresh)
            if kind == "text":
                return self._source.text(openmetrics=rest[0])
            if kind == "families":  # asked in this process only: they are objects
                return tuple(self._source.families())
            if kind == "stats":
                self._refresh()
                return self._leadership.stats()
            return self._leadership.leader.count(*rest)

    def _open_calls(self) -> InFlight:
        return {labels: count for labels, count in tuple(self._in_flight().items()) if count > 0}

    def _tell_errors(self) -> None:
        for component, count in tuple(Guard.errors.items()):
            new = count - self._errors.get(component, 0)
            self._errors[component] = count
            if new > 0:
                self.append(Event(INTERNAL_ERRORS, time.time(), (component,), float(new)))

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("Your service runs on, but %s.", text)

    def _leave(self) -> None:
        owes = False
        if self._leadership is not None:
            self._leadership.resign()
            owes = self._leadership.owes
        self._desk.leave()
        if self._folder is not None and self._member is not None:
            self._member.drop()
            if not owes:  # else who keeps the spend removes it
                statedir.leave(self._folder)
        self._begin()
