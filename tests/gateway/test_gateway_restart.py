"""What was acknowledged is counted, once, whatever happens to the process in between."""

from __future__ import annotations

import os
import re
import threading
from copy import copy
from pathlib import Path

import pytest
from gateway_lab import CHAT, Lab, request, span
from gateway_process import Process

from otel_llm.aggregate import encode
from otel_llm.gateway import counting
from otel_llm.gateway.resolver import Resolver
from otel_llm.gateway.spanlog import NoRoomError, SpanLog
from otel_llm.pricing import Prices

KILLS = int(os.environ.get("GATEWAY_KILLS", "2"))  # make gateway-kills: 100


def test_what_was_held_is_counted_by_the_next_process(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.send(request(span(1, CHAT), span(2, CHAT)))
    lab.settle()
    lab.send(request(span(3, CHAT)))
    lab.gateway.member.stop()
    lab.gateway._standby.drop()  # type: ignore[union-attr] - it dies here: nothing was settled
    lab.begin()
    lab.send(request(span(1, CHAT), span(3, CHAT)))  # sent again: the answer may have been lost
    lab.settle()
    assert lab.calls() == {("shop",): 3}
    lab.gateway.stop()


def test_a_parent_after_a_restart_is_not_another_call(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.send(request(span(4, CHAT, parent=3), span(3, name="POST", parent=2), scope="library"))
    lab.settle()
    lab.gateway.stop()
    lab.begin()
    lab.send(request(span(2, CHAT, parent=1), scope="framework"))
    lab.settle()
    assert lab.calls() == {("shop",): 1}
    lab.gateway.stop()


def test_a_crash_between_the_journal_and_its_mark_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    lab.send(request(span(1, CHAT), span(2, CHAT)))

    def crash(self: SpanLog, keys: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SpanLog, "decided", crash)
        with pytest.raises(KeyboardInterrupt):
            lab.settle()
    lab.gateway.member.stop()
    lab.gateway._standby.drop()  # type: ignore[union-attr]
    lab.begin()
    lab.settle()
    assert lab.calls() == {("shop",): 2}
    lab.gateway.stop()


def test_a_full_disk_acknowledges_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("otel_llm.cluster.journal._reserve", full)
        with pytest.raises(NoRoomError):
            lab.send(request(span(1, CHAT)))
    lab.settle()
    assert lab.calls() == {}
    lab.send(request(span(1, CHAT)))
    lab.settle()
    assert lab.calls() == {("shop",): 1}


def test_files_older_than_what_is_remembered_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr("otel_llm.gateway.spanlog.time.time", lambda: now[0])
    monkeypatch.setattr("otel_llm.gateway.spanlog.time.monotonic", lambda: now[0])
    log = SpanLog(tmp_path, 80.0)
    for _ in range(40):
        log.decided([b"k" * 24])
        now[0] += 10.1
    log.close()
    assert 9 <= len({path.name.split(".")[1] for path in tmp_path.iterdir()}) <= 11


def test_starts_that_follow_each_other_lose_nothing_that_was_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_llm.gateway.spanlog.MOST_EPOCHS", 3)
    lab = Lab(tmp_path)
    for number in range(1, 11):
        lab.send(request(span(number, CHAT)))
        lab.gateway.member.stop()
        lab.gateway._standby.drop()  # type: ignore[union-attr] - it dies before anything was settled
        lab.begin()
    lab.settle()
    assert lab.calls() == {("shop",): 10}
    lab.gateway.stop()


def test_a_damaged_log_costs_what_is_damaged_only(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.send(request(span(1, CHAT)))
    lab.send(request(span(2, CHAT)))
    lab.gateway.member.stop()
    lab.gateway._standby.drop()  # type: ignore[union-attr]
    path = next(tmp_path.rglob("spans.*"))
    data = bytearray(path.read_bytes())
    end = int.from_bytes(data[:8], "little")
    data[end - 5] ^= 0xFF
    path.write_bytes(data)
    lab.begin()
    lab.settle()
    assert lab.calls() == {("shop",): 1}
    lab.gateway.stop()


def test_ids_are_forgotten_after_the_stated_time() -> None:
    resolver = Resolver(settle=1.0, remember=600.0)
    assert resolver.is_new(b"k" * 24)
    resolver._counted.put(b"k" * 24, None, 0.0)
    resolver._counted.put(b"l" * 24, None, 599.0)
    assert not resolver.is_new(b"k" * 24)
    resolver._counted.put(b"m" * 24, None, 601.0)
    assert resolver.is_new(b"k" * 24)


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """A sender that sends again what was not acknowledged, as all do; the process is killed in the middle of it."""
    gateway = Process(tmp_path)
    number = 0
    for _ in range(KILLS):
        asked = threading.Event()

        def kill(asked: threading.Event = asked) -> None:
            asked.wait()
            gateway.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        for at in range(20):
            if at == 10:
                asked.set()
            number += 1
            body = request(span(number, CHAT, trace=number))
            while (status := gateway.post(body)[0]) != 200:
                assert (status, asked.is_set()) == (0, True), gateway.said
                killer.join()
                gateway.start()
        killer.join()
        if gateway.process.poll() is not None:
            gateway.start()
    assert gateway.end() == 0
    gateway.start()
    assert gateway.calls() == number
    assert gateway.end() == 0


def test_another_gateway_stands_by_until_the_first_one_ends(tmp_path: Path) -> None:
    first = Process(tmp_path)
    second = copy(first)
    second.begin()
    second.until(re.compile("stands by until that ends"))
    assert first.post(request(span(1, CHAT)))[0] == 200
    first.kill()
    second.url = second.listening()
    assert second.post(request(span(1, CHAT), span(2, CHAT)))[0] == 200
    assert second.end() == 0
    second.start()
    assert second.calls() == 2
    assert second.end() == 0


def test_a_record_of_the_gateway_is_one_of_the_journal(lab: Lab) -> None:
    lab.send(request(span(1, CHAT)))
    call = lab.gateway._resolver._held.popitem()[1].call
    for record in counting.observations(call, Prices(lab.config)):
        assert len(encode(record)) < 600
