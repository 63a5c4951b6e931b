"""The judgement: which condition opens when, how bad it is, what is folded into what, and when it has ended."""

from __future__ import annotations

import random
import re

import pytest

from otel_llm.aggregate import Store
from otel_llm.aggregate.judgement import Entry, Judge, Reading, slot
from otel_llm.aggregate.readings import _lengths
from otel_llm.aggregate.recent_cell import Cell
from otel_llm.aggregate.situation import Model
from otel_llm.core.conditions import CONDITIONS
from otel_llm.core.config import Config
from otel_llm.core.model import Event
from otel_llm.core.objectives import DEFAULT

AT = 1_763_711_100.0  # 07:45:00 UTC, the beginning of a minute and of a cell
CHAT = ("openai", "gpt-5", "chat")
SERVICE = {"name": "checkout", "workers": 2, "started": "2025-11-21T07:00:00Z"}


class Lab:
    """A store, and one call of each model every five seconds; judged every 15 seconds."""

    def __init__(self, call, **config) -> None:
        self.store, self.call, self.at, self.changes = Store(Config(**config)), call, AT, []

    def run(self, minutes: float, *models: tuple[str, float], **fields) -> Lab:
        """``models`` are names with the share of their calls that fails."""
        end, number = self.at + minutes * 60, 0
        while self.at < end:
            for model, share in models:
                failed = int((number + 1) * share + 1e-9) - int(number * share + 1e-9)
                error = fields.get("kind", "rate_limit") if failed else ""
                more = {name: value for name, value in fields.items() if name != "kind"}
                self.store.apply(self.call(at=self.at, request_model=model, error_type=error, **more))
            number += 1
            self.at += 5.0
            if self.at % 15 == 0:
                self.judge()
        return self

    def judge(self) -> None:
        self.changes += [
            (
                change.kind,
                change.entry.reading.condition,
                change.entry.level,
                change.entry.reading.subject,
                self.at - AT,
            )
            for change in self.store.judge(self.at)
        ]

    def event(self, metric: str, value: float, *labels: str, at: float | None = None) -> None:
        self.store.apply(Event(metric, self.at if at is None else at, labels, value))

    def facts(self) -> dict:
        return self.store.status(self.at, SERVICE)

    def shown(self) -> list[tuple[str, str]]:
        return [(one["id"], one["level"]) for one in self.facts()["conditions"]]


@pytest.fixture
def lab(call):
    return lambda **config: Lab(call, **config)


def of(lab, *conditions):
    return [change for change in lab.changes if change[1] in conditions]


def test_a_failing_model_opens_worsens_and_ends(lab):
    it = lab().run(6, ("gpt-5", 0.0)).run(8, ("gpt-5", 0.6)).run(20, ("gpt-5", 0.0))
    kinds = [(kind, level) for kind, _, level, _, _ in of(it, "errors")]
    assert kinds == [("opened", "critical"), ("lowered", "warning"), ("ended", "ended")]
    opened, lowered, ended = (at for *_, at in of(it, "errors"))
    assert 8 * 60 <= opened <= 10.5 * 60  # above 25 % after two of five minutes, and two more until it counts
    assert 16 * 60 < lowered < ended <= 19.5 * 60
    assert it.shown() == []  # what ended more than a quarter of an hour ago is shown no more


def test_what_has_ended_is_shown_in_the_past_for_a_quarter_of_an_hour(lab):
    it = lab().run(8, ("gpt-5", 0.5)).run(8, ("gpt-5", 0.0))
    (one,) = it.facts()["conditions"]
    assert (one["id"], one["level"], one["worst"]) == ("errors", "ended", "critical")
    assert one["what"] == "{who}: 51 % of calls failed (rate_limit)"  # at its worst
    assert one["text"].startswith("gpt-5: 51 % of calls failed (rate_limit), 07:4")
    assert one["until"] > one["since"]
    again = it.run(4, ("gpt-5", 0.9)).facts()["conditions"][0]
    assert (again["level"], again["until"]) == ("critical", None)


