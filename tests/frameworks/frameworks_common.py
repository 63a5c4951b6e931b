"""What the tests of frameworks share: the environment that frameworks read, their imports, models, and what was recorded."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Mapping
from typing import Any

from otel_llm.testing import Captured

os.environ |= {
    "OPENAI_API_KEY": "k",
    "GOOGLE_API_KEY": "k",
    "SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS": "true",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
}


def imported(*modules: str) -> bool:
    """Import before any test does: at a high load these imports alone take longer than a test may."""
    try:
        return all(map(importlib.import_module, modules))
    except ModuleNotFoundError:
        return False


def installed(runs: Mapping[Any, tuple[str, ...]]) -> dict[str, Any]:
    """The functions whose modules are here, by their names."""
    here = {run.__name__: run for run, modules in runs.items() if imported(*modules)}
    imported("openai.resources.beta")  # which openai imports at the first call
    return here


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def recorded(captured: Captured, metric: str) -> list[tuple[tuple[str, ...], float]]:
    """Labels and value of each event of a metric, in order."""
    return [(event.labels, event.value) for event in captured.events if event.metric == metric]


def autogen_client(url: str, model: str, **more: Any) -> Any:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    able = {"vision": False, "function_calling": True, "json_output": False, "structured_output": False}
    info: Any = {**able, "family": "unknown"}
    return OpenAIChatCompletionClient(model=model, base_url=f"{url}/v1", api_key="k", model_info=info, **more)


def llama_index_model(url: str, model: str, **more: Any) -> Any:
    """A model whose name LlamaIndex has never heard of."""
    from llama_index.core.base.llms.types import LLMMetadata
    from llama_index.llms.openai import OpenAI

    class Model(OpenAI):  # type: ignore[misc]
        @property
        def metadata(self) -> Any:
            return LLMMetadata(model_name=model, is_chat_model=True, is_function_calling_model=True)

    return Model(model=model, api_base=f"{url}/v1", api_key="k", **more)
