"""The registry: what is declared, and what becomes of a library of another version."""

from __future__ import annotations

import logging
from importlib import metadata
from pathlib import Path

import pybreaker
import pytest

from otel_llm import runtime
from otel_llm.calls.declarations import ReliabilityLibrary
from otel_llm.calls.observer import Observer
from otel_llm.core.config import Config
from otel_llm.reliability import hooks
from otel_llm.reliability.pybreaker import signal


def test_every_declaration_is_whole() -> None:
    for name in hooks.NAMES:
        declared = hooks.load(name)
        assert isinstance(declared, ReliabilityLibrary)
        assert (declared.name, bool(declared.hooks), bool(declared.tested), bool(declared.requires)) == (
            name,
            True,
            True,
            True,
        )
    with pytest.raises(KeyError, match="no signals are called 'nobody'"):
        hooks.load("nobody")


def test_the_page_names_every_version() -> None:
    page = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")
    for name in hooks.NAMES:
        declared = hooks.load(name)
        assert f"| {declared.distribution} | `{declared.requires}` | {', '.join(declared.tested)} |" in page


def test_another_version_is_left_alone_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "_version", lambda name: "99.0" if name == "pybreaker" else metadata.version(name))
    watching = runtime.Runtime(Config(server="off"))
    before = vars(pybreaker.CircuitOpenState)["__init__"]
    with caplog.at_level(logging.WARNING, logger="otel_llm"):
        for _ in range(2):
            assert not watching._knows(signal)
        installed = hooks.install(Observer(), lambda found: found.name == "pybreaker" and watching._knows(found))
    assert vars(pybreaker.CircuitOpenState)["__init__"] is before
    assert [record.message for record in caplog.records] == [
        "pybreaker 99.0 is outside >=1.0,<2: it is not watched, its calls are not counted"
    ]
    for found in installed:
        found.uninstall()
