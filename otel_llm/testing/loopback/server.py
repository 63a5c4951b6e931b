"""The server: an event loop in a thread of its own that answers on 127.0.0.1 the way LLM providers do."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING

from .connection import Connection
from .engine import answer, refuse, with_faults
from .exchange import Reply, Request, Timing
from .gate import Gate
from .switches import read_switches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .parser import Parsed

_HOST = "127.0.0.1"
_BACKLOG = 2048
_STOP_SECONDS = 10


class Loopback:
    """A server that speaks the providers' wire formats; start it with ``with`` or ``start``.

    ``port`` 0 takes a free one. ``delay`` gives every request its timing and token counts. ``keep`` is how many requests
    are remembered, the newest ones. ``script``, when set, answers by itself what it does not return None for; it runs in
    the server's thread and must not block. Raises ``OSError`` from ``start`` if the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        script: Callable[[Request], Reply | None] | None = None,
        delay: Callable[[Request], Timing | None] | None = None,
        keep: int = 10_000,
    ) -> None:
        self.port = port
        self.script = script
        self.delay = delay
        self.gate = Gate()
        self._requests: deque[Request] = deque(maxlen=keep)
        self._count = 0
        self._arrival = threading.Condition()
        self._tries: Counter[str] = Counter()
        self._peers: set[Connection] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event

    def start(self) -> Loopback:
        """Listen; connections are taken as soon as this returns."""
        listener = socket.create_server((_HOST, self.port), backlog=_BACKLOG)
        self.port = listener.getsockname()[1]
        self._loop, self._over = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="otel-llm-loopback", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection, whatever it waits for, and return when the port is free. Safe to call again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(_STOP_SECONDS)

    def __enter__(self) -> Loopback:  # noqa: PYI034 -- typing.Self came with Python 3.11
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """The requests so far, oldest first."""
        with self._arrival:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._peers)

    def clear(self) -> None:
        """Forget the requests, the counts of ``fail-<status>-<n>`` and the gate's state."""
        with self._arrival:
            self._requests.clear()
            self._count = 0
            self._tries.clear()
        self.gate.clear()

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Request]:
        """The requests, as soon as there were ``count`` of them; raises ``TimeoutError`` after ``timeout`` seconds."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._count >= count, timeout):
                raise TimeoutError(f"{self._count} of {count} requests came within {timeout} s")
            return list(self._requests)

    def _connection(self) -> Connection:
        return Connection(self._respond, self.gate, self._peers)

    def _run(self, listener: socket.socket) -> None:
        try:
            self._loop.run_until_complete(self._serve(listener))
        finally:
            self._loop.close()

    async def _serve(self, listener: socket.socket) -> None:
        server = await self._loop.create_server(self._connection, sock=listener)
        await self._over.wait()
        self._loop.remove_reader(listener)
        own = {asyncio.current_task()} | {peer.task for peer in self._peers}
        await asyncio.gather(*(asyncio.all_tasks() - own))  # asyncio leaks what it accepts while it closes
        server.close()
        for peer in list(self._peers):
            peer.abort()
        await asyncio.sleep(0)  # the aborted transports close their sockets in the loop's next turn
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    def _respond(self, parsed: Parsed) -> Reply:
        request = self._record(parsed)
        reply = self.script(request) if self.script is not None else None
        return self._default(request) if reply is None else reply

    def _record(self, parsed: Parsed) -> Request:
        with self._arrival:
            self._count += 1
            request = Request(self._count, parsed.method, parsed.path, parsed.query, parsed.headers, parsed.content)
            self._requests.append(request)
            self._arrival.notify_all()
        return request

    def _default(self, request: Request) -> Reply:
        wishes = request.wishes
        switches = read_switches(wishes)
        if switches.fail:
            self._tries[wishes] += 1
            if switches.fail_times is None or self._tries[wishes] <= switches.fail_times:
                return refuse(request, switches.fail)
        return with_faults(answer(request, self.delay(request) if self.delay is not None else None), request)
