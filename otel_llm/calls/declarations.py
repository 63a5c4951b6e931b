"""The vocabulary in which a client library is declared: where its calls pass, and how to read what passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal, Protocol

from otel_llm.core.model import Reader, ReadValue, Request
from otel_llm.core.shapes import NamedTuple, dataclass

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]
ReadRequest = Callable[[Any, Args, Kwargs], "Request | None"]


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Value:
    """The call is over, and ``value`` is the provider's reply."""

    value: Any


ITSELF = Value(None)
"""As ``Value(result)``, of a result that is the reply itself: no object is made for it."""


class Parsed(NamedTuple):
    """The call is over; ``parse`` gives (or awaits) the provider's reply, and caches it for the caller."""

    parse: Callable[[], Any]


class Stream(NamedTuple):
    """A stream object that stays the caller's own: its attribute ``source`` is what it and its helpers iterate.

    ``closer`` is the object below it whose ``close`` or ``aclose`` says that nobody will read on. ``carrier`` is for a stream
    that its library may drop for another over the same response (see ``DeferredStream``).
    """

    owner: Any
    source: str
    closer: Any = None
    carrier: MutableMapping[str, Any] | None = None


class Item(NamedTuple):
    """A stream that lies inside a result, under ``key`` of the mapping ``owner``: it is replaced there by a watched one."""

    owner: MutableMapping[str, Any]
    key: str


class Later(NamedTuple):
    """The result is unread. ``carrier`` travels with it to whoever builds the stream (see ``DeferredStream``); until then
    ``closer`` says when it ends, and ``read`` gives what the caller has read by then, or None. It raises where that is no answer."""

    carrier: MutableMapping[str, Any]
    closer: Any
    read: Callable[[], Any]


class Body(NamedTuple):
    """The answer lies unread in ``body``, a part of ``result``: it is read along as the caller reads it, piece by piece, and
    ``read`` understands its bytes when it is whole. ``result`` itself is read like any value: it may be all there is."""

    result: Any
    body: Any
    read: ReadValue


Watched = Value | Parsed | Stream | Item | Later | Body
Watch = Callable[[Any, Request], "Watched | None"]


Switch = Callable[[Args, Kwargs, str], "tuple[Args, dict[str, Any]] | None"]


def keyword(args: Args, kwargs: Kwargs, model: str) -> tuple[Args, dict[str, Any]] | None:
    """The same arguments with another model, of a method whose model is the keyword ``model``; None where it is not there."""
    return (args, {**kwargs, "model": model}) if isinstance(kwargs.get("model"), str) else None


def positional(position: int) -> Switch:
    """As ``keyword``, of a method whose model may also be the argument at ``position``."""

    def switched(args: Args, kwargs: Kwargs, model: str) -> tuple[Args, dict[str, Any]] | None:
        if len(args) > position:
            return (*args[:position], model, *args[position + 1 :]), {**kwargs}
        return keyword(args, kwargs, model)

    return switched


class Patch(NamedTuple):
    """A method that calls pass through. ``read`` returns None for what is not to be watched.

    ``watch`` says how to follow a result whose shape alone does not say. A ``lazy`` method sends nothing until its result
    is entered, iterated or awaited: the call opens then. Calls of the libraries in ``covers`` made inside this one are part
    of it and not counted again (``*`` is all of them). ``switch`` gives the arguments that ask another model the same, in new
    objects, or None where the model is no part of them.
    """

    module: str
    targets: tuple[str, ...]
    read: ReadRequest
    watch: Watch | None = None
    lazy: bool = False
    covers: tuple[str, ...] = ()
    switch: Switch | None = None


class DeferredStream(NamedTuple):
    """A constructor of streams that are built after the call returned: ``find`` gives the carrier, ``watch`` the stream."""

    module: str
    targets: tuple[str, ...]
    find: Callable[[Any, Args, Kwargs], Mapping[str, Any] | None]
    watch: Callable[[Any], Stream]


class Retry(NamedTuple):
    """A method entered once before each attempt after the first; it waits inside.

    ``cause`` is the reason: an HTTP status, the exception, an error type, or None where it is unknown. ``wait`` is for a method
    that does not wait, but returns how long is to be waited: it makes seconds of that. Where there is a method ``unless``, that
    one knows better.
    """

    module: str
    targets: tuple[str, ...]
    cause: Callable[[Args, Kwargs], int | BaseException | str | None]
    wait: Callable[[Any], float] | None = None
    unless: str = ""


class Attempt(NamedTuple):
    """A method entered once for each attempt: where one failed and another follows, that was a retry.

    An attempt fails by raising, or by returning what ``failed`` finds a cause in: an HTTP status or an exception.
    """

    module: str
    targets: tuple[str, ...]
    failed: Callable[[Any], int | BaseException | None] = lambda _: None


class SubRequest(NamedTuple):
    """A method entered once for each request of a call that makes several by itself: ``read`` takes in what it returned.

    Only calls that are read by ``reader`` have such parts.
    """

    module: str
    targets: tuple[str, ...]
    reader: Reader
    read: ReadValue


class Reply(NamedTuple):
    """A method that is handed the HTTP response of a call. ``read`` gets what takes its status and its headers, and what gives the
    response itself later, for one whose answer fails on this side; and the method's arguments."""

    module: str
    targets: tuple[str, ...]
    read: Callable[[Callable[..., None], Args, Kwargs], None]


