"""The conventions' attributes of agent runs, workflows, tool calls and retrievals, as ``table`` has those of model calls."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from otel_llm.core.shapes import NamedTuple

from .table import RECOMMENDED, REQUIRED, Attribute


class Operation(NamedTuple):
    """What a step's span is called: ``{operation} {value of the attribute subject}``."""

    operation: str
    subject: str
    kind: Literal["INTERNAL", "CLIENT"]


OPERATIONS: Mapping[str, Operation] = MappingProxyType({
    "agent": Operation("invoke_agent", "gen_ai.agent.name", "INTERNAL"),
    "workflow": Operation("invoke_workflow", "gen_ai.workflow.name", "INTERNAL"),
    "tool": Operation("execute_tool", "gen_ai.tool.name", "INTERNAL"),
    "retrieval": Operation("retrieval", "gen_ai.data_source.id", "CLIENT"),
})  # fmt: skip
"""Kinds of steps that we make spans of. Those of MCP are the library's own."""
_ERROR = "if the operation ended in an error"
_ALL = tuple(OPERATIONS)


def _on(level: str, *kinds: str) -> Mapping[str, str]:
    return MappingProxyType(dict.fromkeys(kinds, level))


_ATTRIBUTES = (
    Attribute("gen_ai.operation.name", "string", "`invoke_agent`, `invoke_workflow`, `execute_tool`, `retrieval`", _on(REQUIRED, *_ALL),
              "1.27", stage="start", values=tuple(one.operation for one in OPERATIONS.values())),
    Attribute("gen_ai.provider.name", "string", "at the start the framework's name, at the end the provider of the run's first model call",
              _on(REQUIRED, "agent"), "1.37", stage="start"),
    Attribute("gen_ai.agent.name", "string", "", _on("when available", "agent"), "1.31", stage="start"),
    Attribute("gen_ai.conversation.id", "string", "", _on("when available", "agent"), "1.34", stage="start"),
    Attribute("gen_ai.workflow.name", "string", "", _on("when available", "workflow"), "1.41", stage="start"),
    Attribute("gen_ai.tool.name", "string", "", _on(REQUIRED, "tool"), "1.31", stage="start"),
    Attribute("gen_ai.tool.type", "string", "`function`, or the framework's own word", _on("recommended, if available", "tool"), "1.31",
              values=("function", "extension", "datastore")),
    Attribute("gen_ai.data_source.id", "string", "the collection, or the retriever", _on("when applicable", "retrieval"), "1.34",
              stage="start"),
    Attribute("gen_ai.request.top_k", "double", "how many documents were asked for; `int` in the latest vocabulary",
              _on(RECOMMENDED, "retrieval"), "1.27", stage="start", other="int"),
    Attribute("error.type", "string", "one of the same few words as on metrics", _on(_ERROR, *_ALL), "1.26", stage="failure"),
    Attribute("exception.type", "string", "the class", _on("if an exception was raised", *_ALL), "1.26", stage="failure"),
)  # fmt: skip
STEPS: Mapping[str, Attribute] = MappingProxyType({row.name: row for row in _ATTRIBUTES})
