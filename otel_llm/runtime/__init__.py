"""The wiring: what runs in a process that is watched, started once, stopped once."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.trace import Tracer

from otel_llm import clients
from otel_llm.aggregate.bounds import printable
from otel_llm.aggregate.window import Budget, Crossing
from otel_llm.calls import background, context, observe
from otel_llm.calls.declarations import ClientLibrary, Declaration
from otel_llm.calls.imports import when_imported
from otel_llm.calls.install import Installed
from otel_llm.calls.observer import Observer
from otel_llm.calls.spenders import Spenders
from otel_llm.clients import _hosts
from otel_llm.cluster.member import Member
from otel_llm.cluster.rpc import UnreachableError
from otel_llm.core import digest, dispatch, fork, interpreter, jsonview
from otel_llm.core.config import Config
from otel_llm.core.guard import guard, guarded
from otel_llm.core.model import Event
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.version import __version__
from otel_llm.exposition.endpoint import Endpoint
from otel_llm.exposition.other_exporter import served_elsewhere
from otel_llm.frameworks import Frameworks
from otel_llm.outputs import alerts, notifications
from otel_llm.outputs.anomaly import Anomaly
from otel_llm.outputs.conditions import ConditionWatch
from otel_llm.outputs.events import Exceptions, event_logger
from otel_llm.outputs.meter import HostMeter
from otel_llm.outputs.spans import Spans
from otel_llm.pricing import Prices
from otel_llm.reliability import hooks as signals
from otel_llm.reliability import rate_limits

from . import ending, service_limits
from .versions import within

if TYPE_CHECKING:
    from otel_llm.aggregate.store import Store
    from otel_llm.aggregate.wire import Verdict

logger = logging.getLogger("otel_llm")
SCOPE = "otel_llm"


_OBSERVERS: WeakSet[Observer] = WeakSet()


def _disown() -> None:
    """A forked child's: the calls that were open are its parent's."""
    for observer in tuple(_OBSERVERS):
        observer.disown()


fork.in_child(_disown)


def _give_up() -> None:
    """Count the answers that are still made in the background: this process will not see them."""
    with guard("stop"):
        background.expire(0.0)


def _flush_pools(runtime: Runtime) -> Callable[[], None]:
    """Have the processes of multiprocessing's pools deliver at their end: they leave by ``os._exit``, past every atexit.

    multiprocessing itself clears a forked child's finalizers, so this one is made by its hook for children. Returns what ends that.
    """
    util: Any = None

    def finalize(_: Runtime) -> None:
        with guard("fork"):
            util.Finalize(None, ending.flush, kwargs={"timeout": _POOL_SECONDS}, exitpriority=_LAST)

    def hook(module: Any) -> None:
        nonlocal util
        util = module
        module.register_after_fork(runtime, finalize)

    return when_imported("multiprocessing.util", hook)


_IN_NEED = (
    "calls.track",
    "reliability.breakers",
    "reliability.caches",
    "reliability.evaluations",
    "reliability.fallbacks",
)
"""What a host may call for the first time when there is not one descriptor left to load it with."""
_POOL_SECONDS = 5.0
_LAST = 0  # multiprocessing runs finalizers of higher priority first


class Runtime:
    """All that watches one process. Made by ``start``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.prices = Prices(config)
        named = budgets(config)
        self.budgets = (Budget("", (), config.budget_daily, config.budget_monthly), *named)
        self._exceptions = Exceptions()
        self.observer = Observer(
            (Spans(_tracer(), _capture(config), config.semconv, self._exceptions),),
            label_names=config.metric_labels,
            price=self.prices.of_call,
            capture=config.content != "no_content",
            on_reply=rate_limits.read,
            answers=config.answer_checks,
            spenders=Spenders((*config.metric_labels, *config.plain_labels)) if config.top_spenders else None,
            prepare=self._prepare,
        )
        self.member = Member(config, self._make_store, in_flight=self.observer.in_flight, deliver=deliver)
        self.endpoint = Endpoint(
            config,
            self.member,
            serve=config.server == "on" or (config.server == "auto" and not served_elsewhere(config)),
        )
        self.member.attach(ConditionWatch(self.member.judge))
        self.meter = HostMeter(config, lambda: self.member.folder, lambda: self.member.role == "leader")
        self.member.attach(self.meter)
        self._unnotify: Callable[[], None] = lambda: None
        self._unobserve: Callable[[], None] = lambda: None
        self._release: Callable[[], None] = lambda: None
        self._unguard: Callable[[], None] = lambda: None
        self.frameworks: Frameworks | None = None
        self.installed: dict[str, Installed] = {}
        self.beside: list[Installed] = []
        self.refused: dict[str, str] = {}  # distribution -> why it is left alone

    def start(self) -> None:
        """Say what is wrong with the settings, and begin to keep and show records."""
        for problem in self.config.problems:
            logger.warning("%s", problem)
        _hosts.configure(self.config.providers)
        context.allow(self.config.metric_labels, self.config.baggage_labels)
        self.member.start(ready=False)
        if self.config.summary == "exit":
            atexit.register(self._sum_up)  # between the member's own and what is counted last
        self._release = _flush_pools(self)
        atexit.register(_give_up)  # after the member's own, so that it runs before it
        dispatch.listen(self.member.append, self.meter.record)
        self._unnotify = notifications.start(self.config)
        self._unobserve = observe.use(self.observer)
        self._unguard = service_limits.start(self.config, self.budgets[1:], self.member)
        self.beside = signals.install(self.observer, self._knows)
        self.frameworks = Frameworks(self.observer, self._knows, self._watches, self.config.semconv)
        _OBSERVERS.add(self.observer)
        with guard("start"):
            for module in _IN_NEED:
                import_module(f"otel_llm.{module}")

    def stop(self) -> None:
        """Take every hook out, and leave."""
        for name in list(self.installed):
            self.unwatch(name)
        atexit.unregister(_give_up)
        atexit.unregister(self._sum_up)
        _give_up()
        if self.frameworks is not None:
            self.frameworks.stop()
        while self.beside:
            self.beside.pop().uninstall()
        self._unnotify()
        self._unobserve()
        self._unguard()
        self._release()
        dispatch.listen()
        self.member.stop()
        self.meter.end()
        self.prices.close()

    def _sum_up(self) -> None:
        """At the end of the program, not of its workers: the line with the sum of its calls."""
        with guard("stop"):
            if self.member.is_first:
                try:
                    ending.say(ending.sum_up(self.member.stats()))
                except UnreachableError as error:
                    ending.say(f"{ending.LABEL}: the calls could not be summed up: {error}")

    def watch(self, name: str) -> None:
        """Watch the client library ``name`` as soon as it is imported. Raises ``KeyError`` for one that is not declared."""
        if name not in self.installed and f"otel_llm_{name}" not in self.config.disabled:
            with guard("watch"):
                self.installed[name] = Installed(
                    clients.MODULES[name], partial(clients.load, name), self.observer, self._accepts
                )

    def unwatch(self, name: str) -> None:
        """Put back what ``watch`` changed."""
        if (installed := self.installed.pop(name, None)) is not None:
            installed.uninstall()

    def _watches(self, name: str) -> bool:
        """Whether calls of the client library ``name`` pass through hooks of ours."""
        installed = self.installed.get(name)
        return installed is not None and bool(installed.patched)

    def _make_store(self) -> Store:
        from otel_llm.aggregate.store import Store  # noqa: PLC0415 - only where this process leads

        return Store(self.config, self.budgets[1:], self.prices.date, _warn_of_stream)

    def _prepare(self) -> None:
        """Load what calls need, as a library is there that makes some: on their way nothing is imported."""
        with guard("pricing"):
            self.observer.price = guarded("pricing", self.prices.load().of_call, 4)  # no detour for each call
        with guard("start"):
            digest.ready()
            jsonview.ready()
            self._exceptions.prepare()
            self.meter.prepare()
        self.member.get_ready()

    def _knows(self, library: Declaration) -> bool:
        """Whether the version that is installed is one we know. Asked when the library is imported."""
        version = _version(library.distribution)
        if version is None or within(version, library.requires):
            return True
        if library.distribution not in self.refused:
            self.refused[library.distribution] = f"{library.distribution} {version} is outside {library.requires}"
            logger.warning("%s: it is not watched, its calls are not counted", self.refused[library.distribution])
        return False

    def _accepts(self, provider: ClientLibrary) -> bool:
        """As ``_knows``, of a library whose calls are to be counted."""
        if not self._knows(provider):
            return False
        version = _version(provider.distribution)
        self._prepare()
        dispatch.emit(Event("otel_llm_instrumented", time.time(), (provider.name, version or "")))
        return True


