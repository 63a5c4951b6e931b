"""``check``: which baseline judges one value, where a model has several."""

from __future__ import annotations

from window_calls import feed, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.facts import Check

START = 1_800_000_000.0
NOW = START + 1800
MODEL = "gpt-4o"


def _engine() -> Engine:
    """acme's calls are usual at a second, globex's at nine; and few of the same model at another provider, at thirty."""
    engine = Engine()
    feed(engine, steady(START, 1800, every=3.0, seed=7), ("openai", MODEL, ("tenant", "acme")))
    feed(engine, steady(START, 1800, every=1.0, seed=8, factor=9.0), ("openai", MODEL, ("tenant", "globex")))
    feed(engine, steady(START, 1800, every=9.0, seed=9, factor=30.0), ("azure.ai.openai", MODEL, ("tenant", "acme")))
    return engine


def _judged(provider: str = "", *labels: tuple[str, str]) -> Check:
    found = _engine().check((provider, MODEL, *labels), "latency", 9.0, NOW)
    assert found is not None
    return found


def test_a_value_is_judged_by_the_window_of_its_labels() -> None:
    acme, globex = _judged("openai", ("tenant", "acme")), _judged("openai", ("tenant", "globex"))
    assert (acme.severity, acme.direction, globex.severity) == ("critical", "high", "")
    assert (acme.provider, acme.model, acme.labels) == ("openai", MODEL, (("tenant", "acme"),))
    assert 0.9 < acme.baseline < 1.2
    assert 8.0 < globex.baseline < 11.0


def test_without_labels_the_baseline_of_most_calls_judges_and_says_so() -> None:
    found = _judged()
    assert (found.provider, found.labels, found.severity) == ("openai", (("tenant", "globex"),), "")
    assert found.samples > 1500


def test_a_label_alone_chooses_among_providers_by_calls() -> None:
    assert _judged("", ("tenant", "acme")).provider == "openai"
    other = _judged("azure.ai.openai")
    assert (other.labels, other.direction) == ((("tenant", "acme"),), "low")
    assert other.z_score < -2


def test_labels_that_no_window_has_have_no_baseline() -> None:
    engine = _engine()
    assert engine.check(("", MODEL, ("tenant", "initech")), "latency", 9.0, NOW) is None
    assert engine.check(("openai", MODEL, ("tenant", "acme"), ("feature", "chat")), "latency", 9.0, NOW) is None


def test_a_window_without_a_baseline_does_not_hide_one_that_has_one() -> None:
    engine = Engine()
    feed(engine, steady(START + 1795, 5, seed=7), ("azure.ai.openai", MODEL))
    feed(engine, steady(START, 1800, seed=8), ("openai", MODEL))
    found = engine.check(("", MODEL), "latency", 30.0, NOW)
    assert found is not None
    assert (found.provider, found.severity) == ("openai", "critical")
