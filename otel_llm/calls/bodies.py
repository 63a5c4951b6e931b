"""Bodies that the caller reads by itself, read as they pass: nothing is read for it, nothing changed, no more kept than a line
of a stream or one whole answer."""

from __future__ import annotations

import functools
import inspect
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from otel_llm.core.guard import guard
from otel_llm.core.jsonview import view
from otel_llm.core.model import ReadValue

from .declarations import Body
from .invocation import Invocation
from .reporting import Reporting

_CHUNK = guard("chunk")
_LONGEST = 16 * 1024 * 1024  # bytes of an event, or of a whole answer, past which it passes unread
_STREAMING = (
    "iter_bytes",
    "iter_raw",
    "aiter_bytes",
    "aiter_raw",
)  # through which all other methods read a body in pieces


class Along(Protocol):
    """Reads a body along. It does not refer to the call, which refers to it: what is dropped goes at once."""

    def feed(self, call: Invocation, piece: bytes) -> None:
        """Take a piece of it."""

    def over(self, call: Invocation) -> None:
        """End the call: the body has been read to its end."""


class Events:
    """The server-sent events of a stream, each shown to the call once its line is whole.

    https://html.spec.whatwg.org/multipage/server-sent-events.html; providers write an event's data in one line.
    """

    __slots__ = ("_rest", "_size")

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0

    def over(self, call: Invocation) -> None:
        call.drained()

    def feed(self, call: Invocation, piece: bytes) -> None:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            with _CHUNK:
                _line(call, b"".join((*self._rest, line)) if self._rest else line)
            self._rest, self._size = [], 0
        if rest:
            self._size += len(rest)
            if self._size < _LONGEST:
                self._rest.append(rest)
            else:
                self._rest = [b":"]  # a comment: what is left of the line is not read


def _line(call: Invocation, line: bytes) -> None:
    if not line.startswith(b"data:"):
        return
    data = line[5:].strip()
    response = call.response
    if data == b"[DONE]":
        response.done = True
        return
    try:
        event = view(data)
    except (ValueError, RecursionError):
        return
    failure = getattr(event, "error", None)
    if failure is not None:
        code = getattr(failure, "code", None) or getattr(failure, "type", None)
        response.error_code, response.done = str(code or "server_error"), True
    call.chunk(event)


class Whole:
    """An answer that is read piece by piece, and understood when it is whole. ``read`` understands its bytes."""

    __slots__ = ("_pieces", "_read", "size")

    def __init__(self, read: ReadValue | None = None) -> None:
        self._read = read
        self._pieces: list[bytes] = []
        self.size = 0

    def feed(self, _: Invocation, piece: bytes) -> None:
        self.size += len(piece)
        if self.size < _LONGEST:
            self._pieces.append(bytes(piece))
        else:
            self._pieces = []

    def over(self, call: Invocation) -> None:
        content, self._pieces = b"".join(self._pieces), []
        if content and self.size < _LONGEST and not call.done:
            with _CHUNK:
                self._understand(call, content)
        call.end()

    def _understand(self, call: Invocation, content: bytes) -> None:
        if self._read is not None:
            self._read(content, call.response)
            return
        try:
            answer = view(content)
        except (ValueError, RecursionError):
            return
        call.request.reader.value(answer, call.response)


def streaming_methods(own: type, hook: str) -> dict[str, Callable[..., Any]]:
    """The methods of an HTTP response of class ``own`` that give its body in pieces, with the pieces read along by its call.

    ``hook`` is the attribute that has the call first.
    """
    return {name: _streaming(getattr(own, name), name, hook) for name in _STREAMING if hasattr(own, name)}


