"""What a fleet costs: blocks of N pods that all show one real page, the shipped rules and boards asked of a real Prometheus 3.

``PATH="$(tools/prometheus3.sh):$PATH" python tools/scale/measure.py 1 100 1000`` (about ten minutes; needs Go) prints a table.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ops")]

import prometheus_lab as lab  # noqa: E402 - the paths come first
import scripted_run  # noqa: E402
from test_ops_boards_data import queries  # noqa: E402
from test_ops_samples import records  # noqa: E402

from otel_llm.core.model import Observation  # noqa: E402
from otel_llm.core.objectives import DEFAULT  # noqa: E402
from otel_llm.ops import recorded  # noqa: E402
from otel_llm.ops.prometheus import all_groups  # noqa: E402
from otel_llm.ops.promql import RELEASED  # noqa: E402
from otel_llm.ops.rules import Context  # noqa: E402

MINUTES, SHOWN = 7, 6 * 3600


class Versions(scripted_run.Script):
    """The scripted service, whose providers answer with two versions of each model, and without custom labels."""

    def records(self, since: float, until: float) -> Any:
        for record in super().records(since, until):
            if isinstance(record, Observation):
                version = f"{record.request_model}-2026-0{int(record.at) % 2 + 1}"
                yield record._replace(response_model=version, labels=("",))
            else:
                yield record


def page(**more: Any) -> str:
    """A page of a pod with six priced models after an hour."""
    *_, (_, text) = scripted_run.scrapes(Versions(1_790_000_000.0, 3600), scripted_run.store(**more), 600)
    lines = (line.split(" # ")[0] for line in text.splitlines())
    return "\n".join(line for line in lines if "_created" not in line) + "\n"


def asked(prometheus: lab.Prometheus, path: str, given: dict[str, Any]) -> tuple[int, float]:
    """Samples read, and seconds taken by the faster of two: a server that scrapes has its newest samples in memory."""
    both = [prometheus.ask(path, {**given, "stats": "all"})["stats"] for _ in range(2)]
    return both[0]["samples"]["totalQueryableSamples"], min(one["timings"]["execTotalTime"] for one in both)


def measured(pods: int, program: Path) -> dict[str, Any]:
    """One fleet."""
    end = time.time() // 60 * 60
    with tempfile.TemporaryDirectory() as folder:
        prometheus = lab.Prometheus(Path(folder), end=end)
        names = [name for name in recorded.LABELS if "instance" not in recorded.LABELS[name]]
        prometheus.load(itertools.chain(records(names, end, SHOWN, 240), ["# EOF"]))
        (Path(folder) / "page").write_text(page(), encoding="utf-8")
        arguments = [f"{folder}/data", f"{folder}/page", str(pods), str(MINUTES), str(int(end))]
        subprocess.run([program, *arguments], check=True)
        with prometheus.running():
            return {"pods": pods, **_rules(prometheus, end), **_boards(prometheus, end)}


def _rules(prometheus: lab.Prometheus, end: float) -> dict[str, float]:
    samples, cores, slowest = 0.0, 0.0, 0.0
    for group in all_groups(Context(DEFAULT, RELEASED)):
        every = int(group["interval"][:-1]) * {"s": 1, "m": 60}[group["interval"][-1]]
        took = [asked(prometheus, "query", {"query": rule["expr"], "time": end}) for rule in group["rules"]]
        seconds = sum(second for _, second in took)
        samples += sum(count for count, _ in took) / every
        cores += seconds / every
        slowest = max(slowest, seconds / every)
    return {"samples_per_second": samples, "cores": cores, "slowest_group": slowest}


def _boards(prometheus: lab.Prometheus, end: float) -> dict[str, float]:
    worst: dict[str, tuple[int, float]] = {}
    shown = {"__range": "6h", "__range_s": str(SHOWN), "__rate_interval": "1m", "__interval": "30s"}
    for name, query in queries(None):
        when = {"time": end} if query.instant else {"start": end - SHOWN, "end": end, "step": 30}
        given = {"query": lab.filled_in(query.expr, **shown), **when}
        count, seconds = asked(prometheus, "query" if query.instant else "query_range", given)
        before = worst.get(name.partition("/")[0], (0, 0.0))
        worst[name.partition("/")[0]] = (before[0] + count, before[1] + seconds)
    return {
        "board_samples": max(count for count, _ in worst.values()),
        "board_seconds": max(took for _, took in worst.values()),
    }


def put(facts: dict[str, Any]) -> None:
    """A line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main(fleets: list[int]) -> None:
    """Print a line for each fleet, and how many lines a pod shows."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "scale"
        subprocess.run([lab.needed("go"), "build", "-o", program, "."], cwd=Path(__file__).parent, check=True)
        for series in ("full", "lean", "fleet"):
            shown = [line for line in page(series=series).splitlines() if not line.startswith("#")]
            print(
                json.dumps(
                    {"series": series, "lines": len(shown), "buckets": sum("_bucket{" in line for line in shown)}
                )
            )
        for pods in fleets:
            put(measured(pods, program))


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [1, 100, 1000])
