"""What one LLM call is: the nouns every other module speaks. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from otel_llm.core.shapes import NamedTuple, dataclass

BATCH = "batch"
"""The operation of an answer that was read from the results of a batch: money, and no call whose duration is known."""

AttributeValue = str | int | float | bool | list[str] | tuple[str, ...]


@dataclass(slots=True)
class Usage:
    """What a call consumed, in tokens unless a field says otherwise; None is "the provider did not report it", never zero.

    ``input_tokens`` includes cached reads and cache writes; ``output_tokens`` includes thinking. The others are parts of
    those two: ``cache_write_1h_tokens`` is the part of ``cache_write_tokens`` that lives an hour, and so on.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    cache_write_12h_tokens: int | None = None
    thinking_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    cache_image_read_tokens: int | None = None
    input_video_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    input_text_tokens: int | None = None
    output_text_tokens: int | None = None
    web_searches: int | None = None
    audio_seconds: float | None = None
    cost_usd: float | None = None  # as the provider reports it, US dollars
    estimated: bool = False  # counted by somebody else than the provider
    longest: int | None = None  # input tokens of the longest request, of a call that makes several; prices depend on it
    billed_input_tokens: int | None = None  # what is paid for, where that is not what the model saw
    billed_output_tokens: int | None = None

    @classmethod
    def of(cls, input_tokens: int | None, output_tokens: int | None) -> Usage:
        """The same as ``Usage(input_tokens, output_tokens)`` for a third of it."""
        usage = _new(cls)
        usage.input_tokens, usage.output_tokens, usage.estimated = input_tokens, output_tokens, False
        (
            usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.cache_write_12h_tokens,
            usage.thinking_tokens, usage.input_audio_tokens, usage.output_audio_tokens, usage.cache_audio_read_tokens,
            usage.cache_image_read_tokens, usage.input_video_tokens, usage.input_image_tokens, usage.output_image_tokens,
            usage.input_text_tokens, usage.output_text_tokens, usage.web_searches, usage.audio_seconds, usage.cost_usd,
            usage.longest, usage.billed_input_tokens, usage.billed_output_tokens,
        ) = _NOT_REPORTED  # fmt: skip
        return usage

    @property
    def known(self) -> bool:
        """Whether the provider reported what it counts: tokens, or for some transcriptions seconds."""
        return self.input_tokens is not None or self.output_tokens is not None or self.audio_seconds is not None

    def by_modality(self) -> tuple[tuple[str, str, int], ...]:
        """(``input`` or ``output``, modality, tokens) of what was reported by modality; empty for text alone."""
        if (
            self.input_audio_tokens is self.output_audio_tokens is self.input_video_tokens is None
            and self.input_image_tokens is self.output_image_tokens is None
        ):
            return ()
        parts = (
            ("input", "text", self.input_text_tokens), ("input", "audio", self.input_audio_tokens),
            ("input", "image", self.input_image_tokens), ("input", "video", self.input_video_tokens),
            ("output", "text", self.output_text_tokens), ("output", "audio", self.output_audio_tokens),
            ("output", "image", self.output_image_tokens),
        )  # fmt: skip
        return tuple((direction, modality, count) for direction, modality, count in parts if count)

    def billed(self) -> Usage:
        """The tokens that are paid for, where the provider counts them separately: what it read from a cache is not among them."""
        return replace(
            self,
            input_tokens=self.billed_input_tokens,
            output_tokens=self.billed_output_tokens,
            cache_read_tokens=None,
        )

    def plus(self, other: Usage) -> Usage:
        """Both together; what neither reports stays unknown."""
        total = Usage(estimated=self.estimated or other.estimated)
        total.longest = max(self.longest or self.input_tokens or 0, other.longest or other.input_tokens or 0) or None
        for name in _COUNTS:
            ours, theirs = getattr(self, name), getattr(other, name)
            setattr(total, name, theirs if ours is None else ours + (theirs or 0))
        return total


_new = object.__new__
_NOT_REPORTED: Any = (None,) * 20
_COUNTS = tuple(name for name in Usage.__annotations__ if name not in ("estimated", "longest"))


