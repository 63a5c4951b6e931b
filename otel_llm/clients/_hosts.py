"""Who is really behind a client: provider names by host, for all that speak somebody else's API."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

# Host patterns in order, first match wins. Names follow the OpenTelemetry registry where it has one.
HOSTS: tuple[tuple[str, str], ...] = (
    ("api.openai.com", "openai"), ("*.api.openai.com", "openai"),
    ("*.openai.azure.com", "azure.ai.openai"), ("*.openai.azure.us", "azure.ai.openai"),
    ("*.cognitiveservices.azure.com", "azure.ai.openai"),
    ("*.services.ai.azure.com", "azure.ai.inference"), ("*.models.ai.azure.com", "azure.ai.inference"),
    ("models.inference.ai.azure.com", "azure.ai.inference"), ("models.github.ai", "github"),
    ("api.anthropic.com", "anthropic"), ("api.deepseek.com", "deepseek"), ("openrouter.ai", "openrouter"),
    ("*.openrouter.ai", "openrouter"), ("api.x.ai", "x_ai"), ("*.api.x.ai", "x_ai"), ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"), ("codestral.mistral.ai", "mistral_ai"), ("api.together.xyz", "together"),
    ("api.together.ai", "together"), ("*-api.together.ai", "together"), ("api.fireworks.ai", "fireworks"),
    ("api.perplexity.ai", "perplexity"), ("aiplatform.*.rep.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"), ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("*-aiplatform.googleapis.com", "gcp.vertex_ai"), ("bedrock-runtime.*", "aws.bedrock"), ("bedrock-mantle.*", "aws.bedrock"),
    ("bedrock-runtime-fips.*", "aws.bedrock"), ("*.bedrock-runtime.*.vpce.amazonaws.com", "aws.bedrock"),
    ("api.cohere.com", "cohere"), ("api.cohere.ai", "cohere"), ("api.cerebras.ai", "cerebras"), ("api.sambanova.ai", "sambanova"),
    ("integrate.api.nvidia.com", "nvidia"), ("api.deepinfra.com", "deepinfra"), ("api.novita.ai", "novita"),
    ("api.hyperbolic.xyz", "hyperbolic"), ("router.huggingface.co", "huggingface"), ("api-inference.huggingface.co", "huggingface"),
    ("*.endpoints.huggingface.cloud", "huggingface"), ("dashscope*.aliyuncs.com", "alibaba"), ("api.moonshot.*", "moonshot"),
    ("open.bigmodel.cn", "zhipu"), ("api.z.ai", "zhipu"), ("api.minimax.*", "minimax"), ("api.minimaxi.com", "minimax"),
    ("api.writer.com", "writer"), ("api.ai21.com", "ai21"), ("api.studio.nebius.*", "nebius"), ("api.tokenfactory.nebius.*", "nebius"),
    ("*.databricks.com", "databricks"), ("*.azuredatabricks.net", "databricks"),
    ("*.ml.cloud.ibm.com", "ibm.watsonx.ai"), ("gateway.ai.cloudflare.com", "cloudflare"), ("ai-gateway.vercel.sh", "vercel"),
)  # fmt: skip
PORTS: tuple[tuple[int, str], ...] = ((11434, "ollama"), (1234, "lm_studio"), (30000, "sglang"), (8000, "vllm"))
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")  # noqa: S104

Place = tuple[str, str | None, int | None]  # provider, host, port
_extra: tuple[tuple[str, str], ...] = ()
_seen: dict[int, tuple[Any, type, Place]] = {}
_KEPT = 128


def configure(extra: tuple[tuple[str, str], ...]) -> None:
    """Patterns that come before the table (``OTEL_LLM_PROVIDERS``): a host, ``host:port``, or a wildcard of either."""
    global _extra  # noqa: PLW0603
    _extra = extra
    _seen.clear()
    behind_text.cache_clear()


def behind(url: Any, default: str, client: Any = None, better: Callable[[Any, str], str] | None = None) -> Place:
    """Provider name, host and port behind a client's base URL (an object with ``host`` and ``port``).

    A host that no pattern knows is ``default``. The port is None where it is the scheme's own. ``better`` may know the provider
    better than the host, by the ``client`` that has the URL; it is asked once.
    """
    known = _seen.get(id(url))
    if known is not None and known[0] is url and known[1] is type(client):
        return known[2]
    host, port = url.host or None, url.port
    found = named(host or "", port) or default
    place = (found if better is None else better(client, found), host, port)
    if len(_seen) >= _KEPT:
        _seen.clear()
    _seen[id(url)] = (url, type(client), place)  # keeps the URL, so that its id stays its own
    return place


@lru_cache(maxsize=128)
def behind_text(url: str, default: str) -> Place:
    """As ``behind``, for a base URL that is text."""
    parts = urlsplit(url)
    return named(parts.hostname or "", parts.port) or default, parts.hostname, parts.port


def named(host: str, port: int | None) -> str | None:
    """The provider that serves ``host``, or None where nobody has said."""
    host = host.lower()
    for pattern, name in _extra:
        if fnmatchcase(host, pattern) or (port is not None and fnmatchcase(f"{host}:{port}", pattern)):
            return name
    for pattern, name in HOSTS:
        if fnmatchcase(host, pattern):
            return name
    if host in _LOCAL:
        return next((name for number, name in PORTS if number == port), None)
    return None
