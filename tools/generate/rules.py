"""The files of this repository that come from the rules: prometheus/ and docs/alerts.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from otel_llm.core.objectives import DEFAULT
from otel_llm.ops import alertmanager, prometheus
from otel_llm.ops.alerts import alert_group
from otel_llm.ops.promql import CLASSIC, RELEASED
from otel_llm.ops.rules import Context, recording_groups
from otel_llm.ops.yamltext import dump

from . import promtests
from .alertspage import alerts_page
from .cases import budgets, history, quality, recording, season, traffic, upkeep, work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_llm.ops.promql import Vocabulary
    from otel_llm.ops.series import Reading

    from .promtests import Case

_RECORDED = re.compile(r"(?:\w+:)+\w+")


def generated() -> dict[str, str]:
    """Path below the repository's root, and text."""
    it = Context(DEFAULT, RELEASED)
    files = {
        "prometheus.yml": prometheus.configuration(),
        **{f"rules/{name}": text for name, text in prometheus.rule_files(it).items()},
        **{f"tests/{name}": text for name, text in test_files(RELEASED, CLASSIC).items()},
        **alertmanager.files(),
    }
    return {**{f"prometheus/{path}": text for path, text in files.items()}, "docs/alerts.md": alerts_page(it)}


def test_files(v: Vocabulary, read: Reading) -> dict[str, str]:
    """Tests of the default rules for ``promtool test rules``, by file name; the rules, which read as
    ``read`` says, are in ``../rules`` and ``rules``."""
    it = Context(DEFAULT, v, read=read)
    recorded, parts, anomaly, slo = (f"otel-llm-{name}.yml" for name in ("recording", "parts", "anomaly", "slo"))
    files = {
        **_values("recording", [recording.steady(v)], [recorded, parts, anomaly, slo]),
        **_values("bands", [recording.bands()], [anomaly], "10m"),
        **_cases(it, "slow", traffic.slow(v), [recorded, anomaly]),
        **_cases(it, "failing", traffic.failing(v), [recorded, anomaly]),
        **_cases(it, "around", traffic.around(v), [recorded, anomaly]),
        **_cases(it, "upkeep", upkeep.cases(v), [recorded]),
        **_cases(it, "fleet", upkeep.fleet_cases(), [recorded, parts], "5m"),
        **_cases(it, "lengths", history.lengths(v), [recorded, anomaly]),
        **_cases(it, "prices", history.prices(v), [recorded, anomaly]),
        **_cases(it, "unusual", history.unusual(v), [recorded, anomaly]),
        **_cases(it, "answers", history.answers(v), [recorded, anomaly]),
        **_cases(it, "budgets", budgets.cases(v), [recorded, slo]),
        **_cases(it, "work", work.cases(), [recorded]),
        **_cases(it, "quality", quality.cases(v), [recorded]),
        **_cases(it, "season", season.cases(), []),
    }
    header = "Written by otel-llm generate. To run: promtool test rules prometheus/tests/*.yml"
    return {name: dump(document, header) for name, document in files.items()}


def _values(name: str, tests: list[dict[str, Any]], rules: list[str], every: str = "1m") -> dict[str, Any]:
    return {f"{name}.yml": promtests.document(tests, [f"../rules/{one}" for one in rules], every)}


def _cases(it: Context, name: str, cases: Iterable[Case], files: list[str], every: str = "1m") -> dict[str, Any]:
    """The cases, and the rules that they need: with all of them, promtool would take minutes."""
    tests = list(cases)
    rules = needed_rules(it, {case.alert for case in tests}, files)
    return {
        f"rules/{name}.yml": {"groups": [{"name": f"otel_llm.{name}", "rules": rules}]},
        f"{name}.yml": promtests.document([case.data() for case in tests], [f"rules/{name}.yml"], every),
    }


def needed_rules(it: Context, alerts: set[str], files: list[str]) -> list[dict[str, Any]]:
    """The rules of ``alerts``, after those in ``files`` that they read, in one group: promtool takes groups in any order."""
    groups = recording_groups(it)
    records = [rule for file in files for group in groups[file] for rule in group["rules"]]
    wanted = [rule for rule in alert_group(it)["rules"] if rule["alert"] in alerts]
    names: set[str] = set()
    todo = list(wanted)
    while todo:
        read = set(_RECORDED.findall(todo.pop()["expr"])) - names
        names |= read
        todo += [rule for rule in records if rule["record"] in read]
    return [rule for rule in records if rule["record"] in names] + wanted
