"""Rules: valid for Prometheus, tested one by one, made of metrics that exist, and committed as they are generated."""

from __future__ import annotations

import functools
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_lab import needed
from scripted_run import Script, scrapes, store

from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.objectives import DEFAULT, Objectives
from otel_llm.ops import recorded
from otel_llm.ops.alerts import alerts
from otel_llm.ops.kubernetes import write_kubernetes
from otel_llm.ops.prometheus import alert_names, all_groups, rule_files, write_prometheus, write_rules
from otel_llm.ops.promql import CLASSIC, LATEST, RELEASED, VOCABULARIES, Vocabulary
from otel_llm.ops.rules import Context
from otel_llm.ops.series import SCOPE
from otel_llm.ops.yamltext import dump, write
from tools.generate.rules import generated, test_files

test_files.__test__ = False  # type: ignore[attr-defined]
ROOT = Path(__file__).parents[2]
TESTS = test_files(RELEASED, CLASSIC)
NAMES = [name for name in TESTS if not name.startswith("rules/")]
GENERATED = generated()


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(v: Vocabulary, objectives: Objectives = DEFAULT) -> list[dict[str, Any]]:
    return [rule for group in all_groups(Context(objectives, v)) for rule in group["rules"]]


@functools.cache
def cases() -> list[dict[str, Any]]:
    """Of all files for promtool."""
    texts = (yaml.load(TESTS[name], yaml.CSafeLoader) for name in NAMES)
    return [test for document in texts for test in document["tests"]]


@pytest.mark.parametrize("path", list(GENERATED))
def test_what_is_committed_is_what_is_generated(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == GENERATED[path]


def test_nothing_else_is_committed_beside_it() -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "prometheus").rglob("*") if path.is_file()}
    assert there == {path for path in GENERATED if path.startswith("prometheus/")}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_prometheus_takes_the_rules(tmp_path: Path, vocabulary: str) -> None:
    for path in write_prometheus(tmp_path, vocabulary):
        assert "SUCCESS" in run(needed("promtool"), "check", "rules", "--lint-fatal", path)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_rules_pass_their_tests(name: str) -> None:
    assert "SUCCESS" in run(needed("promtool"), "test", "rules", ROOT / "prometheus" / "tests" / name)


# what depends on the vocabulary is calls and tokens: the alerts that only read recorded metrics are tested above
@pytest.mark.parametrize("name", ["recording.yml", "budgets.yml"])
def test_the_rules_of_the_latest_vocabulary_pass_them_too(tmp_path: Path, name: str) -> None:
    write(tmp_path / "rules", rule_files(Context(DEFAULT, LATEST)))
    write(tmp_path / "tests", test_files(LATEST, CLASSIC))
    assert "SUCCESS" in run(needed("promtool"), "test", "rules", tmp_path / "tests" / name)


def test_every_alert_is_tested_firing_and_just_short_of_it() -> None:
    seen = [
        (check["alertname"], check["exp_alerts"]) for test in cases() for check in test.get("alert_rule_test", [])[-1:]
    ]
    assert {name for name, fires in seen if fires} == set(alert_names())
    assert {name for name, fires in seen if not fires} == set(alert_names())
    labels = [one["exp_labels"] for _, fires in seen for one in fires]
    for alert in alerts(Context(DEFAULT, RELEASED)):
        assert any(alert.labels.items() <= one.items() and one["severity"] == alert.severity for one in labels), alert


