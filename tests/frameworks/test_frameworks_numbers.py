"""What a provider billed for an agent's calls, what its trace adds up to and what /metrics counts: one number, in each framework."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_frameworks_runs import FRAMEWORKS, UNSEEN

PROGRAM = Path(__file__).with_name("numbers_program.py")
ASKING = [name for name in FRAMEWORKS if name != "claude_agent_sdk"]  # whose program asks for itself
BILLED = [101 + 211, 21 + 43]


def ran(name: str, *, stream: bool, watched: bool, folder: Path) -> dict[str, Any]:
    """What the program printed."""
    here = PROGRAM.parent
    given = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}
    given["PYTHONPATH"] = os.pathsep.join([str(here.parents[1]), str(here.parent / "support"), str(here)])
    command = [sys.executable, "-W", "ignore", str(PROGRAM), name, str(int(stream)), str(int(watched))]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    printed: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return printed


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ASKING)
def test_one_number_everywhere(name: str, stream: bool, watched: bool, tmp_path: Path) -> None:
    if name in UNSEEN and stream and not watched:
        return
    seen = ran(name, stream=stream, watched=watched, folder=tmp_path)
    assert seen["requests"] == seen["calls"] == seen["spans"] == 2
    assert seen["billed"] == seen["trace"] == seen["metrics"] == BILLED
    assert (seen["traces"], seen["errors"]) == (1, {})
