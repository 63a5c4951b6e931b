"""Systems that lack what Linux has: what they lack is asked for once, and each process then counts for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cluster_lab import HERE, free_port

WINDOWS = """
import os, sys
for name in (
    "register_at_fork", "geteuid", "getuid", "getpgid", "getsid", "fork", "posix_fallocate", "pwrite", "pread", "O_NOFOLLOW",
    "O_CLOEXEC", "O_DIRECTORY", "set_blocking",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("fcntl", "termios", "tty", "resource", "pwd"):
    sys.modules[name] = None
import _socket
del _socket.AF_UNIX
import otel_llm.runtime
import otel_llm.outputs.alerts, otel_llm.pricing.pricer, otel_llm.middleware, otel_llm.testing
otel_llm.instrument()
from otel_llm.model import Usage
with otel_llm.observe(provider="acme", model="m") as call:
    call.response.usage = Usage(10, 5)
print(otel_llm.runtime.current().member.role, otel_llm.stats()["total"]["calls"])
otel_llm.uninstrument()
"""


def test_windows_counts_each_process_by_itself(tmp_path: Path) -> None:
    program = WINDOWS.replace("otel_llm.model", "otel_llm.core.model")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
        "OTEL_LLM_STATE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "single 1"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "no file locks" in done.stderr
