"""Build what would be published, check it, and do the main job with it in a fresh environment without any extra.

Usage: ``python tests/package.py``. Wheel and sdist are left in ``dist/``.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from matrix import ROOT, uv

DIST = ROOT / "dist"
SERVICE = """
import sys, urllib.request
import openai
from otel_llm.testing.loopback import Loopback

with Loopback() as server:
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="test-key")
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
print(urllib.request.urlopen(f"http://localhost:{sys.argv[1]}/metrics").read().decode())
"""
CALL = r'{gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o",[^}]*} '
SHOWN = (  # one call, which has a price
    "gen_ai_client_operation_duration_seconds_count" + CALL + r"1(\.0)?\n",
    "otel_llm_cost_usd_total" + CALL + r"(?!0(\.0)?\n)",
)
BOARDS = "from otel_llm.ops.dashboards import shipped; print(len(list(shipped().rglob('dashboards/otel-llm-*.json'))))"


def run(*command: str | Path, cwd: Path = ROOT, code: int = 0, **environ: str) -> str:
    """What ``command`` says. Raises ``SystemExit`` with all of it where its exit code is another than ``code``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
    ran = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**clean, **environ}, capture_output=True, text=True, check=False
    )
    said = ran.stdout + ran.stderr
    if ran.returncode != code:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {ran.returncode}, not {code}:\n{said}")
    return said


def build() -> Path:
    """The wheel, made from the sdist as an index's users might; both as an index asks for them."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build")
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    (wheel,) = DIST.glob("*.whl")
    return wheel


def use(wheel: Path, home: Path) -> None:
    """Install it alone, and with a client beside it watch one call. Raises ``SystemExit`` where something is not as it should."""
    python, tools = home / "bin" / "python", home / "bin"
    run(uv(), "venv", "--python", sys.executable, home)
    run(uv(), "pip", "install", "--python", python, wheel)
    needed = run(tools / "otel-llm", "--help", cwd=home, code=2)
    expect(needed, r"pip install 'otel-llm\[cli\]'")
    expect(
        run(python, "-c", BOARDS, cwd=home), f"^{len(list((ROOT / 'grafana').rglob('dashboards/otel-llm-*.json')))}\n"
    )
    run(uv(), "pip", "install", "--python", python, "openai")
    port = free_port()
    settings = {"OTEL_EXPORTER_PROMETHEUS_PORT": port, "OTEL_LLM_STATE_DIR": str(home / "state")}
    page = run(tools / "opentelemetry-instrument", python, "-c", SERVICE, port, cwd=home, **settings)
    for pattern in SHOWN:
        expect(page, pattern)


def expect(said: str, pattern: str) -> None:
    if not re.search(pattern, said):
        raise SystemExit(f"{pattern} is not in:\n{said}")


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def main() -> None:
    wheel = build()
    with tempfile.TemporaryDirectory() as home:
        use(wheel, Path(home))
    print(f"{wheel.name} installs without extras, serves /metrics, and has counted and priced a call")


if __name__ == "__main__":
    main()
