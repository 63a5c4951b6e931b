"""Records as bytes and back, for the journal: by marshal, which keeps tuples and None as they are.

The common call, one with nothing but tokens, goes a shorter way: its numbers packed, and behind them its words, which are
marshalled once for all calls that share them. A stream has the numbers of its chunks between the two. A test holds both ways to the same.
"""

from __future__ import annotations

import marshal
import struct
import sys
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from otel_llm.core.model import Event, Observation, Record
from otel_llm.core.shapes import NamedTuple

if TYPE_CHECKING:
    from .window import Crossing, Judgement

VERSION: Final = 2
"""Changes with the meaning of a payload. What fields a record has is checked by their number."""

SIGNATURE: Final = f"otel-llm records {VERSION} python {sys.version_info[0]}.{sys.version_info[1]}"
"""What a file of records should open with: marshal is only sure to be read by the Python that wrote it."""

LARGEST: Final = 16384
"""Bytes of a record that is kept as it is; a usual one has 400."""
LONGEST: Final = 1024
"""Characters of each text in a larger one."""

_OBSERVATION: Final = 2 * VERSION
_EVENT: Final = 2 * VERSION + 1
_OBSERVATION_LENGTH: Final = len(Observation._fields) + 1
_EVENT_LENGTH: Final = len(Event._fields) + 1
_MARSHAL: Final = 2  # the last one without a table of references, which costs more than it saves here

COMMON: Final = b"\x01"
"""How the common call begins, and no marshalled tuple."""
STREAM: Final = b"\x02"
"""How the common call begins that is a stream."""
_PACKED: Final = (COMMON, STREAM)
_NUMBERS: Final = struct.Struct(
    "<cddddqqqqq32s16s"
)  # at, duration, cost, saved, five kinds of tokens, ids of trace and span
_CHUNKS: Final = struct.Struct(
    "<dd?B"
)  # seconds to the first chunk, sum of the gaps, whether it is a stream, number of the pairs
_GAP: Final = struct.Struct("<BI")  # a bucket of gaps and how many are in it
_GAPS: Final = [struct.Struct("<" + _GAP.format[1:] * pairs) for pairs in range(32)]
_STREAMED: Final = struct.Struct(_NUMBERS.format + _CHUNKS.format[1:])
NONE: Final = -(2**63)
"""Tokens that the provider did not report; a cost or a first chunk that is not known is -1."""
_IDS: Final = (32, 16)  # hexadecimal digits of a trace's id, and of a span's
NO_TRACE, _NO_SPAN = bytes(_IDS[0]), bytes(_IDS[1])
_NUMBERED: Final = Observation._fields.index("cost_avoidable") + 1  # what comes after it is among the words
_WORDS: Final = 12 + len(Observation._fields) - _NUMBERED
_MOST: Final = 1024  # calls' words that are kept at hand
_packed: dict[tuple[Any, ...], bytes] = {}
_words: dict[bytes, tuple[Any, ...]] = {}
_pack, _unpack, _SIZE = _NUMBERS.pack, _NUMBERS.unpack_from, _NUMBERS.size
_STREAM_SIZE: Final = _STREAMED.size
_dumps = marshal.dumps
_loads = marshal.loads
_tuple = tuple.__new__


class Verdict(NamedTuple):
    """A judgement or a budget's crossing, the call that it is about, and the process that made the call.

    ``labels`` are name and value of those by which the window that judged is kept apart.
    """

    source: int
    call: Observation
    finding: Judgement | Crossing
    labels: tuple[tuple[str, str], ...] = ()


