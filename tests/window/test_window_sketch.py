"""The sketch: quantiles within 1 % of numpy's, exact addition and subtraction."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.aggregate.window import sketch
from otel_llm.aggregate.window.summary import Summary

SHARES = (0.0, 0.25, 0.5, 0.84, 0.95, 0.99, 1.0)
values = st.lists(st.one_of(st.floats(1e-6, 1e7), st.just(0.0), st.integers(0, 10**6)), min_size=1, max_size=300)


@given(values)
def test_quantiles_are_numpys_within_one_percent(numbers):
    summary = Summary()
    for number in numbers:
        summary.add(number)
    for share, found in zip(SHARES, sketch.quantiles(summary.bins, SHARES), strict=True):
        assert found == pytest.approx(np.quantile(numbers, share), rel=0.01, abs=1e-9)


@given(values, values)
def test_subtracting_undoes_adding_exactly(first, second):
    one, other = Summary(), Summary()
    for number in first:
        one.add(number)
    for number in second:
        other.add(number)
    counts = sketch.Counts()
    counts.add(one.bins)
    assert counts == one.bins
    counts.add(sketch.packed(other.bins))
    both = dict(one.bins)
    sketch.add(both, other.bins)
    assert (sum(counts.values()), counts, len(counts)) == (len(first) + len(second), both, len(both))
    assert (sorted(counts), {place: counts[place] for place in both}) == (sorted(both), both)
    counts.subtract(other.bins)
    assert counts == one.bins
    assert all(place in counts or place not in one.bins for place in both)


def test_no_count_is_a_key_that_is_not_there() -> None:
    counts = sketch.Counts()
    counts.add({})
    for place in (-1, 0, 5):
        with pytest.raises(KeyError):
            counts[place]
    counts.add({5: 2})
    counts.subtract({5: 2})
    with pytest.raises(KeyError):
        counts[5]
    assert (dict(counts), list(counts.values())) == ({}, [])


@given(values)
def test_moments_are_numpys(numbers):
    summary = Summary()
    for number in numbers:
        summary.add(number)
    assert summary.mean == pytest.approx(np.mean(numbers), rel=1e-9)
    assert (summary.low, summary.high) == (min(numbers), max(numbers))
    if len(numbers) > 1:
        assert summary.stddev == pytest.approx(np.std(numbers, ddof=1), rel=1e-9, abs=1e-9 * max(numbers))


def test_moments_survive_a_large_offset():
    summary = Summary()
    numbers = [1e9 + wobble for wobble in (1.0, 2.0, 3.0, 4.0)]
    for number in numbers:
        summary.add(number)
    assert summary.stddev == pytest.approx(np.std([1, 2, 3, 4], ddof=1), rel=1e-6)


@given(values)
def test_a_summary_survives_the_dump(numbers):
    summary = Summary()
    for number in numbers:
        summary.add(number)
    again = Summary.load(summary.dump())
    assert again.dump() == summary.dump()


def test_an_empty_summary_has_nothing_to_say():
    empty = Summary()
    assert (empty.mean, empty.stddev, empty.low, empty.high) == (None, None, inf, -inf)
    one = Summary()
    one.add(3.0)
    assert (one.mean, one.stddev) == (3.0, None)


@pytest.mark.parametrize("packed", [b"\0", b"\1\0\0\0", b"\1\0\0\0\0\0\0\0", b"\1\0\0\0\xff\xff\xff\xff"])
def test_foreign_bytes_are_no_sketch(packed):
    with pytest.raises(ValueError, match=r"bytes|zip|no sketch"):
        sketch.unpack(packed)


def test_constant_memory_in_calls():
    summary = Summary()
    for number in np.random.default_rng(1).lognormal(0, 1, 50_000).tolist():
        summary.add(number)
    assert len(summary.bins) < 600
