"""What the contract's scenarios share."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="session", autouse=True)
def _freeze() -> None:
    """Leave what the SDKs have loaded out of the collections that the scenarios ask for: they take seconds otherwise."""
    gc.collect()
    gc.freeze()
