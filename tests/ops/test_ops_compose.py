"""The compose file against what it mounts: every path, port and host name in one is in the other."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from prometheus_lab import needed

from otel_llm.ops.gateway import write_gateway

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LISTENS = {
    "demo": {9464}, "gateway": {4327, 4328, 9465}, "prometheus": {9090}, "alertmanager": {9093}, "grafana": {3000}, "tempo": {3200, 4317},
    "otelcol": {4318, 13133},
}  # fmt: skip
NAMES = sorted(SERVICES)


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def mounts(service: str) -> dict[str, str]:
    """Paths in a container, and what is there: a path of the repository, or a volume."""
    found = {}
    for entry in SERVICES[service].get("volumes", []):
        source, target = re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", entry).removesuffix(":ro").rsplit(":", 1)
        found[target] = source
    return found


def in_repository(service: str, path: str) -> Path:
    """The file of the repository that a container sees at ``path``."""
    for target, source in mounts(service).items():
        if path == target or path.startswith(target + "/"):
            return ROOT / source / path.removeprefix(target).lstrip("/")
    raise AssertionError(f"{service} does not mount {path}")


def check_address(address: str) -> None:
    """A host and port that a configuration names: a service of the stack that listens there."""
    host, _, port = address.partition(":")
    assert int(port) in LISTENS[host], address


def test_docker_compose_takes_it() -> None:
    done = subprocess.run(
        [needed("docker-compose"), "config", "-q"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_these_are_the_services() -> None:
    assert set(SERVICES) == set(LISTENS)


@pytest.mark.parametrize("name", NAMES)
def test_a_version_is_pinned(name: str) -> None:
    service = SERVICES[name]
    if "build" not in service:
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        return
    build = service["build"]
    text = (ROOT / build["context"] / build["dockerfile"]).read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)
    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+(-[a-z-]+)?$", base) for base in bases)


@pytest.mark.parametrize("name", NAMES)
def test_ports_are_on_localhost_and_are_those_it_listens_on(name: str) -> None:
    for entry in SERVICES[name]["ports"]:
        address, outside, inside = entry.split(":")
        assert (address, outside) == ("127.0.0.1", inside)
        assert int(inside) in LISTENS[name]


@pytest.mark.parametrize("name", NAMES)
def test_health_is_checked_where_it_listens(name: str) -> None:
    test = " ".join(SERVICES[name]["healthcheck"]["test"])
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)/", test)
    assert int(port) in LISTENS[name]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_mounted_is_there(name: str) -> None:
    for source in mounts(name).values():
        if source.startswith("."):
            assert (ROOT / source).exists()
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", NAMES)
def test_the_configuration_named_on_the_command_line_is_mounted(name: str) -> None:
    for argument in SERVICES[name].get("command", []):
        if found := re.match(r"--?config(?:\.file)?=(.+)", argument):
            assert in_repository(name, found[1]).is_file()


def test_a_volume_is_where_data_is_kept() -> None:
    assert "--storage.tsdb.path=/prometheus" in SERVICES["prometheus"]["command"]
    assert "--storage.path=/alertmanager" in SERVICES["alertmanager"]["command"]
    assert load("deploy/tempo.yml")["storage"]["trace"]["local"]["path"].startswith("/var/tempo/")
    for name, path in {
        "prometheus": "/prometheus",
        "alertmanager": "/alertmanager",
        "tempo": "/var/tempo",
        "grafana": "/var/lib/grafana",
    }.items():
        assert mounts(name)[path] in COMPOSE["volumes"]


def test_nothing_is_secret_by_default() -> None:
    text = json.dumps(SERVICES)
    assert not re.search(r"password|token|secret_key|api_key", text, flags=re.IGNORECASE)
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    committed = (ROOT / "deploy" / "secrets" / ".gitignore").read_text(encoding="utf-8").split()
    assert committed == ["*", "!README.md", "!.gitignore"]


def test_prometheus_scrapes_and_tells_services_of_the_stack() -> None:
    config = load("prometheus/prometheus.yml")
    for job in config["scrape_configs"]:
        for target in job["static_configs"][0]["targets"]:
            check_address(target.replace("localhost", "prometheus"))
    (manager,) = config["alerting"]["alertmanagers"]
    check_address(manager["static_configs"][0]["targets"][0])
    for pattern in config["rule_files"]:
        folder = in_repository("prometheus", "/etc/prometheus/" + pattern.partition("/")[0])
        assert sorted(path.suffix for path in folder.iterdir()) == [".yml"] * 5  # and nothing else


def test_alertmanager_finds_its_templates_and_secrets() -> None:
    config = load("prometheus/alertmanager.yml")
    for pattern in config["templates"]:
        folder = in_repository("alertmanager", "/etc/alertmanager/" + pattern.rpartition("/")[0])
        assert list(folder.glob(pattern.rpartition("/")[2]))
    files = {
        path
        for receiver in config["receivers"]
        for kind in ("slack_configs", "pagerduty_configs")
        for one in receiver.get(kind, [])
        for key, path in one.items()
        if key.endswith("_file")
    }
    readme = (ROOT / "deploy" / "secrets" / "README.md").read_text(encoding="utf-8")
    for path in files:
        assert in_repository("alertmanager", path).parent == ROOT / "deploy" / "secrets"
        assert f"`{Path(path).name}`" in readme


def test_grafana_finds_dashboards_and_data_sources() -> None:
    sources = {one["uid"]: one for one in load("grafana/provisioning/datasources/otel-llm.yml")["datasources"]}
    for source in sources.values():
        check_address(urlsplit(source["url"]).netloc)
    (destination,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] in sources
    assert destination["name"] == "trace_id"
    assert sources["tempo"]["jsonData"]["tracesToMetrics"]["datasourceUid"] in sources
    (provider,) = load("grafana/provisioning/dashboards/otel-llm.yml")["providers"]
    assert list(in_repository("grafana", provider["options"]["path"]).glob("*.json"))
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert in_repository("grafana", home).is_file()


def test_spans_find_their_way_to_tempo() -> None:
    demo, collector, tempo = SERVICES["demo"]["command"], load("deploy/otelcol.yml"), load("deploy/tempo.yml")
    check_address(urlsplit(demo[demo.index("--otlp") + 1]).netloc)
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "0.0.0.0:4318"
    assert collector["extensions"]["health_check"]["endpoint"] == "0.0.0.0:13133"
    check_address(collector["exporters"]["otlp"]["endpoint"])
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == "0.0.0.0:4317"
    assert tempo["server"]["http_listen_port"] == 3200
    pipeline = collector["service"]["pipelines"]["traces"]
    for part in ("receivers", "processors", "exporters"):
        assert set(pipeline[part]) <= set(collector[part])


def test_the_demo_is_scraped_where_it_listens() -> None:
    command = SERVICES["demo"]["command"]
    assert command[command.index("--host") + 1] == "0.0.0.0"
    targets = [job["static_configs"][0]["targets"] for job in load("prometheus/prometheus.yml")["scrape_configs"]]
    assert [f"demo:{command[command.index('--port') + 1]}"] in targets


def test_the_demo_takes_its_options() -> None:
    from otel_llm.cli.demo import command

    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in SERVICES["demo"]["command"] if word.startswith("--")} <= known


def test_the_binaries_take_the_configurations() -> None:
    for command in (
        [needed("promtool"), "check", "config", "prometheus/prometheus.yml"],
        [needed("amtool"), "check-config", "prometheus/alertmanager.yml"],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "FAILED" not in done.stdout


def test_the_gateway_has_the_ports_and_the_volume_that_its_objects_name(tmp_path: Path) -> None:
    objects = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in write_gateway(tmp_path)}
    assert sorted(objects) == ["gateway-deployment", "gateway-service", "gateway-volume"]
    pod = objects["gateway-deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    named = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert named == {"otlp-http": 4318, "otlp-grpc": 4317, "metrics": 9464}
    service = objects["gateway-service"]
    assert {one["targetPort"]: one["port"] for one in service["spec"]["ports"]} == named
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert service["metadata"]["labels"]["otel-llm"] == "true"  # what the ServiceMonitor of `export k8s` selects
    assert (
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == objects["gateway-volume"]["metadata"]["name"]
    )
    image = (ROOT / "deploy" / "gateway.Dockerfile").read_text(encoding="utf-8")
    state = next(one["value"] for one in container["env"] if one["name"] == "OTEL_LLM_STATE_DIR")
    assert f"OTEL_LLM_STATE_DIR={state}" in image
    assert mounts("gateway") == {state: "gateway-data"}
