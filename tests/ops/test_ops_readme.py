"""Generated parts of README and docs/comparison.md: the benchmarks' figures, and the names of who is ahead of us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.generate import measured
from tools.generate.marks import between

ROOT = Path(__file__).parents[2]
BARE = {"instructions_call": 5_000_000, "instructions_chunk": 700_000, "start": 200.0, "plain": 700.0}


def result(**theirs: float) -> dict[str, Any]:
    """A run of three: us, a span by hand and OpenLIT, which costs ten times what we cost, except for ``theirs``."""
    ours = {"instructions_call": 453_774.4, "instructions_chunk": 14_722.4, "start": 300.0, "plain": 150.0}
    span = {"instructions_call": 246_062.7, "instructions_chunk": 705.2, "plain": 10.0}
    openlit = {"instructions_call": 2_092_191.2, "instructions_chunk": 186_636.8, "start": 1200.0, "plain": 1500.0}
    figures = {"bare client": BARE, "otel-llm": ours, "a bare span": span, "openlit": {**openlit, **theirs}}
    return {"figures": figures, "versions": {"openlit": "1.45.0", "otel-llm": "0.1.0"}}


def test_figures_are_shown_in_thousands() -> None:
    lines = measured.summary(result()).splitlines()
    assert lines[0] == "| thousand instructions added to | otel-llm | a span by hand | OpenLIT 1.45.0 |"
    assert lines[2:4] == ["| a plain call | 454 | 246 | 2,092 |", "| a chunk of a stream | 15 | 1 | 187 |"]
    assert lines[-1] == "Nobody is ahead of us there."


def test_who_is_ahead_is_named() -> None:
    assert measured.summary(result(plain=119.0)).endswith("Ahead of us there: OpenLIT in plain calls.")
    two = measured.summary(result(plain=100.0, instructions_call=300_000))
    assert two.endswith("OpenLIT in instructions of a call and plain calls.")


def test_within_a_fifth_is_the_same() -> None:
    assert measured.summary(result(plain=121.0)).endswith("Nobody is ahead of us there.")


def test_a_start_is_compared_without_the_client_s_own() -> None:
    assert measured.summary(result(start=279.0)).endswith("OpenLIT in start.")  # 79 ms beside our 100
    assert measured.summary(result(start=281.0)).endswith("Nobody is ahead of us there.")


def test_the_committed_run_is_a_whole_one() -> None:
    run = json.loads((ROOT / "docs" / "performance.json").read_text(encoding="utf-8"))
    assert measured.PEERS.keys() <= run["figures"].keys()
    assert measured.WORDS.keys() <= run["figures"]["otel-llm"].keys()
    for page, text in (("README.md", measured.sentence(run)), ("docs/comparison.md", measured.summary(run))):
        there = (ROOT / page).read_text(encoding="utf-8")
        assert between(there, "measured", text) == there


def test_a_sentence_has_the_most_economical_peer() -> None:
    assert measured.sentence(result()).startswith(
        "A plain call costs 454 thousand instructions more than without otel-llm. "
        "A span written by hand costs 246 thousand, OpenLIT 2,092 thousand ("
    )


def test_the_readme_fits_on_a_screen() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
    assert sum(line.startswith("![") for line in lines) == 1


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="it must hold <!-- measured: begin"):
        between("# A page", "measured", "a table")
