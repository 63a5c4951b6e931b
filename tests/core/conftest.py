"""A service to start: a script under opentelemetry-instrument, with nothing of this process's in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_llm.testing.loopback import Loopback

Run = Callable[..., "subprocess.CompletedProcess[str]"]
BIN = Path(sys.executable).parent


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, server: Loopback) -> Callable[..., subprocess.Popen[str]]:
    """Start ``code`` under opentelemetry-instrument, with ``URL`` in its environment."""

    def start(code: str, *, bare: bool = False, **environ: str) -> subprocess.Popen[str]:
        script = tmp_path / "service.py"
        script.write_text(code, encoding="utf-8")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PROMETHEUS_"))}
        settings = {
            "URL": server.url, "OTEL_EXPORTER_PROMETHEUS_PORT": "0", "OTEL_LLM_STATE_DIR": str(tmp_path / "state"),
            "PATH": f"{BIN}{os.pathsep}{clean.get('PATH', '')}",
        }  # fmt: skip
        command = [] if bare else [str(BIN / "opentelemetry-instrument")]
        return subprocess.Popen(
            [*command, sys.executable, "-W", "default", str(script)], text=True, env={**clean, **settings, **environ}, cwd=tmp_path,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Run:
    """Run ``code`` to its end and give what it printed."""

    def run(code: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        service = start(code, **settings)
        out, err = service.communicate(timeout=60)
        assert service.returncode == 0, err
        return subprocess.CompletedProcess(service.args, service.returncode, out, err)

    return run
