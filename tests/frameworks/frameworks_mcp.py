"""A server of FastMCP and what its client asks, for ``test_frameworks_mcp.py``: ``frameworks_mcp.py HOW [PORT]``.

``stdio`` and ``http`` serve. ``memory`` and ``recorded`` (with a TracerProvider) have a client here, too, and print what was counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_llm.testing import Captured, capture

server: Any = FastMCP("weather")


@server.tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return "sunny"


@server.tool
def breaks() -> str:
    """Fails."""
    raise ValueError


async def use(client: Any) -> None:
    """Ask for the tools, call one twice, and one that fails."""
    async with client:
        assert len(await client.list_tools()) == 2
        for city in ("Paris", "Rome"):
            assert (await client.call_tool("get_weather", {"city": city})).data == "sunny"
        with suppress(ToolError):
            await client.call_tool("breaks", {})


def requests(captured: Captured, side: str) -> list[Any]:
    """How often each method, tool and error was counted on a side."""
    metric = f"mcp_{side}_operation_duration_seconds"
    asked = Counter(event.labels for event in captured.events if event.metric == metric)
    return sorted([*labels, times] for labels, times in asked.items() if labels[0].startswith("tools/"))


def here() -> None:
    with capture() as captured:
        asyncio.run(use(Client(server)))
    print(json.dumps([requests(captured, "client"), requests(captured, "server")]))


if __name__ == "__main__":
    how, *port = sys.argv[1:]
    if how == "recorded":
        trace.set_tracer_provider(TracerProvider())
    if how in ("memory", "recorded"):
        here()
    elif how == "http":
        server.run(transport="http", host="127.0.0.1", port=int(port[0]), show_banner=False)
    else:
        server.run(show_banner=False)
