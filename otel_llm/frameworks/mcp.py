"""MCP's own SDK, clients and servers: requests and sessions. What its newer versions report by spans, the bridge reads."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs
from otel_llm.core import dispatch
from otel_llm.core.model import Event

from . import reading, steps
from .steps import Open

SOURCE = "mcp"
_ANSWER: ContextVar[list[Any] | None] = ContextVar("otel_llm_mcp_answer", default=None)
_BEGAN = "_otel_llm_began"  # when a session began, on the session


def _asked(request: Any) -> tuple[str, str]:
    """Method and tool of a request. The first generation of the SDK puts it into a ``root``."""
    request = getattr(request, "root", request)
    method = str(getattr(request, "method", ""))
    name = getattr(getattr(request, "params", None), "name", "") if method == "tools/call" else ""
    return method, str(name or "")


def outcome(result: Any, error: BaseException | None) -> str:
    """The error type of a request: a tool's own failure, a JSON-RPC code, or an exception."""
    if error is not None:
        code = getattr(getattr(error, "error", None), "code", None)
        return reading.rpc(code) if isinstance(code, int) else reading.raised(error)
    result = getattr(result, "root", result)
    code = getattr(result, "code", None)
    if isinstance(code, int) and hasattr(result, "message"):
        return reading.rpc(code)
    failed = getattr(result, "is_error", None)  # version 2's name; asked for the one before, FastMCP's results warn
    return "tool_error" if (getattr(result, "isError", False) if failed is None else failed) else ""


def _sends(session: Any, args: Args, kwargs: Kwargs) -> tuple[Open, str, str] | None:
    if "Client" not in type(session).__name__:
        return None  # a server that asks its client
    method, tool = _asked(kwargs.get("request", args[0] if args else None))
    return steps.begin("mcp_client", tool, SOURCE), method, tool


def _sent(_: Any, request: tuple[Open, str, str] | None, result: Any, error: BaseException | None) -> None:
    if request is not None:
        opened, method, tool = request
        opened.end(outcome(result, error) or None, method=method, tool=tool)


def _serves(_: Any, args: Args, kwargs: Kwargs) -> tuple[Open, str, str, Any, list[Any]]:
    method, tool = _asked(kwargs.get("req", args[1] if len(args) > 1 else None))
    answer: list[Any] = []
    return steps.begin("mcp_server", tool, SOURCE, parent=None), method, tool, _ANSWER.set(answer), answer


def _served(_: Any, request: tuple[Open, str, str, Any, list[Any]], __: Any, error: BaseException | None) -> None:
    opened, method, tool, token, answer = request
    _ANSWER.reset(token)
    opened.end(outcome(answer[0] if answer else None, error) or None, method=method, tool=tool)


def _responds(_: Any, args: Args, kwargs: Kwargs) -> None:
    answer = _ANSWER.get()
    if answer is not None:
        answer.append(kwargs.get("response", args[0] if args else None))


def _enters(session: Any, _: Args, __: Kwargs) -> None:
    setattr(session, _BEGAN, time.perf_counter())


def _leaves(session: Any, args: Args, _: Kwargs) -> tuple[Any, BaseException | None]:
    return getattr(session, _BEGAN, None), args[1] if len(args) > 1 else None


def _left(session: Any, state: tuple[Any, BaseException | None], _: Any, error: BaseException | None) -> None:
    began, failed = state
    if began is not None:
        side = "client" if "Client" in type(session).__name__ else "server"
        labels = (reading.raised(failed or error),)
        metric = f"mcp_{side}_session_duration_seconds"
        dispatch.emit(Event(metric, time.time(), labels, time.perf_counter() - began))


def _session(module: str, name: str) -> tuple[Around, ...]:
    return (
        Around(module, (f"{name}.send_request",), _sent, _sends),
        Around(module, (f"{name}.__aenter__",), lambda *_: None, _enters),
        Around(module, (f"{name}.__aexit__",), _left, _leaves),
    )


framework = Framework(
    name="mcp",
    distribution="mcp",
    requires=">=1.10,<3",
    tested=("1.30.0", "2.3.0"),
    hooks=(
        *_session("mcp.client.session", "ClientSession"),  # from version 2
        *_session("mcp.shared.session", "BaseSession"),  # before
        Around("mcp.server.lowlevel.server", ("Server._handle_request",), _served, _serves),
        Around("mcp.shared.session", ("RequestResponder.respond",), lambda *_: None, _responds),
    ),
    scope="mcp-python-sdk",
)
