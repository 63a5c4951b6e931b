"""Run test files against other versions than those of the main environment: oldest clients, and frameworks that pin theirs.

Usage: ``python tests/matrix.py [name ...]``. Each row of the table gets an environment of its own under ``.venv-matrix/``,
made by uv and kept until the row changes. The exit code says whether all passed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-matrix"
BASE = ("pytest>=8", "pytest-asyncio", "pytest-timeout", "pyyaml")
CONTRACT = "tests/contract/test_contract_"
FRAMEWORK = "tests/frameworks/test_frameworks_"

LITELLM = ("fastapi", "orjson", "soundfile")  # without these a hit in its cache raises in litellm itself


@dataclass(frozen=True)
class Row:
    """One environment, and what runs in it. ``overrides`` are pins of a dependency that a library sets too high."""

    name: str
    requires: tuple[str, ...]
    tests: tuple[str, ...]
    overrides: tuple[str, ...] = ()


ROWS = (
    Row(
        "oldest",
        # anthropic 0.40 passes what httpx 0.28 no longer takes
        ("openai[realtime]==1.109.1", "anthropic==0.40.0", "httpx<0.28"),
        (f"{CONTRACT}openai.py", f"{CONTRACT}openai_realtime.py", f"{CONTRACT}anthropic.py"),
    ),
    Row(
        "middle",
        (
            "openai[realtime]==2.54.0",
            "anthropic==0.125.0",
            "groq==0.37.1",
            "together",
            "cerebras-cloud-sdk",
            "writer-sdk",
        ),
        (
            f"{CONTRACT}openai.py",
            f"{CONTRACT}openai_realtime.py",
            f"{CONTRACT}anthropic.py",
            f"{CONTRACT}openai_like.py::TestGroq",
        ),
    ),
    Row(
        "oldest-others",
        (
            "mistralai==1.9.11",
            "openrouter",
            "cohere==5.21.1",
            "ollama==0.4.9",
            "huggingface_hub==0.34.6",
            "aiohttp",
            "numpy",
        ),
        tuple(f"{CONTRACT}{name}.py" for name in ("speakeasy", "cohere", "ollama", "huggingface")),
    ),
    Row("voyage", ("voyageai>=0.5",), (f"{FRAMEWORK}voyage.py",)),
    Row("watsonx", ("ibm-watsonx-ai>=1.8",), (f"{FRAMEWORK}watsonx.py",)),
    Row("vertexai", ("google-cloud-aiplatform>=2.7",), (f"{FRAMEWORK}vertexai.py",)),
    Row("vertexai-oldest", ("google-cloud-aiplatform==1.71.1",), (f"{FRAMEWORK}vertexai.py",)),
    Row("litellm", ("litellm>=1.109", *LITELLM), (f"{FRAMEWORK}litellm.py",), overrides=("certifi",)),
    Row("litellm-older", ("litellm==1.106.2", "mcp", *LITELLM), (f"{FRAMEWORK}litellm.py",)),
    Row(
        "langchain",
        ("langchain>=1.5", "langchain-openai>=1.7", "langchain-anthropic>=1.7"),
        (f"{FRAMEWORK}langchain.py",),
        overrides=("certifi",),
    ),
    Row("pydantic-ai", ("pydantic-ai-slim[openai,anthropic]>=2.60",), (f"{FRAMEWORK}pydantic_ai.py",)),
    Row("agents", ("openai-agents>=0.24",), (f"{FRAMEWORK}agents.py",)),
    Row("llama-index", ("llama-index-core>=0.14", "llama-index-llms-openai>=0.8"), (f"{FRAMEWORK}llama_index.py",)),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a row."""

    row: Row
    passed: bool
    seconds: float
    told: str

    def __str__(self) -> str:
        return f"{self.row.name:12} {'passed' if self.passed else 'FAILED':7} {self.seconds:5.0f} s  {self.told}"


def run(row: Row) -> Outcome:
    """Make the row's environment, and run its tests in it."""
    began = time.monotonic()
    try:
        python = environment(row)
    except subprocess.CalledProcessError as error:
        print(error.stdout + error.stderr)
        return Outcome(row, False, time.monotonic() - began, "could not be installed")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=120", *row.tests]
    if row.tests[0].startswith(FRAMEWORK):
        command += ["-W", "ignore"]  # a framework's own warnings are not ours to mend
    ran = subprocess.run(command, cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=False)
    if ran.returncode:
        print(ran.stdout + ran.stderr)
    last = ran.stdout.strip().rpartition("\n")[2]
    return Outcome(row, ran.returncode == 0, time.monotonic() - began, last.strip("= "))


def surroundings() -> dict[str, str]:
    """What the tests run in: no settings of ours from outside, and no proxy between them and their own server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1,localhost", "PYTHONDONTWRITEBYTECODE": "1"}


def environment(row: Row) -> Path:
    """The interpreter of the row's environment, made if it is not there as the row has it."""
    home = HOME / row.name
    python, stamp = home / "bin" / "python", home / "stamp"
    requires = [*BASE, *dependencies(), *row.requires]
    wanted = hashlib.sha256(repr((requires, row.overrides, sys.version_info[:2])).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    overrides = HOME / f"{row.name}.overrides"
    overrides.write_text("\n".join(row.overrides))
    told(str(uv()), "venv", "-q", "--python", sys.executable, str(home))
    told(str(uv()), "pip", "install", "-q", "--python", str(python), "--override", str(overrides), *requires)
    stamp.write_text(wanted)
    return python


@cache
def uv() -> Path:
    """uv, which can override a pin as pip cannot: the one that is installed, or one of our own."""
    own = HOME / "uv" / "bin"
    found = shutil.which("uv") or shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), str(own)]))
    if found is None:
        told(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(own.parent), "uv")
        found = str(own / "uv")
    return Path(found)


def dependencies() -> list[str]:
    """What otel-llm itself requires, by its pyproject.toml: the tests run on the source."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("\ndependencies = [")[2].partition("]")[0]
    return [line.strip(' ",') for line in listed.splitlines() if line.strip()]


def told(*command: str) -> None:
    """Run a command; where it fails, its output is in the error."""
    subprocess.run(command, capture_output=True, text=True, check=True)


def main(names: list[str]) -> int:
    """Run the rows called ``names`` (all by default), two at a time, and sum up."""
    unknown = sorted(set(names) - {row.name for row in ROWS})
    if unknown:
        print(f"no row is called {unknown[0]!r}; there are {', '.join(row.name for row in ROWS)}")
        return 2
    rows = [row for row in ROWS if not names or row.name in names]
    HOME.mkdir(exist_ok=True)
    uv()
    with ThreadPoolExecutor(max_workers=2) as two:
        outcomes = list(two.map(run, rows))
    print("\n".join(map(str, outcomes)))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
