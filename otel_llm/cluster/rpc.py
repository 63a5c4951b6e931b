"""How processes of a service ask their leader: a socket in the state directory, one question and one answer at a time."""

from __future__ import annotations

import _socket as sockets  # socket.socket may be gevent's or eventlet's by now; the leader answers from a real thread
import marshal
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from otel_llm.core import unpatched
from otel_llm.core.guard import guard
from otel_llm.core.unpatched import Thread, pause

from . import leader_file
from .statedir import LEADER

if TYPE_CHECKING:
    from prometheus_client import Metric as Samples

    from otel_llm.aggregate.summary import Summary

Question = tuple[Any, ...]
"""The name of a method of ``Answers``, and its arguments."""
Ticket = tuple[str, int]
"""Who hands over records, and the number of the batch: one that comes again, as its answer was late, is counted once."""
_LENGTH = struct.Struct("<I")
_LONGEST_PATH = 100  # of a socket's address there are 104 to 108 bytes, depending on the system
_DESCRIPTORS = "/proc/self/fd"
_SHORT = "/tmp"  # noqa: S108 - macOS gives each user a temporary directory with a long name
_PATIENCE = 5.0  # seconds for one side to answer
_LOOK_SECONDS = 0.5  # between two looks whether a leader that does not answer was stopped
_MOST_PEERS = 16  # answered at once; a peer that says nothing holds up nobody else


class UnreachableError(OSError):
    """There is no leader to ask just now."""


class StoppedError(UnreachableError):
    """The leader was stopped by a signal or a debugger, and nobody can lead until it goes on or ends."""


class Answers(Protocol):
    """What the leader is asked."""

    def text(self, *, openmetrics: bool) -> bytes: ...
    def stats(self) -> Summary: ...
    def status(self) -> dict[str, Any]: ...
    def ledger(self) -> tuple[Any, ...]: ...
    def spenders(self) -> object: ...
    def check(self, key: tuple[Any, ...], signal: str, value: float) -> tuple[Any, ...] | None: ...
    def count(self, owner: str, payloads: Iterable[bytes], ticket: Ticket) -> None: ...


class RemoteAggregator:
    """The aggregator of another process, which listens at ``path``. Each method raises ``UnreachableError`` where it does not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self, *, openmetrics: bool) -> bytes:
        """All our families as text, without the end mark of OpenMetrics."""
        return bytes(ask(self._path, ("text", openmetrics)))

    def families(self) -> tuple[Samples, ...]:
        """All our families as prometheus_client knows them."""
        text = self.text(openmetrics=True)
        import prometheus_client  # noqa: F401, PLC0415 - as in the aggregator

        from .families import parsed  # noqa: PLC0415 - likewise

        return tuple(parsed(text))

    def stats(self) -> Summary:
        """``Store.summary``: plain values."""
        answer: Summary = ask(self._path, ("stats",))
        return answer

    def status(self) -> dict[str, Any]:
        """``Store.status`` of the whole service."""
        return dict(ask(self._path, ("status",)))

    def ledger(self) -> tuple[Any, ...]:
        """``Store.ledger``: what was counted and is on no disk yet."""
        return tuple(ask(self._path, ("ledger",)))

    def spenders(self) -> object:
        """``Store.spenders``: who spent most."""
        answer: object = ask(self._path, ("spenders",))
        return answer

    def check(self, key: tuple[Any, ...], signal: str, value: float) -> tuple[Any, ...] | None:
        """What a call with ``value`` would be called; None without a baseline."""
        answer = ask(self._path, ("check", key, signal, value))
        return None if answer is None else tuple(answer)

    def count(self, owner: str, payloads: Iterable[bytes], ticket: Ticket) -> None:
        """Have records counted that could not be put into a journal."""
        ask(self._path, ("count", owner, list(payloads), ticket))


class Listener:
    """The leader's end, which answers until it is stopped. Raises ``OSError`` where that cannot be."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._answers = answers
        self._path = path
        self._socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self._thread = Thread(self._serve, 0.0)
        self._peers = 0
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
        """Close this process's end of it, which ends its thread; a parent that we were forked from goes on listening."""
        self._thread.stop(0.0)
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
        if self._peers < _MOST_PEERS:
            self._peers += 1
            try:
                unpatched.start_thread(self._answer, (peer,))
            except RuntimeError:  # no thread to be had
                self._peers -= 1
            else:
                return
        self._answer_now(peer, _LOOK_SECONDS)

    def _answer(self, peer: sockets.socket) -> None:
        try:
            self._answer_now(peer, _PATIENCE)
        finally:
            self._peers -= 1

    def _answer_now(self, peer: sockets.socket, patience: float) -> None:
        with guard("link"):
            peer.settimeout(patience)
            self._reply(peer)
        peer.close()

    def _reply(self, peer: sockets.socket) -> None:
        with suppress(OSError):  # it went away
            kind, *rest = _receive(peer)
            if kind == "text":
                _send(peer, self._answers.text(openmetrics=rest[0]))
            elif kind == "stats":
                _send(peer, self._answers.stats())
            elif kind == "status":
                _send(peer, self._answers.status())
            elif kind == "ledger":
                _send(peer, self._answers.ledger())
            elif kind == "spenders":
                _send(peer, self._answers.spenders())
            elif kind == "check":
                _send(peer, self._answers.check(*rest))
            elif kind == "count":
                self._answers.count(*rest)
                _send(peer, None)


