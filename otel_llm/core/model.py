"""What one LLM call is: the nouns every other module speaks. Standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

AttributeValue = str | int | float | bool | list[str] | tuple[str, ...]


@dataclass
class Usage:
    """What a call consumed, in tokens unless said otherwise; None is "the provider did not say", never zero.

    ``input_tokens`` includes cached reads and cache writes; ``output_tokens`` includes thinking. The others are parts of
    those two: ``cache_write_1h_tokens`` is the part of ``cache_write_tokens`` that lives an hour, and so on.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    thinking_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    input_text_tokens: int | None = None
    output_text_tokens: int | None = None
    web_searches: int | None = None
    audio_seconds: float | None = None
    cost_usd: float | None = None  # as the provider reports it, US dollars
    estimated: bool = False  # counted by somebody else than the provider
    longest: int | None = None  # input tokens of the longest request, of a call that makes several; prices go by it
    billed_input_tokens: int | None = None  # what is paid for, where that is not what the model saw
    billed_output_tokens: int | None = None

    @classmethod
    def of(cls, input_tokens: int | None, output_tokens: int | None) -> Usage:
        """The same as ``Usage(input_tokens, output_tokens)`` for a quarter of it: what was not told stays as the class has it."""
        made = _new(cls)
        made.input_tokens, made.output_tokens = input_tokens, output_tokens
        return made

    @property
    def known(self) -> bool:
        """Whether the provider told what it counts: tokens, or for some transcriptions seconds."""
        return self.input_tokens is not None or self.output_tokens is not None or self.audio_seconds is not None

    def billed(self) -> Usage:
        """The tokens that are paid for, where the provider tells them apart; cached reads are at most that."""
        asked, cached = self.billed_input_tokens or 0, self.cache_read_tokens
        return replace(
            self,
            input_tokens=self.billed_input_tokens,
            output_tokens=self.billed_output_tokens,
            cache_read_tokens=cached if cached is None else min(cached, asked),
        )

    def plus(self, other: Usage) -> Usage:
        """Both together; what neither tells stays unknown."""
        total = Usage(estimated=self.estimated or other.estimated)
        total.longest = max(self.longest or self.input_tokens or 0, other.longest or other.input_tokens or 0) or None
        for name in _COUNTS:
            ours, theirs = getattr(self, name), getattr(other, name)
            setattr(total, name, theirs if ours is None else ours + (theirs or 0))
        return total


_new = object.__new__
_COUNTS = tuple(field.name for field in fields(Usage) if field.name not in ("estimated", "longest"))


ReadValue = Callable[[Any, "Response"], None]
ReadChunk = Callable[[Any, "Response"], bool]


@dataclass(frozen=True, slots=True)
class Reader:
    """How one operation's results are read. ``chunk`` returns True where the chunk carries output (stops the first-chunk clock)."""

    value: ReadValue
    chunk: ReadChunk | None = None
    usage: bool = True  # False where the provider never reports usage for the operation: none is then not "unknown"


@dataclass(slots=True)
class Request:
    """What the caller asked for. ``attributes`` are span attributes by their OpenTelemetry names."""

    provider: str
    operation: str
    model: str | None
    reader: Reader
    server_address: str | None = None
    server_port: int | None = None
    stream: bool = False
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    service_tier: str | None = None
    content: Callable[[], dict[str, Any]] | None = None  # called only while content capture is on


@dataclass
class Response:
    """What the provider said; a stream fills it in chunk by chunk."""

    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    ends: dict[int, str] | None = None  # why each choice of a stream ended, by its index
    usage: Usage | None = None
    service_tier: str | None = None
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    error_code: str | None = None  # a failure told inside a successful reply
    fallback: tuple[str, str, str] | None = None  # from model, to model, reason
    done: bool = False  # the provider has said all, even where the caller has not read to the end
    content: list[Any] | None = None  # output messages, kept only while content capture is on
    requests: int = 0  # how many a call made that makes several by itself, as one that runs tools does
    earlier: Usage | None = None  # what those before the last one consumed; ``usage`` includes it
    cached: bool = False  # a response cache answered: nothing was asked of the provider
    late: Callable[[Response], None] | None = None  # reads what can be told only when the call has ended

    def ended(self, choice: int | None, reason: str) -> None:
        """Why a choice of a stream ended. Some servers say it again, beside the usage: it counts once."""
        if self.ends is None:
            self.ends = {}
        self.ends[choice or 0] = reason
        self.finish_reasons = list(self.ends.values())

    @classmethod
    def to(cls, content: list[Any] | None) -> Response:
        """The same as ``Response(content=content)`` for a third of it, at the start of every call."""
        made = _new(cls)
        made.finish_reasons, made.attributes, made.content = [], {}, content
        return made


class Observation(NamedTuple):
    """The fact of one finished call, flat and made of plain values, so that it can cross a process boundary as it is.

    Strings are never None: an empty one is "not there". ``error_type`` is empty for a success. ``chunk_gaps`` counts the
    times between output chunks per bucket of the catalogue's duration bounds: (bucket index, count).
    """

    at: float  # when it ended, seconds since the epoch
    provider: str
    request_model: str
    operation: str
    response_model: str
    server_address: str
    error_type: str
    duration: float  # seconds
    labels: tuple[str, ...] = ()  # values of the custom labels, in the configuration's order
    stream: bool = False
    first_chunk: float | None = None  # seconds from the start of the call
    chunk_gaps: tuple[tuple[int, int], ...] = ()
    chunk_gap_sum: float = 0.0  # seconds
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    thinking_tokens: int | None = None
    modalities: tuple[
        tuple[str, str, int], ...
    ] = ()  # ("input" | "output", modality, tokens), where the provider splits
    usage_unknown: str = ""  # why a successful call brought no usage
    cost: float | None = None  # US dollars
    cost_source: str = ""  # provider, prices, unpriced or empty (nothing to price)
    cost_saved: float = 0.0  # US dollars that cached reads saved against uncached input
    finish_reasons: tuple[str, ...] = ()
    trace_id: str = ""  # 32 hex digits, of a recorded span only
    span_id: str = ""


class Event(NamedTuple):
    """Something that happened beside or around a call: a retry, a fallback, a look-up, a breaker's step.

    ``metric`` is a Prometheus name of the catalogue, ``labels`` its label values in the catalogue's order (custom labels
    last), ``value`` what to add (counter), observe (histogram) or set (gauge).
    """

    metric: str
    at: float
    labels: tuple[str, ...]
    value: float = 1.0
    trace_id: str = ""


Record = Observation | Event
