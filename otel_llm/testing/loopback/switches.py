"""What a model's name asks of the server: faults, the shape of the answer, and the tokens that it reports."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Timing

WORDS = frozenset(
    [
        "audio",
        "cached",
        "context",
        "dated",
        "drop",
        "empty",
        "failed",
        "fallback",
        "filter",
        "hang",
        "hold",
        "image",
        "length",
        "malformed",
        "noretry",
        "nousage",
        "quota",
        "refusal",
        "search",
        "thinking",
        "tools",
    ]
)
GATE = "gate"
PIECES = ("Hello", " from", " the", " loopback", " server.")

_SEPARATORS = re.compile(r"[-/:.@_]")
_NUMBER = re.compile(r"(?:^|[-/:.@_])(slow|trickle|cut|chunks)-(\d+|gate)(?![a-z0-9])")
_FAIL = re.compile(r"(?:^|[-/:.@_])fail-(\d{3})(?:-(\d{1,4}))?(?![a-z0-9])")
_RETRY_AFTER = re.compile(r"retry-after(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class Switches:
    """A model's name, read. Times are in seconds, None where the gate is meant; ``words`` are those of ``WORDS``."""

    words: frozenset[str]
    fail: int = 0
    fail_times: int | None = None
    slow: float | None = 0.0
    trickle: float | None = 0.0
    cut: int | None = None
    chunks: int | None = None
    retry_after: int | None = None
    stream_error: bool = False

    def __contains__(self, word: str) -> bool:
        return word in self.words

    @property
    def finish(self) -> str:
        """Why the answer ends: ``stop``, ``length``, ``filter``, ``refusal`` or ``tools``."""
        return next((word for word in ("length", "filter", "refusal", "tools") if word in self.words), "stop")


@lru_cache(maxsize=4096)
def read_switches(model: str) -> Switches:
    """Read a model's name; words that are not switches are ignored, so that any real model's name is a plain answer."""
    name = model.lower()
    numbers = dict(_NUMBER.findall(name))
    fail = _FAIL.search(name)
    retry = _RETRY_AFTER.search(name)
    return Switches(
        words=WORDS.intersection(_SEPARATORS.split(name)),
        fail=int(fail[1]) if fail else 0,
        fail_times=int(fail[2]) if fail and fail[2] else None,
        slow=_seconds(numbers.get("slow", "0")),
        trickle=_seconds(numbers.get("trickle", "0")),
        cut=_count(numbers.get("cut")),
        chunks=_count(numbers.get("chunks")),
        retry_after=int(retry[1] or 1) if retry else None,
        stream_error="sse-error" in name,
    )


def _seconds(milliseconds: str) -> float | None:
    return None if milliseconds == GATE else int(milliseconds) / 1000


def _count(digits: str | None) -> int | None:
    return int(digits) if digits and digits != GATE else None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer reports. ``input`` includes cached reads and writes, ``output`` includes thinking."""

    input: int = 100
    output: int = 20
    thinking: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    output_audio: int = 0
    input_image: int = 0
    searches: int = 0

    @property
    def fresh(self) -> int:
        """Input that was neither read from nor written to the provider's cache."""
        return self.input - self.cache_read - self.cache_write

    @property
    def answer(self) -> int:
        """Output without thinking."""
        return self.output - self.thinking

    @property
    def total(self) -> int:
        return self.input + self.output


_CHANGES: dict[str, dict[str, int]] = {
    "thinking": {"thinking": 64, "output": 84},
    "cached": {"cache_read": 30, "cache_write": 10, "cache_write_1h": 4},
    "audio": {"input_audio": 40, "output_audio": 15},
    "image": {"input_image": 25},
    "search": {"searches": 2},
}


def tokens_of(switches: Switches, timing: Timing) -> Tokens:
    """The tokens of an answer: 100 in and 20 out, changed by the model's words, overruled by a timing's counts."""
    tokens = Tokens()
    for word in sorted(switches.words & _CHANGES.keys()):
        tokens = replace(tokens, **_CHANGES[word])
    counts = {
        "input": timing.input_tokens,
        "output": timing.output_tokens,
        "thinking": timing.thinking_tokens,
        "cache_read": timing.cache_read_tokens,
        "cache_write": timing.cache_write_tokens,
    }
    return replace(tokens, **{name: count for name, count in counts.items() if count is not None})
