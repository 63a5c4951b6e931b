"""Records applied many at once are counted as one by one; what durations a model has keeps little memory and no late call is lost."""

from __future__ import annotations

import gc
import math
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from random import Random
from types import FrameType
from typing import Any

import pytest

from benchmarks import scrape
from otel_llm.aggregate import Store, Verdict, columns, decode, encode, wire
from otel_llm.aggregate import kinds as kinds_of
from otel_llm.aggregate.kinds import grouped
from otel_llm.aggregate.recent import FINE, MINUTE, Recent
from otel_llm.aggregate.window import Crossing
from otel_llm.aggregate.window.sketch import unpack
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation, Record

AT = 1_763_711_040.0  # a whole minute
KEY = ("openai", "gpt-5")


def call(number: int, *, at: float = AT, cost: float = 0.002) -> Observation:
    return Observation(
        at=at + number, provider="openai", request_model="gpt-5", operation="chat", response_model="gpt-5-2026",
        server_address="api.example", error_type="timeout" if number % 19 == 7 else "", duration=0.3 + number % 89 / 50,
        stream=True, first_chunk=0.1 + number % 31 / 100, input_tokens=200 + number % 401, output_tokens=20 + number % 233, cost=cost,
        cost_source="prices", finish_reasons=("stop",), trace_id="a" * 32,
    )  # fmt: skip


def mixed(number: int) -> list[Record]:
    """Calls with some that are unusual and cross a budget, and events between them."""
    records: list[Record] = []
    for count in range(number):
        records.append(call(count)._replace(duration=90.0) if count % 97 == 96 else call(count))
        if count % 10 == 0:
            records.append(Event("otel_llm_retries_total", AT + count, ("openai", "gpt-5", "chat", "rate_limit")))
    return records


def lines(store: Store) -> list[object]:
    return [
        (view.metric.name, row.labels, getattr(row.cell, "value", None), getattr(row.cell, "counts", None))
        for view in store.views(AT + 900)
        for row in view.rows
    ]


Found = list[tuple[int, list[Verdict]]]


def one_by_one(store: Store, records: list[Record]) -> Found:
    found: Found = []
    for place, record in enumerate(records):
        store.apply(decode(encode(record)), 7, AT + 900)
        if verdicts := store.drain_verdicts():
            found.append((place, verdicts))
    return found


def at_once(store: Store, records: list[Record], drain: int) -> Found:
    found: Found = []
    for start in range(0, len(records), drain):
        frames = [(encode(record), 7, start + place) for place, record in enumerate(records[start : start + drain])]
        store.apply_all(grouped(frames), AT + 900, found)
    return sorted(found, key=lambda one: one[0])


def test_records_applied_at_once_are_those_applied_one_by_one():
    records = mixed(600)
    single, batched = (Store(Config(budget_daily=1.0)) for _ in range(2))
    found = at_once(batched, records, 200)

    assert found == one_by_one(single, records)
    assert {type(verdict.finding).__name__ for _, verdicts in found for verdict in verdicts} >= {"Crossing"}
    assert lines(batched) == lines(single)
    assert batched.summary(AT + 900) == single.summary(AT + 900)
    assert batched.drain_verdicts() == []


def kind(random: Random) -> dict[str, Any]:
    """The words of some calls."""
    pick = random.choice
    return {
        "request_model": pick(("gpt-5", "gpt-5-mini")), "operation": pick(("chat", "chat", "chat", "embeddings", "batch")),
        "error_type": pick(("", "", "", "timeout")), "labels": (pick(("acme", "ajax", "x")),),
        "usage_unknown": pick(("", "", "", "stream_without_usage", "not_reported")), "cost_source": pick(("prices", "prices", "unpriced")),
        "finish_reasons": (pick(("stop", "length", "content_filter")),), "incomplete": pick(((), (), ("file_search",))),
        "agent": pick(("", "", "planner")), "problems": pick(((), (), ("empty",))), "spenders": pick(((), (("tenant", "acme"),))),
        "conversation": pick(((), (), ("talk", 1))), "stream": pick((False, True)), "first_chunk": None,
    }  # fmt: skip


