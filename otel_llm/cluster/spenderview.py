"""Who spends most of a service and port: what live processes know, or what was left when they ended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from otel_llm.aggregate import Store
from otel_llm.aggregate.spenders import Spenders
from otel_llm.core.config import Config

from . import spendfile, statedir
from .consumer import JournalConsumer
from .rpc import RemoteAggregator, UnreachableError
from .verdict_queue import Discard


def read(config: Config) -> Spenders:
    """Everything known of days and months. Raises OSError where the state directory cannot be read, ValueError where it is damaged."""
    merged = Spenders(config.top_spenders)
    base = statedir.base(config)
    if not base.is_dir():
        return merged
    whole = False  # whether somebody has what was spent before, too
    for start in statedir.starts(base):
        with suppress(UnreachableError):
            merged.merge(RemoteAggregator(start / statedir.SOCKET).spenders())
            whole = True
            continue
        left = _left_behind(start, config)
        if left is not None:
            merged.merge(left.store.spenders())
            whole = whole or left.with_spend
    before = None if whole else spendfile.load(base / statedir.SPENDERS, "Spenders")
    if before is not None:
        merged.merge(before)
    return merged


def _left_behind(start: Path, config: Config) -> JournalConsumer | None:
    left = JournalConsumer(start, Store(config), Discard())
    try:
        if left.unreadable:
            return None
        left.drain(None)
        return left
    finally:
        left.close()