class Replace(NamedTuple):
    """An attribute exchanged while we watch, as a library's own tracing. ``make`` gets the original and a function that gives
    a tracer whose every span is that of the call open here, or None where none is."""

    module: str
    target: str
    make: Callable[[Any, Callable[[], Any]], Any]


class Around(NamedTuple):
    """A method beside the calls of models, as a circuit breaker's or a cache's.

    ``began`` gets the object and the arguments before it runs, and what it returns goes on to ``ended``, with the object
    and the result or the exception. Around a coroutine both run while it is awaited. With ``heirs``, the method of every
    class below counts as well, of those there are and of those to come.
    """

    module: str
    targets: tuple[str, ...]
    ended: Callable[[Any, Any, Any, BaseException | None], None]
    began: Callable[[Any, Args, Kwargs], Any] = lambda *_: None
    heirs: bool = False


class Register(NamedTuple):
    """A framework's own registry of hooks: ``put_in`` gets the imported module and returns what takes ours out again."""

    module: str
    put_in: Callable[[Any], Callable[[], None]]


class HostCallback(NamedTuple):
    """A function that runs the host's own code inside of a call, as a tool's: the calls which that makes are no part of this one."""

    module: str
    targets: tuple[str, ...]


class SessionEvent(NamedTuple):
    """What an event of a session is to a call.

    ``asks`` was sent: a call is wanted, that the server will open or refuse. ``opens``, ``continues`` (a part of the answer), ``ends``
    and ``refuses`` were received. ``key`` is the call's name on its connection, of a wish it is the name that a refusal gives. A
    part without a key goes to all open calls. ``asked`` says of a call that opens, and of a refusal without a key, that
    it answers the oldest wish. Where the server reports no beginning, ``opens`` was sent: the call begins with that, or waits as
    a wish while another of its name is open; and a part that has a ``request`` opens the call that none was sent for.
    """

    step: Literal["asks", "opens", "continues", "ends", "refuses"]
    key: str | None = None
    event: Any = None  # for the reader of the call: its ``chunk`` where it says, its ``value`` where it ends
    request: Request | None = None  # of a wish, of a call that opens, and of a part that may open one
    asked: bool = True


class SessionReader(Protocol):
    """Reads the events of one connection, and remembers of them what later ones leave out."""

    def sent(self, event: Any) -> SessionEvent | None:
        """What the host sends, before it is sent."""

    def received(self, event: Any) -> SessionEvent | None:
        """What the host is about to receive."""


def _first(args: Args, kwargs: Kwargs) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)


class Session(NamedTuple):
    """Connections on which calls come and go as events, each open until its end is reported, or the connection's.

    ``connections`` are their classes. ``sends``, ``receives`` and ``leaves`` name their methods that are given an event, that
    return one, and by which the host closes. ``lost`` recognizes the errors of receiving after which nothing more will come, ``sent``
    is what a sending method was given: its first argument, unless another function is given.
    """

    module: str
    connections: tuple[str, ...]
    talk: Callable[[Any], SessionReader]
    sends: tuple[str, ...]
    receives: tuple[str, ...]
    leaves: tuple[str, ...]
    lost: Callable[[BaseException], bool]
    sent: Callable[[Args, Kwargs], Any] = _first

    @property
    def targets(self) -> tuple[str, ...]:
        """The methods to watch."""
        methods = ("__init__", *self.sends, *self.receives, *self.leaves)
        return tuple(f"{connection}.{method}" for connection in self.connections for method in methods)


Hook = (
    Patch | DeferredStream | Retry | Attempt | SubRequest | Reply | Replace | Around | Register | HostCallback | Session
)


HELLO: list[dict[str, str]] = [{"role": "user", "content": "Hello"}]  # what a trial says


class Trial(NamedTuple):
    """A call that ``otel-llm doctor`` makes, to a server of ours on the loopback, to see that it is counted.

    ``ask`` gets the ``module`` and the server's URL. ``reply`` is what is answered; None where the server speaks the format itself.
    """

    module: str
    ask: Callable[[Any, str], object]
    reply: Mapping[str, Any] | None = None


class ClientLibrary(NamedTuple):
    """A client library: the name it is declared under, its distribution, the versions that are tested, its hooks.

    ``tested`` names the oldest and the newest version that the contract suite runs; outside of ``requires`` the library is
    left alone with one warning.
    """

    name: str
    distribution: str
    requires: str
    hooks: tuple[Hook, ...]
    tested: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    notes: str = ""
    trial: Trial | None = None


class ReliabilityLibrary(NamedTuple):
    """A library that reports what happens beside calls: fallbacks, look-ups in caches, steps of breakers."""

    name: str
    distribution: str
    requires: str
    hooks: tuple[Hook, ...]
    tested: tuple[str, ...] = ()
    notes: str = ""


class Framework(NamedTuple):
    """A library that runs agents, tools, MCP requests or retrievals. ``scope`` is the instrumentation scope of spans that it
    makes by itself, where it does."""

    name: str
    distribution: str
    requires: str
    hooks: tuple[Hook, ...]
    tested: tuple[str, ...] = ()
    notes: str = ""
    scope: str = ""


Declaration = ClientLibrary | ReliabilityLibrary | Framework


def modules(declaration: Declaration) -> tuple[str, ...]:
    """The modules that carry its hooks."""
    return tuple(dict.fromkeys(hook.module for hook in declaration.hooks))
