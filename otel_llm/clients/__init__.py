"""One file for each client library: what its calls pass through and how to read them. None of them imports its library."""

from __future__ import annotations

from importlib import import_module

from otel_llm.calls.declarations import ClientLibrary

from ._modules import MODULES

__all__ = ["MODULES", "NAMES", "load"]

NAMES = (
    "openai",
    "anthropic",
    "groq",
    "together",
    "cerebras",
    "writer",
    "mistral",
    "openrouter",
    "ollama",
    "cohere",
    "huggingface",
    "ai21",
    "voyage",
    "azure_inference",
    "replicate",
    "xai",
    "watsonx",
    "google_genai",
    "vertexai",
    "bedrock",
    "litellm",
    "llama_cpp",
    "vllm",
    "transformers",
)


def load(name: str) -> ClientLibrary:
    """The declaration of the library ``name``. Raises ``KeyError`` for one that is not declared."""
    if name not in NAMES:
        raise KeyError(f"no provider is called {name!r}; there are {', '.join(NAMES)}")
    library: ClientLibrary = import_module(f"{__name__}.{name}").library
    return library