def _streaming(method: Callable[..., Any], name: str, hook: str) -> Callable[..., Any]:
    """What is compressed is read along where it has been decoded."""
    raw = name.endswith("raw")

    def call_of(response: Any) -> Invocation | None:
        call: Invocation | None = response.__dict__.get(hook, (None,))[0]
        if call is None or call.busy or call.done or call.along is None:
            return None
        plain = (response.headers.get("content-encoding") or "identity") == "identity"
        return call if raw is plain else None

    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def pieces_async(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
            source, call = method(self, *args, **kwargs), call_of(self)
            async for piece in source if call is None else _passing_async(source, call):
                yield piece

        return pieces_async

    @functools.wraps(method)
    def pieces(self: Any, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        source, call = method(self, *args, **kwargs), call_of(self)
        yield from source if call is None else _passing(source, call)

    return pieces


@contextmanager
def _reading_along(call: Invocation) -> Iterator[Along]:
    """While the block has the pieces pass: their end ends the call, an error fails it, and who closes the generator has left it."""
    along: Along = call.along
    call.busy = True
    try:
        with Reporting(call.fail):
            yield along
    finally:
        call.busy = False
    along.over(call)


def _passing(source: Iterator[bytes], call: Invocation) -> Iterator[bytes]:
    with _reading_along(call) as along:
        for piece in source:
            call.busy = False
            along.feed(call, piece)
            yield piece
            call.busy = True


async def _passing_async(source: AsyncIterator[bytes], call: Invocation) -> AsyncIterator[bytes]:
    with _reading_along(call) as along:
        async for piece in source:
            call.busy = False
            along.feed(call, piece)
            yield piece
            call.busy = True


def read_along(call: Invocation, watched: Body) -> None:
    """Follow an answer whose body the caller reads. It is known by now what the headers say, which is all where it stays unread."""
    body, own = watched.body, type(watched.body)
    call.read(watched.result)
    call.response.done, call.answered = True, time.perf_counter()
    if body.__class__ is not own or not hasattr(body, "__dict__"):
        call.end()  # a proxy, as older versions have: its reads do not pass here
        return
    _hook(body, call, Whole(watched.read), _READS)


def _hook(body: Any, call: Invocation, whole: Whole, names: tuple[str, ...]) -> None:
    """Give ``body`` a class of its own, that differs in its methods ``names`` alone, until the call ends."""
    own = type(body)
    body.__dict__[_BODY] = (call, whole)
    body.__class__ = _read_class(own, names)
    target = weakref.ref(body)

    def release() -> None:
        hooked = target()
        if hooked is not None and hooked.__dict__.pop(_BODY, None) is not None:
            hooked.__class__ = own

    call.release = release


_BODY = "_otel_llm_body"
_CLASSES: dict[tuple[type, tuple[str, ...]], type] = {}
_READS = ("read", "readinto", "readlines", "close", "__enter__")
_INNER_READS = ("read", "close")  # of what a body gives on entry, whose other methods go through these


def _read_class(own: type, names: tuple[str, ...]) -> type:
    made = _CLASSES.get((own, names))
    if made is None:
        methods = {name: _reading(getattr(own, name), name) for name in names if hasattr(own, name)}
        facts = {
            "__module__": own.__module__,
            "__qualname__": own.__qualname__,
            "__doc__": own.__doc__,
            "__slots__": (),
        }
        made = _CLASSES[own, names] = type(own.__name__, (own,), {**facts, **methods})
    return made


def _entered(body: Any, inner: Any) -> None:
    """``with body as inner``: the caller reads that from here on."""
    call, whole = body.__dict__.get(_BODY, (None, None))
    if call is not None and inner is not body and inner.__class__ is type(inner) and hasattr(inner, "__dict__"):
        call.release()
        _hook(inner, call, whole, _INNER_READS)


def _reading(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def read_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            with _failing(self):
                result = await method(self, *args, **kwargs)
            _piece(self, name, args, kwargs, result)
            return result

        return read_async

    @functools.wraps(method)
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _failing(self):
            result = method(self, *args, **kwargs)
        _piece(self, name, args, kwargs, result)
        return result

    return read


def _failing(body: Any) -> Reporting:
    """While ``body`` is read: an error fails its call, where that has not ended yet."""
    call, _ = body.__dict__.get(_BODY, (None, None))
    return Reporting(None if call is None else call.fail)


def _piece(body: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A piece of a body came, or its end: an empty piece, or the last byte that was announced."""
    call, whole = body.__dict__.get(_BODY, (None, None))
    if call is None or whole is None or call.done:
        return
    with _CHUNK:
        if name == "__enter__":
            _entered(body, result)
            return
        if name == "close":
            call.left()
            return
        wanted: Any = args[0] if args else kwargs.get("amt", kwargs.get("b"))
        piece = b"".join(result) if name == "readlines" else bytes(wanted[:result]) if name == "readinto" else result
        whole.feed(call, piece)
        announced = str(getattr(body, "_content_length", None) or "")
        all_of_it = wanted is None or name == "readlines" or (not piece and wanted)
        if all_of_it or (announced.isdecimal() and whole.size >= int(announced)):
            whole.over(call)
