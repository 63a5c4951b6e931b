"""Figures to docs/performance.md, tables with ratios first and bars as SVG; and to the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers import BARE, MODES, OTHERS, SPAN, US
from tools.generate import reference

ROWS: tuple[tuple[str, str, str], ...] = (  # figure, what it is, how it is written
    ("plain", "a plain call, sync, us", ".0f"),
    ("plain_async", "a plain call, async, us", ".0f"),
    ("plain_in_loop", "a plain call while an event loop runs, us", ".0f"),
    ("instructions_call", "a plain call, thousand instructions of its thread", "k"),
    ("instructions_call_async", "the same, async", "k"),
    ("instructions_headers", "the same, if the reply's headers are read for limits", "k"),
    ("instructions_rest", "what it leaves to other threads, thousand instructions", "k"),
    ("instructions_misses", "cache lines that a plain call misses at 1 MB", ".0f"),
    ("instructions_touched", "cache lines that it touches", ".0f"),
    ("stream", "a chunk, sync, us", ".1f"),
    ("stream_async", "a chunk, async, us", ".1f"),
    ("instructions_chunk", "a chunk, thousand instructions", "k"),
    ("instructions_chunk_async", "the same, async", "k"),
    ("instructions_first", "until the first chunk, thousand instructions", "k"),
    ("first_chunk", "until the first chunk, us", ".0f"),
    ("stall", "stall at the end of 2,000 chunks, us", ".0f"),
    ("held", "bytes held per chunk of an open stream", ".1f"),
    ("threads_1", "a call in 1 thread, us", ".0f"),
    ("threads_8", "a call in 8 threads, us", ".0f"),
    ("threads_32", "a call in 32 threads, us", ".0f"),
    ("start", "start under opentelemetry-instrument, ms", ".0f"),
    ("resident", "resident memory, MB", ".1f"),
)
ADDED = ("held", "resident", "start")  # measured as they are, shown as what they add to the bare client's
PLOTS = (("plain", "us added to a plain call"), ("stream", "us added to a chunk"), ("start", "ms added to the start"))
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def tables(result: dict[str, Any]) -> str:
    """All figures of a run as Markdown."""
    figures = added(result["figures"])
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    parts = [
        f"{result['machine']}. {versions}.",
        "How much each adds to the bare client, as a multiple of what otel-llm adds (the figure itself in brackets):",
        _table(figures, (US, SPAN, *OTHERS), against=US.name),
        "Our own modes, as a multiple of a span written by hand with the same attributes:",
        _table(figures, (SPAN, US, *MODES), against=SPAN.name),
        _goals(result),
        _features(result),
        _throughput(result["figures"]),
        _streams(result["figures"]),
        _sentences(result),
        _records(result["record"]),
        _scrapes(result["parts"]),
    ]
    return "\n\n".join(part for part in parts if part)


def added(figures: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What each adds to the bare client."""
    bare = figures[BARE.name]
    return {
        name: {
            key: value - (bare.get(key, 0.0) if key in ADDED else 0.0)
            for key, value in told.items()
            if isinstance(value, (int, float))
        }
        for name, told in figures.items()
        if name != BARE.name
    }


def _table(figures: dict[str, dict[str, float]], peers: tuple[Any, ...], against: str) -> str:
    names = [peer.name for peer in peers if peer.name in figures]
    lines = ["| added to | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for key, title, form in ROWS:
        base = figures.get(against, {}).get(key)
        cells = [_cell(figures[name].get(key), base, form) for name in names]
        if any(cells):
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float | None, base: float | None, form: str) -> str:
    if value is None:
        return ""
    shown = f"{value / 1000:.1f}" if form == "k" else format(value, form)
    return f"{value / base:.2f}x ({shown})" if base is not None and base > 0 and value > 0 else f"({shown})"


