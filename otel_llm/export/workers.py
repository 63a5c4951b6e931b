"""A worker: one process of the service. It keeps its records in a journal, and leads or follows.

The leader owns the store, serves /metrics and answers the others; who leads is whoever holds a lock in the state directory.
"""

from __future__ import annotations

import atexit
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import Metric as Samples

from otel_llm.config import Config
from otel_llm.guard import Guard, guard, logger
from otel_llm.model import Event, Record
from otel_llm.natives import Lock, RLock, Thread, pause
from otel_llm.store import Store, Verdict, encode
from otel_llm.window import Stats

from . import forks, statedir
from .collector import Collector, StoreSource, parsed
from .journal import Journal, Memory
from .leader import Leader
from .link import Listener, Question, Unreachable, ask
from .locks import AVAILABLE, FileLock
from .mail import Inbox, Post
from .seat import InFlight, Seat
from .server import ServeError, Server, serve
from .stats import packed, unpacked

TICK = 0.4
"""Seconds between two rounds of the clerk: how late a follower's open calls show, and how long a takeover takes at most."""
_PORT_PATIENCE = 1.0  # seconds between two attempts to bind a taken port
_TAKEOVER = 3.0  # seconds that a question waits for somebody to lead
_ERRORS = "otel_llm_internal_errors_total"