FEES: Mapping[str, str] = {
    "web_search": "a search of the web by a provider's tool; ``Usage.web_searches`` has the same count",
    "file_search": "a search of a provider's file store",
    "code_interpreter": "a session of a provider's code interpreter",
    "image_generation": "an image that a tool made, whose tokens the provider did not report",
    "grounding": "Google's grounding: a prompt for models before 3, a query from 3 on",
    "web_search_preview": "a search by OpenAI's older tool ``web_search_preview`` with a model that does not reason",
    "maps_grounding": "Google's grounding by Maps: a prompt for models before 3, a query from 3 on",
    "rerank": "a unit of reranking, as its provider counts them",
    "web_search_premium": "a search of the web and of news agencies by Mistral's tool",
    "document_library": "a search of Mistral's document library",
    "connector": "a use of a provider's connector that has no name here",
    "live_search": "a source that xAI's live search used",
    "ocr_pages": "a page that was read",
    "image": "an image whose tokens the provider does not report",
    "speech_characters": "a character that was spoken",
    "video": "a video",
}
"""Billable units beside tokens, and what one of each is."""


ReadValue = Callable[[Any, "Response"], None]
ReadChunk = Callable[[Any, "Response"], bool]


@dataclass(frozen=True, slots=True)
class Reader:
    """How one operation's results are read. ``chunk`` returns True where the chunk carries output (stops the first-chunk clock)."""

    value: ReadValue
    chunk: ReadChunk | None = None
    usage: bool = True  # False where the provider never reports usage for the operation: none is then not "unknown"
    terminal: bool = (
        False  # a stream says that it ends (``done``, or a finish reason): one that ends without was cut off
    )


class Expected(NamedTuple):
    """What a request lets expect of its answer: whether JSON, and the names of the tools it offers, None where they are not known."""

    json: bool
    tools: frozenset[str] | None


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
    region: str | None = None  # where it is asked to be served, as the provider writes it: prices may depend on it
    usage_asked: bool = False  # a stream was asked to report its usage, after its last piece of output
    on_headers: Callable[[Mapping[str, str], Request, Response], None] | None = None  # reads the headers of a reply
    fees: tuple[tuple[str, float], ...] = ()  # billable units that the request shows; see ``Response.fees``
    background: bool = False  # the answer is asked to be made in the background, and comes with a later request
    counted: bool = True  # False for what runs no model, and is a span only
    guardrail: str = ""  # a guardrail of the provider's that is asked for, by its id
    expects: Callable[[], Expected] | None = None  # there where it asks for JSON or offers tools
    recalled: bool = False  # a response cache answers it with a stream: nothing is asked of the provider

    @classmethod
    def to(
        cls, provider: str, operation: str, model: str | None, reader: Reader, address: str | None, port: int | None, stream: bool,
        attributes: dict[str, AttributeValue], content: Callable[[], dict[str, Any]] | None, region: str | None,
    ) -> Request:  # fmt: skip
        """The same as ``Request(...)`` for half of it."""
        request = _new(cls)
        request.provider, request.operation, request.model, request.reader = provider, operation, model, reader
        request.server_address, request.server_port, request.stream, request.attributes = (
            address,
            port,
            stream,
            attributes,
        )
        request.content, request.region = content, region
        request.service_tier = request.on_headers = request.expects = None
        request.usage_asked = request.background = request.recalled = False
        request.fees, request.counted, request.guardrail = (), True, ""
        return request