def _goals(result: dict[str, Any]) -> str:
    """The goals of docs/performance.md beside the figures of the run, as far as it has them."""
    figures = added(result["figures"])
    ours, metrics = figures.get(US.name, {}), figures.get(MODES[0].name, {})
    span, genai = figures.get(SPAN.name, {}), figures.get("OTel genai", {})
    bare = result["figures"][BARE.name]
    memory = result.get("memory", {})
    rows = (
        ("a plain call, times a bare span", _ratio(ours, span, "plain"), 1.35, ".2f"),
        ("the same, in instructions", _ratio(ours, span, "instructions_call"), 1.35, ".2f"),
        ("a plain call, times OTel genai", _ratio(ours, genai, "plain"), 0.5, ".2f"),
        ("metrics only, times a bare span", _ratio(metrics, span, "plain"), 0.6, ".2f"),
        ("the same, in instructions", _ratio(metrics, span, "instructions_call"), 0.6, ".2f"),
        ("a plain call, thousand instructions", _thousands(ours, "instructions_call"), 290.0, ".0f"),
        (
            "cache lines that it misses at 1 MB, the client's own among them",
            _whole(bare, ours, "instructions_misses"),
            4500.0,
            ".0f",
        ),
        ("until the first chunk, us", ours.get("first_chunk"), 50.0, ".0f"),
        ("an async chunk, us", ours.get("stream_async"), 2.0, ".1f"),
        ("start under opentelemetry-instrument, ms", ours.get("start"), 40.0, ".0f"),
        ("resident memory beyond its dependencies, MB", memory.get("more_mb"), 8.0, ".1f"),
        ("8 threads: percent of the bare client's time in a call", _overhead(bare, ours), 100 / 0.88 - 100, ".1f"),
    )
    lines = ["Goals, and what this run measured:", "", "| | goal, at most | measured | |", "|---|---|---|---|"]
    for title, value, goal, form in rows:
        if value is not None:
            lines.append(f"| {title} | {goal:{form}} | {value:{form}} | {'met' if value <= goal else 'not met'} |")
    return "\n".join(lines) if len(lines) > 4 else ""


def _ratio(figures: dict[str, float], other: dict[str, float], key: str) -> float | None:
    """How many times ``other``; None where one of them was not measured."""
    return figures[key] / other[key] if key in figures and other.get(key, 0.0) > 0 else None


def _whole(bare: dict[str, Any], figures: dict[str, float], key: str) -> float | None:
    """With what the bare client has."""
    return bare[key] + figures[key] if key in bare and key in figures else None


def _thousands(figures: dict[str, float], key: str) -> float | None:
    return figures[key] / 1000 if key in figures else None


def _overhead(bare: dict[str, Any], figures: dict[str, float]) -> float | None:
    """What is added to a call in 8 threads, percent: 13.6 leave 88 % of the bare client's throughput."""
    key = "threads_8"
    return figures[key] / bare[key] * 100 if key in figures and key in bare else None


def _features(result: dict[str, Any]) -> str:
    """The price of each feature in one table: of a plain call, of spans of others, and of the gateway."""
    lines = [
        "What each feature adds: to a plain call of otel-llm, or to a span of another library that is made without otel-llm.",
        "",
        "| | us | thousand instructions in its thread | left to other threads |",
        "|---|---|---|---|",
    ]
    rows = _priced(result)
    lines += [f"| {title} | {us:.1f} | {_shown(call)} | {_shown(rest)} |" for title, us, call, rest in rows]
    return "\n".join(lines) if rows else ""


def _priced(result: dict[str, Any]) -> list[tuple[str, float, float | None, float | None]]:
    """Title, microseconds, and instructions in the thread and left to others, of each feature that was measured."""
    parts = result["parts"]
    rows = [
        (f"a call: {name}", told["us"], told.get("call"), told.get("rest"))
        for name, told in (result.get("features") or {}).items()
        if "us" in told
    ]
    guard = parts.get("guard", {})
    if "reserve_us" in guard:
        both = guard["reserve_us"] + guard["settle_us"]
        rows.append(("of a guard: reserving and settling, beside three other workers", both, None, None))
    for kind, told in parts.get("bridge", {}).items():
        if "ours_us" in told:
            more = told["ours"] - told["bare"] if "ours" in told else None
            rows.append((f"the bridge: {kind}", told["ours_us"] - told["bare_us"], more, None))
    if "span_us" in parts.get("gateway", {}):
        rows.append(("the gateway, in its process: a span of a call", parts["gateway"]["span_us"], None, None))
    return rows


def _shown(instructions: float | None) -> str:
    return "" if instructions is None else f"{instructions / 1000:.1f}"


