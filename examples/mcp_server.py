"""An MCP server: ``opentelemetry-instrument python examples/mcp_server.py``. Its tools are on :9464/metrics with nothing else.

Standard output belongs to the protocol here, so nothing may print there; otel-llm logs to standard error.
"""

from mcp.server.mcpserver import MCPServer

server = MCPServer("orders")
OPEN = {"1042": "packed", "1043": "on its way"}


@server.tool()
def order_status(number: str) -> str:
    """The state of an order. A number that does not exist is an error of the tool."""
    if number not in OPEN:
        raise ValueError(f"there is no order {number}")
    return OPEN[number]


if __name__ == "__main__":
    server.run()
