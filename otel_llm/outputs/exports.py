"""When a MeterProvider collects, and what of that its exporters have sent. OpenTelemetry's SDK has no public word for either."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from otel_llm.core.guard import guard


class Watcher(Protocol):
    """Whoever wants to know of exports."""

    def collected(self, collect: Callable[[], Any]) -> tuple[Any, object]:
        """Call ``collect``; returns what that did, and a name for what had been recorded until then."""

    def sent(self, what: object) -> None:
        """What had been recorded until the collection that was called ``what`` is with a receiver."""


def readers(provider: Any) -> tuple[Any, ...]:
    """The metric readers of ``provider``; none where it is not the SDK's."""
    config = getattr(provider, "_sdk_config", None)  # where the SDK kept its readers in older versions
    return tuple(getattr(provider, "_metric_readers", None) or getattr(config, "metric_readers", None) or ())


def watch(provider: Any, watcher: Watcher) -> Callable[[], None] | None:
    """Call ``watcher`` at each collection and export of ``provider``. Returns what ends that; None where nothing of it can be
    known, because no reader has an exporter, or the SDK is not as it was."""
    undo: list[Callable[[], None]] = []
    for reader in readers(provider):
        with guard("start"):
            exporter, collect = getattr(reader, "_exporter", None), getattr(reader, "_collect", None)
            if callable(collect) and callable(getattr(exporter, "export", None)):
                undo.append(_watch(reader, exporter, watcher))
    if not undo:
        return None

    def end() -> None:
        for one in undo:
            with guard("stop"):
                one()

    return end


def _watch(reader: Any, exporter: Any, watcher: Watcher) -> Callable[[], None]:
    collect, export = reader._collect, exporter.export  # noqa: SLF001 - see above
    under_way: list[tuple[Any, object]] = []  # what was collected and is being sent

    def collecting(*arguments: Any, **options: Any) -> Any:
        result, what = watcher.collected(lambda: collect(*arguments, **options))
        if result is not None:
            under_way.append((result, what))
            del under_way[:-_MOST_UNDER_WAY]
        return result

    def exporting(data: Any, *arguments: Any, **options: Any) -> Any:
        here = next((pair for pair in under_way if pair[0] is data), None)
        if here is not None:
            under_way.remove(here)
        result = export(data, *arguments, **options)
        if here is not None and getattr(result, "name", "") == "SUCCESS":
            watcher.sent(here[1])
        return result

    reader._collect, exporter.export = collecting, exporting  # noqa: SLF001 - see above

    def end() -> None:
        if reader._collect is collecting:  # noqa: SLF001 - see above
            reader._collect = collect  # noqa: SLF001 - see above
        if exporter.__dict__.get("export") is exporting:
            del exporter.export

    return end


_MOST_UNDER_WAY = 4


def begin_at_zero(provider: Any, scope: str) -> None:
    """In a forked child: forget what instruments of ``scope`` had recorded in the parent. The SDK copies its sums, and the child
    would push its parent's calls once more, as another instance.

    An export of the parent's that was under way at the fork left a lock locked in the child, which would never push.
    """
    for reader in readers(provider):
        if hasattr(reader, "_export_lock"):
            reader._export_lock = threading.Lock()  # noqa: SLF001 - see above
    consumer = getattr(provider, "_measurement_consumer", None)
    for storage in tuple(getattr(consumer, "_reader_storages", {}).values()):
        matches = getattr(storage, "_instrument_view_instrument_matches", {})
        for instrument in tuple(matches):
            if getattr(getattr(instrument, "instrumentation_scope", None), "name", "") == scope:
                del matches[instrument]
