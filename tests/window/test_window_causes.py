"""Where a change comes from: of planted causes the right one is first, and where nothing stands out nothing is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from otel_llm.aggregate.window.explain import Samples

Call = dict[str, Any]
Fault = Callable[[Call, random.Random], Any]


def healthy(dice: random.Random) -> Call:
    """A call of one of three tenants, whose prompts, answers and times vary as they do in production."""
    tenant = dice.choices(["acme", "globex", "initech"], [0.3, 0.5, 0.2])[0]
    call = {
        "tenant": tenant, "feature": dice.choice(["chat", "search"]), "model": dice.choice(["gpt-5-june", "gpt-5-july"]),
        "input": int(dice.lognormvariate(6, 1)), "output": 1 + int(dice.lognormvariate(5, 0.8)),
        "first_chunk": dice.lognormvariate(-1, 0.4),
        "error": "timeout" if dice.random() < 0.01 else "", "problem": dice.random() < 0.01,
    }  # fmt: skip
    return {**call, "latency": 0.5 + call["output"] / 100 * dice.lognormvariate(0, 0.3)}


def add(samples: Samples, call: Call) -> None:
    failed = bool(call["error"])
    cost = call["input"] * 2e-6 + call["output"] * 8e-6
    tokens = (None, None, None) if failed else (call["output"], call["input"], cost)
    labels = (call["tenant"], call["feature"])
    samples.add((call["latency"], *tokens, call["first_chunk"], call["error"], labels, call["problem"], call["model"]))


def after(fault: Fault | None = None, *, minutes: int = 3, a_minute: int = 60, seed: int = 1, more: int = 0) -> Samples:
    """An hour of ordinary calls, and minutes in which ``fault`` changes them; ``more`` are further calls a minute of one tenant."""
    dice, samples = random.Random(seed), Samples(("tenant", "feature"))
    for minute in range(60 + minutes):
        calls = [healthy(dice) for _ in range(a_minute)]
        if minute >= 60:
            for call in calls if fault is not None else ():
                fault(call, dice)
            calls += [{**healthy(dice), "tenant": "acme"} for _ in range(more)]
            dice.shuffle(calls)
        for call in calls:
            add(samples, call)
        samples.close(len(calls))
    return samples


def times(factor: float, what: str, **of: str) -> Fault:
    """``what`` of calls that have these values becomes so many times as large."""

    def change(call: Call, _: random.Random) -> None:
        if of.items() <= call.items():
            call[what] *= factor

    return change


def sometimes(share: float, **fields: Any) -> Fault:
    return lambda call, dice: call.update(fields) if dice.random() < share else None


def shrink(call: Call, _: random.Random) -> None:
    call.update(output=1 + call["output"] // 4, model="gpt-5-august")


def fail(call: Call, dice: random.Random) -> None:
    if call["tenant"] == "acme" and dice.random() < 0.8:
        call["error"] = "rate_limit"


PLANTED: dict[str, tuple[Fault, str, set[tuple[str, str]]]] = {
    "one tenant is slow": (times(5, "latency", tenant="acme"), "latency", {("tenant", "acme")}),
    "one tenant has slow calls": (times(9, "latency", tenant="acme"), "latency_slow", {("tenant", "acme")}),
    "one model of two is slow": (times(5, "latency", model="gpt-5-july"), "latency", {("model", "gpt-5-july")}),
    "one feature streams late": (times(5, "first_chunk", feature="chat"), "time_to_first_chunk", {("feature", "chat")}),
    "the alias points to another model": (shrink, "output_tokens", {("model", "gpt-5-august")}),
    "its answers are short": (shrink, "output_short", {("model", "gpt-5-august")}),
    "one type of error": (sometimes(0.4, error="server_error"), "errors", {("error_type", "server_error")}),
    "one tenant is refused": (fail, "errors", {("tenant", "acme"), ("error_type", "rate_limit")}),
    "long prompts": (sometimes(0.5, input=20_000), "input_tokens", {("prompt", "16384-65535 tokens")}),
    "long prompts cost": (sometimes(0.5, input=20_000), "cost", {("prompt", "16384-65535 tokens")}),
    "long prompts are slow": (sometimes(0.5, input=20_000, latency=30.0), "latency", {("prompt", "16384-65535 tokens")}),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_what_was_planted_is_named_first(planted: str) -> None:
    fault, signal, expected = PLANTED[planted]
    causes = after(fault).causes(signal)
    assert {cause[:2] for cause in causes[: len(expected)]} == expected
    assert all(0.1 <= share <= 1 for _, _, share, *_ in causes)


def test_answers_of_one_feature_that_go_wrong() -> None:
    def wrong(call: Call, _: random.Random) -> None:
        call["problem"] = call["feature"] == "search"

    ((name, value, share, was, now),) = after(wrong).causes("answer_problems")
    assert (name, value, share) == ("feature", "search", pytest.approx(1.0, abs=0.02))
    assert (was, now) == (pytest.approx(0.5, abs=0.15), pytest.approx(0.5, abs=0.15))


def test_spread_of_answers_by_one_feature() -> None:
    def wild(call: Call, dice: random.Random) -> None:
        if call["feature"] == "chat":
            call["output"] = dice.choice((1, 20_000))

    assert [cause[:2] for cause in after(wild).causes("output_spread")] == [("feature", "chat")]


@pytest.mark.parametrize("signal", ["calls", "spend"])
def test_a_loop_is_named_by_its_share_of_what_was_added(signal: str) -> None:
    (first, *_) = after(more=19 * 60).causes(signal)
    assert first[:2] == ("tenant", "acme")
    assert first[2] == pytest.approx(0.99, abs=0.04)  # of the calls and dollars that came on top; it had 30 % before
    assert (first[3], first[4]) == (pytest.approx(0.3, abs=0.1), pytest.approx(0.97, abs=0.03))


def test_two_causes_are_both_named_the_larger_one_first() -> None:
    def both(call: Call, dice: random.Random) -> None:
        times(20, "latency", tenant="acme")(call, dice)
        times(3, "latency", model="gpt-5-july")(call, dice)

    found = [cause[:2] for cause in after(both, a_minute=64, minutes=4).causes("latency")]
    assert found == [("tenant", "acme"), ("model", "gpt-5-july")]


PAIRS: dict[str, tuple[Fault, Fault, set[tuple[str, str]]]] = {
    "a tenant and a model": (
        times(5, "latency", tenant="acme"), times(5, "latency", model="gpt-5-july"), {("tenant", "acme"), ("model", "gpt-5-july")}
    ),
    "a tenant and a feature": (
        times(5, "latency", tenant="acme"), times(3, "latency", feature="chat"), {("tenant", "acme"), ("feature", "chat")}
    ),
    "two tenants": (
        times(5, "latency", tenant="acme"), times(5, "latency", tenant="initech"), {("tenant", "acme"), ("tenant", "initech")}
    ),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_causes_at_once_both_are_named_where_calls_are_many(pair: str) -> None:
    first, second, expected = PAIRS[pair]

    def both(call: Call, dice: random.Random) -> None:
        first(call, dice)
        second(call, dice)

    named = [{cause[:2] for cause in after(both, seed=seed).causes("latency")} for seed in range(8)]
    assert sum(expected <= one for one in named) >= 6, named
    assert sum(bool(expected & one) for one in named) >= 7, named


ALIKE: dict[str, tuple[Fault | None, str]] = {
    "nothing has changed: latency": (None, "latency"),
    "nothing has changed: answers": (None, "output_tokens"),
    "nothing has changed: errors": (None, "errors"),
    "nothing has changed: calls": (None, "calls"),
    "all calls are slow": (times(2, "latency"), "latency"),
    "all answers are short": (times(0.4, "output"), "output_tokens"),
    "all streams begin late": (times(3, "first_chunk"), "time_to_first_chunk"),
    "one call is slow": (lambda call, dice: call.update(latency=900.0) if dice.random() < 0.01 else None, "latency"),
}  # fmt: skip


@pytest.mark.parametrize("alike", ALIKE)
def test_where_nothing_stands_out_nothing_is_named(alike: str) -> None:
    fault, signal = ALIKE[alike]
    named = [cause[:2] for seed in range(20) for cause in after(fault, seed=seed).causes(signal)]
    assert len(named) <= 2, named  # of twenty services, by chance


def test_thin_traffic_is_explained_by_its_last_thirty_calls() -> None:
    causes = after(times(9, "latency", tenant="acme"), a_minute=2, minutes=16).causes("latency")
    assert [cause[:2] for cause in causes] == [("tenant", "acme")]


def test_too_few_calls_explain_nothing() -> None:
    assert Samples().causes("latency") == ()
    assert Samples().causes("calls") == ()
    samples = Samples(("tenant",))
    samples.close(0)  # a minute of fallbacks only
    for _ in range(25):
        add(samples, healthy(random.Random(1)))
    samples.close(25)
    assert len(list(samples.past)) == 3
    assert samples.causes("latency") == ()


def test_what_nearly_all_calls_have_explains_nothing() -> None:
    samples = Samples(("tenant", "feature"))
    for minute in range(20):
        for number in range(30):
            feature = "plan" if number % 3 else "chat"
            tokens = 900 if minute > 12 and feature == "plan" else 100
            labels = ("globex" if number == 7 else "acme", feature)
            samples.add((1.0, tokens, 500, 0.01, None, "", labels, False, "gpt-5"))
        samples.close(30)
    assert [cause[:2] for cause in samples.causes("output_tokens")] == [("feature", "plan")]


def test_what_cost_nothing_before_is_all_of_the_change() -> None:
    samples = Samples(("tenant",))
    for minute in range(30):
        for number in range(30):
            cost = 0.5 if minute >= 28 and number % 2 else None
            samples.add((1.0, 10, 0, cost, None, "", ("acme" if number % 2 else "globex",), False, ""))
        samples.close(30 if minute < 28 else 60)
    assert [cause[:3] for cause in samples.causes("spend")] == [("tenant", "acme", 1.0)]


@pytest.mark.parametrize("signal", ["latency", "output_tokens", "cost", "errors", "output_short", "input_tokens"])
def test_a_value_that_is_gone_or_new_is_no_error(signal: str) -> None:
    """The loudest tenant leaves, another comes, errors end: each dimension has values of one side alone."""
    for seed in range(40):
        dice, samples = random.Random(seed), Samples(("tenant", "feature"))
        leaving, coming = dice.sample(["acme", "globex", "initech", "umbrella"], 2)
        for minute in range(63):
            calls = [healthy(dice) for _ in range(30)]
            for call in calls:
                if minute < 60 and call["tenant"] == leaving:
                    call.update(
                        latency=call["latency"] * 6, error=dice.choice(["timeout", ""]), output=call["output"] * 4
                    )
                if minute >= 60 and call["tenant"] == leaving:
                    call.update(
                        tenant=coming, latency=call["latency"] / 3, model="gpt-5-august", input=call["input"] * 9
                    )
                add(samples, call)
            samples.close(len(calls))
        for dimension, value, share, before, now in samples.causes(signal):
            assert dimension
            assert value
            assert all(0 <= one <= 1 for one in (share, before, now))
