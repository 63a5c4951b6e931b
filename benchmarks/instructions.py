"""Instructions per call and per chunk, counted by callgrind: figures that no other load on the machine can touch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_COUNTING = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void dump(void) { CALLGRIND_DUMP_STATS; }
"""
CALLS = 40


def available() -> bool:
    """Whether there is valgrind with its header, and a compiler."""
    return all(map(shutil.which, ("valgrind", "cc"))) and Path("/usr/include/valgrind/callgrind.h").exists()


def count(command: list[str], environ: dict[str, str], calls: int = CALLS) -> dict[str, float]:
    """Instructions of the calling thread, for a plain call and for a chunk. ``command`` runs a subject.

    A chunk is the difference of two streams of different length, so that what a stream costs as a whole is not in it.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "counting.c").write_text(_COUNTING)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", "counting.so", "counting.c"], cwd=folder, check=True)
        valgrind = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            f"--callgrind-out-file={folder}/out",
        ]  # fmt: skip
        subprocess.run(
            [*valgrind, *command], input=f"instructions {calls}\n", text=True, capture_output=True, check=True,
            env={**os.environ, **environ, "PYTHONHASHSEED": "0", "OTEL_LLM_BENCH_COUNTING": str(folder / "counting.so")},
        )  # fmt: skip
        plain, short, long = (_total(folder / f"out.{part}-01") for part in (1, 2, 3))
    return {"call": plain / calls, "chunk": (long - short) / (20 * calls)}


def _total(path: Path) -> int:
    found = re.search(r"^(?:totals|summary): (\d+)", path.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{path.name}: callgrind counted nothing")
    return int(found[1])
