"""The reference of the Python API is made from docstrings: each function's says which errors it raises."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
from docs_pages import ROOT

import otel_llm

ENTRIES = dict(
    line.removeprefix("::: ").rpartition(".")[::-2]
    for line in (ROOT / "docs" / "api.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("::: ")
)
CALLED = [name for name in ENTRIES if name[0].islower()]


def test_every_public_name_has_an_entry() -> None:
    beside = {"ASGIMiddleware", "WSGIMiddleware", "capture", "Captured"}  # of otel_llm.middleware and otel_llm.testing
    assert set(ENTRIES) - beside == set(otel_llm.__all__) - {"__version__"}


@pytest.mark.parametrize("name", CALLED)
def test_a_docstring_says_which_errors_there_are(name: str) -> None:
    text = inspect.getdoc(getattr(importlib.import_module(ENTRIES[name]), name)) or ""
    assert re.search(r"\b[Rr]aise[sd]?\b", text), text
