"""Who is told of what, and in which words: the committed routes and templates, asked with Alertmanager's own tool."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from alerting_lab import Told
from prometheus_lab import Prometheus, free_port, needed

from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.alertmanager import Routing, configuration
from otel_llm.ops.alerts import alerts
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "prometheus" / "alertmanager.yml"
ALERTS = alerts(Context(DEFAULT, RELEASED))


def amtool(*words: str | Path) -> str:
    done = subprocess.run([needed("amtool"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (("severity=critical", "category=errors"), "pagerduty,slack"),
        (("severity=warning", "category=latency"), "slack"),
        (("severity=critical", "category=cost"), "pagerduty,slack-finance,slack"),
        (("severity=warning", "category=cost"), "slack-finance,slack"),
        (("severity=info", "category=cost"), "slack-finance,slack"),
        (("severity=info", "category=telemetry"), "slack"),
        (("severity=critical", "category=errors", "environment=production"), "pagerduty,slack"),
        (("severity=critical", "category=errors", "environment=staging"), "slack-staging"),
        (("severity=critical", "category=cost", "namespace=dev-3"), "slack-staging"),
    ],
)
def test_the_right_people_are_told(labels: tuple[str, ...], receivers: str) -> None:
    amtool("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receivers}", *labels)


def test_with_a_webhook_it_is_told_of_everything() -> None:
    first = configuration(Routing(webhook_url="http://127.0.0.1:1/"))["route"]["routes"][0]
    assert first == {"receiver": "webhook", "continue": True}


def test_every_environment_pages_where_none_is_for_trials() -> None:
    def channels(routing: Routing) -> set[str]:
        return {route["receiver"] for route in configuration(routing)["route"]["routes"]}

    assert "slack-staging" in channels(Routing())
    assert "slack-staging" not in channels(Routing(not_production=""))


DATA = {
    "receiver": "slack", "status": "firing", "externalURL": "http://alerts", "groupLabels": {"alertname": "LLMX"},
    "commonLabels": {"alertname": "LLMX", "severity": "critical", "gen_ai_request_model": 'meta/llama "4"'}, "commonAnnotations": {},
    "alerts": [
        {"status": status, "labels": {"severity": "critical"}, "generatorURL": "http://query",
         "startsAt": "2026-11-29T03:00:00Z", "endsAt": "2026-11-29T03:30:00Z",
         "annotations": {"summary": f"Sum {number}", "description": f"Value {number}.", "resolved": f"Past {number}.",
                         "dashboard_url": "http://board?var-job=shop", "runbook_url": "http://book"}}
        for number, status in enumerate(("firing", "firing", "resolved"), 1)
    ],
}  # fmt: skip


SILENCE = (
    "http://alerts/#/silences/new?filter=%7Balertname%3D%22LLMX%22%2C%20"
    "gen_ai_request_model%3D%22meta%2Fllama%20%5C%224%5C%22%22%2C%20severity%3D%22critical%22%7D"
)


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("title", "firing", "[FIRING] Sum 1 (1 of 2)"),
        ("title", "resolved", "[RESOLVED] Sum 3"),
        ("color", "firing", "danger"),
        ("color", "resolved", "good"),
        ("silence", "firing", SILENCE),
    ],
)  # fmt: skip
def test_a_template_says_it(tmp_path: Path, name: str, status: str, text: str) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps({**DATA, "status": status}), encoding="utf-8")
    glob = f"--template.glob={ROOT / 'prometheus' / 'templates' / '*.tmpl'}"
    assert (
        amtool(
            "template",
            "render",
            glob,
            f"--template.data={data}",
            f'--template.text={{{{ template "otel_llm.{name}" . }}}}',
        )
        == text
    )


def test_a_message_names_every_alert_with_its_links(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps(DATA), encoding="utf-8")
    glob = f"--template.glob={ROOT / 'prometheus' / 'templates' / '*.tmpl'}"
    text = amtool(
        "template", "render", glob, f"--template.data={data}", '--template.text={{ template "otel_llm.text" . }}'
    )
    links = (
        "<http://board?var-job=shop&from=1795919400000&to=now|Dashboard> · <http://book|Runbook> · <http://query|Query>"
    )
    assert text.splitlines()[:6] == [
        "*Sum 1* (critical)", "Value 1.", links, "*Sum 2* (critical)", "Value 2.", links,
    ]  # fmt: skip
    assert "*Sum 3* (critical, resolved)\nPast 3.\n" in text
    assert "&from=1795919400000&to=1795923900000|Dashboard>" in text
    assert text.splitlines()[-1].startswith("<http://alerts/#/silences/new?filter=%7B")


def matches(matcher: str, labels: dict[str, str]) -> bool:
    name, operator, value = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
    found = labels.get(name, "")
    hit = re.fullmatch(value, found) is not None if "~" in operator else found == value
    return hit is not operator.startswith("!")


def inhibited(source: dict[str, str], target: dict[str, str]) -> bool:
    """As Alertmanager decides, a label that both lack being equal."""
    return any(
        all(matches(one, source) for one in rule["source_matchers"])
        and all(matches(one, target) for one in rule["target_matchers"])
        and all(source.get(name, "") == target.get(name, "") for name in rule.get("equal", []))
        for rule in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["inhibit_rules"]
    )


def fired(name: str, severity: str | None = None, **labels: str) -> dict[str, str]:
    """The labels of an alert as it is sent."""
    alert = next(one for one in ALERTS if one.name == name and one.severity == (severity or one.severity))
    return {
        "alertname": name,
        "severity": alert.severity,
        "service": "llm",
        "category": alert.category,
        **alert.labels,
        **labels,
    }


GPT = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5"}
BUDGET = {"job": "shop", "period": "day"}
OPEN = fired("LLMCircuitBreakerOpen", gen_ai_provider_name="openai", breaker="openai")


@pytest.mark.parametrize(
    ("source", "target", "held"),
    [
        (fired("LLMErrorRateHigh", **GPT), fired("LLMLatencyP95High", **GPT), False),
        (fired("LLMErrorRateHigh", **GPT), fired("LLMLatencyP95High", **{**GPT, "gen_ai_request_model": "gpt-4o"}), False),
        (fired("LLMErrorRateHigh", "critical", **GPT), fired("LLMErrorRateHigh", "warning", **GPT), True),
        (fired("LLMErrorBudgetBurn", "critical", **GPT), fired("LLMErrorRateHigh", "critical", **GPT), True),
        (fired("LLMErrorBudgetBurn", "warning", **GPT), fired("LLMErrorRateHigh", "critical", **GPT), False),
        (fired("LLMErrorBudgetBurn", "critical", job="a", **GPT), fired("LLMErrorRateHigh", "critical", job="b", **GPT), False),
        (fired("LLMRateLimited", **GPT), fired("LLMErrorBudgetBurn", "critical", **GPT), True),
        (fired("LLMProviderFailing", gen_ai_provider_name="openai"), fired("LLMErrorRateHigh", "critical", **GPT), True),
        (fired("LLMProviderFailing", gen_ai_provider_name="mistral_ai"), fired("LLMErrorRateHigh", "critical", **GPT), False),
        (fired("LLMDailyBudgetExceeded", **BUDGET), fired("LLMDailyBudgetReached", **BUDGET), True),
        (fired("LLMDailyBudgetReached", **BUDGET), fired("LLMDailyBudgetNear", **BUDGET), True),
        (fired("LLMErrorRateHigh", **GPT), fired("LLMDailyBudgetExceeded", **BUDGET), False),
        (fired("LLMDailyBudgetExceeded", **BUDGET), fired("LLMInternalErrors", job="shop"), False),
        (fired("LLMDailyBudgetExceeded", **BUDGET), fired("LLMDailyBudgetForecast", **BUDGET), True),
        (fired("LLMDailyBudgetExceeded", **BUDGET), fired("LLMDailyBudgetForecast", **BUDGET, budget="acme"), False),
        (OPEN, fired("LLMErrorRateHigh", **GPT), True),
        (OPEN, fired("LLMFallbackRateHigh", **GPT), True),
        (OPEN, fired("LLMErrorBudgetBurn", "critical", **GPT), True),
        (fired("LLMCircuitBreakerOpen", gen_ai_provider_name="redis", breaker="redis"), fired("LLMErrorRateHigh", **GPT), False),
        (OPEN, fired("LLMOutputLengthDrop", **GPT), False),
        (fired("LLMCircuitBreakerStuckOpen", breaker="a"), fired("LLMCircuitBreakerOpen", breaker="a"), True),
        (fired("LLMTelemetryDown", job="shop", reach="all"), fired("LLMErrorRateHigh", **GPT), True),
        (fired("LLMTelemetryDown", job="shop", reach="one"), fired("LLMErrorRateHigh", **GPT), False),
        (fired("LLMTelemetryAbsent"), fired("LLMDailyBudgetExceeded", **BUDGET), True),
        (fired("LLMTelemetryAbsent"), fired("LLMTelemetryDown", job="shop"), False),
    ],
)  # fmt: skip
def test_what_explains_another_alert_holds_it_back(source: dict[str, str], target: dict[str, str], held: bool) -> None:
    assert inhibited(source, target) is held


def test_the_committed_files_run_with_other_hosts(tmp_path: Path) -> None:
    told, port = Told(), free_port()
    config = (ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    for host, here in {
        "demo:9464": "127.0.0.1:1",
        "gateway:9465": "127.0.0.1:1",
        "alertmanager:9093": f"127.0.0.1:{port}",
        "localhost:9090": "SELF",
    }.items():
        assert host in config
        config = config.replace(host, here)
    for name in ("rules", "templates"):
        (tmp_path / name).symlink_to(ROOT / "prometheus" / name)
    server = Prometheus(tmp_path, config)
    (tmp_path / "alertmanager.yml").write_text(CONFIG.read_text(encoding="utf-8"), encoding="utf-8")
    with told.running(), server.running(), alertmanager(tmp_path, port):
        rules = [rule for group in _get(f"{server.url}/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == {alert.name for alert in ALERTS}
        assert _status(server, port)["config"]["original"].startswith("global:")


@contextlib.contextmanager
def alertmanager(folder: Path, port: int) -> Any:
    command = [
        needed("prometheus-alertmanager"), f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'kept'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _status(server: Prometheus, port: int) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def there() -> bool:
        with contextlib.suppress(OSError):
            found.update(_get(f"http://127.0.0.1:{port}/api/v2/status"))
        return bool(found)

    server.until(there, "Alertmanager to be ready")
    return found


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)
