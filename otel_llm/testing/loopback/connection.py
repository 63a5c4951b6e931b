"""One client's connection: requests in, replies out, one after the other, without a thread of its own."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from .exchange import JSON, Reply
from .parser import BadRequestError, Parsed, Parser
from .websocket import CLOSE, PING, PONG, TEXT, Frames, frame, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from .exchange import Session
    from .gate import Gate

_FLUSH = 64 * 1024
_LAST_CHUNK = b"0\r\n\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    529: "Site is overloaded",
    498: "Capacity Exceeded",
}


class Connection(asyncio.Protocol):
    """``respond`` turns a parsed request into a reply; ``peers`` is the set of the connections that are open."""

    def __init__(self, respond: Callable[[Parsed], Reply], gate: Gate, peers: set[Connection]) -> None:
        self._respond = respond
        self._gate = gate
        self._peers = peers
        self._parser = Parser()
        self.task: asyncio.Task[None] | None = None  # what plays a reply that takes its time
        self._transport: asyncio.Transport
        self._drained = asyncio.Event()
        self._drained.set()
        self._frames: Frames | None = None  # once the connection is a WebSocket
        self._inbox: asyncio.Queue[JSON] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._peers.discard(self)
        self._drained.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._frames is not None:
            self._frames.feed(data)
            self._receive(self._frames)
            return
        self._parser.feed(data)
        if self.task is not None:
            return
        if self._parser.expects_continue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._advance()

    def _advance(self) -> None:
        """Answer what is there: at once where nothing is to be waited for, else in a task."""
        while self.task is None and not self._transport.is_closing():
            parsed = self._next()
            if parsed is None:
                return
            reply = self._respond(parsed)
            close = parsed.headers.get("connection", "").lower() == "close"
            if reply.events is None and reply.session is None and reply.wait == 0 and not reply.silent:
                self._transport.write(head(reply, close=close) + reply.body)
                self._close_if(close)
            else:
                self.task = asyncio.get_running_loop().create_task(self._play(reply, close=close))
                self.task.add_done_callback(self._played)

    def _next(self) -> Parsed | None:
        try:
            return self._parser.next()
        except BadRequestError as error:
            reply = Reply.of_json({"error": {"message": str(error)}}, 400)
            self._transport.write(head(reply, close=True) + reply.body)
            self._transport.close()
            return None

    def _played(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._transport.abort()
            raise error
        if not task.cancelled():
            self._advance()

    async def _play(self, reply: Reply, *, close: bool) -> None:
        await self._wait(reply.wait)
        if reply.silent == "hang":
            await asyncio.Event().wait()
        elif reply.silent:
            self._transport.close()
        elif reply.session is not None:
            await self._talk(reply)
        elif reply.events is None:
            self._transport.write(head(reply, close=close) + reply.body)
        elif await self._play_events(reply, close=close):
            close = True
        self._close_if(close)

    async def _play_events(self, reply: Reply, *, close: bool) -> bool:
        """Send a stream, in as few writes as its gaps allow; True if it is to be cut off in the middle."""
        buffer = bytearray(head(reply, close=close))
        for sent, event in enumerate(reply.events or ()):
            if sent == reply.cut:
                self._transport.write(bytes(buffer))
                return True
            if (sent and reply.gap != 0) or len(buffer) > _FLUSH:
                await self._flush(buffer)
                await self._wait(reply.gap if sent else 0)
            buffer += b"%x\r\n%b\r\n" % (len(event), event)
        self._transport.write(bytes(buffer + _LAST_CHUNK))
        return False

    def _receive(self, frames: Frames) -> None:
        """Take in what came over the WebSocket."""
        for opcode, payload in iter(frames.next, None):
            if opcode == TEXT:
                self._inbox.put_nowait(json.loads(payload))
            elif opcode == PING:
                self._transport.write(frame(PONG, payload))
            elif opcode == CLOSE:
                self._transport.write(frame(CLOSE, payload))
                self._transport.close()

    async def _talk(self, reply: Reply) -> None:
        """Answer on the WebSocket until the client leaves or the connection is to be cut."""
        session = cast("Session", reply.session)
        self._frames = Frames()
        self._transport.write(head(reply, close=False))
        received: JSON | None = None
        while True:
            for sent, event in enumerate(session(received)):
                if sent == reply.cut and received is not None:
                    self._transport.close()
                    return
                await self._wait(reply.gap if sent else 0)
                self._transport.write(message(event))
            received = await self._inbox.get()

    async def _flush(self, buffer: bytearray) -> None:
        self._transport.write(bytes(buffer))
        buffer.clear()
        await self._drained.wait()

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await self._gate.wait()
        elif seconds > 0:
            await asyncio.sleep(seconds)

    def _close_if(self, close: bool) -> None:
        if close:
            self._transport.close()


def head(reply: Reply, *, close: bool) -> bytes:
    """Status line and headers of a reply (RFC 9112 section 4)."""
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if reply.status == HTTPStatus.SWITCHING_PROTOCOLS:
        lines.append("connection: Upgrade")
    else:
        lines.append(f"content-length: {len(reply.body)}" if reply.events is None else "transfer-encoding: chunked")
        lines.append("connection: close" if close else "connection: keep-alive")
    lines += ["", ""]
    return "\r\n".join(lines).encode("latin-1")
