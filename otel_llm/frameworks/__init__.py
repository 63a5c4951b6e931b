"""Agents, tools, MCP and retrieval: seen through the spans and the official hooks of the frameworks, one file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from otel_llm.calls.declarations import Framework
from otel_llm.calls.install import Installed
from otel_llm.calls.observer import Observer

from . import attach, steps
from .bridge import Bridge

MODULES: Mapping[str, tuple[str, ...]] = {
    "agent_framework": ("agent_framework._tools",),
    "agno": ("agno.agent._run", "agno.team._run", "agno.tools.function", "agno.models.base"),
    "autogen": ("autogen_core.tools._base", "autogen_ext.models.openai._openai_client"),
    "chromadb": ("chromadb.api.models.Collection", "chromadb.api.models.AsyncCollection"),
    "claude_agent_sdk": ("claude_agent_sdk._internal.message_parser",),
    "crewai": ("crewai.events.event_bus", "crewai.crew", "crewai.flow.runtime", "crewai.agent.core"),
    "dspy": ("dspy.primitives.module", "dspy.clients.execution", "dspy.adapters.types.tool"),
    "google_adk": ("google.adk.tools.function_tool",),
    "haystack": ("haystack.tracing.tracer",),
    "langchain": ("langchain_core.tracers.context",),
    "llama_index": ("llama_index_instrumentation",),
    "mcp": ("mcp.client.session", "mcp.shared.session", "mcp.server.lowlevel.server"),
    "openai_agents": ("agents.tracing", "agents.tracing.provider"),
    "pinecone": ("pinecone.index", "pinecone.async_client.async_index"),
    "pymilvus": ("pymilvus.milvus_client.milvus_client", "pymilvus.milvus_client.async_milvus_client"),
    "qdrant": ("qdrant_client.qdrant_client", "qdrant_client.async_qdrant_client"),
    "semantic_kernel": ("semantic_kernel.functions.kernel_function_from_method",),
    "smolagents": ("smolagents.agents", "smolagents.models"),
    "weaviate": ("weaviate.connect.v4",),
}
"""Declared framework -> the modules whose import puts its hooks in."""


def load(name: str) -> Framework:
    """The declaration of the framework ``name``. Raises ``KeyError`` for one that is not declared."""
    if name not in MODULES:
        raise KeyError(f"no framework is called {name!r}; there are {', '.join(MODULES)}")
    declared: Framework = import_module(f"{__package__}.{name}").framework
    return declared


class Frameworks:
    """All of them, watched in one process. ``accepts`` is asked whether the installed version of one is one we know,
    ``watches`` whether the calls of a client library are counted by hooks of ours; ``semconv`` is the vocabulary of our spans."""

    def __init__(
        self,
        observer: Observer,
        accepts: Callable[[Any], bool],
        watches: Callable[[str], bool],
        semconv: str = "released",
    ) -> None:
        steps.speak(semconv)
        self._bridge = Bridge(observer, watches)
        self._attached = attach.Attached(self._bridge)
        declared = attach.declaration(self._bridge, self._attached)
        self.installed = [Installed.of(declared, observer, lambda _: True)]
        attach.now(self._attached)
        self.installed += [Installed(MODULES[name], partial(load, name), observer, accepts) for name in MODULES]

    def stop(self) -> None:
        """Take all hooks out, and the bridge out of every provider."""
        self._attached.detach()
        while self.installed:
            self.installed.pop().uninstall()
