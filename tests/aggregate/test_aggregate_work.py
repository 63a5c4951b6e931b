"""What is judged beside the calls themselves: runs of agents and tools, their cost, repeats, prices, and signals by direction."""

from __future__ import annotations

import re

import pytest

from otel_llm.aggregate import Store
from otel_llm.aggregate.judgement import Judge, Reading, limit_of
from otel_llm.aggregate.readings import read
from otel_llm.aggregate.situation import Situation
from otel_llm.aggregate.survey import AT_ONCE
from otel_llm.aggregate.window.watch import Watch
from otel_llm.core.conditions import BY_ID
from otel_llm.core.config import Config
from otel_llm.core.model import Event
from otel_llm.core.objectives import DEFAULT
from otel_llm.core.signals import PAGING, SHAPES, SIGNALS
from otel_llm.ops.alerts.history import anomalies
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context

AT = 1_763_711_100.0
DAY = 86_400.0


def judged(store: Store, until: float, since: float = AT) -> dict[str, tuple[str, str]]:
    """Level and sentence of each condition, after a judgement every 15 seconds."""
    at = since
    while at < until:
        at += 15
        store.judge(at)
    found = {}
    for one in store.status(at, {})["conditions"]:
        for each in (one, *one["folded"]):
            found[each["id"]] = (each["level"], each["text"].split(", ")[0])
    return found


def test_agents_tools_and_what_runs_cost_are_judged_by_fifteen_minutes() -> None:
    store = Store(Config())
    for number in range(12):
        error = "timeout" if number % 2 else "cancelled" if number == 0 else ""
        store.apply(Event("gen_ai_invoke_agent_duration_seconds", AT + number, ("planner", error), 2.0))
        store.apply(
            Event("gen_ai_execute_tool_duration_seconds", AT + number, ("search", "function", "planner", error), 1.0)
        )
        store.apply(Event("otel_llm_run_cost_usd", AT + number, ("planner",), 2.5))
    store.apply(Event("otel_llm_run_cost_usd", AT, ("few",), 9.0))
    store.apply(Event("otel_llm_tool_repeats_total", AT, ("planner", "search"), 6.0))
    assert judged(store, AT + 330) == {
        "agent": ("warning", "agent planner: 50 % of agent runs fail"),
        "tool": ("warning", "tool search: 50 % of tool runs fail"),
        "run_cost": ("warning", "agent planner: a run costs $2.50"),
        "runaway": ("warning", "agent planner: 6 calls of a tool repeat an earlier one (search)"),
    }
    store.apply(Event("otel_llm_tool_repeats_total", AT + 330, ("planner", "search"), 15.0))
    assert judged(store, AT + 345, AT + 330)["runaway"][0] == "critical"
    assert {level for level, _ in judged(store, AT + 1300, AT + 345).values()} == {"ended"}


def test_a_price_table_that_is_older_than_it_may_be() -> None:
    store = Store(Config(), price_date=lambda: AT - 91 * DAY)
    assert judged(store, AT + 3590)["old_prices"] == ("pending", "otel-llm: the price table is 91 days old")
    assert judged(store, AT + 3630, AT + 3590)["old_prices"][0] == "warning"
    assert judged(Store(Config(), price_date=lambda: AT - 89 * DAY), AT + 60) == {}


def test_label_values_past_their_bound_are_forgotten_after_an_hour() -> None:
    store = Store(Config(max_label_values=1))
    for model in ("gpt-5", "gpt-6"):
        store.apply(Event("otel_llm_retries_total", AT, ("openai", model, "chat", "timeout")))
    assert judged(store, AT + 960)["label_overflow"] == (
        "warning",
        "otel-llm: 1 label values of gen_ai_request_model became _other",
    )
    again = Store(Config(max_label_values=1))
    again.load(store.dump())
    assert judged(again, AT + 3660, AT + 960)["label_overflow"][0] == "ended"