def _throughput(figures: dict[str, dict[str, Any]]) -> str:
    bare = figures[BARE.name]
    lines = ["Throughput of the bare client that is left, by processor time:", "", "| threads | " + " | ".join(
        name for name in figures if name != BARE.name) + " |", "|---" * len(figures) + "|"]  # fmt: skip
    for threads in (1, 8, 32):
        key = f"threads_{threads}"
        if key in bare:
            shares = [bare[key] / (bare[key] + told[key]) for name, told in figures.items() if name != BARE.name]
            lines.append(f"| {threads} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    return "\n".join(lines)


def _streams(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "Streams that go on at once in one event loop:",
        "",
        "| | us per chunk | resident bytes per chunk |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {told['streams'][0]:.0f} | {told['streams'][1]:.0f} |" for name, told in figures.items()]
    return "\n".join(lines)


def _sentences(result: dict[str, Any]) -> str:
    """What was measured of ourselves alone."""
    lines = []
    if memory := result.get("memory"):
        lines.append(
            f"Resident memory after {memory['calls']:,} calls and a scrape: {memory['more_mb']:.1f} MB beyond a process that has the "
            "same spans by opentelemetry-sdk and a page by prometheus_client."
        )
    if growth := result.get("growth"):
        lines.append(
            f"After {growth['calls']:,} calls: {growth['last_us']:.0f} us for one, beside {growth['first_us']:.0f} us in a fresh "
            f"process (the client's own part included), and {growth['grown_mb']:.1f} MB more memory."
        )
    return "\n\n".join(lines)


def _records(record: list[dict[str, float]]) -> str:
    lines = [
        "One record, with so many in the store already:",
        "",
        "| records | on the caller's path, us | in the leader, us |",
        "|---|---|---|",
    ]
    lines += [f"| {told['records']:,} | {told['caller_us']:.1f} | {told['leader_us']:.1f} |" for told in record]
    return "\n".join(lines)


def _scrapes(parts: dict[str, Any]) -> str:
    found = parts["scrape"].get("scrape")
    if not found:
        return ""
    lines = [
        "A scrape, against prometheus_client's own of the same series:",
        "",
        "| lines | ratio | ours, ms | prometheus_client, ms | longest stall of others, ms | bytes |",
        "|---" * 6 + "|",
    ]
    lines += [
        f"| {told['lines']:,} | {told['ratio']}x | {told['ours_ms']} | {told['client_ms']} | {told['ours_stall_ms']} | {told['bytes']:,} |"
        for told in found
    ]
    workers = parts.get("workers")
    if isinstance(workers, list):
        lines += ["", "Many workers: " + "; ".join(workers) + "."]
    return "\n".join(lines)


def write(result: dict[str, Any], docs: Path) -> None:
    """The JSON, the pictures, and the parts of the page and of the README between their marks."""
    (docs / "performance.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    figures = added(result["figures"])
    pictures = []
    for key, title in PLOTS:
        name = f"performance-{key}.svg"
        (docs / "images" / name).write_text(
            bars(title, {who: told[key] for who, told in figures.items() if key in told}), encoding="utf-8"
        )
        pictures.append(f"![{title}](images/{name})")
    page = docs / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    whole = f"{before}{BEGIN}\n\n{tables(result)}\n\n{chr(10).join(pictures)}\n\n{END}{after}"
    page.write_text(whole, encoding="utf-8")
    readme = docs.parent / "README.md"
    readme.write_text(reference.readme(readme.read_text(encoding="utf-8"), result), encoding="utf-8")


def bars(title: str, values: dict[str, float]) -> str:
    """Horizontal bars, ours in colour."""
    most, step = max(values.values()), 26
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{step * len(values) + 44}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="22" font-weight="bold">{title}</text>',
    ]
    for at, (name, value) in enumerate(values.items()):
        y, width = 36 + at * step, max(1.0, 480 * max(value, 0.0) / most)
        colour = "#2f6fde" if name == US.name else "#9db7e8" if name in {mode.name for mode in MODES} else "#b8b8b8"
        lines += [
            f'<text x="10" y="{y + 14}">{name}</text>',
            f'<rect x="130" y="{y}" width="{width:.0f}" height="18" fill="{colour}"/>',
            f'<text x="{width + 138:.0f}" y="{y + 14}">{value:.3g}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
