"""The reference pages hold all that there is: every metric, every setting, every client library."""

from __future__ import annotations

from dataclasses import fields

import pytest

from otel_llm import clients
from otel_llm.core.catalogue import METRICS
from otel_llm.core.config import Config
from otel_llm.core.series import ERROR_TYPES
from otel_llm.ops import dashboards
from otel_llm.ops.markdown import table
from tools.generate import reference


def rows(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables by their first cell."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {row[0].strip("`"): row for row in cells}


def test_every_metric_has_its_row() -> None:
    page = reference.generated()["docs/metrics.md"]
    found = rows(page)
    assert {metric.name for metric in METRICS} <= found.keys()
    assert found["otel_llm_retries_total"][1:] == [
        "counter",
        "`gen_ai_provider_name`, `gen_ai_request_model`, `gen_ai_operation_name`, `reason` +",
        "HTTP attempts after the first. Unit: retries. Absent before the first one.",
        "sum",
        "`otel_llm.retries`, `{retry}`",
    ]
    assert found["otel_llm_series"][2] == "none"
    assert found["gen_ai_client_operation_duration_seconds"][1] == "histogram, duration"
    assert found["tokens"][1].startswith("1 4 16 64 ")
    assert all(f"`{kind}`" in page for kind in ERROR_TYPES)


def test_every_setting_has_its_row() -> None:
    found = rows(reference.generated()["docs/configuration.md"])
    assert {spec.metadata["variable"] for spec in fields(Config) if spec.metadata} <= found.keys()
    defaults = {name: row[2] for name, row in found.items()}
    assert defaults["OTEL_LLM_BUDGET_DAILY_USD"] == "none"
    assert defaults["OTEL_SDK_DISABLED"] == "`false`"
    assert defaults["OTEL_LLM_WINDOW_SECONDS"] == "`3600`"
    assert defaults["OTEL_EXPORTER_PROMETHEUS_PORT"] == "`9464`"
    assert found["OTEL_LLM_PRICES_FILE"][3] == "any text"


def test_every_client_library_has_its_row() -> None:
    found = rows(reference.generated()["docs/providers.md"])
    declared = [clients.load(name) for name in clients.NAMES]
    assert {provider.distribution for provider in declared} <= found.keys()
    assert found["openai"][1] == f"`{clients.load('openai').requires}`"


def test_the_readme_s_parts_are_replaced_and_nothing_else() -> None:
    text, table_text = (
        "".join(
            f"before\n<!-- {part}: begin, written by `otel-llm generate` -->\nold\n<!-- {part}: end -->\nafter\n"
            for part in parts
        )
        for parts in (("counted", "measured"), ("measured",))
    )
    figures = {"instructions_call": 1000.0, "instructions_chunk": 1000.0}
    run = {"figures": {"bare client": figures, "otel-llm": figures, "a bare span": figures}, "versions": {}}
    made = reference.readme(text, run)
    assert made.count("before\n") == made.count("after\n") == 2
    assert "old" not in made
    assert "client libraries are watched: `openai`, `anthropic`" in made
    assert "A plain call costs 1 thousand instructions" in made
    assert "| a plain call | 1 | 1 |" in reference.comparison(table_text, run)


def test_a_bar_in_a_cell_is_no_border() -> None:
    assert table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |"


def test_an_installation_without_dashboards_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "_SHIPPED", ())
    with pytest.raises(FileNotFoundError, match="has no dashboards"):
        dashboards.shipped()
