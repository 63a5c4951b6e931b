"""Native histograms on Prometheus 3: the cases of the rules fed with them, and a scrape that makes them of classic ones.

Run by ``make prometheus3``, as ``on_prometheus3.py``.
"""

from __future__ import annotations

import http.server
import itertools
import math
import re
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_lab as lab
import pytest
import scripted_run
import yaml

from otel_llm.core.catalogue import METRICS
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops import recorded
from otel_llm.ops.boards import boards
from otel_llm.ops.dashboards import asked
from otel_llm.ops.prometheus import rule_files
from otel_llm.ops.promql import CLASSIC, LATEST, RELEASED, Clock
from otel_llm.ops.rules import Context
from otel_llm.ops.series import Reading
from tools.generate.rules import test_files as cases_of

NATIVE = Reading(native=True)
_PART = re.compile(
    rf"({'|'.join(one.name for one in METRICS if one.kind == 'histogram')})_(bucket|sum|count)\{{(.*)\}}"
)
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_VALUES = re.compile(rf"(_|{_NUMBER})([+-]{_NUMBER[2:]})?(?:x(\d+))?")


def expanded(values: str) -> Iterator[float | None]:
    """The samples of a series as promtool writes them, None where there is none."""
    for token in values.split():
        found = _VALUES.fullmatch(token)
        assert found, token
        start, step, times = found[1], float(found[2] or 0), int(found[3] or 0)
        if start == "_":
            yield from [None] * (times or 1)
        else:
            yield from (float(start) + step * number for number in range(times + 1))


@dataclass
class Parts:
    """A classic histogram: its series by name, of buckets by bound."""

    buckets: dict[float, list[float | None]]
    others: dict[str, list[float | None]]

    def native(self) -> str:
        """The same with custom bounds, sample by sample."""
        finite = sorted(bound for bound in self.buckets if bound != math.inf)
        bounds = " ".join(f"{bound:g}" for bound in finite) or "1"
        counts = self.others.get("count") or self.buckets[math.inf]
        sums = self.others.get("sum") or [0.0] * len(counts)
        below = [self.buckets[bound] for bound in finite] or [[0.0] * len(counts)]
        return " ".join(
            _sample(bounds, count, sums[at], [one[at] or 0.0 for one in below]) for at, count in enumerate(counts)
        )


def _sample(bounds: str, count: float | None, total: float | None, below: list[float]) -> str:
    if count is None:
        return "_"
    steps = [after - before for before, after in itertools.pairwise([0.0, *below, count])]
    held = " ".join(f"{step:.10g}" for step in steps)
    return f"{{{{schema:-53 count:{count:.10g} sum:{total:.10g} custom_values:[{bounds}] buckets:[{held}]}}}}"


