"""``otel_llm_calls_total``: every call by its outcome, at 0 before the first one, with the time at which it began."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from otel_llm.aggregate import Store
from otel_llm.cluster.families import StoreFamilies
from otel_llm.cluster.text import render
from otel_llm.core.config import Config
from otel_llm.core.measures import outcome
from otel_llm.core.model import Observation
from otel_llm.core.series import ERROR_TYPES

AT = 1_790_000_000.0
NAME = "otel_llm_calls_total"


def call(at: float, error_type: str = "", model: str = "gpt-5", **more: object) -> Observation:
    return Observation(at, "openai", model, "chat", "gpt-5-2026", "api.openai.com", error_type, 2.0)._replace(**more)


def shown(store: Store, *, openmetrics: bool = False) -> list[str]:
    views = [view for view in store.views(AT + 60) if view.metric.name == NAME]
    text = render(views, store.lock, openmetrics=openmetrics).decode()
    labels = 'gen_ai_provider_name="openai",gen_ai_request_model="gpt-5",gen_ai_operation_name="chat",'
    return [line.replace(labels, "") for line in text.splitlines() if line[0] != "#"]


def test_calls_are_counted_by_outcome() -> None:
    store = Store(Config())
    for error_type in ("", "timeout", "timeout", "cancelled", "abandoned"):
        store.apply(call(AT, error_type))
    assert shown(store) == [
        'otel_llm_calls_total{outcome="ok"} 1',
        'otel_llm_calls_total{outcome="failed",error_type="timeout"} 2',
        'otel_llm_calls_total{outcome="cancelled",error_type="cancelled"} 1',
        'otel_llm_calls_total{outcome="abandoned",error_type="abandoned"} 1',
    ]


def test_a_model_whose_every_call_fails_shows_that_none_succeeded() -> None:
    store = Store(Config())
    store.apply(call(AT, "timeout"))
    assert 'otel_llm_calls_total{outcome="ok"} 0' in shown(store)


def test_a_model_is_shown_at_zero_while_its_first_call_is_open() -> None:
    store = Store(Config())
    store.set_process(1, {("openai", "gpt-5", "chat"): 1})
    assert shown(store) == ['otel_llm_calls_total{outcome="ok"} 0']


def test_custom_labels_are_known_when_the_call_has_ended() -> None:
    store = Store(Config(metric_labels=("tenant",)))
    store.set_process(1, {("openai", "gpt-5", "chat"): 1})
    assert shown(store) == []
    store.apply(call(AT, labels=("acme",)))
    assert shown(store) == ['otel_llm_calls_total{outcome="ok",tenant="acme"} 1']


def test_openmetrics_says_when_a_series_began() -> None:
    store = Store(Config())
    store.apply(call(AT, "timeout"))
    store.apply(call(AT + 30, "timeout"))
    assert shown(store, openmetrics=True) == [
        'otel_llm_calls_total{outcome="ok"} 0',
        'otel_llm_calls_created{outcome="ok"} 1789999998.000',
        'otel_llm_calls_total{outcome="failed",error_type="timeout"} 2',
        'otel_llm_calls_created{outcome="failed",error_type="timeout"} 1789999998.000',
    ]
    text = render(store.views(AT + 60), store.lock, openmetrics=True).decode() + "# EOF\n"
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == "otel_llm_calls"]
    assert {sample.name for sample in family.samples} == {NAME, "otel_llm_calls_created"}


def test_the_registrys_own_exposition_has_it_too() -> None:
    store = Store(Config())
    store.apply(call(AT))
    (family,) = [one for one in StoreFamilies(store, clock=lambda: AT).families() if one.name == "otel_llm_calls"]
    assert [(sample.name, sample.value) for sample in family.samples] == [
        (NAME, 1),
        ("otel_llm_calls_created", AT - 2),
    ]


def test_a_checkpoint_keeps_when_it_all_began() -> None:
    store, successor = Store(Config()), Store(Config())
    store.apply(call(AT, "timeout"))
    successor.load(store.dump())
    successor.apply(call(AT + 500, "timeout"))
    assert shown(successor, openmetrics=True)[2:] == [
        'otel_llm_calls_total{outcome="failed",error_type="timeout"} 2',
        'otel_llm_calls_created{outcome="failed",error_type="timeout"} 1789999998.000',
    ]
    (began,) = [view for view in successor.views(AT + 600) if view.metric.name == "otel_llm_start_time_seconds"]
    assert began.rows[0].cell.value == AT - 2


@pytest.mark.parametrize("error_type", ["", *ERROR_TYPES])
def test_every_error_type_has_an_outcome(error_type: str) -> None:
    callers = {"": "ok", "cancelled": "cancelled", "abandoned": "abandoned"}
    assert outcome(error_type) == callers.get(error_type, "failed")