@dataclass(slots=True)
class Response:
    """The provider's reply; a stream fills it in chunk by chunk."""

    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    ends: dict[int, str] | None = None  # why each choice of a stream ended, by its index
    usage: Usage | None = None
    service_tier: str | None = None
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    error_code: str | None = None  # a failure reported inside a successful reply
    fallback: tuple[str, str, str] | None = None  # from model, to model, reason
    done: bool = False  # the provider has sent all, even where the caller has not read to the end
    content: list[Any] | None = None  # output messages, kept only while content capture is on
    requests: int = 0  # how many a call made that makes several by itself, as one that runs tools does
    earlier: Usage | None = None  # what those before the last one consumed; ``usage`` includes it
    checks: tuple[tuple[str, str, float | None], ...] = ()  # guardrail, result, seconds; see ``checked``
    refused: bool = False  # the model says that it will not answer, where that is no finish reason
    cached: bool = False  # a response cache answered: nothing was asked of the provider
    late: Callable[[Response], None] | None = None  # reads what is known only when the call has ended
    fees: tuple[tuple[str, float], ...] = ()  # (name, count) of what is billed beside tokens; ``FEES`` has the names
    earlier_fees: tuple[tuple[str, float], ...] = ()  # of the requests before the last one; ``fees`` includes them
    others: tuple[
        tuple[str, Usage], ...
    ] = ()  # (model, usage) of other models that worked inside, billed beside ``usage``
    region: str | None = None  # where it was served, as the provider writes it
    cache_miss: str = ""  # why the prompt cache was missed, by the provider's own word
    cache_missed_tokens: int | None = None  # input tokens that would have been read from it
    cache_avoidable: float = 0.0  # US dollars that the call would have cost less with them cached; pricing knows it
    unknown: str = ""  # why there is no usage, where that is not plain from the call
    pending: str = ""  # the id of an answer that is made in the background, until it is there

    def ended(self, choice: int | None, reason: str) -> None:
        """Why a choice of a stream ended. Some servers say it again, beside the usage: it counts once."""
        if self.ends is None:
            self.ends = {}
        self.ends[choice or 0] = reason
        self.finish_reasons = list(self.ends.values())

    def checked(self, guardrail: str, result: str, seconds: float | None = None) -> None:
        """A guardrail has checked the call: ``passed``, ``changed`` or ``blocked``, of several the worst. Empty is the provider's own."""
        before = next((one for one in self.checks if one[0] == guardrail), None)
        if before is not None:
            worst = max(result, before[1], key=("passed", "changed", "blocked").index)
            seconds = before[2] if seconds is None else seconds + (before[2] or 0.0)
            result = worst
        self.checks = (*(one for one in self.checks if one is not before), (guardrail, result, seconds))

    def fee(self, name: str, count: float | None) -> None:
        """Set how many of a billable unit there were; None and 0 are none."""
        other_fees = tuple([pair for pair in self.fees if pair[0] != name])
        self.fees = (*other_fees, (name, count)) if count else other_fees

    @classmethod
    def to(cls, content: list[Any] | None) -> Response:
        """The same as ``Response(content=content)`` for half of it, at the start of every call."""
        response = _new(cls)
        response.finish_reasons, response.attributes, response.content = [], {}, content
        (
            response.model, response.id, response.ends, response.usage, response.service_tier, response.error_code,
            response.fallback, response.earlier, response.late, response.region, response.cache_missed_tokens,
            response.done, response.refused, response.cached,
            response.checks, response.fees, response.earlier_fees, response.others,
            response.cache_miss, response.unknown, response.pending, response.requests, response.cache_avoidable,
        ) = _NOTHING_YET  # fmt: skip
        return response


_NOTHING_YET: Any = (*(None,) * 11, False, False, False, (), (), (), (), "", "", "", 0, 0.0)


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
    usage_unknown: str = ""  # why a successful call reported no usage
    cost: float | None = None  # US dollars
    cost_source: str = ""  # provider, prices, unpriced or empty (nothing to price)
    cost_saved: float = 0.0  # US dollars that cached reads saved against uncached input
    finish_reasons: tuple[str, ...] = ()
    trace_id: str = ""  # 32 hex digits, of a recorded span only
    span_id: str = ""
    fees: tuple[tuple[str, float], ...] = ()  # (name, count) of what is billed beside tokens
    incomplete: tuple[str, ...] = ()  # fees and parts of the usage that ``cost`` lacks, as no price of theirs is known
    cache_miss: str = ""  # why the prompt cache was missed, by the provider's own word
    cache_missed_tokens: int | None = None  # input tokens that would have been read from it
    agent: str = ""  # the agent whose run the call is part of
    cost_avoidable: float = (
        0.0  # US dollars that the call would have cost less, had ``cache_missed_tokens`` been cached
    )
    problems: tuple[
        str, ...
    ] = ()  # what is wrong with an answer that came without an error; ``calls.answers`` has the words
    spenders: tuple[tuple[str, str], ...] = ()  # name and shown value of the caller's labels, where it cost something
    server_port: int | None = None
    conversation: (
        tuple[str, int] | tuple[()]
    ) = ()  # hash of the conversation's id, and 1 where the call begins a turn of it
    failure: tuple[int, str] | tuple[()] = ()  # of a failed call: HTTP status, 0 where none is known, and the route


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