def test_one_model_at_two_percent_of_the_traffic_shows(lab):
    it = lab()
    for _ in range(60):
        it.run(0.25, *[("busy", 0.0)] * 16)
        it.run(0.001, ("small", 1.0))
    assert ("errors", "critical") in it.shown()
    worst = it.facts()["conditions"][0]
    assert worst["subject"] == "small"
    assert worst["value"] == 1.0
    assert worst["share"] < 0.06


def test_too_few_calls_are_not_judged_and_it_is_said(lab):
    it = lab()
    for _ in range(4):
        it.store.apply(it.call(at=it.at, error_type="timeout", usage_unknown="absent"))
        it.at += 15
        it.judge()
    facts = it.facts()
    assert facts["conditions"] == []
    missing = {one["id"]: one for one in facts["not_judged"]}
    assert (missing["errors"]["reason"], missing["errors"]["have"], missing["errors"]["need"]) == ("too_few", 4, 5)
    assert missing["anomaly"]["reason"] == "no_baseline"
    assert missing["cache"]["reason"] == "not_used"
    it.store.apply(it.call(at=it.at, error_type="timeout"))
    it.run(3, ("gpt-5", 1.0), kind="timeout")
    assert it.facts()["conditions"][0]["id"] == "errors"


def test_a_rate_limit_explains_the_failures_and_the_fallback_follows_from_them(lab):
    it = lab(metric_labels=("tenant",))
    for _ in range(60):
        it.run(0.25, ("gpt-5", 0.667), labels=("acme",))
        it.event("otel_llm_rate_limit_limit", 100.0, *CHAT, "requests")
        it.event("otel_llm_rate_limit_remaining", 0.0, *CHAT, "requests")
        it.event("otel_llm_fallbacks_total", 2.0, "anthropic", "haiku", "chat", "gpt-5", "haiku", "rate_limit")
    facts = it.facts()
    (one,) = [one for one in facts["conditions"] if one["level"] == "critical"]
    assert one["id"] == "errors"
    assert one["why"].startswith("0 % of the rate limit of requests is left; the provider refuses 6")
    assert one["meanwhile"].startswith("haiku answers 6")
    assert {"rate_limit", "rate_limit_refused", "fallback", "error_type", "burn"} == set(one["cause_of"])
    assert one["who"] == [{"label": "tenant", "value": "acme", "share": 1.0}]
    assert one["next"].startswith("Slow these calls down")
    assert one["runbook"].endswith("runbook.md#llmerrorratehigh")
    assert facts["rate_limits"][0]["level"] == "critical"
    assert facts["fallbacks"] == [
        {"from": "gpt-5", "to": "haiku", "count": 114.0, "reason": "rate_limit"}
    ]  # of whole minutes
    assert facts["models"][0]["levels"] == {"failed": "critical", "p95": "", "shift": ""}
    it.run(6, ("gpt-5", 0.0), labels=("acme",))  # the reading of the limit is old by now
    ended = it.facts()["conditions"]
    assert ("errors", "ended") in [(each["id"], each["level"]) for each in ended]


def test_a_limit_that_is_near_but_not_what_calls_fail_with_stands_on_its_own(lab):
    it = lab()
    for _ in range(32):
        it.run(0.25, ("gpt-5", 0.6), kind="timeout")
        it.event("otel_llm_rate_limit_limit", 100.0, *CHAT, "tokens")
        it.event("otel_llm_rate_limit_remaining", 1.0, *CHAT, "tokens")
    assert {one[0] for one in it.shown() if one[1] == "critical"} == {"errors", "rate_limit"}


def test_failing_models_of_one_provider_are_one_incident(lab):
    it = lab().run(10, ("gpt-5", 1.0), ("gpt-5-mini", 1.0), kind="server_error")
    (one,) = it.facts()["conditions"]
    assert (one["id"], one["subject"]) == ("provider", "openai")
    assert one["what"] == "{who}: 100 % of calls fail, on several models"
    assert "gpt-5: 100 % of calls fail (server_error)" in one["also"]
    assert "gpt-5-mini" in one["also"]


