"""What the boards show of a scripted eight hours: real exporter, real Prometheus, real rules; written as JSON for draw.mjs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ops")]

import prometheus_lab as lab  # noqa: E402 - the paths come first
import scripted_run  # noqa: E402

from otel_llm.core.objectives import DEFAULT  # noqa: E402
from otel_llm.ops import recorded  # noqa: E402
from otel_llm.ops.alerts import alerts  # noqa: E402
from otel_llm.ops.promql import RELEASED  # noqa: E402
from otel_llm.ops.rules import Context, recording_groups  # noqa: E402
from tools.generate.boards import generated  # noqa: E402

END = datetime(2026, 11, 20, 16, 56, tzinfo=timezone.utc).timestamp()
LENGTH, SCRAPE, STEPS = 8 * 3600, 60, 240
SHOWN = {"otel-llm-overview": 3 * 3600, "otel-llm-cost": LENGTH}
OF_DAYS = (recorded.HOUR_STDDEV, recorded.SPREAD, recorded.SEASON, recorded.UPPER, recorded.LOWER)
_EXEMPLAR = re.compile(r"^(\w+)_bucket\{(.*)\} \S+ # \{trace_id=\"(\w+)\".*\} (\S+) (\S+)$")
_TIMED = {"__rate_interval": "4m", "__interval": "1m"}


def main(target: Path) -> None:
    laboratory = target.parent / "laboratory"
    exemplars = laboratory / "exemplars.json"
    prometheus = lab.Prometheus(laboratory, end=END)
    if not exemplars.exists():  # it is written last; the boards may change without another run
        shutil.rmtree(laboratory, ignore_errors=True)
        laboratory.mkdir(parents=True)
        exemplars.write_text(json.dumps(filled(prometheus)), encoding="utf-8")
    with prometheus.running():
        boards = [answered(prometheus, json.loads(text)) for name, text in generated().items() if name.endswith("json")]
    data = {"boards": boards, "exemplars": json.loads(exemplars.read_text(encoding="utf-8"))}
    target.write_text(json.dumps(data), encoding="utf-8")


def filled(prometheus: lab.Prometheus) -> list[dict[str, Any]]:
    """Play the script and the rules into ``prometheus``; returns the exemplars."""
    series: list[dict[str, Any]] = []
    scraped = kept_exemplars(
        scripted_run.scrapes(scripted_run.Script(END - LENGTH, LENGTH), scripted_run.store(), SCRAPE), series
    )
    prometheus.load(chain(servers(), scripted_run.openmetrics(scraped)))
    for rules in layers():
        evaluate(prometheus, rules)
    return series


def kept_exemplars(scraped: Iterable[tuple[float, str]], series: list[dict[str, Any]]) -> Iterator[tuple[float, str]]:
    """Pass scrapes on and remember their exemplars, which promtool cannot load."""
    seen = set()
    for at, text in scraped:
        for line in text.splitlines():
            if (match := _EXEMPLAR.match(line)) and match[3] not in seen and "operation_duration" in match[1]:
                seen.add(match[3])
                series.append(
                    {
                        "labels": dict(re.findall(r'(\w+)="([^"]*)"', match[2])),
                        "value": float(match[4]),
                        "at": float(match[5]),
                    }
                )
        yield at, text


def servers() -> Iterator[str]:
    """What Prometheus and Alertmanager say of themselves, made up: in this laboratory they only just started."""
    groups = {"aggregate": 0.021, "cost": 0.006, "anomaly": 0.034, "slo": 0.048, "alerts": 0.017}
    for minute in range(LENGTH // 60 + 1):
        at = END - LENGTH + 60 * minute
        for index, (group, seconds) in enumerate(groups.items()):
            labels = f'job="prometheus",rule_group="/etc/prometheus/rules/{group}.yml;otel_llm.{group}"'
            yield f"prometheus_rule_group_last_duration_seconds{{{labels}}} {seconds * (1 + 0.2 * ((minute * (index + 3)) % 7) / 7)} {at}"
            for name in ("evaluation_failures", "group_iterations_missed"):
                yield f"prometheus_rule_{name}_total{{{labels}}} 0 {at}"
        sent = minute // 30 + 8 * (minute > 280)
        yield f'prometheus_notifications_sent_total{{job="prometheus"}} {sent} {at}'
        for name in ("errors", "dropped"):
            yield f'prometheus_notifications_{name}_total{{job="prometheus"}} 0 {at}'
        for integration, share in (("slack", 1.0), ("pagerduty", 0.4)):
            labels = f'job="alertmanager",integration="{integration}"'
            yield f"alertmanager_notifications_total{{{labels}}} {int(sent * share)} {at}"
            yield f"alertmanager_notifications_failed_total{{{labels}}} 0 {at}"


def layers() -> Iterator[list[dict[str, Any]]]:
    """Rules in the order in which they need each other, and at last the alerts, as if they were recorded."""
    it = Context(DEFAULT, RELEASED)
    groups = [group for groups in recording_groups(it).values() for group in groups]
    left = [rule for group in groups for rule in group["rules"] if rule["record"] not in OF_DAYS]
    while left:
        waiting = {rule["record"] for rule in left}
        ready = [rule for rule in left if not any(name in rule["expr"] for name in waiting - {rule["record"]})]
        yield ready
        left = [rule for rule in left if rule not in ready]
    yield [record for alert in alerts(it) for record in as_recorded(alert.rule(it))]


def as_recorded(alert: dict[str, Any]) -> list[dict[str, Any]]:
    """That it fires, and since when: for as long as it has to hold, which is the least."""
    labels = {
        "alertname": alert["alert"],
        "severity": alert["labels"]["severity"],
        "runbook": alert["labels"]["runbook"],
    }
    minutes = round(minutes_of(alert.get("for", "0m")))
    lasting = f"count_over_time(({alert['expr']})[{minutes}m:1m]) >= {minutes}" if minutes else alert["expr"]
    return [
        {"record": "ALERTS", "expr": f"({lasting}) * 0 + 1", "labels": {**labels, "alertstate": "firing"}},
        {"record": "ALERTS_FOR_STATE", "expr": f"({lasting}) * 0 + time() - {60 * max(minutes, 1)}", "labels": labels},
    ]


def minutes_of(duration: str) -> float:
    parts = re.findall(r"(\d+)([smhd])", duration)
    return sum(int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for number, unit in parts) / 60


def evaluate(prometheus: lab.Prometheus, rules: list[dict[str, Any]]) -> None:
    """Backfill what ``rules`` would have recorded."""
    path = prometheus.folder / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "one", "interval": "1m", "rules": rules}]}), encoding="utf-8")
    with prometheus.running():
        command = [
            lab.needed("promtool"), "tsdb", "create-blocks-from", "rules", f"--start={END - LENGTH:.0f}", f"--end={END:.0f}",
            f"--url={prometheus.url}", f"--output-dir={prometheus.folder / 'data'}", str(path),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)


def answered(prometheus: lab.Prometheus, board: dict[str, Any]) -> dict[str, Any]:
    """A board with the answers to its queries and annotations."""
    seconds = SHOWN.get(board["uid"], 6 * 3600)
    values = {**_TIMED, "__range": f"{seconds}s", "__range_s": str(seconds)}
    step = max(SCRAPE, seconds // STEPS)
    answers = {
        f"{panel['id']}:{target['refId']}": prometheus.instant(target["expr"], **values)
        if target.get("instant")
        else prometheus.course(target["expr"], seconds, step, **values)
        for panel in every(board["panels"])
        for target in panel["targets"]
    }
    notes = {
        note["name"]: prometheus.course(note["expr"], seconds, step, **values)
        for note in board["annotations"]["list"]
        if note["enable"]
    }
    return {
        "board": board,
        "answers": answers,
        "notes": notes,
        "from": (END - seconds) * 1000,
        "to": END * 1000,
        "step": step,
    }


def every(panels: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield from every(panel["panels"]) if panel["type"] == "row" else [panel]


if __name__ == "__main__":
    shutil.which("promtool") or sys.exit("promtool is needed: apt-get install prometheus")
    main(Path(sys.argv[1]))