def numbers(random: Random, *, streamed: bool) -> dict[str, Any]:
    """The numbers of one call, some of which cannot be."""
    traced, first = random.random() < 0.8, random.choice((None, *[random.random() * 3] * 9))
    gaps = random.choice(((), ((1, 40), (2, random.randrange(1, 9))), ((0, 3),)))
    fields = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "thinking_tokens")
    return {
        **{field: random.choice((None, *[random.randrange(3000)] * 9)) for field in fields},
        "at": AT + random.random() * 40, "duration": random.choice((random.random() * 9,) * 99 + (-1.0,)),
        "cost": random.choice((None, *[random.random() / 100] * 9)), "cost_saved": random.choice((0.0, 0.001)),
        "trace_id": "a" * 32 if traced else "", "span_id": "b" * 16 if traced else "",
        **({"first_chunk": first, "chunk_gaps": gaps, "chunk_gap_sum": random.random() if gaps else 0.0} if streamed else {}),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_columns_count_what_the_careful_way_counts(seed: int) -> None:
    """Random kinds of calls, each some times over with numbers of its own."""
    random = Random(seed)
    budget, most = random.choice((None, 0.5)), random.choice((2, 100))
    kinds = [kind(random) for _ in range(random.randint(1, 12))]
    records: list[Record] = [
        call(0)._replace(**{**words, **numbers(random, streamed=words["stream"])})
        for words in kinds
        for _ in range(random.randint(1, 30))
    ]
    random.shuffle(records)
    single, batched = (
        Store(Config(budget_daily=budget, metric_labels=("tenant",), max_label_values=most)) for _ in range(2)
    )
    before = [
        record for record in records for _ in range(2)
    ]  # so that kinds are known, and there is something to judge by
    assert one_by_one(single, before) is not None
    at_once(batched, before, 1)
    told, told_at_once = one_by_one(single, records), at_once(batched, records, 1000)
    theirs, ours = (one._state.engine.tracks for one in (single, batched))
    assert theirs.keys() == ours.keys()
    for key, track in theirs.items():
        assert list(track.cells) == list(ours[key].cells)
        assert track.cells
        for number, cell in track.cells.items():
            assert near(ours[key].cells[number].dump(), cell.dump()), (key, number)

    assert set(map(str, rounded(batched))) ^ set(map(str, rounded(single))) == set()
    assert near(batched.spenders(), single.spenders())
    assert near(batched.ledger()[2][2], single.ledger()[2][2])
    assert crossings(told_at_once) == crossings(told)
    recent = batched._state.recent
    assert recent.failures.keys() == single._state.recent.failures.keys()
    for key, cells in single._state.recent.models.items():
        for number, made in cells.items():
            for one in (made, recent.models[key][number]):
                one.alarms = {}  # as of anomalies
            assert near(recent.models[key][number].dump(), made.dump())


def near(one: Any, other: Any) -> bool:
    """The same but for the last digits of sums of fractions, which depend on their order."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(near(value, other[key]) for key, value in one.items())
    if isinstance(one, bytes) and isinstance(other, bytes) and not len(one) % 4:  # bins, in any order
        return sorted(unpack(one).items()) == sorted(unpack(other).items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(
            map(near, *(sorted(each) if _pairs(each) else each for each in (one, other)))
        )
    return bool(one == other)


def _pairs(values: Any) -> bool:
    """Whether it is a table, whose order says nothing."""
    return (
        len(values) > 1
        and all(isinstance(value, (list, tuple)) and value for value in values)
        and isinstance(values, list)
    )


def rounded(store: Store) -> list[object]:
    return sorted(
        (name, labels, None if value is None else round(value, 6), counts)
        for name, labels, value, counts in lines(store)  # type: ignore[misc]
        if "anomal" not in name
        and name
        != "otel_llm_series"  # young baselines are made again when a call of another cell comes, whose order differs
    )


def crossings(found: Found) -> list[tuple[str, str]]:
    """Which call it is depends on their order."""
    return sorted(
        (verdict.finding.period, verdict.finding.severity)
        for _, verdicts in found
        for verdict in verdicts
        if isinstance(verdict.finding, Crossing)
    )


def test_a_bad_record_stops_where_it_is_and_leaves_the_rest():
    store, found = Store(Config()), list[tuple[int, list[Verdict]]]()
    groups = grouped([(encode(call(1)), 0, 1), (b"none", 0, 2), (encode(call(3)), 0, 3), (encode(call(4)), 0, 4)])

    with pytest.raises(ValueError, match="not a record"):
        store.apply_all(groups, AT, found)
    assert store.summary(AT + 5)["total"]["calls"] == 1
    store.apply_all(groups, AT, found)
    assert store.summary(AT + 5)["total"]["calls"] == 3


def test_a_record_of_no_kind_is_none():
    with pytest.raises(TypeError, match="takes records, not str"):
        Store(Config()).apply("none")  # type: ignore[arg-type]


def test_columns_that_are_cut_off_are_no_records():
    with pytest.raises(ValueError, match="not a record"):
        wire.columns([wire.COMMON])


def plain(number: int, model: str = "gpt-5") -> Observation:
    made = call(number)
    return made._replace(
        request_model=model, error_type="", stream=False, first_chunk=None, span_id="b" * 16, at=AT + 1
    )


@pytest.mark.parametrize("streamed", [False, True])
def test_common_calls_and_streams_go_by_columns(streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random, single, batched = Random(5), Store(Config()), Store(Config())
    records: list[Record] = [
        plain(number)._replace(**{**numbers(random, streamed=streamed), "stream": streamed, "duration": 1.0})
        for number in range(60)
    ]
    for store in (single, batched):
        one_by_one(store, records[:20])
    one_by_one(single, records[20:])
    monkeypatch.setattr(batched, "_apply", lambda *_: pytest.fail("one by one"))
    at_once(batched, records[20:], 20)

    for (key, theirs), ours in zip(
        single._state.engine.tracks.items(), batched._state.engine.tracks.values(), strict=True
    ):
        assert list(theirs.cells) == list(ours.cells)
        for number, cell in theirs.cells.items():
            assert cell.price.count
            assert near(ours.cells[number].dump(), cell.dump()), (key, number)
        assert sorted(map(repr, ours.samples.newest)) == sorted(map(repr, theirs.samples.newest))
    assert near(batched._state.recent.dump(), single._state.recent.dump())
    assert rounded(batched) == rounded(single)
    assert near(batched.ledger()[2][2], single.ledger()[2][2])


def test_a_bucket_of_gaps_that_is_none_is_not_counted_by_columns() -> None:
    store = Store(Config())
    good = [
        plain(number)._replace(stream=True, first_chunk=0.2, chunk_gaps=((1, 4),), chunk_gap_sum=0.1)
        for number in range(20)
    ]
    one_by_one(store, list(good))
    bad = [one._replace(chunk_gaps=((200, 1),)) for one in good]
    groups = grouped([(encode(one), 7, place) for place, one in enumerate(bad)])
    with pytest.raises(IndexError):
        store.apply_all(groups, AT, [])
    assert len(groups) == 19


def test_kinds_and_numbers_of_tokens_at_hand_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kinds_of, "MOST_KINDS", 1)
    monkeypatch.setattr(columns, "MOST_COUNTS", 2)
    store = Store(Config())
    records: list[Record] = [plain(number, model) for model in ("gpt-5", "gpt-5-mini") for number in range(20)]
    for _ in range(3):
        at_once(store, records, 40)
    assert len(store._kinds._by_words) == 1
    assert store.summary(AT + 5)["total"]["calls"] == 120


def test_the_first_price_and_the_first_tokens_of_a_kind_are_counted_as_all_others():
    bare = [plain(number)._replace(input_tokens=None, output_tokens=None, cost=None) for number in range(20)]
    free = [plain(number)._replace(cost=0.0, spenders=(("tenant", "acme"),)) for number in range(20)]
    for records in (bare, free, [plain(number) for number in range(20)]):
        single, batched = Store(Config()), Store(Config())
        for part in (bare, bare, records, records):
            one_by_one(single, list(part))
            at_once(batched, list(part), 20)
        assert rounded(batched) == rounded(single)
        assert near(batched.spenders(), single.spenders())


def test_verdicts_of_columns_are_those_of_single_calls():
    single, batched = Store(Config()), Store(Config())
    past: list[Record] = [plain(number)._replace(at=AT + number) for number in range(900)]
    now: list[Record] = [
        plain(number)._replace(
            at=AT + 1100,
            duration=900.0 if number == 5 else 1.0,
            output_tokens=1_000_000 if number == 9 else None if number == 3 else 90,
            cost=None if number == 2 else 400.0 if number == 11 else 0.002,
        )
        for number in range(20)
    ]
    for store, apply in ((single, one_by_one), (batched, lambda store, records: at_once(store, records, 300))):
        apply(store, past)
        store.views(AT + 1100)
    found = at_once(batched, now, 20)

    assert [(place, one.source, one.finding.signal) for place, verdicts in found for one in verdicts] == [  # type: ignore[union-attr]
        (5, 7, "latency"), (9, 7, "output_tokens"), (11, 7, "cost"),
    ]  # fmt: skip
    for (_, ours), (_, theirs) in zip(found, one_by_one(single, now), strict=True):
        assert [one.call for one in ours] == [one.call for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert near(tuple(one.finding)[:7], tuple(other.finding)[:7])
    anomalies = [[line for line in lines(store) if "anomalies" in line[0]] for store in (single, batched)]  # type: ignore[index]
    assert anomalies[0] == anomalies[1]


def test_late_calls_are_added_to_durations_that_were_put_away():
    recent, calls = Recent(), [call(number * 5, at=AT) for number in range(300)]
    for one in calls:
        recent.call(KEY, one, ())
        if int(one.at) % 60 == 0:
            recent.forget(one.at)
    now = calls[-1].at
    cells = recent.models[KEY]
    assert {type(cell.latency).__name__ for cell in cells.values()} == {"Packed", "dict"}
    assert len([cell for cell in cells.values() if type(cell.latency) is dict]) == 1
    late = [call(number, at=AT + minute) for minute, number in ((60, 3), (75, 8), (400, 4), (now - AT - 45, 1))]
    for one in late:
        recent.call(KEY, one, ())
    recent.forget(now + 15)

    every = [one for one in [*calls, *late] if not one.error_type]
    assert sum(sum(cell.latency.values()) for cell in cells.values()) == len(every)
    assert sum(sum(cell.first_chunk.values()) for cell in cells.values()) == len(every)
    assert all(number % MINUTE == 0 for number in cells if number < now // 15 - FINE - MINUTE)
    again = Recent.load(recent.dump())
    assert again.total(KEY, now) == recent.total(KEY, now)
    assert again.hour(now) == recent.hour(now)


@pytest.mark.timeout(300)
def test_a_model_with_streams_takes_little_memory():
    """After more than an hour of a call each two seconds, with windows, conditions and all baselines; beside another model."""
    store = Store(Config())
    _serve(store, 200, "other")  # with all modules that are imported when first used
    gc.collect()
    tracemalloc.start(1)
    try:
        _serve(store, 1950, "gpt-5")
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 50_000 < held < 800_000  # it was 600_000; coverage adds to it
    assert store.summary(AT + 3900)["total"]["calls"] > 1700


def _serve(store: Store, number: int, model: str) -> None:
    for count in range(number):
        store.apply(call(count * 2)._replace(request_model=model))
        if count % 20 == 19:
            store.tend(AT + count * 2)
    store.views(AT + number * 2)


def test_answers_without_the_lengths_of_their_prompts_are_counted_alike():
    """A stream that reports only what it has sent: nothing is learned of prompts."""
    records = [plain(number)._replace(input_tokens=None) for number in range(40)]
    single, batched = (Store(Config()) for _ in range(2))
    one_by_one(single, records)
    at_once(batched, records, 20)
    assert rounded(batched) == rounded(single)
    assert batched._state.engine.tracks[KEY].current.output_tokens.count == 40


@pytest.mark.parametrize(("made", "most"), [(scrape.plain, 460), (scrape.streamed, 675)])
def test_a_record_of_fifty_of_a_kind_takes_few_byte_codes(
    made: Callable[[Random, float], Observation], most: float
) -> None:
    """In the leader, judged by baselines. Of these, the fewer the more of a kind come; what is done in C does not show."""
    store, rng, entered = scrape._judging(made), Random(2), Counter[str]()
    drains = [[(encode(made(rng, scrape.AT + 3001.0)), 1, place) for place in range(50)] for _ in range(6)]

    def inside(frame: FrameType, event: str, _: object) -> Any:
        entered[frame.f_code.co_name] += event == "opcode"
        return inside

    def entering(frame: FrameType, _: str, __: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return inside

    before = sys.gettrace()
    for number, frames in enumerate(drains):
        sys.settrace(entering if number else before)  # the first makes what all have in common
        store.apply_all(grouped(frames), scrape.AT + 3001.0, [])
        sys.settrace(before)
    slack = 1.0 if sys.version_info[:2] == (3, 11) else 1.5
    assert 0 < entered.total() / 250 <= most * slack, entered.most_common(12)