def test_no_condition_is_inside_of_what_is_inside_of_it():
    every = [Entry(Reading(one.id, (("provider", "openai"),), "gpt-5", 1.0, 9), "critical", AT) for one in CONDITIONS]
    around = {
        one.reading.condition: {other.reading.condition for other in every if other is not one and slot(other, one)}
        for one in every
    }
    left = set(around)
    while ends := {name for name in left if not left & around[name]}:
        left -= ends
    assert left == set()


def test_an_open_breaker_without_failures_is_around_the_fallback():
    judge = Judge()
    breaker = Reading("breaker", (("provider", "openai"), ("breaker", "openai")), "breaker openai", 1.0, 1)
    fallback = Reading("fallback", (("provider", "openai"), ("model", "gpt-5")), "gpt-5", 1.0, 60)
    for at in (AT, AT + 600):
        judge.judge([breaker, fallback], at)
    (one,) = judge.shown()
    assert (one.reading, [inner.reading for inner in one.folded]) == (breaker, [fallback])


def test_what_is_not_held_for_long_enough_is_one_line_too(lab):
    it = lab().run(1, ("gpt-5", 0.6), kind="timeout")
    (one,) = it.facts()["conditions"]
    assert (one["id"], one["level"], one["cause_of"]) == ("errors", "pending", ["error_type"])


def test_an_open_breaker_is_said_with_the_fallback_that_follows_from_it(lab):
    it = lab()
    it.event("otel_llm_circuit_breaker_state", 1.0, "openai:chat", "open")
    for _ in range(48):
        it.run(0.25, ("other", 0.0))
        it.event("otel_llm_fallbacks_total", 3.0, "anthropic", "haiku", "chat", "gpt-5", "haiku", "circuit_open")
    assert ("breaker", "critical") in it.shown()
    assert ("fallback", "critical") in it.shown()  # nobody knows that gpt-5 is openai's: it is not called
    it.event("otel_llm_circuit_breaker_state", 1.0, "openai:chat", "closed")
    it.judge()
    assert it.changes[-1][:3] == ("ended", "breaker", "ended")
    assert it.facts()["breakers"] == [
        {"name": "openai:chat", "state": "closed", "since": it.facts()["at"], "level": ""}
    ]


def test_slow_calls_and_late_streams(lab):
    it = lab().run(11, ("gpt-5", 0.0), duration=45.0, first_chunk=7.0, stream=True)
    assert it.shown() == [("burn", "critical"), ("first_chunk", "warning")]
    (burn, _) = it.facts()["conditions"]
    assert burn["what"] == "{who}: the latency error budget burns, 100 % of calls miss the objective"
    assert [(one["id"], one["level"]) for one in burn["folded"]] == [("latency", "warning")]
    facts = it.facts()
    assert facts["totals"]["p95_s"] == pytest.approx(45, rel=0.01)
    assert facts["models"][0]["levels"]["p95"] == "warning"
    assert burn["folded"][0]["what"] == "{who}: 5 % of calls take longer than 45 s"


def test_budgets_warn_at_eighty_percent_and_are_critical_when_used_up(lab):
    it = lab(budget_daily=1.0, budget_monthly=1000.0)
    it.run(1, ("gpt-5", 0.0), cost=0.07, cost_source="prices")
    assert ("budget", "warning") in it.shown()
    budget = next(one for one in it.facts()["budgets"] if one["period"] == "day")
    assert (budget["spend"], budget["limit"], budget["used"]) == (pytest.approx(0.84), 1.0, pytest.approx(0.84))
    assert budget["passes"] is not None
    assert budget["series"][0] == [0.0, 0.0]
    assert budget["series"][-1][1] == pytest.approx(0.84)
    it.run(1, ("gpt-5", 0.0), cost=0.07, cost_source="prices")
    assert [change[:3] for change in of(it, "budget")] == [
        ("opened", "budget", "warning"), ("raised", "budget", "critical"),
    ]  # fmt: skip
    text = it.facts()["conditions"][0]["text"]
    assert text.startswith("Budget of the day: 168 % ($1.68 of $1.00) of the budget is spent, since 07:4")
    it.run(16, ("gpt-5", 0.0))
    assert "budget_forecast" in [one for each in it.facts()["conditions"] for one in each["cause_of"]]


