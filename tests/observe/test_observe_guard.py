"""``otel_llm.guard``: limits that act, on a block, a function, a client and a whole service; and nothing where nobody opted in."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import openai
import pytest

import otel_llm
from otel_llm import BudgetExceededError, Config, RunawayError, runtime
from otel_llm.calls import limits
from otel_llm.calls.allowance import OwnAllowance
from otel_llm.core.guard import Guard
from otel_llm.frameworks import steps
from otel_llm.frameworks.repeats import repeated
from otel_llm.runtime import guarding
from otel_llm.testing.loopback import Loopback

CALL = 100 * 2e-6 + 20 * 8e-6  # the loopback's answer, by the list price of gpt-4.1


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ESTIMATES", limits._Estimates())
    monkeypatch.setattr(limits, "_estimate", limits.guarded("limits", limits.ESTIMATES.of, 2))
    monkeypatch.setattr(limits.STATE, "on", False)
    monkeypatch.setattr(limits, "_warned", set())
    monkeypatch.setattr(Guard, "strict", True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    def begin(**settings: Any) -> None:
        otel_llm.instrument("openai", config=Config(port=0, server="off", state_dir=str(tmp_path), **settings))

    yield begin
    runtime.stop()


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, model: str = "gpt-4.1", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], **more)


def learn(client: openai.OpenAI) -> None:
    """Have a call's cost be known: what the first of a model will cost can only be estimated from the request."""
    with otel_llm.guard(budget=1.0, period="block", name="warm"):
        ask(client)


def until_refused(client: openai.OpenAI, model: str = "gpt-4.1", **more: Any) -> tuple[int, BudgetExceededError]:
    """How many calls were made before one was refused, and by what."""
    made = 0
    try:
        while made < 50:
            ask(client, model, **more)
            made += 1
    except BudgetExceededError as error:
        return made, error
    raise AssertionError("not refused")


def decisions() -> dict[tuple[str, str], float]:
    running = runtime.current()
    assert running is not None
    views = [view for view in _views(running) if view[0] == "otel_llm_budget_decisions_total"]
    return {labels: value for _, labels, value in views if labels[0] != "warm"}


