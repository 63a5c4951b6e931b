"""Where a process shows its service's metrics: in prometheus_client's registry, and on the port while it leads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import wrapt

from otel_llm.cluster.member import Member
from otel_llm.core.config import Config
from otel_llm.core.guard import guard

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from .collector import Collector
    from .server import Server

PORT_SECONDS = 1.0
"""Between two attempts to bind a port that was taken."""


def _weakly(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """``method``, without keeping its object: a hook of an import cannot be taken back."""
    reference = WeakMethod(method)

    def called(argument: Any) -> None:
        method = reference()
        if method is not None:
            method(argument)

    return called


class Endpoint:
    """Lives as long as ``member``. Without ``serve`` it binds no port, and mounted apps answer."""

    def __init__(
        self, config: Config, member: Member, *, serve: bool = True, registry: CollectorRegistry | None = None
    ) -> None:
        self._config = config
        self._member = member
        self._serve = serve
        self._registry = registry
        self._collector: Collector | None = None
        self._server: Server | None = None
        self._next_bind = 0.0
        self._open = self._closed = False
        member.attach(self)

    @property
    def port(self) -> int | None:
        """Where /metrics is served by this process."""
        return None if self._server is None else self._server.port

    @property
    def collector(self) -> Collector:
        """What stands in the registry for us. Made at the first scrape, or when the host imports prometheus_client."""
        if self._collector is None:
            with self._member.lock:  # a fork waits for it: what is half imported in a parent stays so in its child
                from prometheus_client import REGISTRY  # noqa: PLC0415 - 15 ms, which a start can do without

                from .collector import Collector  # noqa: PLC0415 - likewise

                self._collector = self._collector or Collector(self._config, self._member, self._registry or REGISTRY)
        return self._collector

    def scrape(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body of /metrics: the service's metrics, and those of this process's registry.

        Raises ``UnreachableError`` where nobody leads just now.
        """
        return self.collector.render(accept)

    def round(self) -> None:
        """Serve the port while this process leads."""
        if self._closed:
            return
        if not self._open:  # before the first round, nobody can look for us in the registry
            self._open = True
            wrapt.register_post_import_hook(_weakly(self._join), "prometheus_client")
        if not self._member.serves:
            self._unbind()
        elif self._serve:
            self._bind()

    def close(self) -> None:
        """Leave the registry and give the port back."""
        self._closed = True
        if self._collector is not None:
            self._collector.unregister()
        self._unbind()

    def drop_after_fork(self) -> None:
        """In a forked child: close this process's descriptors of the port."""
        if self._server is not None:
            self._server.drop_after_fork()
            self._server = None
        self._next_bind = 0.0

    def _join(self, _: Any) -> None:
        with guard("registry"):
            if not self._closed:
                self.collector.register()

    def _bind(self) -> None:
        """Serve /metrics; while the port is taken, try again now and then.

        Not before the second time is it worth a warning: a service that is just ending may have it.
        """
        if self._server is not None or time.monotonic() < self._next_bind:
            return
        from .families import ipv6_only  # noqa: PLC0415 - only where there is a port to serve
        from .server import ANY_IPV4, BY_IPV6, ServeError, serve  # noqa: PLC0415 - only where there is a port to serve

        again, self._next_bind = self._next_bind > 0, time.monotonic() + PORT_SECONDS
        try:
            self._server = serve(self._config, self.scrape, self._member.status)
            if self._config.host == ANY_IPV4 and ipv6_only():
                self._member.warn(
                    f"/metrics on {ANY_IPV4} is reached by IPv4 only, and this machine has no route by IPv4; {BY_IPV6}"
                )
        except ServeError as error:
            if again:
                self._member.warn(f"/metrics is not served, everything else works: {error}")

    def _unbind(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