# sums of the same counters by other labels, and what only alerts are tested with
PARTS_OF_WHAT_IS_CHECKED = {
    recorded.TOKENS, recorded.PROMPT_CACHE, recorded.PROMPT_CACHE_BASELINE, recorded.RETRIES, recorded.RETRY_WAIT, recorded.IN_FLIGHT,
    recorded.USAGE_UNKNOWN, recorded.BREAKER_OPEN, recorded.SEEN, recorded.SAVINGS, recorded.COST_BY_ROUTE, recorded.NOW,
    recorded.FLEET_SPEND, recorded.UNPRICED, recorded.OVERFLOW, recorded.INTERNAL_ERRORS, recorded.CHUNK_GAP_BUCKETS,
    recorded.OUTPUT_BUCKETS, recorded.THINKING_BUCKETS, recorded.MODALITIES, recorded.AGENT_RUNS, recorded.FAILED_AGENT_RUNS,
    recorded.TOOL_RUNS, recorded.FAILED_TOOL_RUNS, recorded.TOOL_REPEATS, recorded.OTHERS, recorded.OWN_ZSCORE, recorded.OWN_HIGHEST,
    recorded.OWN_LOWEST, recorded.OWN_BASELINE,
    recorded.OUTPUT_CHANGE, recorded.BREAKER_STEPS, recorded.TARGETS, recorded.STARTED, recorded.PROCESSES, recorded.SERIES,
    recorded.SCRAPE, recorded.WATCHED, recorded.VERSIONS,
    recorded.PROMPT_CACHE_MISSES, recorded.AVOIDABLE, recorded.INCOMPLETE, recorded.DECISIONS,
    recorded.ANSWER_PROBLEMS, recorded.RUN_COST, recorded.PRICED_RUNS,
    recorded.AGENT_ENDS, recorded.AGENT_BUCKETS, recorded.MODEL_CALLS_SUM, recorded.MODEL_CALLS_COUNT, recorded.TOOL_CALLS_SUM,
    recorded.TOOL_CALLS_COUNT, recorded.RUN_COST_BUCKETS, recorded.AGENT_COST, recorded.AGENT_TOKENS, recorded.TOOL_ENDS,
    recorded.TOOL_BUCKETS, recorded.WORKFLOW_BUCKETS, recorded.SERVER_ENDS, recorded.SERVER_BUCKETS, recorded.CLIENT_ENDS,
    recorded.CLIENT_BUCKETS, recorded.RETRIEVAL_BUCKETS, recorded.RETRIEVED_SUM, recorded.RETRIEVED_COUNT,
    recorded.GUARDRAIL_CHECKS, recorded.EVALUATION_MEAN, recorded.EVALUATION_ZSCORE,
}  # fmt: skip


def test_every_recorded_metric_is_tested_with_a_value() -> None:
    checked = {
        re.match(r"round\(([\w:]+)", check["expr"])[1]  # type: ignore[index]
        for test in cases()
        for check in test.get("promql_expr_test", [])
    }
    assert checked | PARTS_OF_WHAT_IS_CHECKED == set(recorded.LABELS)


def test_the_listing_for_dashboards_is_what_is_recorded() -> None:
    for v in VOCABULARIES.values():
        assert {rule["record"] for rule in rules(v) if "record" in rule} == set(recorded.LABELS)


def test_alerts_say_everything() -> None:
    for rule in (rule for rule in rules(RELEASED) if "alert" in rule):
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description", "resolved", "runbook_url", "dashboard_url"}
        assert rule["annotations"]["runbook_url"].endswith(f"docs/runbook.md#{rule['alert'].lower()}")
        uid = re.search(r"/d/([\w-]+)", rule["annotations"]["dashboard_url"])[1]  # type: ignore[index]
        assert (ROOT / "grafana" / "dashboards" / f"{uid}.json").is_file()
        assert "{{" in rule["annotations"]["description"] or rule["alert"] == "LLMTelemetryAbsent"


