"""Instructions and cache misses per call and per chunk, counted by callgrind: figures that no other load on the machine can touch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

_COUNTING = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void dump(void) { CALLGRIND_DUMP_STATS; }
void empty(void) { CALLGRIND_STOP_INSTRUMENTATION; CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
"""
CALLS = 40


def available() -> bool:
    """Whether there is valgrind with its header, and a compiler."""
    return all(map(shutil.which, ("valgrind", "cc"))) and Path("/usr/include/valgrind/callgrind.h").exists()


MISSES = ("--cache-sim=yes", "--LL=1048576,16,64")  # a last level of 1 MB, as a core's share of it is in a cloud
TOUCHED = ("--cache-sim=yes", "--LL=67108864,16,64")  # all fits: what is missed is what is touched for the first time
_LAST_LEVEL = ("ILmr", "DLmr", "DLmw")


def count(command: list[str], environ: dict[str, str], calls: int = CALLS) -> dict[str, float]:
    """Instructions that ``command`` takes, which runs a subject: of the calling thread for a plain call (``call``), for one whose
    reply's headers are read (``headers``), and for a chunk; of the process for what a call leaves to other threads (``rest``).

    A chunk is the difference of two streams of different length, so that what a stream costs as a whole is not in it.
    """
    with counted(command, environ, f"instructions {calls}\n") as folder:
        plain, short, long, headers = (_events(folder / f"out.{part}-01")["Ir"] for part in (2, 4, 5, 6))
        rest = sum(_events(path)["Ir"] for path in folder.glob("out.3-*"))
    return {
        "call": plain / calls,
        "chunk": (long - short) / (20 * calls),
        "rest": rest / calls,
        "headers": headers / calls,
    }


def count_later(command: list[str], environ: dict[str, str], calls: int = CALLS) -> dict[str, float]:
    """As ``count``: of an async call (``call_async``), of an async chunk (``chunk_async``), and of a stream up to its first chunk
    (``first``)."""
    with counted(command, environ, f"later {calls}\n") as folder:
        plain, short, long = (_events(folder / f"out.{part}-01")["Ir"] for part in (3, 4, 5))
        first = sum(_events(folder / f"out.{6 + 2 * stream}-01")["Ir"] for stream in range(calls))
    return {"call_async": plain / calls, "chunk_async": (long - short) / (20 * calls), "first": first / calls}


def count_misses(command: list[str], environ: dict[str, str], calls: int = CALLS) -> dict[str, float]:
    """As ``count``: cache lines that a plain call misses in a last level of 1 MB (``misses``). It takes thrice as long."""
    with counted(command, environ, f"misses {calls}\n", MISSES) as folder:
        missed = _events(folder / "out.2-01")
    return {"misses": sum(missed[name] for name in _LAST_LEVEL) / calls}


def count_touched(command: list[str], environ: dict[str, str], calls: int = 9) -> dict[str, float]:
    """As ``count``: cache lines of code and data that a plain call touches (``touched``), the median of some. Each begins with an empty
    cache; another thread that comes in between has touched some for it."""
    with counted(command, environ, f"touched {calls}\n", TOUCHED) as folder:
        each = [_events(folder / f"out.{part}-01") for part in range(2, 2 + calls)]
    return {"touched": float(median(sum(events[name] for name in _LAST_LEVEL) for events in each))}


@contextmanager
def counted(command: list[str], environ: dict[str, str], said: str, more: tuple[str, ...] = ()) -> Iterator[Path]:
    """Run ``command``, which is told ``said``, under callgrind; the folder has an ``out`` file for each dump that it asked for."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "counting.c").write_text(_COUNTING)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", "counting.so", "counting.c"], cwd=folder, check=True)
        valgrind = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            f"--callgrind-out-file={folder}/out", *more,
        ]  # fmt: skip
        subprocess.run(
            [*valgrind, *command], input=said, text=True, capture_output=True, check=True,
            env={**os.environ, **environ, "PYTHONHASHSEED": "0", "OTEL_LLM_BENCH_COUNTING": str(folder / "counting.so")},
        )  # fmt: skip
        yield folder


def parts(command: list[str], environ: dict[str, str], number: int) -> list[int]:
    """Instructions of the first thread of ``command`` up to each of the ``number`` dumps that it asks for."""
    with counted(command, environ, "") as folder:
        return [_events(folder / f"out.{part}-01")["Ir"] for part in range(1, number + 1)]


def _events(path: Path) -> dict[str, int]:
    """What was counted, by callgrind's names of events."""
    text = path.read_text()
    names, totals = (re.search(rf"^(?:{line}): (.+)$", text, re.MULTILINE) for line in ("events", "totals|summary"))
    if names is None or totals is None:
        raise RuntimeError(f"{path.name}: callgrind counted nothing")
    counts = [int(count) for count in totals[1].split()]
    return dict(zip(names[1].split(), [*counts, *[0] * (len(names[1].split()) - len(counts))], strict=True))
