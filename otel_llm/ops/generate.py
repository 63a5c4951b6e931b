"""The files of this repository that come from the rules: prometheus/ and docs/alerts.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import alertmanager, prometheus, promtests
from .alertcases import alert_cases, season_cases, slo_cases
from .alertspage import alerts_page
from .objectives import DEFAULT
from .promql import RELEASED
from .recordingcases import recording_test, season_test
from .rules import Context
from .yamltext import dump

if TYPE_CHECKING:
    from .promql import Vocabulary

_LONG = 60  # minutes


def generated() -> dict[str, str]:
    """Path below the repository's root, and text."""
    it = Context(DEFAULT, RELEASED)
    files = {
        "prometheus.yml": prometheus.configuration(),
        **{f"rules/{name}": text for name, text in prometheus.rule_files(it).items()},
        **{f"tests/{name}": text for name, text in test_files(RELEASED).items()},
        **alertmanager.files(),
    }
    return {**{f"prometheus/{path}": text for path, text in files.items()}, "docs/alerts.md": alerts_page(it)}


def test_files(v: Vocabulary) -> dict[str, str]:
    """Tests of the default rules for ``promtool test rules``, by file name; the rules are in ``../rules``."""
    recording, anomaly, slo, alerts = (f"otel-llm-{name}.yml" for name in ("recording", "anomaly", "slo", "alerts"))
    # the cases with hours of history take as long as all others: a file of their own can run beside them
    cases = alert_cases(v)
    documents = {
        "recording": promtests.document([recording_test(v)], [recording, anomaly, slo]),
        "bands": promtests.document([season_test()], [anomaly], "10m"),
        "alerts": promtests.document([case.data() for case in cases if case.at < _LONG], [recording, anomaly, alerts]),
        "history": promtests.document(
            [case.data() for case in cases if case.at >= _LONG], [recording, anomaly, alerts]
        ),
        "slo": promtests.document([case.data() for case in slo_cases(v)], [recording, slo, alerts]),
        "season": promtests.document([case.data() for case in season_cases()], [anomaly, alerts], "5m"),
    }
    header = "Written by otel-llm generate. To run: promtool test rules prometheus/tests/*.yml"
    return {f"{name}.yml": dump(document, header) for name, document in documents.items()}
