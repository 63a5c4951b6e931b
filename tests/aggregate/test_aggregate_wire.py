from __future__ import annotations

import enum
import marshal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.aggregate import decode, encode, wire
from otel_llm.aggregate.wire import LARGEST, LONGEST, SIGNATURE, encode_any
from otel_llm.core.model import Event, Observation

TEXT = st.text(max_size=8)
COUNT = st.none() | st.integers(0, 2**40)
OBSERVATIONS = st.builds(
    Observation,
    at=st.floats(0, 4e9), provider=TEXT, request_model=TEXT, operation=TEXT, response_model=TEXT, server_address=TEXT,
    error_type=TEXT, duration=st.floats(0, 1e6), labels=st.lists(TEXT, max_size=3).map(tuple), stream=st.booleans(),
    first_chunk=st.none() | st.floats(0, 1e6), chunk_gaps=st.lists(st.tuples(st.integers(0, 19), st.integers(1, 99))).map(tuple),
    input_tokens=COUNT, output_tokens=COUNT, thinking_tokens=COUNT, cost=st.none() | st.floats(0, 1e3),
    modalities=st.lists(st.tuples(st.sampled_from(["input", "output"]), TEXT, st.integers(0, 99))).map(tuple),
    finish_reasons=st.lists(TEXT, max_size=2).map(tuple), trace_id=TEXT, cost_saved=st.floats(0, 1),
    chunk_gap_sum=st.floats(0, 10), cost_avoidable=st.floats(0, 1), cache_missed_tokens=COUNT,
    fees=st.lists(st.tuples(TEXT, st.floats(0, 100))).map(tuple),
)  # fmt: skip


HEXADECIMAL = st.text("0123456789abcdef", min_size=32, max_size=32)
COMMON = st.builds(
    Observation,
    at=st.floats(0, 4e9), provider=TEXT, request_model=TEXT, operation=TEXT, response_model=TEXT, server_address=TEXT,
    error_type=TEXT, duration=st.floats(), labels=st.lists(TEXT, max_size=3).map(tuple), input_tokens=COUNT, output_tokens=COUNT,
    cache_read_tokens=COUNT, cache_write_tokens=COUNT, thinking_tokens=COUNT, usage_unknown=TEXT,
    cost=st.none() | st.floats(-1, 1e3), cost_source=TEXT, cost_saved=st.floats(0, 1), agent=TEXT,
    finish_reasons=st.lists(TEXT, max_size=2).map(tuple), incomplete=st.lists(TEXT, max_size=2).map(tuple),
    spenders=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple), server_port=st.none() | st.integers(0, 65535),
).flatmap(
    lambda call: st.just(call) | HEXADECIMAL.map(lambda digits: call._replace(trace_id=digits, span_id=digits[:16]))
)  # fmt: skip


STREAMS = st.builds(
    lambda call, **chunks: call._replace(**chunks),
    COMMON,
    stream=st.booleans(),
    first_chunk=st.none() | st.floats(0, 1e6),
    chunk_gaps=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1)), max_size=31).map(tuple),
    chunk_gap_sum=st.floats(),
)


class Model(str, enum.Enum):
    SMALL = "gpt-5-mini"


class Count(int):
    pass


@settings(max_examples=50)
@given(OBSERVATIONS)
def test_an_observation_comes_back_as_it_was(call: Observation) -> None:
    back = decode(encode(call))
    assert type(back) is Observation
    assert back == call


@settings(max_examples=60)
@given(COMMON | STREAMS)
def test_a_common_call_comes_back_as_it_was_by_either_way(call: Observation) -> None:
    short, long = decode(encode(call)), decode(encode_any(call))
    assert type(short) is Observation
    assert repr(short) == repr(long) == repr(call)  # which tells 1 from 1.0 and knows what is not a number


def test_a_common_call_goes_the_short_way(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "encode_any", lambda _: pytest.fail("the long way"))
    one = call(trace_id="0123456789abcdef" * 2, span_id="0123456789abcdef")
    payload = encode(one)
    assert len(payload) < len(marshal.dumps((0, *one), 2))
    assert payload.endswith(encode(call(at=2.0, duration=7.0, input_tokens=None))[-40:])  # the words are the same
    assert decode(memoryview(payload)) == one


@pytest.mark.parametrize("cut", [1, 40, 128, 129, 140, 146, 147, 150, -1])
def test_a_common_call_that_is_cut_off_is_no_record(call, cut: int) -> None:
    for one in (call(), call(stream=True, chunk_gaps=((1, 40), (2, 9)))):
        with pytest.raises(ValueError, match="not a record"):
            decode(encode(one)[:cut])


