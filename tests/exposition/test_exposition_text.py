"""The exposition says what the collector says, in both formats, for any label value."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from otel_llm.aggregate import Store
from otel_llm.cluster import text
from otel_llm.cluster.families import StoreFamilies, parsed
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation
from otel_llm.exposition.collector import Collector

AT = 1_763_711_000.25
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
OF_THE_CONTRACT = 'otel_llm_latency_seconds non-summary metrics should not have "quantile" label'


def call(**fields: object) -> Observation:
    plain = {
        "at": AT, "provider": "openai", "request_model": "gpt-5", "operation": "chat", "response_model": "gpt-5-2026",
        "server_address": "api.openai.com", "error_type": "", "duration": 0.5, "stream": True, "first_chunk": 0.1,
        "input_tokens": 100_000, "output_tokens": 7, "thinking_tokens": 3, "cost": 1.5e-5, "cost_source": "prices",
        "trace_id": "a" * 32, "span_id": "b" * 16,
    }  # fmt: skip
    return Observation(**{**plain, **fields})  # type: ignore[arg-type]


def busy(semconv: str = "both") -> Store:
    store = Store(Config(semconv=semconv, metric_labels=("tenant",), budget_daily=5.0))
    for number in range(60):
        store.apply(call(request_model=f"m{number % 3}", duration=0.05 * number, labels=("acme",), at=AT - number))
    store.apply(call(labels=("",), error_type="rate_limit", trace_id=""))
    store.apply(Event("otel_llm_circuit_breaker_state", AT, ("b", "open")))
    store.apply(Event("otel_llm_http_request_cost_usd", AT, ("/chat/{id}", ""), 0.2, "c" * 32))
    store.set_process(1, {("openai", "m1", "chat"): 3})
    return store


def collector(store: Store) -> Collector:
    return Collector(store.config, StoreFamilies(store, clock=lambda: AT), CollectorRegistry())


def samples(families: object, *, exemplars: bool) -> dict:
    """Everything but how long the scrape took; without exemplars also without creation times, which only OpenMetrics has."""
    found = {}
    for family in families:  # type: ignore[attr-defined]
        if family.name != "otel_llm_scrape_duration_seconds" and (exemplars or not family.name.endswith("_created")):
            told = [
                (s.name, tuple(sorted(s.labels.items())), s.value, s.exemplar if exemplars else None)
                for s in family.samples
                if exemplars or not s.name.endswith("_created")
            ]
            assert family.name not in found, f"{family.name} comes twice"
            found[family.name] = (family.type, family.documentation, told)
    return found


@pytest.mark.parametrize("semconv", ["released", "latest", "both"])
def test_openmetrics_says_what_the_collector_says(semconv: str) -> None:
    mine = collector(busy(semconv))
    mine.render("")
    content_type, body = mine.render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert body.endswith(b"\n# EOF\n")
    assert samples(parse_openmetrics(body.decode()), exemplars=True) == samples(mine.collect(), exemplars=True)


@pytest.mark.parametrize("semconv", ["released", "latest", "both"])
def test_text_says_what_the_collector_says(semconv: str) -> None:
    mine = collector(busy(semconv))
    mine.render("")
    content_type, body = mine.render("")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in body
    assert b" # {" not in body
    assert samples(parse_text(body.decode()), exemplars=False) == samples(mine.collect(), exemplars=False)


def test_the_clients_own_exposition_of_our_families_reads_the_same() -> None:
    mine = collector(busy())
    mine.render("")
    registry = CollectorRegistry()
    registry.register(mine)
    theirs = parse_text(generate_latest(registry).decode())
    assert samples(theirs, exemplars=False) == samples(parse_text(mine.render("")[1].decode()), exemplars=False)


@settings(max_examples=60)
@given(st.text(max_size=12), st.text('\\"\n{}%s=,# \t', max_size=12))
def test_any_label_value_survives(model: str, tenant: str) -> None:
    store = Store(Config(metric_labels=("tenant",)))
    store.apply(call(request_model=model, labels=(tenant,)))
    store.scraped(1.0)
    mine = collector(store)
    for accept, parse in (("", parse_text), (OPENMETRICS, parse_openmetrics)):
        body = mine.render(accept)[1].decode()
        assert samples(parse(body), exemplars=False) == samples(mine.collect(), exemplars=False)


def test_a_changed_value_changes_the_next_scrape_and_nothing_else() -> None:
    store = busy()
    mine = collector(store)
    mine.render("")
    before = mine.render("")[1].decode().splitlines()
    store.apply(Event("otel_llm_circuit_breaker_transitions_total", AT, ("b", "closed", "open")))
    after = mine.render("")[1].decode().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new and "scrape_duration" not in new]
    assert changed == [
        'otel_llm_circuit_breaker_transitions_total{breaker="b",from_state="closed",to_state="open"} 1.0'
    ]


def test_only_the_last_bucket_is_infinite() -> None:
    for line in collector(busy()).render("")[1].decode().splitlines():
        assert "NaN" not in line
        assert "Inf" not in line.replace('le="+Inf"', "")


@pytest.mark.parametrize(("accept", "content_type"), [
    ("", "text/plain; version=0.0.4; charset=utf-8"),
    ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
    ("text/html,application/xhtml+xml", "text/plain; version=0.0.4; charset=utf-8"),
    ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
    ("text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
    ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
])  # fmt: skip
def test_formats_are_negotiated_as_prometheus_client_does(accept: str, content_type: str) -> None:
    told, body = collector(busy()).render(accept)
    assert told == content_type
    assert body.endswith(b"# EOF\n") == content_type.startswith("application/openmetrics-text")


def test_who_asks_for_dots_gets_names_that_are_escaped_so() -> None:
    told, body = collector(busy()).render("application/openmetrics-text;version=1.0.0;escaping=dots")
    assert told.endswith("escaping=dots")
    assert b"# TYPE otel__llm__cost__usd counter" in body
    assert body.count(b"# TYPE otel__llm__cost__usd ") == 1
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize("semconv", ["released", "latest", "both"])
def test_promtool_finds_nothing_to_complain_about_but_a_name_of_the_contract(semconv: str) -> None:
    body = collector(busy(semconv)).render("")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    complaints = set((done.stdout + done.stderr).decode().splitlines())
    assert complaints <= {OF_THE_CONTRACT}


def test_another_process_s_text_becomes_families_again() -> None:
    store = busy()
    source = StoreFamilies(store, clock=lambda: AT)
    source.text(openmetrics=True)
    text_again = parsed(source.text(openmetrics=True))
    assert samples(text_again, exemplars=True) == samples(source.families(), exemplars=True)


def test_big_families_are_written_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(text, "_sleep", naps.append)
    store = busy()
    store.scraped(1.0)
    whole = StoreFamilies(store, clock=lambda: AT).text(openmetrics=False)
    quiet = len(naps)
    monkeypatch.setattr(text, "SLICE", 30)
    again = StoreFamilies(store, clock=lambda: AT).text(openmetrics=False)
    strip = lambda body: [line for line in body.splitlines() if b"scrape_duration" not in line]
    assert strip(again) == strip(whole)
    assert len(naps) - quiet > 10
