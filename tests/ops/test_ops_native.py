"""Rules and boards for native histograms, as exported: what Prometheus makes of them is tested on version 3 (on_prometheus3_native.py)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import prometheus_lab as lab
import pytest
from click.testing import CliRunner

from otel_llm.cli.app import group
from otel_llm.core.catalogue import BY_NAME, METRICS
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops import recorded
from otel_llm.ops.boards.queries import Queries
from otel_llm.ops.dashboards import shipped
from otel_llm.ops.prometheus import all_groups
from otel_llm.ops.promql import CLASSIC, LATEST, RELEASED, Vocabulary
from otel_llm.ops.rules import Context
from otel_llm.ops.series import OTHERS, OURS, Reading, is_shared

NATIVE = Reading(native=True)
CLASSIC_SERIES = re.compile(
    rf"(?<![:\w])({'|'.join(one.name for one in METRICS if one.kind == 'histogram')})_(bucket|sum|count)\b"
)
DURATION = BY_NAME["gen_ai_client_operation_duration_seconds"]


def exported(tmp_path: Path, *arguments: str) -> list[Path]:
    ran = CliRunner().invoke(group, ["export", arguments[0], str(tmp_path), *arguments[1:], "--histograms", "native"])
    assert ran.exit_code == 0, ran.output
    return sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_a_part_of_a_histogram_is_a_function_of_it() -> None:
    assert (
        NATIVE.over("rate", DURATION, "_sum", "5m", error_type="")
        == f'histogram_sum(rate({DURATION.name}{{error_type=""}}[5m]))'
    )
    assert NATIVE.over("rate", DURATION, "_count", "5m") == f"histogram_count(rate({DURATION.name}[5m]))"
    assert NATIVE.over("rate", DURATION, "_bucket", "5m") == f"rate({DURATION.name}[5m])"
    assert NATIVE.over("rate", BY_NAME["otel_llm_calls_total"], "", "5m") == "rate(otel_llm_calls_total[5m])"
    assert CLASSIC.over("rate", DURATION, "_sum", "5m") == f"rate({DURATION.name}_sum[5m])"


def test_values_below_a_bound_are_a_fraction_of_all() -> None:
    assert NATIVE.up_to(2.5, "x:y") == "histogram_fraction(-Inf, 2.5, x:y) * histogram_count(x:y)"
    assert CLASSIC.up_to(2.5, "x:y") == r'sum without (le) (x:y{le=~"2\\.5"})'
    assert CLASSIC.up_to(30, "x:y") == r'sum without (le) (x:y{le=~"30(\\.0)?"})'
    board = Queries(RELEASED, NATIVE).within("duration", "30", error_type="")
    assert board.startswith("histogram_fraction(-Inf, 30, sum (rate(")
    assert "le=" not in board


@pytest.mark.parametrize("vocabulary", [RELEASED, LATEST], ids=["released", "latest"])
def test_no_rule_reads_a_classic_series(tmp_path: Path, vocabulary: Vocabulary) -> None:
    files = exported(tmp_path, "prometheus", "--vocabulary", vocabulary.name)
    for path in files:
        text = path.read_text("utf-8")
        assert not CLASSIC_SERIES.search(text), path
        assert not re.search(r"[{,] ?le=", text), path
    subprocess.run([lab.needed("promtool"), "check", "rules", *map(str, files)], check=True, capture_output=True)
    classic, native = (all_groups(Context(DEFAULT, vocabulary, read=read)) for read in (CLASSIC, NATIVE))
    assert _records(native) == _records(classic)


def _records(groups: list[dict[str, Any]]) -> list[str]:
    return [rule["record"] for one in groups for rule in one["rules"] if "record" in rule]


def test_boards_that_read_records_are_the_same(tmp_path: Path) -> None:
    shown = [path for path in exported(tmp_path, "grafana") if path.suffix == ".json"]
    assert len(shown) == 8
    for path in shown:
        assert path.read_text("utf-8") == (shipped() / "dashboards" / path.name).read_text("utf-8"), path


@pytest.mark.parametrize("vocabulary", ["released", "latest"])
def test_boards_without_rules_read_no_classic_series(tmp_path: Path, vocabulary: str) -> None:
    shown = [
        path
        for path in exported(tmp_path, "grafana", "--without-rules", "--vocabulary", vocabulary)
        if path.suffix == ".json"
    ]
    assert len(shown) == 8
    for path in shown:
        text = path.read_text("utf-8")
        assert not CLASSIC_SERIES.search(text), path
        providers = [
            one["query"]["query"] for one in json.loads(text)["templating"]["list"] if one["name"] == "provider"
        ]
        assert providers
        assert all("_seconds{" in query for query in providers)


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    ran = CliRunner().invoke(group, ["export", "alertmanager", str(tmp_path), "--histograms", "native"])
    assert ran.exit_code != 0
    assert "--histograms is for prometheus, grafana and k8s" in ran.output


def test_kubernetes_objects_have_the_rules_for_native_histograms(tmp_path: Path) -> None:
    rules = "".join(path.read_text("utf-8") for path in exported(tmp_path, "k8s") if "rule" in path.name)
    assert "histogram_count(" in rules
    assert not CLASSIC_SERIES.search(rules)


@pytest.mark.parametrize("vocabulary", [RELEASED, LATEST], ids=["released", "latest"])
def test_names_of_the_conventions_are_read_with_their_scope(vocabulary: Vocabulary) -> None:
    """Other packages emit them too: theirs count where a service has none of ours."""
    names = "|".join(one.name for one in METRICS if is_shared(one))
    read = re.compile(rf"\b(?:{names})(?:_bucket|_sum|_count)?(\{{[^}}]*\}})?\[")
    seen = 0
    for rule in (rule for rules in all_groups(Context(DEFAULT, vocabulary)) for rule in rules["rules"]):
        if "unless on (job, instance) otel_llm_calls_total" in rule["expr"]:
            continue  # calls of targets that do not show our counter
        for where in read.findall(rule["expr"]):
            seen += 1
            assert (
                f'otel_scope_name{OURS[:2]}"{OURS[2:]}"' in where
                or f'otel_scope_name{OTHERS[:2]}"{OTHERS[2:]}"' in where
            ), rule
            assert f"\nunless on (job, namespace, cluster, environment, service_name)\n{recorded.OWN}" in rule["expr"]
    assert seen > 40