def test_a_number_of_gaps_that_no_stream_has_is_no_record(call) -> None:
    payload = bytearray(encode(call(stream=True)))
    payload[wire._STREAM_SIZE - 1] = 99
    with pytest.raises(ValueError, match="not a record"):
        decode(payload)


def test_a_stream_goes_the_short_way(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "encode_any", lambda _: pytest.fail("the long way"))
    one = call(stream=True, first_chunk=0.25, chunk_gaps=((1, 40), (2, 9)), chunk_gap_sum=0.7)
    other = call(stream=True, first_chunk=None, at=9.0)
    assert [decode(encode(each)) for each in (one, other)] == [one, other]
    assert wire.kind(encode(one)) == wire.kind(encode(other)) != wire.kind(encode(call()))


def test_chunks_that_do_not_fit_go_the_long_way(call) -> None:
    for odd in (
        {"first_chunk": -1.0},
        {"first_chunk": float("nan")},
        {"chunk_gaps": ((256, 1),)},
        {"chunk_gaps": ((1, 2**32),)},
        {"chunk_gaps": tuple((number, 1) for number in range(32))},
        {"chunk_gaps": ((1, 2, 3),)},
    ):
        one = call(stream=True, **odd)
        assert encode(one)[:1] not in (wire.COMMON, wire.STREAM)
        assert repr(decode(encode(one))) == repr(one)


def test_words_at_hand_are_bounded(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MOST", 3)
    for number in range(8):
        one = call(request_model=f"model-{number}")
        assert decode(encode(one)) == one
        assert len(wire._packed) <= 3
        assert len(wire._words) <= 3
    kept = dict(wire._packed)
    long = call(request_model="m" * LONGEST)
    assert decode(encode(long)) == long
    assert wire._packed == kept  # names of users are not kept, however long they are


def test_numbers_that_do_not_fit_go_the_long_way(call) -> None:
    for odd in (
        call(input_tokens=2**70),
        call(input_tokens=1.5),
        call(trace_id="ü" * 32, span_id="s" * 16),
        call(cost=-0.5),
    ):
        assert decode(encode(odd)) == odd


@settings(max_examples=50)
@given(st.builds(Event, TEXT, st.floats(0, 4e9), st.lists(TEXT).map(tuple), st.floats(-1e9, 1e9), TEXT))
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    back = decode(encode(event))
    assert type(back) is Event
    assert back == event


def test_what_is_only_almost_plain_becomes_plain(call) -> None:
    odd = call(request_model=Model.SMALL, input_tokens=Count(7), finish_reasons=["stop"], stream=True, first_chunk=0.25)
    back = decode(encode(odd))
    assert back == call(
        request_model="gpt-5-mini", input_tokens=7, finish_reasons=("stop",), stream=True, first_chunk=0.25
    )
    assert [type(back[2]), type(back.input_tokens), back.stream] == [str, int, True]


def test_what_is_not_plain_is_refused(call) -> None:
    with pytest.raises(ValueError, match="plain values only, not object"):
        encode(call(finish_reasons=(object(),)))


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x00", b"junk", marshal.dumps(None), marshal.dumps(()), marshal.dumps((2,)), marshal.dumps((3, 1)), b"\x01",
     b"\x02", b"\x02" + bytes(145), b"\x02" + bytes(146) + marshal.dumps(("a",)), b"\x00" + bytes(200),
     b"\x01" + bytes(120) + marshal.dumps(("a",)), b"\x01" + bytes(120),
     marshal.dumps((99, "a", 1.0, (), 1.0, "")), marshal.dumps([2] * 28)],
)  # fmt: skip
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not a record"):
        decode(payload)


def test_a_record_of_another_number_of_fields_is_refused(call) -> None:
    with pytest.raises(ValueError, match="this version"):
        decode(marshal.dumps((4, *call(), "one more")))


def test_the_signature_names_what_must_agree() -> None:
    assert SIGNATURE.startswith("otel-llm records 2 python 3.")


def test_a_record_of_names_that_have_no_end_is_cut() -> None:
    call = Observation(1.0, "openai", "m" * 200_000, "chat", "n" * 200_000, "", "", 0.5, labels=("tenant", "x" * 5000))
    back = decode(encode(call))
    assert back == call._replace(request_model="m" * 1024, response_model="n" * 1024, labels=("tenant", "x" * 1024))
    assert len(encode(call)) < LARGEST
    long = call._replace(request_model="m" * 8000, response_model="", labels=())
    assert decode(encode(long)) == long
