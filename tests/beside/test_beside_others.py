"""Another instrumentation in the process: whoever came first, each call is counted once and the host sees the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from beside_others import OTHERS, Other

PROGRAM = Path(__file__).with_name("beside_program.py")
INSTALLED = [
    name for name, other in OTHERS.items() if other.distribution in {one.name for one in metadata.distributions()}
]
POSITIONS = ("first", "last", "removed", "withdrawn")
TOKENS = 2616  # what the loopback bills for the answers that say so


@cache
def run(name: str, position: str) -> dict[str, Any]:
    """What the program printed."""
    command = [sys.executable, "-W", "ignore", str(PROGRAM), name, position]
    with tempfile.TemporaryDirectory() as scratch:
        environ = {**os.environ, "TMPDIR": scratch}
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    printed: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return printed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("name", INSTALLED)
def test_every_call_once(name: str, position: str) -> None:
    alone = run(name, "alone")
    if position in ("removed", "withdrawn") and not alone["removable"]:
        return  # nothing takes it out
    ran = run(name, position)
    differs = {what: seen for what, seen in ran["host"].items() if seen != alone["host"][what]}
    if position in ("first", "last") or not OTHERS[name].breaks:
        assert differs == {}
    assert ran["requests"] == alone["requests"] == ran["calls"] == ran["durations"]
    there = OTHERS[name] if position in ("first", "last") else Other("")  # taken out, it has no part in a call
    repeats = OTHERS[name].repeats if OTHERS[name].leaves else there.repeats
    tokens = TOKENS - 100 * there.breaks
    assert ran["tokens"] == ran["told"] == tokens
    assert ran["output"] == ran["told_output"]
    assert ran["errors"] == {}
    assert ran["inferences"] == ran["requests"]
    assert ran["duplicates"] == repeats + there.unspoken
