"""Who a call is made for, as the list of top spenders names it: values of labels, which may be anything a caller writes there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from otel_llm.core.digest import sha256

MOST_NAMES = 8
"""Labels of one call; further ones are left out."""
LONGEST = 64
"""Characters of a value that is shown as it is."""
DIGITS = 12
"""Of a hash: two of ten thousand values share one once in six million times."""
_PLAIN = ("route",)

Named = tuple[tuple[str, str], ...]


class Spenders:
    """Names callers by their labels. The values of the labels ``plain`` are shown, those of others are hashed."""

    __slots__ = ("plain",)

    def __init__(self, plain: tuple[str, ...] = ()) -> None:
        self.plain = frozenset((*plain, *_PLAIN))

    def __call__(self, labels: Mapping[str, str]) -> Named:
        """Name and shown value of each label that is not empty."""
        plain = self.plain
        pairs = [(name, value[:LONGEST] if name in plain else hashed(value)) for name, value in labels.items() if value]
        return tuple(pairs[:MOST_NAMES])


@lru_cache(4096)
def hashed(value: str) -> str:
    """The first digits of the value's SHA-256, which ``printf %s VALUE | sha256sum`` prints."""
    return "#" + sha256(value.encode(errors="replace"))[:DIGITS]
