"""The conventions' instruments as facts: kind, unit, bounds and attributes of each that we record, and which vocabulary has it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from otel_llm.core.shapes import NamedTuple

from .table import RECOMMENDED, REQUIRED, Word

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Bounds of durations. Ours have these and more: the conventions say what an instrument should have, not that it may have no other."""
TOKENS = tuple(float(4**power) for power in range(14))


class Instrument(NamedTuple):
    """An instrument. ``on`` has the requirement levels of its attributes; ``since`` is as in the table of attributes."""

    name: str
    kind: Literal["counter", "histogram"]
    unit: str
    on: Mapping[str, str]
    since: str
    words: tuple[Word, ...]
    bounds: tuple[float, ...] = ()


_ERROR = "if the operation ended in an error"
_CALL = {
    "gen_ai.operation.name": REQUIRED, "gen_ai.provider.name": REQUIRED, "gen_ai.request.model": "if available",
    "gen_ai.response.model": RECOMMENDED, "server.address": RECOMMENDED, "server.port": "if `server.address` is set",
}  # fmt: skip
_OLD: tuple[Word, ...] = ("released",)
_NEW: tuple[Word, ...] = ("latest",)
_EVERY: tuple[Word, ...] = ("released", "latest")


def _timed(name: str, since: str, words: tuple[Word, ...], **more: str) -> Instrument:
    attributes = {key.replace("__", "."): level for key, level in more.items()}
    return Instrument(name, "histogram", "s", {**_CALL, **attributes}, since, words, SECONDS)


def _sized(name: str, since: str, words: tuple[Word, ...], **more: str) -> Instrument:
    attributes = {key.replace("__", "."): level for key, level in more.items()}
    return Instrument(name, "histogram", "{token}", {**_CALL, **attributes}, since, words, TOKENS)


def _counted(part: str) -> Instrument:
    on = {**_CALL, "gen_ai.token.modality": REQUIRED}
    return Instrument(f"gen_ai.client.inference.usage.{part}", "counter", "{token}", on, "main", _EVERY)


def _step(name: str, unit: str, on: Mapping[str, str], since: str = "main") -> Instrument:
    return Instrument(name, "histogram", unit, on, since, _EVERY, SECONDS if unit == "s" and since == "main" else ())


_MCP = {"mcp.method.name": REQUIRED, "gen_ai.tool.name": "if it is about a tool", "error.type": _ERROR}
_AGENT = {"gen_ai.agent.name": "when available"}
_INSTRUMENTS = (
    _timed("gen_ai.client.operation.duration", "1.27", _OLD, error__type=_ERROR),
    _sized("gen_ai.client.token.usage", "1.27", _OLD, gen_ai__token__type=REQUIRED),
    _timed("gen_ai.client.operation.time_to_first_chunk", "1.41", _OLD),
    _timed("gen_ai.client.operation.time_per_output_chunk", "1.41", _OLD),
    _timed("gen_ai.client.inference.duration", "main", _NEW, error__type=_ERROR),
    _timed("gen_ai.client.embeddings.duration", "main", _NEW, error__type=_ERROR),
    _sized("gen_ai.client.embeddings.operation.input_tokens", "main", _NEW),
    _sized("gen_ai.client.inference.operation.input_tokens", "main", _NEW),
    _sized("gen_ai.client.inference.operation.output_tokens", "main", _NEW),
    _timed("gen_ai.client.inference.time_to_first_chunk", "main", _NEW),
    _timed("gen_ai.client.inference.time_per_output_chunk", "main", _NEW),
    *(
        _counted(part)
        for part in ("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_write.input_tokens", "reasoning.output_tokens")
    ),
    _step("gen_ai.invoke_agent.duration", "s", {**_AGENT, "error.type": _ERROR}),
    _step("gen_ai.invoke_agent.inference_calls", "{call}", _AGENT),
    _step("gen_ai.invoke_agent.tool_calls", "{call}", _AGENT),
    _step("gen_ai.invoke_workflow.duration", "s", {"gen_ai.workflow.name": "when available", "error.type": _ERROR}),
    _step("gen_ai.execute_tool.duration", "s",
          {"gen_ai.tool.name": REQUIRED, "gen_ai.tool.type": RECOMMENDED, **_AGENT, "error.type": _ERROR}),
    _step("mcp.client.operation.duration", "s", _MCP, "1.40"),
    _step("mcp.server.operation.duration", "s", _MCP, "1.40"),
    _step("mcp.client.session.duration", "s", {"error.type": _ERROR}, "1.40"),
    _step("mcp.server.session.duration", "s", {"error.type": _ERROR}, "1.40"),
)  # fmt: skip
INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType({fact.name: fact for fact in _INSTRUMENTS})
