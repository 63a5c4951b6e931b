"""Run test files against other versions than those of the main environment: oldest clients, and frameworks that pin theirs.

Usage: ``python tests/matrix.py [name ...]``. Each row of the table gets an environment of its own under ``.venv-matrix/``,
made by uv and kept until the row changes. The exit code says whether all passed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-matrix"
BASE = ("pytest>=8", "pytest-asyncio", "pytest-timeout", "pyyaml")
CONTRACT = "tests/contract/test_contract_"
FRAMEWORK = "tests/frameworks/test_frameworks_"

PUSHES = "opentelemetry-exporter-otlp-proto-http"
LITELLM = ("fastapi", "orjson", "soundfile")  # without these a hit in its cache raises in litellm itself


@dataclass(frozen=True)
class Row:
    """One environment, and what runs in it.

    ``overrides`` are pins of a dependency that a library sets too high. ``without`` leaves tests out whose names have one of
    its words, for a feature that the versions do not have. ``installed`` is for tests that start services, which find us by
    our entry points. ``python`` is another version than this one; the row is not run, and says so, where there is none.
    ``asked_for`` rows run where they are named, as they take long or are a part of another row, whose environment they share.
    ``built_by`` is a script that prints the directory of a wheel which no index has.
    """

    name: str
    requires: tuple[str, ...]
    tests: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    installed: bool = False
    asked_for: bool = False
    shares: str = ""
    python: str = ""
    built_by: str = ""


def _contract(*names: str) -> tuple[str, ...]:
    return tuple(f"{CONTRACT}{name}.py" for name in names)


def _framework(*names: str) -> tuple[str, ...]:
    return tuple(f"{FRAMEWORK}{name}.py" for name in names)


def _group(name: str) -> tuple[str, ...]:
    """The requirements of a group of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tuple(re.findall(r'"([^"]+)"', text.partition(f"\n{name} = [")[2].partition("\n]")[0]))


def _on(python: str) -> Row:
    """The contract's main part, and the clocks of every family, on another Python; 4 minutes each."""
    tests = (
        *_contract("openai", "anthropic", "openai_like", "clock"),
        "tests/core/test_core_start.py",
        "tests/cluster/test_cluster_systems.py",
    )
    return Row(
        f"python-{python}",
        (
            *_group("sdks"),
            "hypothesis",
            "trustme",
            "httpx",
            "opentelemetry-exporter-otlp-proto-http",
            "opentelemetry-exporter-prometheus",
        ),
        tests,
        installed=True,
        python=python,
    )