NAME = re.compile(r"(?<![\w:])(?:gen_ai|otel_llm)_\w+(?![\w:])")  # of a scrape: recorded ones have colons
SELECTOR = re.compile(r"\b((?:gen_ai|otel_llm)_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"by \(([^)]*)\) \(+(?:rate|increase)?\(?((?:gen_ai|otel_llm)_\w+)")


@pytest.fixture(scope="module", params=list(VOCABULARIES))
def scraped(request: pytest.FixtureRequest) -> tuple[Vocabulary, dict[str, set[str]]]:
    """The labels of every series of a real store, by name, after a run that exercises everything."""
    *_, (_, text) = scrapes(Script(1_790_000_000.0, 7_200), store(semconv=request.param), 300)
    labels: dict[str, set[str]] = {
        "otel_llm_price_table_age_seconds": set(),  # shown where prices are
        "otel_llm_baseline_shifted_seconds": {
            "gen_ai_provider_name",
            "gen_ai_request_model",
            "signal",
        },  # while a fault lasts
    }
    for line in text.splitlines():
        if found := re.match(r"(\w+)(?:\{(.*?)\})? ", line):
            labels.setdefault(found[1], set()).update(re.findall(r'(\w+)="', found[2] or ""))
    return VOCABULARIES[request.param], labels


def test_metrics_and_labels_of_rules_are_in_a_real_scrape(scraped: tuple[Vocabulary, dict[str, set[str]]]) -> None:
    v, there = scraped
    target = {*recorded.SERVICE, "instance", "pod", *recorded.CUSTOM}
    words = {"gen_ai_token_type"}.union(*recorded.LABELS.values())
    for rule in rules(v):
        bare = re.sub(r'"[^"]*"', '""', rule["expr"])
        used = {name for name in NAME.findall(bare) if name not in words}
        assert used <= set(there), rule
        for name, matchers in SELECTOR.findall(bare):
            assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) <= there[name] | {SCOPE}, rule
        for grouped, name in GROUPED.findall(bare):
            assert set(grouped.split(", ")) <= there[name] | target, rule


def test_prometheus_and_its_successor_read_the_same() -> None:
    """No function that 3.x has renamed or put behind a flag, no dotted names, no bucket by a text that they write in two ways."""
    for rule in rules(RELEASED) + rules(LATEST):
        assert not re.search(r"holt_winters|double_exponential|limitk|info\(|\{\"", rule["expr"]), rule
        assert not re.search(r'\ble="(?!\+Inf")', rule["expr"]), rule


PODS = re.compile(r"(?<![\w:])(?:gen_ai|otel_llm)_\w+(?:\{[^}]*\})?\[(\d+)([smhd])\]")  # ranges over what pods expose


def test_nothing_reads_more_than_ten_minutes_of_what_pods_expose() -> None:
    for v in VOCABULARIES.values():
        for rule in rules(v):
            for number, unit in PODS.findall(rule["expr"]):
                assert int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit] <= 600, rule


def test_few_rules_look_up_the_same_series_of_all_pods() -> None:
    """A look-up costs more than what is then done with the series: what several rules need, one records."""
    of_targets = {"otel_llm_build_info", "otel_llm_start_time_seconds"}  # one series each
    for v in VOCABULARIES.values():
        bare = [re.sub(r"\b(by|on|ignoring) \([^)]*\)|\w+\{[^}]*\}", "", rule["expr"]) for rule in rules(v)]
        read = Counter(name for expr in bare for name in set(NAME.findall(expr)) - of_targets)
        # calls by model and by instance, whether there are any, and who has none
        assert {name: count for name, count in read.items() if count > 2} == {"otel_llm_calls_total": 4}


def test_what_a_rule_records_has_one_name_over_a_range_too() -> None:
    """promtool backfills rules by ranges: there, two names in one rule are two series for one record, out of order."""
    keeps_its_name = re.compile(r"([a-z][\w:]+)(?:\{[^}]*\})?(?=$|\s(?:[<>=!]|and |unless ))")
    for rule in rules(RELEASED):
        if "record" in rule:
            branches = map(keeps_its_name.match, rule["expr"].split("\nor\n"))
            assert len({branch[1] for branch in branches if branch}) <= 1, rule["record"]


def test_no_text_of_an_alert_reads_as_yaml() -> None:
    """Alertmanager 0.30 and later parse PagerDuty's details: a colon and a space make a mapping of a sentence."""
    for rule in (rule for rule in rules(RELEASED) if "alert" in rule):
        for name in ("summary", "description", "resolved"):
            assert ": " not in re.sub(r"\{\{.*?\}\}", "", rule["annotations"][name]), rule["alert"]


def test_every_alert_names_the_service_and_carries_its_labels() -> None:
    for rule in (rule for rule in rules(RELEASED) if "alert" in rule and rule["alert"] != "LLMTelemetryAbsent"):
        assert "$labels.job" in rule["annotations"]["summary"], rule["alert"]
        assert "var-job={{ $labels.job | urlquery }}" in rule["annotations"]["dashboard_url"], rule["alert"]


def test_windows_hold_at_least_four_scrapes() -> None:
    for rule in rules(RELEASED):
        for number, unit in re.findall(r"\[(\d+)([smhd])", rule["expr"]):
            assert int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit] >= 4 * 15


