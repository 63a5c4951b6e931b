"""How processes of a service ask their leader: a socket in the state directory, one question and one answer at a time."""

from __future__ import annotations

import _socket as sockets  # socket.socket may be gevent's or eventlet's by now; the leader answers from a real thread
import marshal
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from otel_llm.core.guard import guard
from otel_llm.core.unpatched import Thread, pause

Question = tuple[Any, ...]
Answer = Callable[[Question], Any]
_LENGTH = struct.Struct("<I")
_LONGEST_PATH = 100  # of a socket's address there are 104 to 108 bytes, depending on the system
_PATIENCE = 5.0  # seconds for one side to answer


class UnreachableError(OSError):
    """There is no leader to ask just now."""


class Listener:
    """The leader's end, which answers until it is stopped. Raises ``OSError`` where that cannot be."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._answer = answer
        self._path = path
        self._socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self._thread = Thread(self._serve, 0.0)
        try:
            self._listen()
        except OSError:
            self.drop()
            raise

    def _listen(self) -> None:
        self._path.unlink(missing_ok=True)
        with _address(self._path) as address:
            self._socket.bind(address)
        self._socket.listen(64)
        self._socket.settimeout(1.0)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had
            raise OSError(str(error)) from None

    def drop(self) -> None:
        """Close this process's end of it; a parent that we were forked from goes on listening."""
        with suppress(OSError):
            self._socket.close()

    def stop(self) -> None:
        self._thread.stop(0.0)
        caller = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        caller.settimeout(1.0)
        with suppress(OSError), _address(self._path) as address:
            caller.connect(address)  # wakes up whoever waits for a question: after a shutdown, some kernels spin
        caller.close()
        self._thread.stop(2.0)
        self.drop()

    def _serve(self) -> None:
        try:
            file, _ = self._socket._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - what socket.accept calls
        except TimeoutError:  # nobody asked
            return
        except OSError:  # too many open files, say: others may close theirs
            pause(0.1)
            return
        peer = sockets.socket(fileno=file)
        with guard("link"):
            self._reply(peer)
        peer.close()

    def _reply(self, peer: sockets.socket) -> None:
        peer.settimeout(_PATIENCE)
        with suppress(OSError):  # it went away
            _send(peer, self._answer(_receive(peer)))


def ask(path: Path, question: Question) -> Any:
    """The leader's answer, made of plain values. Raises ``UnreachableError``."""
    peer = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        peer.settimeout(_PATIENCE)
        with _address(path) as address:
            peer.connect(address)
        _send(peer, question)
        return _receive(peer)
    except (OSError, EOFError, ValueError) as error:
        raise UnreachableError(str(error)) from None
    finally:
        peer.close()


def _send(peer: sockets.socket, message: Any) -> None:
    data = marshal.dumps(message)
    peer.sendall(_LENGTH.pack(len(data)) + data)


def _receive(peer: sockets.socket) -> Any:
    (size,) = _LENGTH.unpack(_exactly(peer, _LENGTH.size))
    return marshal.loads(_exactly(peer, size))  # noqa: S302 - only this user's processes can enter the directory


def _exactly(peer: sockets.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = peer.recv(min(size - len(data), 1 << 20))
        if not part:
            raise UnreachableError("the leader went away")
        data += part
    return bytes(data)


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """``path`` as an address: one that is too long is reached through the open directory."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