def encode(record: Record) -> bytes:
    """One record as bytes. Subclasses of plain values (a ``str`` enumeration as model name) become plain.

    Names are user input: in a record of more than ``LARGEST`` bytes, each text is cut at ``LONGEST`` characters, which is more than
    any label shows. Raises ``ValueError`` where a field holds what is neither plain nor a subclass of a plain value.
    """
    if type(record) is not Observation:
        return encode_any(record)
    (
        at, provider, asked, operation, answered, address, error, duration, labels, stream, first_chunk, gaps, pace,
        given, output, read, written, thought, modalities, unknown, cost, source, saved, reasons, trace, span,
        fees, incomplete, miss, missed, agent, avoidable, problems, spenders, port, conversation, failure,
    ) = record  # fmt: skip
    ids = len(trace), len(span)
    streamed = stream or gaps or pace or first_chunk is not None
    if (
        modalities or fees or miss or avoidable or missed is not None
        or not (cost is None or cost >= 0.0)
        or not (ids == _IDS or ids == (0, 0))  # noqa: PLR1714 - a set takes twice as long
    ):  # fmt: skip
        return encode_any(record)
    words = (
        provider, asked, operation, answered, address, error, labels, unknown, source, reasons, incomplete, agent,
        problems, spenders, port, conversation, failure,
    )  # fmt: skip
    try:
        numbers = _pack(
            STREAM if streamed else COMMON, at, duration, -1.0 if cost is None else cost, saved,
            NONE if given is None else given, NONE if output is None else output, NONE if read is None else read,
            NONE if written is None else written, NONE if thought is None else thought,
            trace.encode("ascii"), span.encode("ascii"),
        )  # fmt: skip
        if streamed:
            numbers += _pack_chunks(stream, first_chunk, pace, gaps)
        return numbers + (_packed.get(words) or _pack_words(words))
    except (struct.error, TypeError, OverflowError, UnicodeError):  # it is not so plain
        return encode_any(record)


def encode_any(record: Record) -> bytes:
    """As ``encode``, whatever is in the record."""
    tag = _OBSERVATION if type(record) is Observation else _EVENT
    try:
        payload = _dumps((tag, *record), _MARSHAL)
    except ValueError:
        payload = _dumps((tag, *_plain(tuple(record))), _MARSHAL)
    return payload if len(payload) <= LARGEST else _dumps((tag, *_plain(tuple(record), LONGEST)), _MARSHAL)


def _pack_chunks(stream: bool, first_chunk: float | None, pace: float, gaps: tuple[tuple[int, int], ...]) -> bytes:
    """Raises ``OverflowError`` for what has no room here."""
    pairs = len(gaps)
    if pairs >= len(_GAPS) or not (first_chunk is None or first_chunk >= 0):
        raise OverflowError
    chunks = _CHUNKS.pack(-1.0 if first_chunk is None else first_chunk, pace, stream, pairs)
    return chunks + _GAPS[pairs].pack(*chain.from_iterable(gaps)) if pairs else chunks


def _pack_words(words: tuple[Any, ...]) -> bytes:
    """Raises ``OverflowError`` for more than a record may have."""
    packed = _dumps(_plain(words), _MARSHAL)
    if len(packed) > LARGEST - _SIZE:
        raise OverflowError
    if len(packed) <= LONGEST:  # names are user input: what is at hand is bounded in bytes as well
        if len(_packed) >= _MOST:
            _packed.clear()
        _packed[words] = packed
    return packed


def decode(payload: bytes | memoryview) -> Record:
    """The record of ``encode``. Raises ``ValueError`` for anything else."""
    if payload[:1] in _PACKED:
        return _unpacked(bytes(payload))
    fields = _load(payload)
    if type(fields) is tuple and fields:
        if fields[0] == _OBSERVATION and len(fields) == _OBSERVATION_LENGTH:
            return _tuple(Observation, fields[1:])
        if fields[0] == _EVENT and len(fields) == _EVENT_LENGTH:
            return _tuple(Event, fields[1:])
    raise ValueError("not a record of this version of otel-llm")


def kind(payload: bytes) -> bytes | None:
    """What all calls of a kind share, their words first of all; None of what is no common call."""
    begin = payload[:1]
    if begin == COMMON:
        return payload[_SIZE:]
    return STREAM + payload[_words_at(payload) :] if begin == STREAM and len(payload) >= _STREAM_SIZE else None