_ROWS = (
    Row(  # 8 minutes, so that it begins first: a process for each instrumentation and each order
        "beside",
        (
            "openai>=3.57",
            "anthropic>=2.14",
            "openinference-instrumentation-openai>=0.1.66",
            "openinference-instrumentation-anthropic>=3.1",
            "logfire>=5.4",
            "opentelemetry-instrumentation-openai>=0.62.4",  # OpenLLMetry's
            "opentelemetry-instrumentation-anthropic>=0.62.4",
            "opentelemetry-instrumentation-genai-openai>=1.3b0",
            "opentelemetry-instrumentation-genai-anthropic>=1.3b0",
            "openlit>=1.45",
            "sentry-sdk>=2.75",
            "langfuse>=5.0.4",
            "langsmith>=0.15.1",
            "braintrust>=0.48.1",
            "posthog>=7.91.1",
            "ddtrace>=4.16",
            "mlflow-tracing>=3.17.2",
        ),
        ("tests/beside",),
        overrides=("openai>=3.57", "anthropic>=2.14"),  # openlit asks for older ones, and works with these
    ),
    *map(_on, ("3.10", "3.12", "3.13", "3.14")),
    Row(  # the last one with a worker for eventlet
        "gunicorn-eventlet",
        ("gunicorn==25.3.0", "eventlet", "typing_extensions"),
        ("tests/cluster/test_cluster_eventlet.py",),
        installed=True,
    ),
    Row(  # what the core needs goes beside old versions of what others pin
        "pydantic-1",
        ("pydantic<2", "openai==1.109.1", "hypothesis", "trustme"),
        (*_contract("openai"), "tests/pricing/test_pricing_pricer.py", "tests/exposition/test_exposition_server.py"),
        installed=True,
    ),
    Row(
        "oldest",  # the lower bounds of the declarations, as far as they go together
        (
            "openai==1.26.0",
            "anthropic==0.40.0",
            "httpx<0.28",  # both pass what httpx 0.28 no longer takes
            "groq==0.11.0",
            "together==2.0.0",
            "cerebras-cloud-sdk==1.0.0",
            "writer-sdk==2.0.0",
            "cohere==5.16.0",
            "ollama==0.4.0",
            "huggingface_hub==0.34.0",
            "replicate==1.0.0",
            "ai21==3.0.0",
            "azure-ai-inference==1.0.0b4",
            "aiohttp",
            "numpy",
        ),
        _contract("openai", "anthropic", "openai_like", "unread", "cohere", "ollama", "huggingface", "small"),
    ),
    Row(
        "oldest-others",
        (
            "openai[realtime]==1.109.1",
            "mistralai==1.8.0",
            "openrouter==1.0.0",
            "xai-sdk==1.4.0",
            "ibm-watsonx-ai==1.5.0",
            "voyageai==0.3.7",
        ),
        (*_contract("openai", "openai_realtime", "speakeasy", "xai"), *_framework("voyage", "watsonx")),
    ),
    Row("oldest-litellm", ("litellm==1.85.0", "mcp", *LITELLM), _framework("litellm")),
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
            *_contract("openai", "openai_realtime", "openai_responses_socket", "anthropic"),
            f"{CONTRACT}openai_like.py::TestGroq",
        ),
    ),
    Row(
        "core-oldest",  # the lower bounds of pyproject.toml, extras included
        (
            "opentelemetry-api==1.30.0",
            "opentelemetry-sdk==1.30.0",
            "opentelemetry-instrumentation==0.51b0",
            "opentelemetry-exporter-otlp-proto-http==1.30.0",
            "prometheus-client==0.20.0",
            "wrapt==1.16.0",
            "click==8.1.0",
            "rich==13.7.0",
            "pyyaml==6.0",
            "apprise==1.8.0",
            "openai",
            "anthropic",
            "opentelemetry-exporter-prometheus==0.51b0",
            "hypothesis",
            "trustme",
        ),
        (
            *_contract("openai"),
            *(f"tests/core/test_core_{name}.py" for name in ("content", "cost", "redactor", "start")),
            "tests/exposition/test_exposition_collector.py",
            "tests/exposition/test_exposition_text.py",
            "tests/aggregate",
        ),
        # prometheus-client 0.20 escapes no names, OpenTelemetry's exporter knows one registry, and log records of SDK 1.30 have no
        # name of an event
        without=("allow-utf-8", "dots", "opentelemetrys_exporter", "it_speaks"),
        installed=True,
    ),
    Row(
        "evaluators",
        ("autoevals", "deepeval", "inspect-ai", "openai"),
        _framework("evaluators"),
    ),
    Row("guardrails-ai", ("guardrails-ai",), _framework("guardrails_ai")),
    Row("nemo-guardrails", ("nemoguardrails",), _framework("nemo_guardrails")),
    Row("newest-others", ("voyageai>=0.5", "ibm-watsonx-ai>=1.8"), _framework("voyage", "watsonx")),
    Row(
        "oldest-clouds",
        ("google-genai==1.24.0", "boto3==1.34.116", "botocore==1.34.116", "aiobotocore==2.13.1"),
        _contract("google_genai", "google_live", "bedrock"),
    ),
    Row("middle-google", ("google-genai==2.34.0", "aiohttp"), _contract("google_genai", "google_live")),
    Row("vertexai", ("google-cloud-aiplatform>=2.7",), _framework("vertexai")),
    Row("vertexai-oldest", ("google-cloud-aiplatform==1.71.1",), _framework("vertexai")),
    Row("litellm", ("litellm>=1.109,<1.110", *LITELLM), _framework("litellm"), overrides=("certifi",)),
    Row("newest-litellm", ("litellm>=1.110.2", *LITELLM), _framework("litellm")),  # its Router is in Rust
    Row(
        "langchain",
        ("langchain>=1.5", "langchain-openai>=1.7", "langchain-anthropic>=1.7"),
        _framework("langchain"),
        overrides=("certifi",),
    ),
    Row("pydantic-ai", ("pydantic-ai-slim[openai,anthropic]>=2.60",), _framework("pydantic_ai")),
    Row("agents", ("openai-agents>=0.24",), _framework("agents")),
    Row("llama-index", ("llama-index-core>=0.14", "llama-index-llms-openai>=0.8"), _framework("llama_index")),
    Row(
        "runs-agents",
        (
            "pydantic-ai-slim[openai]>=2.60",
            "openai-agents>=0.24",
            "langchain>=1.5",
            "langchain-openai>=1.7",
            "fastmcp>=4.2",
            PUSHES,
        ),
        _framework("runs", "endings", "handover", "loops", "numbers", "outlets", "examples", "mcp"),
        overrides=("certifi",),
        installed=True,
    ),
    Row(
        "runs-own-spans",
        (
            "strands-agents[openai]>=1.60",
            "agent-framework-core>=1.20",
            "agent-framework-openai",
            "agent-framework-orchestrations>=1.4",
            PUSHES,
        ),
        _framework("runs", "endings", "handover", "loops", "numbers", "outlets"),
    ),
    Row(
        "runs-hooks",
        ("smolagents[openai]>=1.26", "llama-index-core>=0.14", "llama-index-llms-openai>=0.8", PUSHES),
        _framework("runs", "endings", "handover", "loops", "numbers", "outlets"),
    ),
    Row(  # two minutes
        "runs-more",
        (
            "autogen-agentchat>=0.7",
            "autogen-ext[openai]>=0.7",
            "agno>=3.1",
            "fastapi",  # which a streamed run of agno in the background imports
            "dspy>=3.4",
            "haystack-ai>=3.4",
            "claude-agent-sdk>=0.2.189",
        ),
        _framework("runs", "endings", "handover", "loops", "numbers"),
    ),
    Row(  # one minute
        "stores",
        (
            "chromadb>=1.5",
            "qdrant-client>=1.20",
            "pymilvus>=3",
            "milvus-lite>=3.2",
            "pinecone>=10.2",
            "weaviate-client>=4.24",
            "openai",
        ),
        _framework("stores"),
    ),
    Row(  # PostgreSQL and its extension are in the wheel of pgserver
        "pgvector",
        (
            "pgserver>=0.1.4",
            "langchain-postgres>=0.0.17",
            "langchain-openai>=1.7",
            "llama-index-vector-stores-postgres>=0.9",
            "psycopg[binary]",
            "openai",
        ),
        _framework("pgvector"),
    ),
    Row(
        "runs-kernels",
        ("google-adk>=2.10", "semantic-kernel>=1.45", "crewai>=1.15", PUSHES),
        _framework("runs", "endings", "handover", "loops", "numbers", "outlets"),
    ),
    Row(
        "beside-v2",
        (
            "openai>=3.57",
            "anthropic>=2.14",
            "opentelemetry-instrumentation-openai-v2>=2.4b0",
            "opentelemetry-util-genai<1",
            "httpx",
        ),
        ("tests/beside",),
    ),
    Row(  # 15 minutes, most of it for torch
        "engines-transformers",
        ("transformers>=5.24", "torch>=2.15", "numpy"),
        ("tests/engines/test_engines_transformers.py",),
        asked_for=True,
    ),
    Row(  # 10 GB: its classes, driven without an accelerator
        "engines-vllm",
        ("vllm>=0.33",),
        ("tests/engines/test_engines_vllm.py",),
        asked_for=True,
    ),
    Row(
        "engines-llama-cpp",
        ("llama-cpp-python==0.3.36", "gguf>=0.19", "numpy"),
        ("tests/engines/test_engines_llama_cpp.py",),
        asked_for=True,
        built_by="tools/llama_cpp.sh",
    ),
)
# services that run agents, alone: `make prometheus3` has them push their metrics
_OUTLETS = tuple(
    replace(row, name=f"{row.name}-outlets", tests=_framework("outlets"), asked_for=True, shares=row.name)
    for row in _ROWS
    if f"{FRAMEWORK}outlets.py" in row.tests
)
ROWS = (*_ROWS, *_OUTLETS)
_MAKING = {row.name: Lock() for row in ROWS}
"""Held while the environment of a row is made, which another may share."""


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
    if row.python and not interpreter(row.python):
        return Outcome(row, True, 0.0, f"not run: there is no Python {row.python} here")
    try:
        with _MAKING[row.shares or row.name]:
            python = environment(row)
    except subprocess.CalledProcessError as error:
        print(error.stdout + error.stderr)
        return Outcome(row, False, time.monotonic() - began, "could not be installed")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *row.tests]
    if row.without:
        command += ["-k", " and ".join(f"not {word}" for word in row.without)]
    if any(test.startswith("tests/frameworks/") for test in row.tests):
        command += ["-W", "ignore"]  # a framework's own warnings are not ours to mend
    ran = subprocess.run(command, cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=False)
    if ran.returncode:
        print(ran.stdout + ran.stderr)
    last = ran.stdout.strip().rpartition("\n")[2]
    return Outcome(row, ran.returncode == 0, time.monotonic() - began, last.strip("= "))