def deliver(verdict: Verdict) -> None:
    """Hand the handlers of this process a verdict about one of its calls."""
    call, finding = verdict.call, verdict.finding
    if isinstance(finding, Crossing):
        alerts.deliver(Anomaly.of_budget(finding, trace_id=call.trace_id))
    else:
        key = (
            call.provider,
            printable(call.request_model),
            *verdict.labels,
        )  # user input, and it goes into messages to people
        alerts.deliver(Anomaly.of(key, finding, trace_id=call.trace_id))


def budgets(config: Config) -> tuple[Budget, ...]:
    """Budgets by model, tenant or feature. A wrong file is logged, and the service starts without it."""
    if not config.budgets_file:
        return ()
    from otel_llm.aggregate.budgets import read  # noqa: PLC0415 - only where there is such a file
    from otel_llm.core.document import DocumentError  # noqa: PLC0415

    try:
        return read(config.budgets_file, config.metric_labels)
    except DocumentError as error:
        logger.warning("OTEL_LLM_BUDGETS_FILE: %s; going on without budgets of its own", error)
        return ()


def _warn_of_stream(provider: str, model: str) -> None:
    """Logged once for each model of a service: its tokens and cost are missing from every total."""
    change = _USAGE_OF_STREAMS.get(
        provider, "ask for it: stream_options={'include_usage': True}, where the API is OpenAI's"
    )
    logger.warning(
        "A stream of %s at %s came without usage, so its tokens and cost are not counted; %s.", model, provider, change
    )


