"""How many of our files a call enters: docs/architecture.md states it, and more of them is a longer way for whoever follows one."""

from __future__ import annotations

import pytest

from tools.trace_call import KINDS, trace

MOST = {"plain": 14, "streamed": 16}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(180)
def test_a_call_enters_few_files_of_ours(kind: str) -> None:
    entered = trace(kind)
    assert "calls/invocation.py" in entered
    assert len(entered) <= MOST[kind], sorted(entered)