def surroundings() -> dict[str, str]:
    """What the tests run in: no settings of ours from outside, and no proxy between them and their own server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OTHER_VERSIONS": "1",
    }


def environment(row: Row) -> Path:
    """The interpreter of the row's environment, made if it is not there as the row has it."""
    home = HOME / (row.shares or row.name)
    python, stamp = home / "bin" / "python", home / "stamp"
    requires = [*BASE, *dependencies(), *row.requires]
    wanted = hashlib.sha256(
        repr((requires, row.overrides, row.installed, sys.version_info[:2], row.python)).encode()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    overrides = HOME / f"{row.name}.overrides"
    overrides.write_text("\n".join(row.overrides))
    told(str(uv()), "venv", "-q", "--python", interpreter(row.python) or sys.executable, str(home))
    links = ["--find-links", told(str(ROOT / row.built_by))] if row.built_by else []
    told(str(uv()), "pip", "install", "-q", "--python", str(python), "--override", str(overrides), *links, *requires)
    if row.installed:
        told(str(uv()), "pip", "install", "-q", "--python", str(python), "--no-deps", "--editable", str(ROOT))
    stamp.write_text(wanted)
    return python


@cache
def interpreter(version: str) -> str:
    """A Python of this version: on the PATH, of pyenv, or one that uv has or can get. Empty where there is none, or none is asked for."""
    if not version:
        return ""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(f"{version}.*/bin/python")
    if ours := sorted(kept, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parents[1].name)]):
        return str(ours[-1])
    if there := shutil.which(f"python{version}"):
        return there
    asked = [str(uv()), "python", "find", version]
    for command in (asked, [str(uv()), "python", "install", "-q", version], asked):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if command is asked and ran.returncode == 0:
            return ran.stdout.strip()
    return ""


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


def told(*command: str) -> str:
    """What a command prints; where it fails, its output is in the error."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main(names: list[str]) -> int:
    """Run the rows called ``names`` (all by default), three at a time, as they wait for servers and processes, and sum up."""
    unknown = sorted(set(names) - {row.name for row in ROWS})
    if unknown:
        print(f"no row is called {unknown[0]!r}; there are {', '.join(row.name for row in ROWS)}")
        return 2
    rows = [row for row in ROWS if row.name in names or not (names or row.asked_for)]
    HOME.mkdir(exist_ok=True)
    uv()
    with ThreadPoolExecutor(max_workers=3) as three:
        outcomes = list(three.map(run, rows))
    print("\n".join(map(str, outcomes)))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
