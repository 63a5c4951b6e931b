"""Who is measured: ourselves in our modes, and the other libraries, each in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("OTEL_LLM_BENCH_CACHE") or Path.home() / ".cache" / "otel-llm-bench")
CLIENT = "openai>=3.52,<4"
COMMON = (CLIENT, "opentelemetry-sdk", "opentelemetry-instrumentation")


@dataclass(frozen=True)
class Peer:
    """One column of the tables. ``mode`` is what ``subject.py`` switches on, ``home`` the environment, ``of`` its distribution."""

    name: str
    mode: str
    home: str
    packages: tuple[str, ...] = ()
    of: str = "openai"


_US = ("-e", str(ROOT))
BARE, SPAN, US = Peer("bare client", "bare", "bare"), Peer("a bare span", "span", "bare"), Peer(
    "otel-llm", "full", "otel-llm", _US, "otel-llm"
)  # fmt: skip
MODES = (
    Peer("metrics only", "metrics", "otel-llm", _US, "otel-llm"),
    Peer("sampled out", "sampled", "otel-llm", _US, "otel-llm"),
    Peer("content on", "content", "otel-llm", _US, "otel-llm"),
)
FEATURES = tuple(
    Peer(name, mode, "otel-llm", _US, "otel-llm")
    for name, mode in (
        ("labels (two)", "labels"), ("content on the span", "content"), ("budgets (day and month)", "budgets"),
        ("the bridge (a run of an agent)", "bridge"), ("a guard (its budget acts)", "guard"),
    )
)  # fmt: skip
OTHERS = tuple(
    Peer(name, mode, mode, ("httpx<1", *packages), packages[0].partition("=")[0])
    for name, mode, *packages in (
        ("openai-v2", "openai_v2", "opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==0.4b0"),
        ("OTel genai", "genai", "opentelemetry-instrumentation-genai-openai==1.3b0"),
        ("openinference", "openinference", "openinference-instrumentation-openai==0.1.66"),
        ("openlit", "openlit", "openlit==1.45.*"),
        ("traceloop", "traceloop", "opentelemetry-instrumentation-openai==0.62.4"),
        ("logfire", "logfire", "logfire==5.2.*"),
    )
)
ALL = (BARE, SPAN, US, *MODES, *OTHERS)


def python_of(peer: Peer) -> Path | None:
    """The interpreter that ``peer`` runs in, made when it is first asked for; None where its packages cannot be had."""
    home = CACHE / f"{peer.home}-{sys.version_info[0]}.{sys.version_info[1]}"
    python, done = home / "bin" / "python", home / "done"
    wanted = "\n".join((*COMMON, *peer.packages))
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    try:
        _make(home, python, (*COMMON, *peer.packages))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{peer.name} is left out: {error}", file=sys.stderr)
        return None
    done.write_text(wanted)
    return python


def _make(home: Path, python: Path, packages: tuple[str, ...]) -> None:
    """Everybody gets the same client, whatever version of it they say they want."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        _run(sys.executable, "-m", "venv", str(home))
        _run(str(python), "-m", "pip", "install", "--quiet", *packages)
        return
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(home))
    override = home / "override.txt"
    override.write_text(CLIENT)
    install = ("pip", "install", "--quiet", "--prerelease=if-necessary-or-explicit", "--override", str(override))
    _run(uv, *install, "--python", str(python), *packages)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def versions(python: Path, names: tuple[str, ...]) -> dict[str, str]:
    """What is installed of ``names`` in the environment of ``python``."""
    code = "import sys,importlib.metadata as m\nfor n in sys.argv[1:]: print(n, m.version(n))"
    told = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in told.splitlines())
