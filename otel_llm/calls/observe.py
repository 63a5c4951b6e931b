"""For a client that we do not know: see its calls as those of a library that is declared."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from otel_llm.core.guard import guarded
from otel_llm.core.model import Reader, ReadValue, Request, Response

from .declarations import Args, ClientLibrary, Kwargs, Patch
from .invocation import Invocation, current_call
from .observer import Observer
from .wrap import kind_of, later, watching
from .wrapped import Function

F = TypeVar("F", bound=Callable[..., Any])
Model = str | Callable[..., str | None] | None
_active: list[Observer] = []
_readied: list[bool] = []  # whether calls of this module's are to come


def ready() -> None:
    """Have all at hand that calls need, now and in whatever is started later: nothing is imported on a call's way."""
    _readied.append(True)
    for observer in _active:
        observer.prepare()


def use(observer: Observer) -> Callable[[], None]:
    """Show calls to ``observer`` from now on. Returns what ends that."""
    _active.append(observer)
    if _readied:
        observer.prepare()
    return lambda: _active.remove(observer) if observer in _active else None


def active() -> Observer | None:
    """The observer that calls are shown to now."""
    return _active[-1] if _active else None


def _reads_nothing(_: Any, __: Response) -> None: ...


def _is_output(_: Any, __: Response) -> bool:
    return True


class Observed:
    """The call of a ``with`` block. Its answer arrives by ``reply`` or piece by piece by ``chunk``, or by its ``response``."""

    def __init__(self, reader: Reader, call: Invocation | None) -> None:
        self._call = call
        self._read = guarded("chunk", reader.value, 2)
        self.response = call.response if call is not None else Response()

    def reply(self, reply: Any) -> None:
        """The whole answer, read by the reader. The call ends with the block."""
        self._read(reply, self.response)

    def chunk(self, chunk: Any) -> None:
        """A piece of a streamed answer, read by the reader's ``chunk``; the first with output stops the first-chunk clock."""
        if self._call is not None:
            self._call.request.stream = True
            self._call.chunk(chunk)


class observe:  # noqa: N801 - used as a decorator and in with statements
    """Count the calls of a function, or a block, as LLM calls, with span, metrics, cost and budgets.

    As a decorator it takes functions that return, are awaited, or are generators of either kind; the call of a generator lasts
    from its first item to its last. As ``with observe(...) as call`` the block is the call. ``model`` is a name, or a function
    of the call's arguments (without ``self``). ``read`` is a ``Reader``, or its ``value`` alone: a function of the answer and
    the ``Response`` that it fills in. Calls that are made inside by the libraries in ``covers`` are part of this one and not
    counted again; ``*``, the default, is all of them. Raises nothing of its own; where nothing is watched, it does nothing.
    """

    def __init__(
        self,
        *,
        provider: str,
        operation: str = "chat",
        model: Model = None,
        read: Reader | ReadValue | None = None,
        url: str | None = None,
        covers: tuple[str, ...] = ("*",),
    ) -> None:
        self._reader = read if isinstance(read, Reader) else Reader(read or _reads_nothing, _is_output)
        self._model, self._covers = model, covers
        self._provider = ClientLibrary(name=provider, distribution="", requires="", hooks=(), operations=(operation,))
        self._server = urlsplit(url or "")
        self._entered: list[Invocation | None] = []

    def __call__(self, func: F) -> F:
        kind = kind_of(func)
        lazy, asynchronous = kind.endswith("generator"), kind == "coroutine"

        def asked(_: Any, args: Args, kwargs: Kwargs) -> Request:
            return self._request(self._model(*args, **kwargs) if callable(self._model) else self._model, stream=lazy)

        patch = Patch("", (), asked, lazy=lazy, covers=self._covers)
        made: dict[int, tuple[Observer, Any]] = {}

        def passed(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: dict[str, Any]) -> Any:
            if not _active:
                return wrapped(*args, **kwargs)
            observer = _active[-1]
            known = made.get(0)
            if known is None or known[0] is not observer:
                known = made[0] = (observer, watching(self._provider.name, patch, observer, asynchronous=asynchronous))
            return known[1](wrapped, instance, args, kwargs)

        return cast("F", Function(func, later(passed) if asynchronous else passed))

    def __enter__(self) -> Observed:
        call = None
        if _active:
            call = Invocation(_active[-1], self._request(None if callable(self._model) else self._model), self._covers)
            call.open()
            call.__enter__()
        self._entered.append(call)
        return Observed(self._reader, call)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner = current_call()  # of several threads and tasks inside, this one's
        call = next((entered for entered in reversed(self._entered) if entered is inner), self._entered[-1])
        self._entered.remove(call)  # and not by its place, which other threads change
        if call is None:
            return
        call.__exit__(kind, error, trace)
        if error is None:
            call.end()

    def _request(self, model: str | None, *, stream: bool = False) -> Request:
        server = self._server
        return Request(
            self._provider.name, self._provider.operations[0], model, self._reader, server.hostname, server.port, stream
        )
