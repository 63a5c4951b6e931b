"""What a call costs beside a bare span, in instructions: a figure that no load on the machine changes. Goals are in docs/performance.md."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import instructions

SUBJECT = Path(instructions.__file__).with_name("subject.py")
CALLS = 10
PER_CALL, PER_CHUNK = 1.35, 15_000  # times a bare span, and instructions: counted as 1.18, and as 6,000 to 12,000
FIRST = (
    225_000  # instructions until the first chunk: counted as 197,000 to 202,000, of which a span's start takes 90,000
)
Counts = dict[str, dict[str, float]]


def counted(
    count: Callable[[list[str], dict[str, str], int], dict[str, float]],
    modes: Sequence[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Counts:
    if not instructions.available():
        raise RuntimeError(
            "instructions are counted by valgrind, with a C compiler: apt-get install valgrind gcc libc6-dev"
        )

    def run(mode: str) -> dict[str, float]:
        environ = {"OTEL_LLM_METRICS_SERVER": "off", "OTEL_LLM_STATE_DIR": str(states[mode])}
        return count([sys.executable, str(SUBJECT), mode], environ, CALLS)

    states = {mode: tmp_path_factory.mktemp(mode) for mode in modes}  # pytest makes directories in one thread only
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(modes, pool.map(run, modes), strict=True))


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """Instructions of the bare client, with a span written by hand around it, and with us."""
    return counted(instructions.count, ("bare", "span", "full"), tmp_path_factory)


def test_a_call_costs_little_more_than_a_bare_span(counts: Counts) -> None:
    span, ours = (counts[mode]["call"] - counts["bare"]["call"] for mode in ("span", "full"))
    assert 100_000 < span < ours <= PER_CALL * span


def test_a_chunk_costs_little(counts: Counts) -> None:
    assert 0 < counts["full"]["chunk"] - counts["bare"]["chunk"] <= PER_CHUNK


def test_a_stream_costs_little_until_its_first_chunk(tmp_path_factory: pytest.TempPathFactory) -> None:
    later = counted(instructions.count_later, ("bare", "full"), tmp_path_factory)
    assert 100_000 < later["full"]["first"] - later["bare"]["first"] <= FIRST