def test_thresholds_are_the_users(tmp_path: Path) -> None:
    mine = Objectives.parse({"p95": "20s", "error_rate": "2%", "daily_budget_factor": "1.2", "slo": "99.5%"})
    write_prometheus(tmp_path, objectives=mine)
    found = {rule["alert"]: rule["expr"] for rule in rules(RELEASED, mine) if "alert" in rule}
    assert " > 20\n" in found["LLMLatencyP95High"]
    assert " > 0.02\n" in found["LLMErrorTypeRateHigh"]
    assert found["LLMDailyBudgetExceeded"].endswith(" > 1.2")
    text = (tmp_path / "otel-llm-slo.yml").read_text(encoding="utf-8")
    assert "expr: vector(0.995)" in text
    for path in tmp_path.iterdir():
        run(needed("promtool"), "check", "rules", "--lint-fatal", path)


def test_an_unknown_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'newest' is no vocabulary: it must be released or latest"):
        write_prometheus(tmp_path, "newest")


def test_kubernetes_objects_hold_the_same_rules(tmp_path: Path) -> None:
    paths = write_kubernetes(tmp_path)
    objects = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for one in objects:
        by_kind.setdefault(one["kind"], []).append(one)
    assert list(by_kind) == ["PrometheusRule", "ServiceMonitor", "NetworkPolicy", "ConfigMap"]
    groups = [group for one in by_kind["PrometheusRule"] for group in one["spec"]["groups"]]
    assert groups == all_groups(Context(DEFAULT, RELEASED))
    assert (
        max(len(path.read_bytes()) for path in paths) < 500_000
    )  # a ConfigMap, and so what the operator makes of rules, holds 1 MiB
    boards = sorted(name for one in by_kind["ConfigMap"] for name in one["data"])
    assert boards == sorted(path.name for path in (ROOT / "grafana" / "dashboards").glob("*.json"))
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(names)) == len(names)
    for one in objects:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", one["metadata"]["name"])
        assert one["metadata"].get("namespace") == (None if one["kind"] == "NetworkPolicy" else "monitoring")


def test_only_prometheus_reaches_the_port_of_the_metrics(tmp_path: Path) -> None:
    write_kubernetes(tmp_path)
    policy = yaml.safe_load((tmp_path / "networkpolicy.yaml").read_text(encoding="utf-8"))["spec"]
    assert policy["podSelector"] == {"matchLabels": {"otel-llm": "true"}}
    metrics, others = policy["ingress"]
    assert metrics["ports"] == [{"port": 9464}]
    assert metrics["from"][0]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    assert "from" not in others
    assert not any(one["port"] <= 9464 <= one["endPort"] for one in others["ports"])
    assert sum(one["endPort"] - one["port"] + 1 for one in others["ports"]) == 65_534


def test_services_are_told_apart_by_the_labels_that_are_named(tmp_path: Path) -> None:
    it = Context(DEFAULT, RELEASED, service=("job", "region"), custom=("plan",))
    write_rules(tmp_path, it)
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert not re.search(r"\b(namespace|cluster|environment|tenant)\b", text)
    assert "sum by (job, region, gen_ai_provider_name, gen_ai_request_model, plan)" in text
    assert "{{ with $labels.region }} · {{ . }}{{ end }}" in text
    for path in tmp_path.iterdir():
        run(needed("promtool"), "check", "rules", "--lint-fatal", path)


def test_the_service_monitor_scrapes_metrics(tmp_path: Path) -> None:
    write_kubernetes(tmp_path)
    monitor = yaml.safe_load((tmp_path / "servicemonitor.yaml").read_text(encoding="utf-8"))
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30) | st.sampled_from(
    [
        "",
        "yes",
        "30s",
        "a: b",
        "a #b",
        "- a",
        "'",
        '"',
        'say "hi"',
        "two\nlines",
        "ends\n",
        "1e3",
        "0x10",
        "{{ $value }}",
        "~",
        "12:30",
    ]
)
DATA = st.recursive(
    TEXT | st.integers(-(10**9), 10**9) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(lambda key: "\n" not in key), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["a", "expr", "yes", "30s"]), DATA))
def test_yaml_is_read_back_as_it_was_written(data: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(data, "of a test")) == data


def test_every_metric_in_the_vocabularies_is_in_the_catalogue() -> None:
    for v in VOCABULARIES.values():
        for metric in (*v.durations, v.first_chunk, v.per_chunk, v.input_tokens[0], v.output_tokens[0]):
            assert BY_NAME[metric.name].vocabulary == v.name