def test_what_is_incomplete_is_said(lab):
    it = lab().run(16, ("gpt-5", 0.0), cost_source="unpriced", usage_unknown="absent")
    assert set(it.shown()) == {("unpriced", "warning"), ("usage_unknown", "warning")}
    assert it.facts()["totals"]["unpriced"] == 1.0
    assert it.facts()["totals"]["unknown"] == 1.0


def test_answers_that_are_cut_off_or_withheld_more_than_usual(lab):
    it = lab().run(60, ("gpt-5", 0.0), finish_reasons=("stop",))
    it.run(40, ("gpt-5", 0.0), finish_reasons=("length", "SAFETY"))
    assert set(it.shown()) == {("truncated", "warning"), ("refused", "warning")}


def test_caches_that_miss(lab):
    it = lab().run(20, ("gpt-5", 0.0), input_tokens=1000, cache_read_tokens=800)
    for _ in range(110):
        it.run(0.25, ("gpt-5", 0.0), input_tokens=1000)
        it.event("otel_llm_cache_requests_total", 1.0, *CHAT, "answers", "miss")
    assert set(it.shown()) == {("prompt_cache", "warning"), ("cache", "warning")}
    (cache,) = it.facts()["caches"]
    assert (cache["name"], cache["ratio"], cache["usual"], cache["level"]) == ("answers", 0.0, 0.0, "warning")


def test_a_changed_prompt_is_told_within_ten_minutes_with_the_providers_reason(lab):
    it = lab().run(60, ("gpt-5", 0.0), input_tokens=1000, cache_read_tokens=800)
    minutes = 0
    while ("prompt_cache", "warning") not in it.shown() and minutes < 20:
        it.run(1, ("gpt-5", 0.0), input_tokens=1000, cache_read_tokens=0, cache_miss="tools_changed")
        minutes += 1
    assert minutes < 10
    (found,) = it.facts()["conditions"]
    assert found["what"] == "{who}: only 0 % of input tokens come from the prompt cache (mostly tools_changed)"


def test_short_answers_and_an_unusual_latency_once_there_is_a_baseline(lab):
    it = lab()
    for number in range(240):
        it.run(0.25, ("gpt-5", 0.0), output_tokens=400 + number % 7 * 20, duration=1 + number % 5 / 10)
    assert it.facts()["not_judged"]
    it.run(40, ("gpt-5", 0.0), output_tokens=60, duration=9.0)
    shown = dict(it.shown())
    assert shown["anomaly"] in ("critical", "warning", "ended")
    assert any(change[:2] == ("opened", "length") for change in it.changes)
    assert [one["signal"] for one in it.facts()["anomalies"]][:2] == ["latency", "output_tokens"]
    assert all(abs(one["shift"]) >= 2 for one in it.facts()["anomalies"][2:])


def test_errors_of_our_own_and_label_values_past_their_bound(lab):
    it = lab(max_label_values=1)
    it.event("otel_llm_internal_errors_total", 2.0, "pricing")
    it.run(16, ("gpt-5", 0.0), kind="")
    it.run(1, ("gpt-6", 0.0))
    assert ("internal_errors", "warning") in it.shown()
    text = next(one["text"] for one in it.facts()["conditions"] if one["id"] == "internal_errors")
    assert text.startswith("otel-llm: otel-llm has 2 errors of its own in pricing, calls are unaffected")
    assert ("label_overflow", "pending") in it.shown()


def test_the_judgement_goes_on_where_another_process_takes_over(lab, call):
    it = lab(budget_daily=1.0).run(10, ("gpt-5", 0.6))
    it.event("otel_llm_fallbacks_total", 2.0, "anthropic", "haiku", "chat", "gpt-5", "haiku", "error")
    before = it.facts()
    other = Store(Config(budget_daily=1.0))
    other.load(it.store.dump())
    after = other.status(it.at, SERVICE)
    assert after == before
    assert not [change for change in other.judge(it.at) if change.kind == "opened"]


