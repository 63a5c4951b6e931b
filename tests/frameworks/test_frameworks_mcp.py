"""FastMCP's servers and clients, as they are: each request counts once on each side, with nothing but ``opentelemetry-instrument``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from frameworks_common import free_port
from frameworks_mcp import requests, use
from prometheus_client.parser import text_string_to_metric_families

from otel_llm.testing import capture

INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))
PROGRAM = str(Path(__file__).with_name("frameworks_mcp.py"))
ASKED = [
    ["tools/call", "breaks", "tool_error", 1], ["tools/call", "get_weather", "", 2], ["tools/list", "", "", 1],
]  # fmt: skip


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    places = {"PYTHONPATH": str(Path(__file__).parents[2]), "OTEL_LLM_STATE_DIR": str(tmp_path / "state")}
    return {**kept, **places, "PYTHONWARNINGS": "ignore", "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port())}


def scraped(surroundings: dict[str, str]) -> list[Any]:
    """The requests that the /metrics of the server has."""
    port = surroundings["OTEL_EXPORTER_PROMETHEUS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    names = "mcp_method_name", "gen_ai_tool_name", "error_type"
    return sorted(
        [*(sample.labels.get(name, "") for name in names), int(sample.value)]
        for family in families
        for sample in family.samples
        if sample.name == "mcp_server_operation_duration_seconds_count"
        and sample.labels["mcp_method_name"].startswith("tools/")
    )


@pytest.mark.parametrize("how", ["memory", "recorded"])
def test_in_one_process(how: str, surroundings: dict[str, str]) -> None:
    command = [sys.executable, PROGRAM, how]
    ran = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == [ASKED, ASKED]


def used(client: Any, surroundings: dict[str, str]) -> list[Any]:
    """What the /metrics of the server has while its client is still there. The client's own are right."""

    async def session() -> list[Any]:
        async with client:
            await use(client)
            return await asyncio.to_thread(scraped, surroundings)

    with capture() as captured:
        seen = asyncio.run(session())
    assert requests(captured, "client") == ASKED
    return seen


def test_over_stdio(surroundings: dict[str, str]) -> None:
    transport = StdioTransport(INSTRUMENT, [sys.executable, PROGRAM, "stdio"], env=surroundings)
    assert used(Client(transport), surroundings) == ASKED


@contextmanager
def serving(surroundings: dict[str, str]) -> Iterator[str]:
    port = free_port()
    command = [INSTRUMENT, sys.executable, PROGRAM, "http", str(port)]
    with subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any("running on" in line for line in process.stderr or ())
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.communicate()


def test_over_http(surroundings: dict[str, str]) -> None:
    with serving(surroundings) as url:
        assert used(Client(url), surroundings) == ASKED
