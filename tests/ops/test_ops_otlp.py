"""Rules and dashboards for pushed metrics: the labels that are ours have a namespace wherever they are read, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from otel_llm.cli.app import group
from otel_llm.ops.otlp import OWN, renamed


@pytest.mark.parametrize(("scraped", "pushed"), [
    ('sum by (job, outcome) (rate(otel_llm_calls_total{outcome!="ok", error_type=""}[5m]))',
     'sum by (job, otel_llm_outcome) (rate(otel_llm_calls_total{otel_llm_outcome!="ok", error_type=""}[5m]))'),
    ('sum without (kind) (x:y{kind=~"a|b"})', 'sum without (otel_llm_kind) (x:y{otel_llm_kind=~"a|b"})'),
    ('"expr": "otel_llm_retries_total{reason=\\"timeout\\"}"', '"expr": "otel_llm_retries_total{otel_llm_reason=\\"timeout\\"}"'),
    ("for a reason {{ $labels.reason }}, {{reason}}", "for a reason {{ $labels.otel_llm_reason }}, {{otel_llm_reason}}"),
    ("        labels:\n          kind: input\n", "        labels:\n          otel_llm_kind: input\n"),
    ("provider_model_cache:otel_llm_cache_requests:rate5m", "provider_model_cache:otel_llm_cache_requests:rate5m"),
    ('otel_llm_zscore{signal="cost"}', 'otel_llm_zscore{signal="cost"}'),
])  # fmt: skip
def test_labels_are_called_as_they_arrive(scraped: str, pushed: str) -> None:
    assert renamed(scraped) == pushed


def test_exported_rules_read_what_is_pushed(tmp_path: Path) -> None:
    ran = CliRunner().invoke(group, ["export", "prometheus", str(tmp_path), "--otlp"])
    assert ran.exit_code == 0, ran.output
    text = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.yml"))
    assert 'otel_llm_circuit_breaker_transitions_total{otel_llm_to_state="open"}' in text
    assert "          otel_llm_finish_reason: length" in text
    assert renamed(text) == text
    assert "outcome" in OWN


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    ran = CliRunner().invoke(group, ["export", "k8s", str(tmp_path), "--otlp"])
    assert ran.exit_code != 0
    assert "--otlp is for prometheus and grafana" in ran.output