def test_calls_that_cost_more_than_usual(call) -> None:
    store, opened = Store(Config()), set()
    for number in range(1200):
        at, cost = AT + number * 5, 0.01 if number < 1000 else 0.05
        made = call(at=at, cost=cost + number % 7 / 1e4, cost_source="prices", input_tokens=10)
        store.apply(made._replace(output_tokens=200 + number % 9))
        if number % 3 == 0 and number > 950:
            opened |= {change.entry.reading.condition for change in store.judge(at) if change.entry.open}
    assert {"cost_per_request", "anomaly"} <= opened


def level(seconds: int, shift: float, trend: float = 0.0, condition: str = "anomaly") -> str:
    """What a score that lasts so long is called on the page."""
    judge, key = Judge(), (("provider", "openai"), ("model", "gpt-5"), ("signal", "latency"))
    for at in range(0, seconds + 1, 15):
        facts = {"shift": shift, "trend": trend}
        judge.judge([Reading(condition, key, "gpt-5", max(shift, trend), 1, facts=facts)], AT + at)
    return judge.shown()[0].level if judge.shown() else ""


def test_what_is_far_out_is_critical_sooner() -> None:
    assert [level(45, 7.0), level(60, 7.0), level(120, 7.0)] == ["pending", "warning", "critical"]
    assert [level(120, 3.0), level(300, 4.0), level(300, 2.9)] == ["warning", "critical", ""]
    assert limit_of(BY_ID["anomaly"], "grave") == DEFAULT.zscore_grave


def test_a_trend_is_critical_later_than_a_shift() -> None:
    assert [level(300, 0.0, 4.0), level(585, 2.9, 4.0), level(600, 2.9, 4.0)] == ["warning", "warning", "critical"]
    assert level(120, 0.0, 7.0) == "critical"  # far out, and so as soon as a shift


RULES = [alert for alert in anomalies(Context(DEFAULT, RELEASED)) if alert.labels["kind"] == "recent"]


def of_rules(signal: str, kind: str, score: float, minutes: int) -> str:
    """The severity that the alerts have after so many minutes at that score."""
    firing = set()
    for alert in RULES:
        (signals, kinds), *_ = re.findall(r'signal=~"([^"]*)",kind=~"([^"]*)"', alert.expr)
        line = float(re.findall(r">= ([\d.]+)", alert.expr)[0])
        if signal in signals.split("|") and kind in kinds.split("|") and score >= line and minutes * 60 >= alert.wait:
            firing.add(alert.severity)
    return "critical" if "critical" in firing else "warning" if firing else ""