def converted(fed: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Input series with each classic histogram as one native one."""
    kept: list[dict[str, str]] = []
    found: dict[str, Parts] = {}
    for one in fed:
        part = _PART.fullmatch(one["series"])
        if not part:
            kept.append(dict(one))
            continue
        labels = part[3].split(", ")
        bound = next((label for label in labels if label.startswith("le=")), None)
        name = f"{part[1]}{{{', '.join(label for label in labels if label != bound)}}}"
        parts = found.setdefault(name, Parts({}, {}))
        values = list(expanded(one["values"]))
        if bound:
            parts.buckets[float(bound[4:-1])] = values
        else:
            parts.others[part[2]] = values
    return kept + [{"series": name, "values": parts.native()} for name, parts in found.items()]


@pytest.mark.parametrize("vocabulary", [RELEASED, LATEST], ids=["released", "latest"])
def test_the_cases_of_the_rules_hold_with_native_histograms(tmp_path: Path, vocabulary: Any) -> None:
    for name, text in rule_files(Context(DEFAULT, vocabulary, read=NATIVE)).items():
        (tmp_path / "rules").mkdir(exist_ok=True)
        (tmp_path / "rules" / name).write_text(text, encoding="utf-8")
    (tmp_path / "tests" / "rules").mkdir(parents=True)
    fed = 0
    for name, text in cases_of(vocabulary, NATIVE).items():
        document = yaml.safe_load(text.replace("classic histograms", "native histograms"))
        for test in document.get("tests", ()):
            test["input_series"] = converted(test["input_series"])
            fed += sum("schema:-53" in one["values"] for one in test["input_series"])
            # what has bounds as a label is one series now
            checks = test.get("promql_expr_test", ())
            test["promql_expr_test"] = [one for one in checks if "_bucket:" not in one["expr"]]
        path = tmp_path / "tests" / name
        path.write_text(yaml.safe_dump(document, width=10**9), encoding="utf-8")
    assert fed > 100
    files = sorted(str(path) for path in (tmp_path / "tests").glob("*.yml"))
    ran = subprocess.run([lab.needed("promtool"), "test", "rules", *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


PACE = 20  # times as fast as in a service: five minutes are 15 seconds


@pytest.fixture(scope="module")
def pages() -> tuple[str, str]:
    """A service after an hour, and five minutes later."""
    made = list(scripted_run.scrapes(scripted_run.Script(time.time() - 7200, 3900), scripted_run.store(), 300))
    return made[11][1] + "# EOF\n", made[12][1] + "# EOF\n"


@pytest.fixture(scope="module")
def both(pages: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, lab.Prometheus]]:
    """The same page scraped by two Prometheus, one of which stores native histograms, each with its rules."""
    shown = [pages[0]]

    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            body = shown[-1].encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    servers = {
        native: _server(native, tmp_path_factory.mktemp("server"), service.server_port) for native in (False, True)
    }
    with servers[False].running(), servers[True].running():
        for server in servers.values():
            server.until(
                lambda server=server: _newest(server, "count_over_time(otel_llm_calls_total[1m]) >= 3"), "scrapes"
            )
        shown.append(pages[1])
        for server in servers.values():
            server.until(lambda server=server: _newest(server, f"{recorded.SLO_ERRORS}5m > 0"), "records")
            server.until(lambda server=server: _newest(server, f"{recorded.CUSTOM_BUCKETS}"), "records of parts")
        yield servers
    service.shutdown()
    service.server_close()


def _server(native: bool, folder: Path, port: int) -> lab.Prometheus:
    rules = folder / "rules"
    rules.mkdir()
    it = Context(DEFAULT, RELEASED, Clock(PACE), read=NATIVE if native else CLASSIC)
    for name, text in rule_files(it).items():
        (rules / name).write_text(re.sub(r"(?m)^(\s+interval:).*", r"\1 1s", text), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [
            {
                "job_name": "shop",
                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                **({"convert_classic_histograms_to_nhcb": True} if native else {}),
            }
        ],
    }
    return lab.Prometheus(folder, yaml.safe_dump(config))


def _newest(server: lab.Prometheus, expr: str) -> list[Any]:
    server.end = time.time()
    return server.instant(expr)


def _values(server: lab.Prometheus, expr: str) -> dict[str, float]:
    """The last value of each series of ``expr`` within the last minute."""
    found = _newest(server, f"last_over_time(({expr})[1m:1s])")
    return {str(sorted(one["metric"].items())): float(one["value"][1]) for one in found if "value" in one}


SHARES = (
    recorded.DURATION, recorded.FIRST_CHUNK, recorded.INPUT_TOKENS, recorded.OUTPUT_TOKENS, recorded.COST_PER_REQUEST,
    recorded.SLO_ERRORS + '5m{slo="latency"}',
)  # fmt: skip


@pytest.mark.parametrize("record", SHARES)
def test_records_have_the_same_values(both: dict[bool, lab.Prometheus], record: str) -> None:
    classic, native = (_values(both[one], record) for one in (False, True))
    assert len(classic) >= 2
    assert classic.keys() == native.keys()
    for series, value in classic.items():
        assert native[series] == pytest.approx(value, rel=1e-6), series


def test_classic_series_are_gone_where_they_are_converted(both: dict[bool, lab.Prometheus]) -> None:
    bucket = "gen_ai_client_operation_duration_seconds_bucket"
    assert not _newest(both[True], bucket)
    assert _newest(both[False], bucket)


def _quantiles(raw: str | None, read: Reading) -> Iterator[tuple[str, str]]:
    for board in boards(asked(raw, read), DEFAULT):
        for panel in board.panels():
            for number, query in enumerate(panel.queries):
                if "histogram_quantile" in query.expr and "offset" not in query.expr:
                    given = {"__rate_interval": "15s", "__range": "15s", "__range_s": "15"}
                    yield f"{board.uid}/{panel.key}/{number}", lab.filled_in(query.expr, **given)


@pytest.mark.parametrize("raw", [None, "released"], ids=["records", "raw"])
def test_boards_show_the_same_quantiles(both: dict[bool, lab.Prometheus], raw: str | None) -> None:
    shown = 0
    of_native = dict(_quantiles(raw, NATIVE))
    for name, expr in _quantiles(raw, CLASSIC):
        classic, native = _values(both[False], expr), _values(both[True], of_native[name])
        assert classic.keys() == native.keys(), name
        for series, value in classic.items():
            assert native[series] == pytest.approx(value, rel=1e-6), (name, series)
        shown += bool(classic)
    assert shown >= 8


def test_heatmaps_have_a_histogram_to_draw(both: dict[bool, lab.Prometheus]) -> None:
    (heatmap,) = (
        panel for board in boards(asked(None), DEFAULT) if board.uid == "otel-llm-latency"
        for panel in board.panels() if panel.key == "heatmap"
    )  # fmt: skip
    expr = lab.filled_in(heatmap.queries[0].expr)
    both[True].until(lambda: _newest(both[True], f"last_over_time({expr}[1m:1s])"), "a histogram")
    (found,) = _newest(both[True], f"last_over_time({expr}[1m:1s])")
    assert float(found["histogram"][1]["count"]) > 0
    assert len(found["histogram"][1]["buckets"]) > 3
