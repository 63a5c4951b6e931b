"""Puts the bridge into every TracerProvider of OpenTelemetry's SDK in the process, now or when it comes, and takes it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from otel_llm.calls import collected, runs, shared_span
from otel_llm.calls.declarations import Around, Framework, Replace
from otel_llm.core.guard import guard

from .bridge import Bridge
from .shadow import known, shadowing

_BRIDGE = guard("bridge")


class RecordOnly:
    """A sampler over the host's: spans of agents, tools and the like that it drops, and spans inside of them, are recorded
    but not sampled. No exporter sees them; the bridge does."""

    def __init__(self, host: Any, bridge: Bridge) -> None:
        from opentelemetry.sdk.trace.sampling import Decision  # noqa: PLC0415 - it is loaded

        self.host = host
        self._bridge = bridge
        self._dropped = Decision.DROP

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, kind: Any = None, attributes: Any = None,
        links: Sequence[Any] | None = None, *more: Any, **others: Any,
    ) -> Any:  # fmt: skip
        """The host's decision, or ``RECORD_ONLY`` in place of ``DROP``."""
        if more or others:
            result = self.host.should_sample(parent_context, trace_id, name, kind, attributes, links, *more, **others)
        else:  # a call with plain arguments takes half as long
            result = self.host.should_sample(parent_context, trace_id, name, kind, attributes, links)
        if result.decision is not self._dropped or not self._bridge.active:
            return result
        with _BRIDGE:
            if known("", name, attributes) or runs.of(get_current_span(parent_context)) is not None:
                return type(result)(type(result.decision).RECORD_ONLY, attributes, result.trace_state)
        return result

    def get_description(self) -> str:
        """The host's."""
        return str(self.host.get_description())


class Attached:
    """The providers that have the bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._providers: WeakSet[Any] = WeakSet()

    def __call__(self, provider: Any) -> None:
        """Put the bridge into ``provider``, unless it is there or the provider is not the SDK's."""
        if not self._bridge.active or not hasattr(provider, "_active_span_processor"):
            return  # first of all: another's provider need not be hashable
        if provider in self._providers:
            return
        self._providers.add(provider)
        provider.add_span_processor(self._bridge)
        over = RecordOnly(provider.sampler, self._bridge)
        for sampled in (provider, *_tracers(provider)):
            if sampled.sampler is over.host:
                sampled.sampler = over

    def detach(self) -> None:
        """Take the bridge out of all of them."""
        self._bridge.active = False
        for provider in list(self._providers):
            with _BRIDGE:
                for sampled in (provider, *_tracers(provider)):
                    if isinstance(sampled.sampler, RecordOnly):
                        sampled.sampler = sampled.sampler.host
                processors = provider._active_span_processor  # noqa: SLF001 - there is no public way to take one out
                others = [each for each in processors._span_processors if each is not self._bridge]  # noqa: SLF001
                processors._span_processors = tuple(others)  # noqa: SLF001
        self._providers.clear()


def _tracers(provider: Any) -> tuple[Any, ...]:
    """The tracers that a provider has handed out; older versions of the SDK do not keep them."""
    return tuple(getattr(provider, "_tracers", {}).values())


def declaration(bridge: Bridge, attached: Attached) -> Framework:
    """The hooks in OpenTelemetry itself: the SDK's providers as they hand out tracers, and the API's tracer without one."""
    return Framework(
        name="opentelemetry",
        distribution="opentelemetry-sdk",
        requires=">=1.30,<2",
        tested=("1.30.0", "1.45.2"),
        hooks=(
            Around("opentelemetry.sdk.trace", ("TracerProvider.get_tracer",), lambda *_: None,
                   lambda provider, _, __: attached(provider)),
            Around("opentelemetry.sdk.trace", ("TracerProvider.force_flush",), lambda *_: None, lambda *_: collected.conclude()),
            Around("opentelemetry.sdk.trace", ("TracerProvider.shutdown",), lambda *_: None, lambda *_: shared_span.settle()),
            Replace("opentelemetry.trace", "ProxyTracer._tracer", shadowing(lambda: bridge if bridge.active else None)),
        ),
    )  # fmt: skip


def now(attached: Attached) -> None:
    """Attach to the provider that the process has, if it has one."""
    provider = getattr(trace, "_TRACER_PROVIDER", None)
    if provider is not None:
        attached(provider)
        if not hasattr(provider, "_active_span_processor"):
            attached(getattr(provider, "provider", None))  # Logfire's, around one of the SDK
