"""The files of this repository that come from the rules: prometheus/ and docs/alerts.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_llm.core.objectives import DEFAULT

from . import alertmanager, prometheus, promtests
from .alertspage import alerts_page
from .cases import budgets, history, recording, season, traffic, upkeep
from .promql import RELEASED
from .rules import Context
from .yamltext import dump

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .promql import Vocabulary
    from .promtests import Case


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
    recorded, parts, anomaly, slo, alerts = (
        f"otel-llm-{name}.yml" for name in ("recording", "parts", "anomaly", "slo", "alerts")
    )
    documents = {
        "recording": promtests.document([recording.steady(v)], [recorded, parts, anomaly, slo]),
        "bands": promtests.document([recording.bands()], [anomaly], "10m"),
        "traffic": _cases(traffic.cases(v), [recorded, anomaly, alerts]),
        "upkeep": _cases(upkeep.cases(v), [recorded, alerts]),
        "fleet": _cases(upkeep.fleet_cases(), [recorded, parts, alerts], "5m"),
        "history": _cases(history.cases(v), [recorded, anomaly, alerts]),
        "budgets": _cases(budgets.cases(v), [recorded, slo, alerts]),
        "season": _cases(season.cases(), [anomaly, alerts], "5m"),
    }
    header = "Written by otel-llm generate. To run: promtool test rules prometheus/tests/*.yml"
    return {f"{name}.yml": dump(document, header) for name, document in documents.items()}


def _cases(cases: Iterable[Case], rules: Iterable[str], every: str = "1m") -> dict[str, Any]:
    return promtests.document([case.data() for case in cases], rules, every)