class Worker:
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
    ) -> None:
        self.config = config
        self.collector = Collector(config, self)
        self._make_store = make_store
        self._in_flight = in_flight
        self._deliver = deliver
        self._serve = serve
        self._folder: Path | None = None
        self._warned: set[str] = set()
        self._running = False
        self._begin()

    def _begin(self) -> None:
        """As a new process: nobody's journal, nobody's leader."""
        self.lock = RLock()  # held while this process works on metrics; never across a fork
        self._journal: Journal | Memory | None = None
        self._seat: Seat | None = None
        self._leader: Leader | None = None
        self._source: StoreSource | None = None
        self._post: Post | None = None
        self._leading: FileLock | None = None
        self._listener: Listener | None = None
        self._endpoint: Server | None = None
        self._clerk: Thread | None = None
        self._inbox = Inbox(self._deliver)
        self._held: list[Any] = []
        self._next_bind = 0.0
        self._errors: dict[str, int] = {}
        self._append: Callable[[bytes], object] = self._first

    @property
    def role(self) -> str:
        """``leader``, ``follower``, or ``single`` where processes cannot share."""
        if self._folder is None:
            return "single"
        return "follower" if self._leader is None else "leader"

    def start(self) -> None:
        """Find the others, lead if nobody does, and keep up in the background. Never raises."""
        with guard("workers"):
            self._enter()
            self._running = True
            forks.watch(self)
            atexit.register(self.stop)
            self._round()
            self._hire()
            self.collector.register()

    def append(self, record: Record) -> None:
        """Keep ``record``: it is counted even if this process is killed right after."""
        self._append(encode(record))

    def scrape(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body of /metrics, with the service's metrics and those of this process's registry.

        Raises ``Unreachable`` where nobody leads just now.
        """
        return self.collector.render(accept)

    def text(self, *, openmetrics: bool) -> bytes:
        """Our families of the whole service. Raises ``Unreachable``."""
        if isinstance(source := self._view(), StoreSource):
            with self.lock:
                return source.text(openmetrics=openmetrics)
        return bytes(source(("text", "openmetrics" if openmetrics else "")))

    def families(self) -> Iterable[Samples]:
        """Our families of the whole service; none where nobody leads just now, for others share the scrape."""
        with suppress(Unreachable):
            if isinstance(source := self._view(), StoreSource):
                with self.lock:
                    return tuple(source.families())
            return tuple(parsed(source(("text", "openmetrics"))))
        return ()

    def stats(self) -> Stats:
        """The window of the whole service. Raises ``Unreachable``."""
        if isinstance(source := self._view(), StoreSource):
            return unpacked(self._stats())
        return unpacked(source(("stats",)))

    def describe(self) -> dict[str, Any]:
        """What ``otel-llm doctor`` tells of this process."""
        leader = self._leader
        return {
            "pid": os.getpid(),
            "role": self.role,
            "directory": str(self._folder or ""),
            "port": self._endpoint.port if self._endpoint else None,
            "live": leader.live if leader else None,
            "exited": leader.exited if leader else None,
        }

    def stop(self) -> None:
        """Leave: what is in the journal stays to be counted, and if this process led, another one takes over."""
        if not self._running:
            return
        self._running = False
        with guard("workers"):
            atexit.unregister(self.stop)
            forks.forget(self)
            self.collector.unregister()
            if self._clerk is not None:
                self._clerk.stop(2.0)
            self._round()
            self._abdicate()
            self._leave()

    def before_fork(self) -> None:
        """Wait until nobody is in the middle of anything, not even of a scrape: its locks would stay locked in the child."""
        locks = (self.lock,) if self._journal is None else (self.lock, self._journal.lock)
        self._held = [lock for lock in locks if lock.acquire(timeout=_TAKEOVER)]

    def after_fork_in_parent(self) -> None:
        held, self._held = self._held, []
        for lock in reversed(held):
            lock.release()

    def after_fork_in_child(self) -> None:
        """Drop what is the parent's, without unlocking or shutting anything; wake up when there is something to do."""
        if self._endpoint is not None:
            self._endpoint.drop_after_fork()
        for held in (self._listener, self._leading):
            if held is not None:
                held.drop()
        if self._seat is not None:
            self._seat.leave()
        for mapped in (self._journal, self._leader, self._post, self._inbox):
            if mapped is not None:
                mapped.close()
        self._begin()

    def _enter(self) -> None:
        if not AVAILABLE:
            self._warn("This system has no file locks: each process shows its own metrics only.")
            return
        try:
            self._folder = statedir.enter(self.config)
        except OSError as error:
            self._warn(
                "The processes of this service cannot share their metrics, each shows its own only: "
                f"{error}. Set OTEL_LLM_STATE_DIR to a directory that this user may write to."
            )

    def _first(self, payload: bytes) -> None:
        """The first record of a process: now it needs a journal, and a clerk."""
        with self.lock:
            self._open_journal()
            if self._running:
                self._hire()
        self._append(payload)

    def _open_journal(self) -> None:
        if self._journal is None or (isinstance(self._journal, Memory) and self._folder is not None):
            self._use(self._new_journal())

    def _new_journal(self) -> Journal | Memory:
        if self._folder is None:
            return Memory()
        owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        try:
            self._seat = Seat(self._folder, owner)
            journal = Journal(self._folder, owner)
        except OSError as error:
            self._warn(f"No room for a journal, calls are kept in memory for now: {error}")
            return Memory(owner)
        self._inbox.open(self._folder, owner)
        return journal

    def _use(self, journal: Journal | Memory) -> None:
        before, self._journal = self._journal, journal
        self._append = journal.append
        if before is not None:
            while before.spilled:
                journal.append(before.spilled.popleft())

    def _hire(self) -> None:
        if self._clerk is None:
            self._clerk = Thread(self._tick, TICK)
            self._clerk.start()

    def _tick(self) -> None:
        with guard("workers"):
            self._round()

    def _round(self) -> None:
        """What the clerk does again and again."""
        with self.lock:
            self._tell_errors()
            if self._leader is None and self._running:
                self._stand()
            if self._leader is not None:
                self._lead(self._leader)
            else:
                self._follow()
        if self._post is not None:
            self._post.round()

    def _stand(self) -> None:
        """Lead, if nobody else does."""
        if self._folder is not None:
            leading = self._leading or FileLock(self._folder / statedir.LEADER)
            if not leading.take():
                return
            self._leading = leading
            leading.write(f"{os.getpid():<20}".encode())
        self._inbox.look()
        store = self._make_store()
        store.lock = Lock()  # gevent's own lock would hand over to another greenlet, which may want it too
        self._post = Post(self._folder, self._inbox, self._owner)
        self._leader = Leader(self._folder, store, self._post)
        self._source = StoreSource(store, self._prepare)
        self._listen()
        self._hire()

    def _listen(self) -> None:
        if self._folder is None:
            return
        try:
            self._listener = Listener(self._folder / statedir.SOCKET, self._answer)
            self._listener.start()
        except OSError as error:
            self._warn(f"Other processes of this service cannot ask for its metrics: {error}")

    def _bind(self) -> None:
        if not (self._serve and self._running) or self._endpoint is not None or time.monotonic() < self._next_bind:
            return
        self._next_bind = time.monotonic() + _PORT_PATIENCE
        try:
            self._endpoint = serve(self.config, self.scrape)
        except ServeError as error:
            self._warn(f"/metrics is not served, everything else works: {error}")

    def _lead(self, leader: Leader) -> None:
        self._bind()
        self._prepare()
        leader.keep()

    def _prepare(self) -> None:
        """Bring the store up to date."""
        leader = self._leader
        if leader is not None:
            with self.lock:
                leader.drain(self._journal)
                leader.survey(self._owner(), self._open_calls())
                leader.tell()

    def _follow(self) -> None:
        calls = self._open_calls()
        if calls and self._seat is None and self._folder is not None:
            self._open_journal()
        if self._seat is not None:
            self._seat.show(calls)
        if self._journal is not None:
            self._journal.unspill()
            self._forward()
        self._inbox.look()

    def _forward(self) -> None:
        """Hand over by the socket what found no room on the disk."""
        journal = self._journal
        if journal is None or not journal.spilled or self._folder is None:
            return
        waiting = [journal.spilled.popleft() for _ in range(len(journal.spilled))]
        try:
            ask(self._folder / statedir.SOCKET, ("count", journal.owner, *waiting))
        except Unreachable:
            journal.spilled.extendleft(reversed(waiting))

    def _view(self) -> StoreSource | Callable[[Question], Any]:
        """The store of this process, or how to ask the leader's; whoever asks while nobody leads becomes the leader."""
        if self._leader is None and self._folder is not None:
            return self._ask
        if self._leader is None:
            self._round()
        if self._source is None:
            raise Unreachable("otel-llm has been stopped")
        return self._source

    def _ask(self, question: Question) -> Any:
        assert self._folder is not None
        until = time.monotonic() + _TAKEOVER
        while True:
            try:
                return ask(self._folder / statedir.SOCKET, question)
            except Unreachable:
                if time.monotonic() > until:
                    raise
            self._round()
            if self._leader is not None:
                return self._answer(question)
            pause(0.02)

    def _answer(self, question: Question) -> Any:
        kind, *rest = question
        leader, source = self._leader, self._source
        if leader is None or source is None:
            raise Unreachable("this process does not lead any more")
        if kind == "text":
            with self.lock:
                return source.text(openmetrics=bool(rest[0]))
        if kind == "stats":
            return self._stats()
        owner, *payloads = rest
        with self.lock:
            return leader.count(owner, payloads)

    def _stats(self) -> Any:
        self._prepare()
        assert self._leader is not None
        return packed(self._leader.store.stats(time.time()))

    def _owner(self) -> str:
        return self._journal.owner if self._journal is not None else ""

    def _open_calls(self) -> InFlight:
        return {labels: count for labels, count in tuple(self._in_flight().items()) if count > 0}

    def _tell_errors(self) -> None:
        for component, count in tuple(Guard.errors.items()):
            new = count - self._errors.get(component, 0)
            if new > 0:
                self._errors[component] = count
                self.append(Event(_ERRORS, time.time(), (component,), new))

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("Your service runs on. otel-llm: %s", text)

    def _abdicate(self) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
        if self._listener is not None:
            self._listener.stop()
        if self._leader is not None:
            self._leader.keep(now=True)
            self._leader.close()
        if self._leading is not None:
            self._leading.drop()

    def _leave(self) -> None:
        for opened in (self._journal, self._inbox, self._post):
            if opened is not None:
                opened.close()
        if self._seat is not None:
            self._seat.leave()
        self._begin()

