"""What a provider billed for an agent's calls, what its trace adds up to and what /metrics counts: one number, in each framework."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_frameworks_runs import FRAMEWORKS, UNSEEN

PROGRAM = Path(__file__).with_name("numbers_program.py")
ASKING = [name for name in FRAMEWORKS if name != "claude_agent_sdk"]  # whose program asks for itself
BILLED = [101 + 211, 21 + 43]


@cache
def ran(name: str, *, watched: bool) -> dict[str, dict[str, Any]]:
    """What the program printed of each way of asking that is seen."""
    here = PROGRAM.parent
    ways = ["whole", "streamed"][: 1 if name in UNSEEN and not watched else 2]
    with tempfile.TemporaryDirectory() as folder:
        given = {**os.environ, "TMPDIR": folder, "HOME": folder}
        given["PYTHONPATH"] = os.pathsep.join([str(here.parents[1]), str(here.parent / "support"), str(here)])
        command = [sys.executable, "-W", "ignore", str(PROGRAM), name, str(int(watched)), *ways]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    printed: dict[str, dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return printed


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
@pytest.mark.parametrize("way", ["whole", "streamed"])
@pytest.mark.parametrize("name", ASKING)
def test_one_number_everywhere(name: str, way: str, watched: bool) -> None:
    if name in UNSEEN and way == "streamed" and not watched:
        return
    seen = ran(name, watched=watched)[way]
    assert seen["requests"] == seen["calls"] == seen["spans"] == 2
    assert seen["billed"] == seen["trace"] == seen["metrics"] == BILLED
    assert (seen["traces"], seen["errors"]) == (1, {})
