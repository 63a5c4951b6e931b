"""For all tests: nothing judges time, and ``--cover`` counts lines and branches while they run."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

with contextlib.suppress(ImportError):  # environments of the matrix do without
    from hypothesis import settings

    settings.register_profile("here", deadline=None)
    settings.load_profile("here")

HERE = Path(__file__).parent
UNWATCHED = (  # days of traffic, and calls that are counted; other tests run the same lines
    "window/test_window_detection.py",
    "core/test_core_cost.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=100, help="changed replies for each way of asking, in the fuzz")
    parser.addoption("--cover", action="store_true", help="count lines and branches; then: python tests/covered.py")


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and so would the commands that they interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--cover"):
        _count(config)
    importlib.import_module("wire_formats")  # the loopback server speaks them in every test


def _count(config: pytest.Config) -> None:
    """Start to count lines, before the first module of ours is imported: what an import runs counts, too."""
    import coverage

    cover = coverage.Coverage()
    if not hasattr(config, "workerinput"):
        cover.erase()  # what an earlier run left
    if not config.getoption("numprocesses", None):  # where there are workers of xdist, they run the tests
        config.pluginmanager.register(Watch(cover), "watch")


class Watch:
    """Coverage of one process of pytest. It is on from the start, since importing a module runs lines of it."""

    def __init__(self, cover: Any) -> None:
        # A hook written in Python, as filelock's, lets another thread run while one installs its trace function. CPython 3.11
        # refuses the other's then: that thread dies at its start, or goes uncounted.
        sys.addaudithook = lambda hook: None
        self.cover = cover
        self.cover.start()
        self.on = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.turn(on=not str(item.path.relative_to(HERE)).startswith(UNWATCHED))
        return (yield)

    def pytest_sessionfinish(self) -> None:
        self.turn(on=False)
        self.cover.save()

    def turn(self, *, on: bool) -> None:
        if on != self.on:
            (self.cover.start if on else self.cover.stop)()
            self.on = on
