"""A service to start: a script under opentelemetry-instrument, with nothing of this process's in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_llm.loopback import Loopback

Run = Callable[..., "subprocess.CompletedProcess[str]"]
BIN = Path(sys.executable).parent


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, server: Loopback) -> Run:
    """Run ``code`` under opentelemetry-instrument, with ``URL`` in its environment, and give what it printed."""

    def run(code: str, *, check: bool = True, bare: bool = False, **environ: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "service.py"
        script.write_text(code, encoding="utf-8")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PROMETHEUS_"))}
        settings = {
            "URL": server.url, "OTEL_EXPORTER_PROMETHEUS_PORT": "0", "OTEL_LLM_STATE_DIR": str(tmp_path / "state"),
            "PATH": f"{BIN}{os.pathsep}{clean.get('PATH', '')}",
        }  # fmt: skip
        command = [] if bare else [str(BIN / "opentelemetry-instrument")]
        return subprocess.run(
            [*command, sys.executable, "-W", "default", str(script)], capture_output=True, text=True, timeout=60, check=check,
            env={**clean, **settings, **environ}, cwd=tmp_path,
        )  # fmt: skip

    return run
