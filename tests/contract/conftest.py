"""What the contract's scenarios share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _freeze() -> None:
    """Leave what the SDKs have loaded out of the collections that the scenarios ask for: they take seconds otherwise."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    """A call ends when the host is done with it, not when the garbage collector happens to run. Who asks for one, runs it."""
    gc.disable()
    yield
    gc.enable()
