"""The names of the room, imported when somebody asks for them."""

from __future__ import annotations

import pytest

from otel_llm import aggregate
from otel_llm.aggregate import window


def test_each_name_is_there_and_no_other() -> None:
    for package in (aggregate, window):
        assert [name for name in package.__all__ if getattr(package, name, None) is None] == []
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            _ = package.Nothing
