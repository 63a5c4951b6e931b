"""The manifest of the examples fits what ``otel-llm export k8s`` writes, and the settings that it names exist."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from click.testing import CliRunner
from docs_pages import ROOT

from otel_llm.cli import app
from otel_llm.core.config import Config

DEPLOYMENT, SERVICE = yaml.safe_load_all((ROOT / "examples" / "kubernetes" / "web.yml").read_text(encoding="utf-8"))
POD = DEPLOYMENT["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def test_the_monitor_selects_the_service_and_its_port(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app.group, ["export", "k8s", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    monitor = yaml.safe_load((tmp_path / "servicemonitor.yaml").read_text(encoding="utf-8"))["spec"]
    assert monitor["selector"]["matchLabels"].items() <= SERVICE["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    ports = {port["name"]: port["targetPort"] for port in SERVICE["spec"]["ports"]}
    assert ports[endpoint["port"]] in {port["name"] for port in CONTAINER["ports"]}
    assert SERVICE["spec"]["selector"].items() <= POD["metadata"]["labels"].items()
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"].items() <= POD["metadata"]["labels"].items()


def test_settings_mean_what_the_manifest_says(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for one in CONTAINER["env"]:
        monkeypatch.setenv(one["name"], one.get("value", "test-key"))
    config = Config.from_env()
    assert (config.host, config.metric_labels, config.budget_daily) == ("0.0.0.0", ("tenant",), 200.0)
    assert config.port in {port["containerPort"] for port in CONTAINER["ports"]}


def test_what_is_written_to_is_mounted() -> None:
    state = {one["name"]: one.get("value") for one in CONTAINER["env"]}["OTEL_LLM_STATE_DIR"]
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert state in {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {
        volume["name"] for volume in POD["spec"]["volumes"]
    }