def ask(path: Path, question: Question) -> Any:
    """The leader's answer, made of plain values. Raises ``UnreachableError``; ``StoppedError`` where it was stopped."""
    peer = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        peer.settimeout(_LOOK_SECONDS)
        with _address(path) as address:
            peer.connect(address)
        _send(peer, question)
        return _receive(_Waiting(peer, path.with_name(LEADER)))
    except StoppedError:
        raise
    except (OSError, EOFError, ValueError) as error:
        _raise_if_stopped(path.with_name(LEADER))
        raise UnreachableError(str(error)) from None
    finally:
        peer.close()


class _Waiting:
    """The end of a peer that may take its time, as long as it runs."""

    def __init__(self, peer: sockets.socket, leader: Path) -> None:
        self._peer = peer
        self._leader = leader
        self._until = time.monotonic() + _PATIENCE

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self._peer.recv(size)
            except TimeoutError:  # noqa: PERF203 - it waits half a second each time
                _raise_if_stopped(self._leader)
                if time.monotonic() > self._until:
                    raise


def _raise_if_stopped(leader: Path) -> None:
    known = leader_file.read(leader)
    if known is not None and known.is_stopped:
        raise StoppedError(
            f"process {known.pid}, which aggregates for this service, is stopped (SIGSTOP or a debugger); "
            "calls are kept and shown when it goes on or ends"
        )


def _send(peer: sockets.socket, message: Any) -> None:
    data = marshal.dumps(message)
    peer.sendall(_LENGTH.pack(len(data)) + data)


def _receive(peer: sockets.socket | _Waiting) -> Any:
    (size,) = _LENGTH.unpack(_exactly(peer, _LENGTH.size))
    return marshal.loads(_exactly(peer, size))  # noqa: S302 - only this user's processes can enter the directory


def _exactly(peer: sockets.socket | _Waiting, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = peer.recv(min(size - len(data), 1 << 20))
        if not part:
            raise UnreachableError("the leader went away")
        data += part
    return bytes(data)


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """``path`` as an address: one that is too long is reached through the open directory, or where no system shows that, by a link."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    if not Path(_DESCRIPTORS).is_dir():
        with _link(path.parent) as short:
            yield str(short / path.name)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"{_DESCRIPTORS}/{folder}/{path.name}"
    finally:
        os.close(folder)


@contextmanager
def _link(folder: Path) -> Iterator[Path]:
    """A short name of ``folder`` while the block runs: made each time, and in a sticky directory, so that it is ours and nobody else's."""
    link = Path(_SHORT, f".otel-llm-{os.urandom(8).hex()}")
    link.symlink_to(folder)
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)
