"""What the window says, as plain values for the way from the leader to whoever asked, and back."""

from __future__ import annotations

from typing import Any

from otel_llm.window import Facts, Stats


def packed(stats: Stats) -> Any:
    """Tuples, dicts and numbers only."""
    return _facts(stats.total), {key: _facts(facts) for key, facts in stats.models.items()}


def unpacked(plain: Any) -> Stats:
    """What ``packed`` was given."""
    total, models = plain
    return Stats(Facts(*total), {key: Facts(*facts) for key, facts in models.items()})


def _facts(facts: Facts) -> tuple[Any, ...]:
    return tuple(value if value is None or isinstance(value, (int, float)) else dict(value) for value in facts)