def test_conditions_that_are_no_longer_known_are_dropped():
    judge = Judge()
    judge.judge([Reading("breaker", (("breaker", "a"),), "breaker a", 1.0, 1)], AT)
    state = judge.dump()
    assert len(Judge.load(state).entries) == 1
    state[0] = (("forgotten", *state[0][0][1:]), *state[0][1:])
    assert Judge.load(state).entries == {}


def test_a_service_without_calls_is_starting(lab):
    facts = lab().facts()
    assert (facts["schema"], facts["fresh"], facts["conditions"]) == (1, "starting", [])
    assert facts["totals"]["calls_per_s"] is None
    assert facts["totals"]["p95_s"] is None
    assert facts["series"]["calls"] == [None] * 60
    assert facts["judged"]["calls"] == 0


def test_the_time_of_a_batch_is_not_judged(lab):
    it = lab().run(6, ("gpt-5", 0.0), operation="batch", duration=3600.0)
    assert it.facts()["totals"]["p95_s"] is None
    assert it.facts()["totals"]["calls"] == 57


def test_rates_are_right_in_the_first_minute(lab):
    it = lab().run(0.5, ("gpt-5", 0.0))
    assert it.facts()["totals"]["calls_per_s"] == pytest.approx(6 / 30, rel=0.2)


def test_the_last_hour_minute_by_minute(lab):
    it = lab().run(30, ("gpt-5", 0.5)).run(40, ("gpt-5", 0.0), ("gpt-6", 0.0), cost=0.01, cost_source="prices")
    series = it.facts()["series"]
    assert len(series["calls"]) == 60
    assert series["calls"][0:5] == [12] * 5
    assert series["failed"][0:5] == [6] * 5
    assert series["calls"][30:35] == [24] * 5
    assert series["failed"][30:35] == [0] * 5
    assert series["p95_s"][-2] == pytest.approx(0.5, rel=0.01)
    assert sum(filter(None, series["calls"])) == it.facts()["totals"]["calls_hour"]
    assert it.facts()["totals"]["usd_per_h"] == pytest.approx(0.01 * 2 / 5 * 3600, rel=0.1)
    idle = it.run(75).facts()
    assert idle["models"] == []
    assert idle["totals"]["calls_hour"] == 0


def test_what_opens_between_two_judgements_is_shown_at_once_and_heard_of_with_the_next(lab):
    it = lab()
    it.event("otel_llm_circuit_breaker_state", 1.0, "openai", "open")
    assert it.shown() == [("breaker", "critical")]
    it.judge()
    assert it.changes == [("opened", "breaker", "critical", "breaker openai", 0.0)]


def test_odd_records_are_counted_where_they_belong(lab, call):
    it = lab(metric_labels=("tenant",), max_label_values=1000, budget_daily=1.0)
    for number in range(201):  # kinds of failures; one has no tenant, one comes late, one was given up by its caller
        it.store.apply(call(at=AT - number % 2, request_model=f"m{number}", error_type="timeout", labels=("",)))
    it.store.apply(call(at=AT - 5, request_model="m200", error_type="timeout", labels=("",), trace_id="1" * 32))
    it.store.apply(
        call(at=AT, request_model="given-up", error_type="cancelled", labels=("acme",), cost=0.0, cost_source="prices")
    )
    it.store.apply(call(at=AT + 60, request_model="m0", labels=("acme",)))  # by a clock that is fast
    it.event("otel_llm_rate_limit_remaining", 5.0, *CHAT, "requests")
    it.event("otel_llm_cache_requests_total", 1.0, *CHAT, "answers", "hit", at=AT - 1800)
    facts = it.facts()
    assert len(facts["failures"]) == 200
    last = next(one for one in facts["failures"] if one["model"] == "m200")
    assert (last["count"], last["first"] < last["last"]) == (2, True)
    assert facts["totals"]["failed"] == pytest.approx(202 / 203)
    assert facts["rate_limits"] == []
    assert facts["caches"][0]["lookups"] == 0.0


