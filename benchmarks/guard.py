"""What a guard costs a call: reserving, with four workers that share the amount, and settling. Prints microseconds of CPU time.

``python benchmarks/guard.py [--json]``
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from otel_llm.cluster.allowance import SharedAllowance

WORKERS, ROUNDS, TIMES = 4, 50_000, 7
ACCOUNT = "usd|day|"


def timed(work: object, *arguments: int) -> float:
    """Microseconds of one call of ``work``: the best of some rounds."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.process_time()
        for _ in range(ROUNDS):
            work(ACCOUNT, *arguments)  # type: ignore[operator]
        best = min(best, time.process_time() - began)
    return best / ROUNDS * 1e6


def main() -> None:
    """Measure beside workers that have used the account."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        shared = SharedAllowance(Path(folder))
        ready, done = os.pipe(), os.pipe()
        for _ in range(WORKERS - 1):
            if os.fork() == 0:
                shared.reserve(ACCOUNT, 1, 1)
                os.write(ready[1], b".")
                os.close(done[1])
                os.read(done[0], 1)
                os._exit(0)
        for _ in range(WORKERS - 1):
            os.read(ready[0], 1)
        took = {"reserve_us": timed(shared.reserve, 1, 100), "settle_us": timed(shared.settle, 1, -100)}
        if "--json" in sys.argv:
            print(json.dumps(took))
        else:
            print(f"reserve {took['reserve_us']:.2f} us, settle {took['settle_us']:.2f} us")
        os.close(done[1])
        for _ in range(WORKERS - 1):
            os.wait()
        shared.close()


if __name__ == "__main__":
    main()