@pytest.mark.parametrize("kind", ["shift", "trend"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_handlers_page_and_alerts_call_the_same_score_the_same(signal: str, kind: str) -> None:
    condition = "mix" if signal in SHAPES else "anomaly"
    for score in (2.9, 3.0, 5.9, 6.0):
        watch = Watch()
        handlers = [watch.lasting(signal, kind, score) or "" for _ in range(12)]  # after each minute
        page = [level(60 * minutes, **{"shift": 0.0, kind: score}, condition=condition) for minutes in range(1, 13)]
        alerts = [of_rules(signal, kind, score, minutes) for minutes in range(1, 13)]
        if signal == "answer_problems":  # whose share is judged by a condition of its own
            assert alerts == [""] * 12
            assert handlers[4:] == (["warning"] * 8 if score >= 3 else [""] * 8)
            continue
        assert [one.replace("pending", "") for one in page] == alerts
        assert handlers[1:] == alerts[1:]  # a minute may be a few seconds of calls: the first is never enough
    assert limit_of(BY_ID["mix"], "critical") is None


@pytest.mark.parametrize(
    ("signal", "score", "condition", "value"),
    [("latency", 5.0, "anomaly", 5.0), ("latency", -5.0, "anomaly", 0.0), ("output_tokens", -5.0, "anomaly", 5.0),
     ("output_short", 4.0, "mix", 4.0), ("output_spread", -4.0, "mix", 4.0), ("input_tokens", -4.0, "mix", 0.0),
     ("answer_problems", 9.0, None, None)],
)  # fmt: skip
def test_a_signal_is_judged_where_it_matters_only(
    call, monkeypatch: pytest.MonkeyPatch, signal: str, score: float, condition: str | None, value: float | None
) -> None:
    store = Store(Config())
    store.apply(call(at=AT))
    situation: Situation = store._read(AT + 1, lambda: None, shown=True)[0]
    ((key, model),) = situation.models.items()
    situation = situation._replace(models={key: model._replace(scores={(signal, "shift"): score})})
    found = [(one.condition, one.value) for one in read(situation, DEFAULT) if "signal" in dict(one.key)]
    assert found == ([(condition, value)] if condition else [])


def test_a_signal_is_one_thing_in_its_sentence(call) -> None:
    store = Store(Config())
    store.apply(call(at=AT))
    situation: Situation = store._read(AT + 1, lambda: None, shown=True)[0]
    ((key, model),) = situation.models.items()
    situation = situation._replace(
        models={key: model._replace(scores={(one, "trend"): 3.0 for one in (*PAGING, *SHAPES)})}
    )
    named = {dict(one.key)["signal"]: one.detail for one in read(situation, DEFAULT) if "signal" in dict(one.key)}
    assert named == {
        "latency": "latency", "output_tokens": "output length", "cost": "cost of a call", "time_to_first_chunk": "time to first chunk",
        "errors": "share of failed calls", "calls": "number of calls", "spend": "spend", "input_tokens": "input length",
        "latency_slow": "share of slow calls", "output_long": "share of long answers", "output_short": "share of short answers",
        "output_spread": "spread of output lengths",
    }  # fmt: skip
    assert (
        BY_ID["mix"].sentence("gpt-5", "3 sigma", named["input_tokens"]) == "gpt-5: input length is 3 sigma from usual"
    )


MODELS = 3 * AT_ONCE + 1


def _many(call) -> Store:
    """A store that has counted an error and a success of each of many models."""
    store = Store(Config())
    for number in range(MODELS):
        for error in ("", "timeout"):
            store.apply(call(at=AT, request_model=f"model-{number}", error_type=error))
    return store


@pytest.mark.parametrize("ask", ["judge", "incidents", "status"])
def test_others_get_the_lock_after_some_models(ask: str, call) -> None:
    store, same = _many(call), _many(call)
    store.tend(AT + 29)  # so that only the models themselves take time
    same.tend(AT + 29)
    free: list[bool] = []
    more = ({},) if ask == "status" else ()
    answer = getattr(store, ask)(AT + 30, *more, lambda: free.append(not store.lock.locked()))
    assert free == [True] * 3
    assert answer == getattr(same, ask)(AT + 30, *more)


def test_calls_that_come_meanwhile_are_of_the_models_that_are_looked_at_later(call) -> None:
    store = _many(call)
    store.tend(AT + 29)

    def come() -> None:
        for number in (0, MODELS - 1):
            store.apply(call(at=AT + 30, request_model=f"model-{number}"))

    models = {one["model"]: one for one in store.status(AT + 30, {}, come)["models"]}
    assert [models[f"model-{number}"]["calls"][-1] for number in (0, MODELS - 1)] == [2, 5]
    later = {one["model"]: one for one in store.status(AT + 31, {})["models"]}
    assert [later[f"model-{number}"]["calls"][-1] for number in (0, MODELS - 1)] == [5, 5]


def test_a_model_that_goes_meanwhile_is_judged_no_more(call) -> None:
    store = _many(call)
    store.tend(AT + 29)
    situation = store._read(AT + 30, store._state.recent.models.clear, shown=True)[0]
    assert [key[1] for key in situation.models] == [f"model-{number}" for number in range(AT_ONCE)]
