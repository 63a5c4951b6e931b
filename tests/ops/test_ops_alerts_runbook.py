"""Whoever is paged finds what to do: every alert has its section, and every link in it leads somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_llm.core.objectives import Objectives, flag
from otel_llm.ops.prometheus import alert_names

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
PARTS = ("Means", "First look", "Likely causes", "What to do", "Noise when")
PANEL = re.compile(r"\[([^\]]+)\]\(http://localhost:3000/d/([\w-]+)\?viewPanel=(\d+)\)")


def sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+)\n", RUNBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def panels(uid: str) -> dict[int, str]:
    def walk(found: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
        for panel in found:
            yield panel["id"], panel["title"]
            yield from walk(panel.get("panels", []))

    return dict(
        walk(json.loads((ROOT / "grafana" / "dashboards" / f"{uid}.json").read_text(encoding="utf-8"))["panels"])
    )


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    assert list(sections()) == alert_names()


@pytest.mark.parametrize("alert", alert_names())
def test_a_section_says_it_all(alert: str) -> None:
    text = sections()[alert]
    assert re.findall(r"^\*\*([\w ]+)\.\*\*", text, flags=re.MULTILINE) == list(PARTS)
    looks = text.partition("**First look.**")[2].partition("**Likely causes.**")[0]
    assert PANEL.search(looks), "the first look is at a panel"


@pytest.mark.parametrize(("title", "uid", "panel"), sorted(set(PANEL.findall(RUNBOOK))))
def test_a_link_leads_to_the_panel_it_names(title: str, uid: str, panel: str) -> None:
    assert panels(uid)[int(panel)] == title


def test_options_and_alerts_that_are_named_exist() -> None:
    options = set(re.findall(r"`(--[a-z0-9-]+)", RUNBOOK))
    assert options <= {flag(name) for name in Objectives.__dataclass_fields__}
    assert set(re.findall(r"LLM[A-Z]\w+", RUNBOOK)) <= set(alert_names())
