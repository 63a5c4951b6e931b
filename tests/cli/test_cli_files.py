"""``otel-llm export``, ``generate``, ``prices``, ``providers``, and the first page of help."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from otel_llm import clients

ROOT = Path(__file__).parents[2]


def test_help_teaches_by_example(otel_llm):
    ran = otel_llm("--help")
    assert (ran.code, ran.err) == (0, "")
    for command in ("demo", "top", "doctor", "check", "export", "providers", "prices", "generate"):
        assert re.search(rf"^  {command} ", ran.out, re.MULTILINE)
        if command != "generate":
            told = otel_llm(command, "--help")
            assert told.code == 0
            assert f"otel-llm {command}" in told.out


def test_version(otel_llm):
    ran = otel_llm("--version")
    assert (ran.code, ran.out) == (0, "otel-llm, version 0.2.0\n")


def test_rules_with_thresholds_of_ones_own(otel_llm, tmp_path):
    promtool = shutil.which("promtool")
    assert promtool is not None, "this test needs promtool: apt-get install prometheus"
    ran = otel_llm("export", "prometheus", tmp_path, "--p95", "20s", "--error-rate", "2%", "--slo", "99.5%")
    assert ran.code == 0
    alerts = (tmp_path / "otel-llm-alerts.yml").read_text()
    assert re.search(r"> 20\b", alerts)
    assert re.search(r"> 0\.02\b", alerts)
    written = [Path(line.removeprefix("wrote ")) for line in ran.out.splitlines() if line.startswith("wrote ")]
    subprocess.run([promtool, "check", "rules", *written], check=True, capture_output=True)
    assert ran.out.splitlines()[-1].startswith("Next: ")


@pytest.mark.parametrize(
    ("kind", "there"),
    [
        ("grafana", "dashboards/otel-llm-overview.json"),
        ("alertmanager", "alertmanager.yml"),
        ("k8s", "prometheusrule-alerts.yaml"),
    ],
)
def test_the_other_kinds(otel_llm, tmp_path, kind, there):
    ran = otel_llm("export", kind, tmp_path / "new" / "folder")
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / "new" / "folder" / there).stat().st_size > 500
    assert f"wrote {tmp_path / 'new' / 'folder' / there}" in ran.out


def test_kubernetes_objects_say_whom_they_scrape_and_who_finds_them(otel_llm, tmp_path):
    said = otel_llm("export", "k8s", tmp_path).out
    assert f"Next: kubectl apply -f {tmp_path}\n" in said
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    monitor = yaml.safe_load((tmp_path / "servicemonitor.yaml").read_text("utf-8"))
    assert monitor["spec"]["selector"]["matchLabels"] == {"otel-llm": "true"}
    assert monitor["spec"]["endpoints"][0]["port"] == "metrics"
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    for words in ('otel-llm: "true"', "metrics", "monitoring", "kube-prometheus-stack"):
        assert words in said.rpartition("Next: ")[2]
        assert words in page


def test_a_dashboard_offers_a_label_of_ones_own(otel_llm, tmp_path):
    assert otel_llm("export", "grafana", tmp_path, "--label", "team").code == 0
    assert '"team"' in (tmp_path / "dashboards" / "otel-llm-overview.json").read_text()


def test_the_repository_s_files_are_what_the_code_makes(otel_llm):
    ran = otel_llm("generate", "--check", cwd=ROOT)
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert ran.out.rstrip().endswith("0 stale")


def test_a_changed_file_is_found_and_written_anew(otel_llm, tmp_path):
    (tmp_path / "otel_llm" / "core").mkdir(parents=True)
    (tmp_path / "otel_llm" / "core" / "catalogue.py").touch()
    for part in ("docs", "grafana", "prometheus"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "README.md", tmp_path)
    page = tmp_path / "docs" / "metrics.md"
    before = page.read_text()
    page.write_text("# Metrics\n")
    ran = otel_llm("generate", "--check", "--root", tmp_path)
    assert ran.code == 1
    assert "docs/metrics.md is not what the code makes" in ran.out
    assert otel_llm("generate", "--root", tmp_path).code == 0
    assert page.read_text() == before


def test_figures_of_half_a_run_are_refused(otel_llm, tmp_path):
    (tmp_path / "otel_llm" / "core").mkdir(parents=True)
    (tmp_path / "otel_llm" / "core" / "catalogue.py").touch()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "performance.json").write_text('{"machine": "one"}')
    shutil.copy(ROOT / "README.md", tmp_path)
    ran = otel_llm("generate", "--check", "--root", tmp_path)
    assert ran.code == 2
    assert "docs/performance.json has no 'figures': is it of a full run of make bench?" in ran.err


def test_a_price_with_a_usage(otel_llm):
    ran = otel_llm("prices", "claude-sonnet-4-5", "--usage", "input=12000,cache_read=10000,output=800", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["provider"] == "anthropic"
    # 2,000 fresh tokens at $3, 10,000 cached ones at $0.30, 800 written at $15, each for a million
    assert found["price"]["cost"] == pytest.approx(0.006 + 0.003 + 0.012)
    assert found["price"]["saved"] == pytest.approx(10_000 * (3 - 0.3) / 1e6)


def test_a_model_without_a_price_is_exit_code_1(otel_llm):
    ran = otel_llm("prices", "gpt-four")
    assert ran.code == 1
    assert "no price known" in ran.out


def test_a_name_is_suggested_once(otel_llm):
    ran = otel_llm("prices", "gpt-4.1", "--provider", "nope")
    assert ran.code == 1
    names = re.search(r"did you mean (.*)\?", ran.out).group(1).split(", ")
    assert len(names) == len(set(names)) == 3


def test_every_declared_library_is_listed(otel_llm):
    found = json.loads(otel_llm("providers", "--json").out)
    assert [each["name"] for each in found] == list(clients.NAMES)
    openai = next(each for each in found if each["name"] == "openai")
    assert openai["installed"]
    assert openai["requires"] == clients.load("openai").requires
    table = otel_llm("providers").out
    assert [line for line in table.splitlines() if line.endswith(" ")] == []
    markdown = otel_llm("providers", "--markdown").out
    for name in clients.NAMES:
        assert clients.load(name).distribution in table
        assert f"`{clients.load(name).distribution}`" in markdown


def test_boards_for_a_prometheus_without_rules(otel_llm, tmp_path):
    ran = otel_llm("export", "grafana", tmp_path, "--without-rules", "--vocabulary", "latest")
    assert ran.code == 0
    text = (tmp_path / "dashboards" / "otel-llm-latency.json").read_text()
    assert "gen_ai_client_inference_duration_seconds_bucket" in text
    assert ":rate5m" not in text
    ran = otel_llm("export", "prometheus", tmp_path, "--without-rules")
    assert ran.code != 0
    assert "--without-rules is for grafana, not for prometheus" in ran.err


def test_what_tells_services_apart(otel_llm, tmp_path):
    assert otel_llm("export", "prometheus", tmp_path, "--by", "region, shop", "--label", "plan").code == 0
    text = (tmp_path / "otel-llm-recording.yml").read_text()
    assert "sum by (job, region, shop, gen_ai_provider_name, gen_ai_request_model, plan)" in text
    assert otel_llm("export", "alertmanager", tmp_path / "am", "--by", "none").code == 0
    routes = yaml.safe_load((tmp_path / "am" / "alertmanager.yml").read_text())
    assert routes["route"]["group_by"] == ["category", "job", "gen_ai_provider_name"]
    ran = otel_llm("export", "prometheus", tmp_path, "--by", "name space")
    assert ran.code != 0
    assert "'name space' is no label name: letters, digits and _ only, with commas between several" in ran.err