def columns(payloads: Sequence[bytes]) -> tuple[Sequence[Any], ...]:
    """The numbers of common calls of a kind by field: what begins them, at, duration, cost, saved, five kinds of tokens, ids of trace and
    span; of streams seconds to the first chunk, the sum of gaps, whether it is one, how many pairs of gaps, and these pairs as bytes for
    ``gaps``.

    Raises ``ValueError`` where one is too short.
    """
    streams = payloads[0][:1] == STREAM
    form, size = (_STREAMED, _STREAM_SIZE) if streams else (_NUMBERS, _SIZE)
    try:
        numbers = tuple(zip(*form.iter_unpack(b"".join([payload[:size] for payload in payloads])), strict=True))
    except struct.error as error:
        raise ValueError(f"not a record: {error}") from None
    return (*numbers, [payload[size : _words_at(payload)] for payload in payloads]) if streams else numbers


def gaps(packed: Sequence[bytes]) -> dict[int, int]:
    """By bucket, how many gaps between chunks some streams have."""
    counts: dict[int, int] = {}
    for bucket, number in _GAP.iter_unpack(b"".join(packed)):
        counts[bucket] = counts.get(bucket, 0) + number
    return counts


def _words_at(payload: bytes) -> int:
    """Where the words of a stream begin."""
    return _STREAM_SIZE + _GAP.size * payload[_STREAM_SIZE - 1]


def _load(payload: bytes | memoryview) -> Any:
    try:
        return _loads(payload)
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"not a record: {error}") from None


def _unpacked(payload: bytes) -> Observation:
    try:
        tag, at, duration, cost, saved, given, output, read, written, thought, trace, span = _unpack(payload)
    except struct.error as error:
        raise ValueError(f"not a record: {error}") from None
    stream, first_chunk, pace, pairs, tail = (
        (False, None, 0.0, (), payload[_SIZE:]) if tag == COMMON else _unpack_chunks(payload)
    )
    (
        provider,
        asked,
        operation,
        answered,
        address,
        failed,
        labels,
        unknown,
        source,
        reasons,
        incomplete,
        agent,
        *more,
    ) = _words.get(tail) or _unpack_words(tail)
    return _tuple(Observation, (
        at, provider, asked, operation, answered, address, failed, duration, labels, stream, first_chunk, pairs, pace,
        None if given == NONE else given, None if output == NONE else output, None if read == NONE else read,
        None if written == NONE else written, None if thought == NONE else thought, (), unknown,
        None if cost < 0 else cost, source, saved, reasons, "" if trace == NO_TRACE else trace.decode(),
        "" if span == _NO_SPAN else span.decode(), (), incomplete, "", None, agent, 0.0, *more,
    ))  # fmt: skip


def _unpack_chunks(payload: bytes) -> tuple[bool, float | None, float, tuple[tuple[int, int], ...], bytes]:
    """Whether it is a stream, seconds to the first chunk, sum and pairs of the gaps, and the words that come after."""
    try:
        first_chunk, pace, stream, number = _CHUNKS.unpack_from(payload, _SIZE)
        flat = iter(_GAPS[number].unpack_from(payload, _STREAM_SIZE))
    except (struct.error, IndexError) as error:
        raise ValueError(f"not a record: {error}") from None
    pairs = tuple(zip(flat, flat, strict=True))
    return stream, None if first_chunk < 0 else first_chunk, pace, pairs, payload[_words_at(payload) :]


def _unpack_words(packed: bytes) -> tuple[Any, ...]:
    words = _load(packed)
    if type(words) is not tuple or len(words) != _WORDS:
        raise ValueError("not a record of this version of otel-llm")
    if len(packed) <= LONGEST:
        if len(_words) >= _MOST:
            _words.clear()
        _words[packed] = words
    return words


def _plain(value: Any, longest: int | None = None) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)[:longest]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (tuple, list)):
        return tuple(_plain(item, longest) for item in value)
    raise ValueError(f"a record holds plain values only, not {type(value).__name__}")
