"""The provider of a call by the conventions' name, from the words that senders use for it."""

from __future__ import annotations

from functools import lru_cache

from otel_llm.clients import _hosts
from otel_llm.core.provider_names import PROVIDERS, canonical

UNKNOWN = "_OTHER"
"""The provider of a call that does not say whose model it used."""
FRAMEWORKS = frozenset((
    "strands-agents", "strands", "langgraph", "langchain", "autogen", "crewai", "microsoft.agent_framework", "agent_framework",
    "gcp.vertex.agent", "spring_ai", "litellm", "semantic_kernel", "llamaindex", "llama_index", "haystack", "pydantic-ai", "pydantic_ai",
))  # fmt: skip
"""What some senders put where the provider belongs: the framework that makes the call."""
_MORE = {
    "aws.anthropic": "aws.bedrock", "gcp.anthropic": "gcp.vertex_ai", "google_cloud": "gcp.vertex_ai", "google_cloud_ai": "gcp.vertex_ai",
    "google.vertex": "gcp.vertex_ai", "google.generative_ai": "gcp.gemini", "amazon_bedrock": "aws.bedrock",
}  # fmt: skip


@lru_cache(maxsize=1024)
def named(word: str) -> str:
    """The name of the provider that a sender calls ``word``; ``UNKNOWN`` for a framework or nothing.

    ``openai.chat`` and the like (the AI SDK names the API after a dot) are what stands before the dot.
    """
    word = word.strip().lower()
    if not word or word in FRAMEWORKS or word == UNKNOWN.lower():
        return UNKNOWN
    for spelled in (word, word.replace("-", "_")):
        if spelled in _MORE:
            return _MORE[spelled]
    name = canonical(word)
    if name in PROVIDERS:
        return name
    start = word.rpartition(".")[0]
    while start:
        shorter = _MORE.get(start) or _MORE.get(start.replace("-", "_")) or canonical(start)
        if shorter in PROVIDERS:
            return shorter
        start = start.rpartition(".")[0]
    return word[:64]


def of_model(model: str) -> tuple[str, str]:
    """Provider and rest of a model's name that begins with a provider's, as ``openai/gpt-4o``; ``UNKNOWN`` for any other."""
    prefix, slash, rest = model.partition("/")
    if slash and rest:
        provider = named(prefix)
        if provider in PROVIDERS:
            return provider, rest
    return UNKNOWN, model


def at_host(address: str) -> str:
    """Who is known to serve at a host; ``UNKNOWN`` where nobody is."""
    return (_hosts.named(address, None) if address else None) or UNKNOWN


_MAKERS = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("text-embedding-3", "openai"),
    ("text-embedding-ada", "openai"), ("claude-", "anthropic"), ("gemini-", "gcp.gemini"), ("mistral-", "mistral_ai"),
    ("command-", "cohere"), ("deepseek-", "deepseek"), ("grok-", "x_ai"),
)  # fmt: skip


def maker_of(model: str) -> str:
    """Who makes and sells a model of such a name, for senders that never name a provider."""
    name = model.lower()
    return next((maker for start, maker in _MAKERS if name.startswith(start)), UNKNOWN)