_USAGE_OF_STREAMS = {
    "anthropic": "the stream was left before its end, or a proxy drops message_delta events",
    "gcp.gemini": "read the stream to its end: usage is in its last chunk",
    "gcp.vertex_ai": "read the stream to its end: usage is in its last chunk",
    "aws.bedrock": "read the stream to its end: usage is in its metadata event",
    "openai_compatible": "ask for it with stream_options={'include_usage': True}; some servers need a setting to report it",
}  # what to change, by provider


def _capture(config: Config) -> Any:
    if config.content == "no_content":
        return None
    from otel_llm.outputs.messages import Content  # noqa: PLC0415 - only where content is captured

    return Content(config, event_logger())


def _tracer() -> Tracer:
    return trace.get_tracer(SCOPE, __version__, schema_url=SCHEMA_URL)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


_lock = threading.Lock()
_runtime: Runtime | None = None


def current() -> Runtime | None:
    """The runtime of this process, if it is watched."""
    return _runtime


def start(config: Config | None = None) -> Runtime | None:
    """Begin to watch this process; None where ``OTEL_SDK_DISABLED`` says not to, or in a subinterpreter. Starting again changes nothing."""
    global _runtime  # noqa: PLW0603 - one runtime per process
    with _lock:
        if _runtime is None:
            config = Config.from_env() if config is None else config
            if config.sdk_disabled or not _here():
                return None
            made = Runtime(config)
            with guard("start"):
                made.start()
            _runtime = made
        return _runtime


def _here() -> bool:
    """Whether this interpreter can be watched: Python ends the whole process where another than the main one keeps threads to its end."""
    if interpreter.is_main():
        return True
    if not _warned:
        _warned.append("here")
        logger.warning(
            "This is not the process's main interpreter: its calls are not seen. Under mod_wsgi, set WSGIApplicationGroup %{GLOBAL}."
        )
    return False


_warned: list[str] = []


def stop() -> None:
    """Stop watching this process. What was counted goes with it, except for the spend of the period."""
    global _runtime
    with _lock:
        stopped, _runtime = _runtime, None
    if stopped is not None:
        with guard("stop"):
            stopped.stop()


def instrument(*names: str, config: Config | None = None) -> None:
    """Watch the LLM client libraries ``names`` (all by default), whether imported already or later.

    Settings come from the environment unless ``config`` is given. Calling it again adds libraries. Raises ``ValueError`` for a
    name that is not among ``otel-llm providers``.
    """
    unknown = [name for name in names if name not in clients.NAMES]
    if unknown:
        raise ValueError(f"no client library is called {unknown[0]!r}; there are {', '.join(clients.NAMES)}")
    runtime = start(config)
    if runtime is not None:
        for name in names or clients.NAMES:
            runtime.watch(name)


def uninstrument(*names: str) -> None:
    """Put back what ``instrument`` changed: of the libraries ``names``, or of all; without names it stops everything.

    A name that is not watched is skipped. Raises nothing.
    """
    runtime = current()
    if runtime is None:
        return
    for name in names:
        runtime.unwatch(name)
    if not names:
        stop()
