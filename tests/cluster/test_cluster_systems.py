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
import otel_llm.cli.app, otel_llm.cli.top, otel_llm.cli.doctor, otel_llm.cli.demo
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
        "HOME": str(tmp_path),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
        "OTEL_LLM_STATE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "single 1"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "no file locks" in done.stderr


SUBINTERPRETER = """
import importlib, sys
from pathlib import Path
code = "import sys; sys.path[:] = " + repr(sys.path) + chr(10) + Path(sys.argv[1]).read_text()
try:
    interpreters = importlib.import_module("_interpreters")
    made = interpreters.create("legacy")
    assert interpreters.exec(made, code) is None
except ImportError:
    interpreters = importlib.import_module("_xxsubinterpreters")
    made = interpreters.create(isolated=False)
    interpreters.run_string(made, code)
interpreters.destroy(made)
import otel_llm.runtime
otel_llm.instrument()
print("main", otel_llm.runtime.current().member.role)
"""
INSIDE = """
import logging
import otel_llm, otel_llm.runtime
logging.basicConfig(format="%(message)s")
otel_llm.instrument()
otel_llm.instrument("openai")
with otel_llm.observe(provider="acme", model="m") as call:
    call.response.usage = otel_llm.Usage(10, 5)
print("inside", otel_llm.runtime.current(), flush=True)
"""


def test_in_a_subinterpreter_nothing_is_started_and_the_process_outlives_it(tmp_path: Path) -> None:
    """As mod_wsgi runs an application that has no group of its own: threads of ours would abort the process at its end."""
    (tmp_path / "inside.py").write_text(INSIDE, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
        "OTEL_LLM_STATE_DIR": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-c", SUBINTERPRETER, str(tmp_path / "inside.py")],
        env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=HERE.parents[1],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "inside None\nmain leader\n"), done.stderr
    assert done.stderr.count("WSGIApplicationGroup %{GLOBAL}") == 1
