"""What a person on call is sent: a troubled service, the shipped rules and routes sixty times as fast, and what arrives by webhook.

``PATH="$(tools/prometheus3.sh):$PATH" python tools/live_alerts.py`` (about four minutes) prints each kind of alert that fired and
ended, with the title and the text of both notifications. It fails where fewer than twelve kinds did.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ops")]

from alerting_lab import Alertmanager, Service, Told, rules_of, scraper, within  # noqa: E402 - the paths come first
from test_ops_alerts_live import BASELINE, OBJECTIVES  # noqa: E402

KINDS, PATIENCE = 12, 120.0  # at least; seconds for each part
DOWN = "LLMTelemetryDown"


def notified(told: Told, status: str) -> dict[str, dict[str, Any]]:
    """By kind of alert, the first that a notification said this of."""
    seen: dict[str, dict[str, Any]] = {}
    for body in list(told.webhook):
        for alert in body["alerts"]:
            if alert["status"] == status:
                seen.setdefault(alert["labels"]["alertname"], alert["annotations"])
    return seen


def main() -> int:
    """Run it, print what arrived, and say whether it was enough."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told, service = Told(), Service(folder)
        manager = Alertmanager(folder, told)
        server = scraper(folder, service, manager, OBJECTIVES)
        with told.running(), manager.running(), server.running(), service.running():
            within(90, "a baseline", lambda: server.ask("query", {"query": BASELINE})["result"], server)
            service.say("trouble")
            _wait(lambda: len(notified(told, "firing")) >= KINDS + 1)  # the day's budget stays spent
            service.say("calm")
            _wait(lambda: len(_both(told)) >= KINDS - 1)
            service.stop()
            _wait(lambda: DOWN in notified(told, "firing"))
            again = Service(folder)
            again.port = service.port
            with again.running():
                _wait(lambda: DOWN in notified(told, "resolved"))
            unhealthy = [rule["name"] for rule in rules_of(server) if rule["health"] != "ok"]
    fired, ended, both = notified(told, "firing"), notified(told, "resolved"), _both(told)
    for kind in sorted(fired):
        print(f"{kind}\n  fired  {fired[kind]['summary']}\n         {fired[kind]['description']}")
        print(f"  ended  {ended[kind]['resolved']}" if kind in ended else "  has not ended")
    for kind in sorted(ended.keys() - fired.keys()):
        print(f"{kind}: an end whose beginning nobody was sent: {ended[kind]['resolved']}")
    print(f"{len(fired)} kinds fired, {len(both)} of them ended; rules that are not healthy: {unhealthy or 'none'}")
    print(f"{len(told.slack)} messages to Slack, {len(told.pagerduty)} events to PagerDuty")
    for part in [message["attachments"][0] for message in told.slack][:3]:
        print(f"Slack: {part['title']}\n{part['text']}")
    return 0 if len(both) >= KINDS and not unhealthy else 1


def _both(told: Told) -> set[str]:
    return notified(told, "firing").keys() & notified(told, "resolved").keys()


def _wait(true: Any) -> None:
    last = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < last:
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
