"""Each metric's help text says the unit and when a series is absent, and a service that has served nothing shows what is never absent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from otel_llm.core.catalogue import METRICS
from otel_llm.core.described import ALWAYS, described

IDLE = """
import urllib.request, otel_llm, otel_llm.runtime
otel_llm.instrument()
port = otel_llm.runtime.current().endpoint.port
for _ in range(2):
    print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode(), end="=====\\n")
"""


def test_each_says_unit_and_absence_in_three_short_parts() -> None:
    shape = re.compile(r"[A-Z1][^\n]{3,150}\. Unit: [A-Za-z0-9 ,':]+\. (Never absent|Absent [a-z0-9 ,-]+)\.")
    assert [metric.name for metric in METRICS if not shape.fullmatch(described(metric))] == []
    assert [metric.name for metric in METRICS if "US dollars" in metric.help] == []


def test_what_is_never_absent_is_there_at_once_and_nothing_else(tmp_path: Path) -> None:
    around = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    around |= {"OTEL_LLM_STATE_DIR": str(tmp_path), "OTEL_EXPORTER_PROMETHEUS_PORT": "0", "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run([sys.executable, "-c", IDLE], env=around, capture_output=True, text=True, check=True)
    first, second = (
        {name for name in re.findall(r"^(\w+)[ {]", page, re.MULTILINE) if name.startswith(("otel_llm_", "gen_ai_"))}
        for page in ran.stdout.split("=====\n")[:2]
    )
    assert first == {metric.name for metric in METRICS if described(metric).endswith(ALWAYS)}
    assert second - first == {"otel_llm_scrape_duration_seconds"}
