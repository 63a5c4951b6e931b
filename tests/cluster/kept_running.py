"""Run a command again whenever it ends, as a supervisor does: one service, whose calls are counted on over its starts."""

from __future__ import annotations

import subprocess
import sys
import time

import otel_llm

if __name__ == "__main__":
    otel_llm.instrument()
    while True:
        subprocess.run(sys.argv[1:], check=False)
        time.sleep(0.05)
