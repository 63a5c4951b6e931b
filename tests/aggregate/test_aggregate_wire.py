from __future__ import annotations

import enum
import marshal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.aggregate import decode, encode
from otel_llm.aggregate.wire import LARGEST, SIGNATURE
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
    [b"", b"\x00", b"junk", marshal.dumps(None), marshal.dumps(()), marshal.dumps((2,)), marshal.dumps((3, 1)),
     marshal.dumps((99, "a", 1.0, (), 1.0, "")), marshal.dumps([2] * 28)],
)  # fmt: skip
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not a record"):
        decode(payload)


def test_a_record_of_another_number_of_fields_is_refused(call) -> None:
    with pytest.raises(ValueError, match="this version"):
        decode(marshal.dumps((2, *call(), "one more")))


def test_the_signature_names_what_must_agree() -> None:
    assert SIGNATURE.startswith("otel-llm records 1 python 3.")


def test_a_record_of_names_that_have_no_end_is_cut() -> None:
    call = Observation(1.0, "openai", "m" * 200_000, "chat", "n" * 200_000, "", "", 0.5, labels=("tenant", "x" * 5000))
    back = decode(encode(call))
    assert back == call._replace(request_model="m" * 1024, response_model="n" * 1024, labels=("tenant", "x" * 1024))
    assert len(encode(call)) < LARGEST
    long = call._replace(request_model="m" * 8000, response_model="", labels=())
    assert decode(encode(long)) == long
