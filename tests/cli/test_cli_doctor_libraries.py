"""What ``otel-llm doctor`` finds about client libraries: it follows the way of a call, and claims nothing that it did not see."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from types import SimpleNamespace

import openai
import pytest

from otel_llm import clients
from otel_llm.calls.declarations import Trial
from otel_llm.cli import inspect_libraries, others, probe
from otel_llm.core.config import Config
from otel_llm.testing import capture

SEEN = {"requests": 1, "calls": 1, "raised": ""}
FACTS = {
    "trouble": "", "refused": "", "watched": True, "disabled": False, "patched": ["a", "b"], "others": {}, "hidden": [],
    "trial": None,
}  # fmt: skip


def findings(libraries, **more):
    facts = {"running": True, "libraries": libraries, **more}
    return list(inspect_libraries.libraries(facts))


@pytest.mark.parametrize(
    ("facts", "status", "says"),
    [
        ({"refused": "openai 9 is outside >=1"}, "warn", "is not watched: openai 9 is outside >=1"),
        ({"trouble": "no module named x"}, "warn", "is not watched: no module named x"),
        ({"watched": False, "disabled": True}, "note", "is switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
        ({"watched": False}, "fail", "is not watched: opentelemetry-instrument did not load otel_llm_openai"),
        ({"patched": []}, "fail", "nothing could be patched"),
        ({}, "ok", "is watched, 2 hooks; no call was made, but every call passes our hooks"),
        ({"trial": SEEN}, "ok", "is watched, 2 hooks; a call was made and counted"),
        ({"trial": SEEN, "hidden": ["m:C.f"]}, "ok", "a call was made and counted"),
        ({"trial": {**SEEN, "calls": 0}}, "fail", "but 1 requests were sent and 0 calls counted"),
        ({"trial": {**SEEN, "calls": 2}}, "fail", "but 1 requests were sent and 2 calls counted"),
        ({"trial": {**SEEN, "requests": 0, "raised": "TypeError"}}, "ok", "a call could not be made here (TypeError)"),
        ({"trial": {**SEEN, "requests": 0}}, "ok", "a call could not be made here (nothing was sent)"),
        ({"hidden": ["m:C.f"]}, "warn", "something else stands at m:C.f"),
    ],
)
def test_what_is_said_of_a_library(facts, status, says):
    told = {each.topic: each for each in findings({name: {**FACTS, **facts} for name in clients.NAMES})}
    assert told["openai"].status == status
    assert says in told["openai"].says


def test_who_else_is_there_is_named_with_its_switch():
    theirs = {"openinference.instrumentation.openai": 2, "logfire": 1}
    told = [each for each in findings({"openai": {**FACTS, "others": theirs}}) if each.topic == "other"]
    assert [each.says.partition(" too")[0] for each in told] == [
        "openinference.instrumentation.openai wraps 2 methods of openai", "logfire wraps 1 methods of openai",
    ]  # fmt: skip
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=openai, or" in told[0].remedy
    assert "the logfire.instrument_... call" in told[1].remedy


def test_a_program_that_does_not_start():
    assert [one.status for one in inspect_libraries.libraries({"trouble": "no interpreter"})] == ["fail"]
    assert [one.status for one in inspect_libraries.libraries({"running": False, "libraries": {}})] == ["fail"]


def test_a_busy_machine_leaves_no_library_out(monkeypatch):
    lines = [{"running": True}, {"library": "openai", **FACTS, "trial": SEEN}]
    printed = "a library's own words\n" + "\n".join(map(json.dumps, lines)) + '\n[1]\n{"library": "anth'

    def slow(command, **_):
        raise subprocess.TimeoutExpired(command, 120, output=printed.encode())

    monkeypatch.setattr(inspect_libraries.subprocess, "run", slow)
    facts = inspect_libraries.probe(Config(), overhead=False)
    told = {each.topic: each for each in inspect_libraries.libraries(facts)}
    assert told["openai"].status == "ok"
    assert (told["anthropic"].status, told["anthropic"].says.partition(": ")[2]) == (
        "warn", "timed out after 300 s, nothing is known of it",
    )  # fmt: skip


def test_a_program_that_prints_nothing(monkeypatch):
    ended = SimpleNamespace(stdout="", stderr="no room\n")
    monkeypatch.setattr(inspect_libraries.subprocess, "run", lambda *_, **__: ended)
    assert inspect_libraries.probe(Config(), overhead=False) == {"trouble": "no room"}
    ended.stderr = ""
    assert inspect_libraries.probe(Config(), overhead=False) == {"trouble": "it printed nothing"}


def test_a_library_that_printed_nothing_in_time_is_named():
    told = {each.topic: each for each in findings({})}
    assert "its modules cannot be imported" in told["openai"].says


INSTALLED = [name for name in clients.NAMES if clients.load(name).trial is not None]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", INSTALLED)
def test_the_call_that_is_made_is_one_request_and_one_call(name):
    declared = clients.load(name)
    assert probe._import(declared) == ""
    with capture(name):
        assert probe.hidden(declared) == []
        assert probe.tried(declared.trial) == SEEN
    gc.collect()  # the program ends with its clients, and closes none
    assert len(probe.hidden(declared)) > 0  # nothing of ours is there any more


def test_a_call_that_cannot_be_made():
    with capture("openai"):
        assert probe.tried(Trial("no_such_module_", lambda *_: None))["raised"] == "ModuleNotFoundError"
        assert probe.tried(Trial("openai", lambda *_: 1 / 0)) == {
            "requests": 0,
            "calls": 0,
            "raised": "ZeroDivisionError",
        }


def test_others_are_found_on_the_objects(monkeypatch):
    """Whoever they are: here this test, on a subclass and on the method of a resource."""
    assert others.of("openai", "openai") == {}
    beneath = openai.OpenAI.request
    create = openai.resources.chat.Completions.create

    def request(self, *args, **kwargs):
        return beneath(self, *args, **kwargs)

    def around(*args, **kwargs):
        return create(*args, **kwargs)

    monkeypatch.setattr(openai.OpenAI, "request", request, raising=False)
    monkeypatch.setattr(openai.resources.chat.Completions, "create", around)
    monkeypatch.setattr(others, "_distributions", lambda: {__name__.partition(".")[0]: ["a-stranger"]})
    assert others.of("openai", "openai") == {__name__: 2}
    with capture("openai"):
        assert probe.hidden(clients.load("openai")) == []  # through theirs, the way leads to ours


def test_a_way_that_cannot_be_followed_is_told(monkeypatch):
    class Opaque:
        def __call__(self, *args, **kwargs):
            raise NotImplementedError

    Opaque.__module__ = __name__
    monkeypatch.setattr(openai.OpenAI, "request", Opaque(), raising=False)
    with capture("openai"):
        assert probe.hidden(clients.load("openai")) == ["openai._base_client:SyncAPIClient.request"]


def test_the_program_prints_a_line_for_each_library(capsys, monkeypatch):
    running = SimpleNamespace(
        installed={}, refused={"openai": "too old"}, config=SimpleNamespace(disabled=()),
        member=SimpleNamespace(describe=lambda: {"pid": 1}), endpoint=SimpleNamespace(port=9464),
    )  # fmt: skip
    monkeypatch.setattr(probe.runtime, "current", lambda: running)
    monkeypatch.setattr(sys, "argv", ["probe", "--no-overhead"])
    monkeypatch.setattr(probe.clients, "NAMES", ("openai",))
    probe.main()
    facts = inspect_libraries.understood(capsys.readouterr().out)
    assert facts["running"] is True
    assert facts["libraries"]["openai"]["refused"] == "too old"
    assert facts["worker"] == {"pid": 1, "port": 9464}
    monkeypatch.setattr(probe.runtime, "current", lambda: None)
    probe.main()
    assert inspect_libraries.understood(capsys.readouterr().out) == {"running": False, "libraries": {}}