def _views(running: runtime.Runtime) -> list[tuple[str, Any, float]]:
    text = running.endpoint.scrape("")[1].decode()
    from prometheus_client.parser import text_string_to_metric_families

    return [
        (sample.name, (sample.labels.get("budget", ""), sample.labels.get("decision", "")), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def test_a_block_spends_what_it_may_and_the_next_one_begins_anew(
    start: Any, server: Loopback, client: openai.OpenAI
) -> None:
    start()
    learn(client)
    server.clear()
    for _ in range(2):
        with otel_llm.guard(budget=3.5 * CALL, period="block"):
            made, error = until_refused(client)
        assert made == 3
    assert len(server.requests) == 6
    assert (error.budget, error.period, error.unit, error.model, error.provider) == (
        "guard",
        "block",
        "usd",
        "gpt-4.1",
        "openai",
    )
    assert (error.limit, error.used, error.estimate) == pytest.approx((3.5 * CALL, 3 * CALL, CALL))
    assert error.retry_after is None
    assert str(error) == (
        "the block limit of 0.00126 USD of 'guard' is reached (0.00108 and about 0.00036 for this call): "
        "the call of gpt-4.1 was not made"
    )
    assert decisions() == {("guard", "allowed"): 6, ("guard", "refused"): 2}


def test_guards_of_one_name_share_a_day_whoever_asks(start: Any, server: Loopback, client: openai.OpenAI) -> None:
    start()
    learn(client)
    server.clear()

    def spend(_: int) -> int:
        with otel_llm.guard(budget=20 * CALL + 1e-9, name="team"):
            return until_refused(client)[0]

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(spend, range(4)))
    left = spend(0)  # by two that were refused at once
    assert sum(made) + left == len(server.requests) == 20


def test_each_value_of_a_label_has_the_amount_for_itself(start: Any, client: openai.OpenAI) -> None:
    start(metric_labels=("tenant",))
    learn(client)
    with otel_llm.guard(budget=2 * CALL + 1e-9, each="tenant", name="tenants"):
        for tenant in ("acme", "globex"):
            with otel_llm.labels(tenant=tenant):
                made, error = until_refused(client)
            assert (made, error.budget) == (2, f"tenants/{tenant}")
        ask(client)  # without a tenant it is nobody's


def test_tokens_of_a_minute(
    start: Any, client: openai.OpenAI, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    clock = 1_900_000_000.0
    monkeypatch.setattr(limits, "time", type("Clock", (), {"time": staticmethod(lambda: clock)}))
    with otel_llm.guard(tokens_per_minute=1000):
        ask(client)  # 120 tokens, taken for more before one was seen
        made, error = until_refused(client)
        assert made == 7
        assert (error.budget, error.period, error.unit, error.limit, error.used, error.estimate) == (
            "guard tokens", "minute", "tokens", 1000, 960, 120,
        )  # fmt: skip
        assert error.retry_after == 60 - clock % 60
        clock += 60
        ask(client)
        assert len(server.requests) == 9


def test_a_failed_call_is_free_and_one_that_does_not_say_costs_as_estimated(
    start: Any, client: openai.OpenAI, server: Loopback
) -> None:
    start()
    learn(client)
    with otel_llm.guard(budget=3 * CALL + 1e-9, period="block"):
        for _ in range(5):
            with pytest.raises(openai.BadRequestError):
                ask(client, "gpt-4.1-fail-400")
        ask(client, "gpt-4.1", extra_headers={"x-loopback": "nousage"})
        with pytest.raises(openai.APIConnectionError):
            ask(client, "gpt-4.1", extra_headers={"x-loopback": "drop"})
        assert until_refused(client)[0] == 1


def test_a_stream_is_settled_when_it_has_ended(start: Any, client: openai.OpenAI) -> None:
    start()
    learn(client)
    with otel_llm.guard(budget=2 * CALL + 1e-9, period="block"):
        first = ask(client, stream=True, stream_options={"include_usage": True})
        second = ask(client, stream=True, stream_options={"include_usage": True})
        with pytest.raises(BudgetExceededError):
            ask(client)
        list(first)
        second.close()  # left early, it reported no usage: its estimate stays
        with pytest.raises(BudgetExceededError):
            ask(client)


def test_switching_goes_to_a_cheaper_model_by_the_hosts_function(start: Any, client: openai.OpenAI) -> None:
    start()
    learn(client)
    cheaper = {"gpt-4.1": "gpt-4.1-nano"}
    with otel_llm.guard(budget=1.5 * CALL, period="block", on_exceeded="switch", switch_to=cheaper.get):
        models = [ask(client).model for _ in range(3)]
        with pytest.raises(openai.NotFoundError):
            ask(client, "gpt-4.1-fail-404")  # no cheaper one: the call passes as it is
    assert models == ["gpt-4.1", "gpt-4.1-nano", "gpt-4.1-nano"]
    assert decisions()["guard", "switched"] == 2


def test_a_function_decides_and_its_errors_are_the_callers(start: Any, client: openai.OpenAI, server: Loopback) -> None:
    start()
    heard: list[BudgetExceededError] = []

    def decide(error: BudgetExceededError) -> str | None:
        heard.append(error)
        if error.model == "gpt-4.1":
            raise LookupError("ask again tomorrow")
        return None

    with otel_llm.guard(budget=0, on_exceeded=decide):
        with pytest.raises(LookupError, match="tomorrow"):
            ask(client)
        ask(client, "gpt-4.1-mini")
    assert [request.body["model"] for request in server.requests] == ["gpt-4.1-mini"]
    assert [error.model for error in heard] == ["gpt-4.1", "gpt-4.1-mini"]
    assert decisions() == {("guard", "refused"): 1, ("guard", "allowed"): 1}


def test_warnings_let_calls_pass(start: Any, client: openai.OpenAI, caplog: pytest.LogCaptureFixture) -> None:
    start()
    with caplog.at_level(logging.WARNING), otel_llm.guard(budget=0.0, on_exceeded="warn"):
        ask(client)
        ask(client)
    said = [record.getMessage() for record in caplog.records if "is reached" in record.getMessage()]
    assert 1 <= len(said) <= 2  # a minute may end between the two
    assert said[0].startswith("the day limit of 0 USD of 'guard' is reached")
    assert said[0].endswith("the call of gpt-4.1 is made all the same")


def test_a_client_and_its_copies_are_guarded_and_others_are_not(
    start: Any, server: Loopback, client: openai.OpenAI
) -> None:
    start()
    other = openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0)
    assert otel_llm.guard(other, budget=0.0) is other
    for guarded in (other, other.with_options(timeout=5)):
        with pytest.raises(BudgetExceededError):
            ask(guarded)
    ask(client)
    other.close()
    del other, guarded
    gc.collect()
    assert limits.CLIENTS == {}


def test_functions_are_guarded_each_call_for_itself(start: Any, client: openai.OpenAI) -> None:
    start()

    @otel_llm.guard(max_calls=2)
    def work(calls: int) -> None:
        for _ in range(calls):
            ask(client)

    @otel_llm.guard(max_calls=2)
    async def work_async(calls: int) -> None:
        work(calls)

    for _ in range(2):
        work(2)
        asyncio.run(work_async(2))
    with pytest.raises(RunawayError, match="the block limit of 2 model calls of 'guard' is reached") as refused:
        work(3)
    assert (refused.value.unit, refused.value.limit, refused.value.used) == ("calls", 2, 2)


def test_a_block_that_is_left_elsewhere_leaves_nothing_behind(start: Any, client: openai.OpenAI) -> None:
    start()
    block = otel_llm.guard(budget=0.0)
    copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    ask(client)


def test_a_run_of_an_agent_is_stopped_at_its_calls_its_money_and_its_repeats(
    start: Any, client: openai.OpenAI, server: Loopback
) -> None:
    start(run_max_calls=3, run_max_usd=1.0, run_max_repeats=2, run_action="refuse")
    told: list[str] = []
    otel_llm.on_anomaly(lambda anomaly: told.append(anomaly.detail), signal="runaway")
    run = steps.begin("agent", "scout", "test")
    made, error = until_refused(client)
    run.end()
    assert type(error) is RunawayError
    assert (made, error.budget, error.period, error.unit, error.used) == (3, "run scout", "run", "calls", 3)
    run = steps.begin("agent", "scout", "test")
    for _ in range(3):
        repeated(run.step, "search", {"q": "a"}, "nothing", ())
    with pytest.raises(RunawayError, match="limit of 2 repeats of 'run scout' is reached"):
        ask(client)
    run.end()
    run = steps.begin("agent", "scout", "test")
    run.step.tally = type("Spent", (), {"cost": 1.5, "priced": 0, "add": print})()
    with pytest.raises(RunawayError, match="limit of 1 USD"):
        ask(client)
    run.end()
    ask(client)  # outside of a run there is none to stop
    assert len(server.requests) == 4
    assert otel_llm.flush()
    assert told == ["agent run scout, model calls"]


def test_runs_are_warned_of_by_default(
    start: Any, client: openai.OpenAI, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    start(run_max_calls=1)
    run = steps.begin("agent", "scout", "test")
    ask(client)
    ask(client)
    run.end()
    assert len(server.requests) == 2
    assert "the run limit of 1 model calls of 'run scout' is reached" in caplog.text


def test_the_services_budgets_act_where_they_are_asked_to(
    start: Any, client: openai.OpenAI, server: Loopback, tmp_path: Path
) -> None:
    file = tmp_path / "budgets.yaml"
    file.write_text(f"budgets:\n- {{name: minis, match: {{model: gpt-4.1-m*}}, daily_usd: {CALL}}}\n")
    start(budget_action="refuse", budget_monthly=3.5 * CALL, budgets_file=str(file))
    made, error = until_refused(client, max_tokens=20)
    assert (made, error.budget, error.period) == (3, "", "month")
    assert "of 'the overall budget' is reached" in str(error)
    made, error = until_refused(client, "gpt-4.1-mini", max_tokens=20)
    assert (made, error.budget) == (2, "")
    with otel_llm.guard(budget="minis"):
        assert until_refused(client, "gpt-4.1-mini")[0] == 0


def test_a_budget_of_the_file_can_guard_a_block(start: Any, client: openai.OpenAI, tmp_path: Path) -> None:
    file = tmp_path / "budgets.yaml"
    file.write_text("budgets:\n- {name: nights, daily_usd: 0}\n")
    start(budgets_file=str(file))
    ask(client)
    with otel_llm.guard(budget="nights"), pytest.raises(BudgetExceededError, match="'nights'"):
        ask(client)
    with pytest.raises(ValueError, match="budget 'days' is not configured \\(configured: '', 'nights'\\)"):
        otel_llm.guard(client, budget="days")


def test_calls_that_no_guard_stands_in_count_for_the_service(start: Any, client: openai.OpenAI) -> None:
    start(budget_action="refuse", budget_daily=CALL * 2)
    observer = runtime.current().observer  # type: ignore[union-attr]
    from otel_llm.calls.reported import Reported
    from otel_llm.core.model import Reader, Request, Usage

    made = Reported(observer, Request("openai", "chat", "gpt-4.1", Reader(lambda *_: None)), ())
    made.response.usage = Usage.of(100, 20)
    made.count("", 1.0)
    made = Reported(observer, Request("openai", "chat", "gpt-4.1", Reader(lambda *_: None)), ())
    made.response.usage = Usage.of(100, 20)
    made.count("", 1.0)
    with pytest.raises(BudgetExceededError):
        ask(client)


def test_the_hosts_own_function_may_be_named(start: Any, client: openai.OpenAI) -> None:
    start(budget_action=f"{__name__}:to_nano", budget_daily=0.0)
    assert ask(client).model == "gpt-4.1-nano"


def to_nano(error: BudgetExceededError) -> str:
    assert error.period == "day"
    return "gpt-4.1-nano"


def test_a_function_that_is_not_there_refuses(
    start: Any, client: openai.OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    start(budget_action="no_such_module:function", budget_daily=0.0)
    with pytest.raises(BudgetExceededError):
        ask(client)
    assert "OTEL_LLM_BUDGET_ACTION=no_such_module:function cannot be imported (ModuleNotFoundError)" in caplog.text


def test_observing_is_the_default(start: Any, client: openai.OpenAI, server: Loopback) -> None:
    start(budget_daily=0.0, budget_monthly=0.0)
    ask(client)
    assert len(server.requests) == 1
    assert limits.STATE.on is False
    assert decisions() == {}


def test_a_guard_without_anything_watched_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, client: openai.OpenAI, server: Loopback
) -> None:
    monkeypatch.setattr(guarding, "_warned", [])
    with otel_llm.guard(budget=0.0), otel_llm.guard(budget=0.0):
        ask(client)
    assert len(server.requests) == 1
    assert caplog.text.count("otel_llm.guard(...) does not act: nothing is watched") == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "no limit is given"),
        ({"budget": -1}, "budget -1 is not an amount"),
        ({"budget": 1, "period": "week"}, "period 'week' is unknown"),
        ({"budget": 1, "name": ""}, "name is empty"),
        ({"budget": 1, "on_exceeded": "stop"}, "on_exceeded 'stop' is unknown"),
        ({"budget": 1, "on_exceeded": "switch"}, "needs switch_to"),
        ({"max_calls": -2}, "-2 is no limit"),
    ],
)
def test_what_cannot_be_a_guard_is_refused_at_once(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        otel_llm.guard(**given)


def test_refusals_travel_between_processes() -> None:
    error = BudgetExceededError("a", "minute", unit="tokens", limit=5.0, used=4.0, estimate=2.0, retry_after=3.5)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin), vars(twin)) == (BudgetExceededError, str(error), vars(error))
    assert isinstance(pickle.loads(pickle.dumps(RunawayError("run", "run"))), RunawayError)


def test_amounts_of_a_process_alone() -> None:
    own = OwnAllowance()
    own.settle("a", 1, 5)
    assert own.reserve("a", 1, 2) == 7
    own.settle("a", 0, 100)
    assert own.reserve("a", 1, 0) == 7
    own.settle("a", 2, 3)
    assert own.reserve("a", 2, 1) == 4
    assert own.reserve("a", 3, 1) == 1


def test_periods_follow_the_calendar_of_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoneinfo import ZoneInfo

    monkeypatch.setattr(limits.STATE, "zone", ZoneInfo("Pacific/Auckland"))
    day, month = (limits.Limit("b", period, 1, "usd", limits.refuse) for period in ("day", "month"))
    noon = time.mktime((2026, 5, 31, 11, 50, 0, 0, 0, 0)) - time.timezone  # 23:50 in Auckland
    assert day.period_at(noon + 600) == day.period_at(noon) + 1
    assert month.period_at(noon + 600) == month.period_at(noon) + 1
