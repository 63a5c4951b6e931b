"""The examples that need a framework, started as their first lines say: what /metrics then shows."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from frameworks_common import free_port
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from otel_llm.testing.loopback import Loopback

ROOT = Path(__file__).parents[2]
INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))


def values(page: str, metric: str) -> dict[str, float]:
    """The series of ``metric``, by their labels as they are written."""
    return {labels: float(value) for labels, value in re.findall(rf"^{metric}\{{(.*)\}} (\S+)$", page, re.MULTILINE)}


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return str(answer.read(), "utf-8")


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "OTEL_LLM_STATE_DIR": str(tmp_path / "state"),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
        "OPENAI_API_KEY": "test-key",
    }


def test_the_agent_is_seen_with_its_calls_and_its_tool(surroundings: dict[str, str], tmp_path: Path) -> None:
    """A script is over before anybody scrapes it, so the page is written at its end."""
    page = tmp_path / "page"
    program = (
        "import runpy, pathlib; from prometheus_client import REGISTRY, generate_latest;"
        "runpy.run_path('examples/langgraph_agent.py', run_name='__main__');"
        f"pathlib.Path({str(page)!r}).write_bytes(generate_latest(REGISTRY))"
    )
    with Loopback() as server:
        around = {**surroundings, "OPENAI_BASE_URL": f"{server.url}/v1"}
        ran = subprocess.run(
            [INSTRUMENT, sys.executable, "-c", program],
            cwd=ROOT,
            env=around,
            capture_output=True,
            text=True,
            check=False,
        )
        sent = len(server.requests)
    assert ran.returncode == 0, ran.stderr
    text = page.read_text(encoding="utf-8")
    assert sent == 2
    assert sum(values(text, "otel_llm_calls_total").values()) == sent
    assert sum(values(text, "gen_ai_invoke_agent_duration_seconds_count").values()) == 1
    (tool,) = values(text, "gen_ai_execute_tool_duration_seconds_count").items()
    assert 'gen_ai_tool_name="get_weather"' in tool[0]
    assert tool[1] == 1


def test_the_mcp_server_shows_its_tools(surroundings: dict[str, str]) -> None:
    port = int(surroundings["OTEL_EXPORTER_PROMETHEUS_PORT"])

    async def use() -> tuple[str, bool, str]:
        started = StdioServerParameters(
            command=INSTRUMENT, args=[sys.executable, "examples/mcp_server.py"], env=surroundings, cwd=str(ROOT)
        )
        async with stdio_client(started) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            known = await session.call_tool("order_status", {"number": "1042"})
            unknown = await session.call_tool("order_status", {"number": "7"})
            page = await asyncio.to_thread(scraped, port)
            return known.content[0].text, bool(unknown.is_error), page

    answer, failed, page = asyncio.run(use())
    assert (answer, failed) == ("packed", True)
    counts = values(page, "mcp_server_operation_duration_seconds_count")
    called = {labels: value for labels, value in counts.items() if 'mcp_method_name="tools/call"' in labels}
    assert sum(called.values()) == 2, counts
    assert sum(value for labels, value in called.items() if 'error_type="tool_error"' in labels) == 1, called
    assert all('gen_ai_tool_name="order_status"' in labels for labels in called)