def test_fallbacks_without_any_call_are_no_share_of_anything(lab):
    it = lab()
    it.event("otel_llm_fallbacks_total", 1.0, "anthropic", "haiku", "chat", "gpt-5", "haiku", "error")
    it.event("otel_llm_rate_limit_limit", 10.0, *CHAT, "requests", at=AT - 400)
    it.event("otel_llm_rate_limit_remaining", 0.0, *CHAT, "requests", at=AT - 400)  # too old to be judged
    it.judge()
    assert it.shown() == []


def test_cells_are_folded_where_nobody_looks(lab, call):
    it = lab()
    for number in range(500):
        it.store.apply(call(at=AT + 15.0 * number))
    cells = it.store._state.recent.models["openai", "gpt-5"]
    assert len(cells) < 300


def test_what_was_beyond_a_limit_for_a_moment_only_has_neither_opened_nor_ended(lab):
    it = lab()
    it.event("otel_llm_rate_limit_limit", 100.0, *CHAT, "requests")
    for remaining, shown in ((5.0, [("rate_limit", "pending")]), (50.0, [])):
        it.event("otel_llm_rate_limit_remaining", remaining, *CHAT, "requests")
        it.judge()
        assert it.shown() == shown
        it.at += 15
    assert it.changes == []


def test_who_hears_of_an_incident_hears_of_its_end_and_what_stands_alone_is_told(call) -> None:
    """A rate limit is told on its own, then explains errors and is folded; errors end first, then it ends too."""
    judge = Judge()
    key = (("provider", "openai"), ("model", "gpt-5"))

    def told(at: float, limited: float, failed: float) -> list[tuple[str, str]]:
        readings = [
            Reading("rate_limit_refused", key, "gpt-5", limited, 100, "12 %"),
            Reading("errors", key, "gpt-5", failed, 100, "60 %", " (rate_limit)", {"types": ("rate_limit",)}),
        ]
        return [(one.kind, one.entry.reading.condition) for one in judge.incidents(judge.judge(readings, at))]

    assert told(AT, 0.5, 0.0) == []
    assert told(AT + 300, 0.5, 0.0) == [("opened", "rate_limit_refused")]
    assert told(AT + 315, 0.5, 0.6) == []
    assert told(AT + 450, 0.5, 0.6) == [("opened", "errors")]
    assert [len(one.folded) for one in judge.shown()] == [1]
    assert told(AT + 465, 0.0, 0.6) == [("ended", "rate_limit_refused")]  # within errors, which go on
    assert told(AT + 480, 0.5, 0.6) == []
    assert told(AT + 900, 0.5, 0.6) == []  # comes with errors
    assert told(AT + 915, 0.5, 0.0) == [("ended", "errors"), ("opened", "rate_limit_refused")]
    again = Judge.load(judge.dump())
    assert again.incidents([]) == []  # a restart tells nothing twice


def test_the_status_says_what_moved_where_a_signal_is_far_from_usual(call) -> None:
    store, dice = Store(Config(metric_labels=("tenant",))), random.Random(3)
    at = AT
    for number in range(360):  # half an hour of two tenants in turn
        store.apply(call(at=at, output_tokens=200 + number % 7, labels=("acme" if dice.random() < 0.5 else "globex",)))
        at += 5
    for number in range(60):  # then one of them asks for long answers, and more often
        store.apply(call(at=at, output_tokens=900 + number % 7, labels=("acme" if dice.random() < 0.9 else "globex",)))
        at += 5
    facts = store.status(at, SERVICE)["anomalies"]
    (output,) = [one for one in facts if one["signal"] == "output_tokens"]
    assert output["shift"] > 3
    before, now = map(int, re.search(r"tenant acme: (\d+) % → (\d+) % of calls \(", output["explanation"]).groups())
    assert before < 65 < now
    (latency,) = [one for one in facts if one["signal"] == "latency"]
    assert latency["explanation"] is None  # which is as it was


def test_lengths_are_judged_where_the_window_has_no_spread() -> None:
    cell = Cell(calls=60, outputs=60, output=6_000)
    model = Model(cell, cell, cell, [], {}, {}, {}, (200.0, 50.0, 500.0), None, None, {})
    read = list(_lengths(("openai", "gpt-4o"), model, DEFAULT))
    assert [(one.condition, one.value) for one in read] == [("length", 0.5), ("length_high", 0.5)]
