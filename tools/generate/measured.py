"""What README.md and docs/comparison.md say of the last full benchmark run, which is ``docs/performance.json``."""

from __future__ import annotations

from typing import Any

from otel_llm.ops.markdown import table

US, BARE = "otel-llm", "bare client"
PEERS: dict[str, tuple[str, str]] = {  # name in the figures -> what the pages call it, and its distribution
    "OTel genai": ("genai-openai", "opentelemetry-instrumentation-genai-openai"),
    "openai-v2": ("openai-v2", "opentelemetry-instrumentation-openai-v2"),
    "traceloop": ("OpenLLMetry", "opentelemetry-instrumentation-openai"),
    "openlit": ("OpenLIT", "openlit"),
    "openinference": ("OpenInference", "openinference-instrumentation-openai"),
    "logfire": ("Logfire", "logfire"),
}
INSTRUCTIONS = {"instructions_call": "a plain call", "instructions_chunk": "a chunk of a stream"}
WORDS = {
    "instructions_call": "instructions of a call",
    "instructions_chunk": "instructions of a chunk",
    "plain": "plain calls",
    "plain_async": "asynchronous calls",
    "plain_in_loop": "calls beside an event loop",
    "stream": "chunks",
    "stream_async": "asynchronous chunks",
    "first_chunk": "the first chunk",
    "stall": "the end of long streams",
    "held": "what open streams hold",
    "start": "start",
    "resident": "memory",
}
WHOLE = ("held", "start", "resident")  # measured with the client's own part in it
SAME = 0.8  # times within a fifth of each other are the same, as docs/performance.md says


def summary(result: dict[str, Any]) -> str:
    """Instructions of all, and who is ahead of us in what; ``result`` is what ``make bench`` has written.

    Raises ``KeyError`` where that is not the result of a full run.
    """
    figures, versions = result["figures"], result["versions"]
    there = [name for name in PEERS if name in figures]
    head = ["thousand instructions added to", US, "a span by hand"]
    head += [f"{PEERS[name][0]} {versions[PEERS[name][1]]}" for name in there]
    rows = [
        [what, *(f"{figures[name][key] / 1000:,.0f}" for name in (US, "a bare span", *there))]
        for key, what in INSTRUCTIONS.items()
    ]
    return f"{table(head, rows)}\n\n{_ahead(figures, there)}"


def sentence(result: dict[str, Any]) -> str:
    """What a plain call costs in instructions, beside a span by hand and the most economical peer. Raises as ``summary`` does."""
    figures = {name: one["instructions_call"] / 1000 for name, one in result["figures"].items()}
    peer = min((name for name in PEERS if name in figures), key=lambda name: figures[name], default="")
    beside = f", {PEERS[peer][0]} {figures[peer]:,.0f} thousand" if peer else ""
    return (
        f"A plain call costs {figures[US]:,.0f} thousand instructions more than without otel-llm. A span written by hand costs "
        f"{figures['a bare span']:,.0f} thousand{beside} ([all figures](docs/performance.md), by `make bench`)."
    )


def _ahead(figures: dict[str, dict[str, Any]], peers: list[str]) -> str:
    ahead = {
        name: [words for key, words in WORDS.items() if _less(figures, name, key)]
        for name in peers
    }  # fmt: skip
    parts = [f"{PEERS[name][0]} in {_listed(words)}" for name, words in ahead.items() if words]
    return f"Ahead of us there: {'; '.join(parts)}." if parts else "Nobody is ahead of us there."


def _less(figures: dict[str, dict[str, Any]], name: str, key: str) -> bool:
    bare = figures[BARE].get(key, 0.0) if key in WHOLE else 0.0
    theirs, ours = figures[name].get(key), figures[US].get(key)
    return theirs is not None and ours is not None and theirs - bare < SAME * (ours - bare)


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
