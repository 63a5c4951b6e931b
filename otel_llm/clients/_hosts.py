"""Who is really behind a client: provider names by host, for all that speak somebody else's API."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from otel_llm.core.provider_names import canonical

from ._urls import place_of, port_of

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
    ("open.bigmodel.cn", "zhipu"), ("api.z.ai", "z_ai"), ("api.minimax.*", "minimax"), ("api.minimaxi.com", "minimax"),
    ("api.writer.com", "writer"), ("api.ai21.com", "ai21"), ("api.studio.nebius.*", "nebius"), ("api.tokenfactory.nebius.*", "nebius"),
    ("*.databricks.com", "databricks"), ("*.azuredatabricks.net", "databricks"),
    ("*.ml.cloud.ibm.com", "ibm.watsonx.ai"), ("gateway.ai.cloudflare.com", "cloudflare"), ("ai-gateway.vercel.sh", "vercel"),
    ("api.portkey.ai", "portkey"), ("*.helicone.ai", "helicone"), ("*.hconeai.com", "helicone"), ("api.llama.com", "meta"),
    ("inference.baseten.co", "baseten"), ("*.api.baseten.co", "baseten"), ("*.endpoints.ai.cloud.ovh.net", "ovhcloud"),
)  # fmt: skip
PORTS: tuple[tuple[int, str], ...] = ((11434, "ollama"), (1234, "lm_studio"), (30000, "sglang"), (8000, "vllm"))
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")  # noqa: S104
_PRIVATE_NAMES = (
    ".svc", ".internal", ".local", ".localdomain", ".lan", ".intranet", ".home.arpa", ".corp", ".private", ".home", ".test",
    ".consul", ".ts.net",
)  # fmt: skip
_SHARED = ip_network("100.64.0.0/10")  # RFC 6598, where mesh networks put their machines
COMPATIBLE = "openai_compatible"
"""A server of one's own that speaks OpenAI's API and does not name itself."""

Place = tuple[str, str | None, int | None]  # provider, host, port
_extra: tuple[tuple[str, str], ...] = ()
edition = 0
"""Changes with the settings."""
_learned: dict[tuple[str, int | None], str] = {}  # the names that servers gave themselves
BEHIND: dict[int, tuple[Any, type, Place, dict[Any, Any]]] = {}
"""What ``behind`` has answered, by the identity of a URL: its kind of client goes with it, and what else a reader of requests
remembers of that place."""
_KEPT = 128


def configure(extra: tuple[tuple[str, str], ...]) -> None:
    """Patterns that come before the table (``OTEL_LLM_PROVIDERS``): a host, ``host:port``, or a wildcard of either."""
    global _extra, edition  # noqa: PLW0603
    edition += 1
    _extra = tuple((pattern, canonical(name)) for pattern, name in extra)
    _learned.clear()
    _forget()


def learn(host: str, port: int | None, name: str) -> None:
    """The server at ``host`` says that it is ``name``: calls to it carry that from now on."""
    if len(_learned) >= _KEPT:
        _learned.clear()
    _learned[host, port] = name
    _forget()


def _forget() -> None:
    BEHIND.clear()
    behind_text.cache_clear()


def behind(url: Any, default: str, client: Any = None, better: Callable[[Any, str], str] | None = None) -> Place:
    """Provider name, host and port behind a client's base URL (an object with ``host`` and ``port``).

    A host that no pattern knows is ``default``. Where the URL names no port, it is the scheme's own. ``better`` may know the provider
    better than the host, by the ``client`` that has the URL; it is asked once.
    """
    behind = BEHIND.get(id(url))
    if behind is not None and behind[0] is url and behind[1] is type(client):
        return behind[2]
    host, port = url.host or None, url.port or port_of(getattr(url, "scheme", ""))
    provider = named(host or "", port) or _unnamed(host or "", port, default)
    place = (provider if better is None else better(client, provider), host, port)
    if len(BEHIND) >= _KEPT:
        BEHIND.clear()
    BEHIND[id(url)] = (url, type(client), place, {})  # keeps the URL, so that its id stays its own
    return place


@lru_cache(maxsize=128)
def behind_text(url: str, default: str) -> Place:
    """As ``behind``, for a base URL that is text."""
    host, port = place_of(url)
    return named(host or "", port) or _unnamed(host or "", port, default), host, port


def _unnamed(host: str, port: int | None, default: str) -> str:
    """The provider at a host that is in no table. OpenAI is at none that is private: a server of one's own is."""
    if default != "openai":
        return default
    return _learned.get((host, port)) or (COMPATIBLE if private(host) else default)


def private(host: str) -> bool:
    """Whether a host is in somebody's own network. This machine's own addresses do not count: tunnels and tests are there."""
    host = host.lower().rstrip(".")
    if not host or host in _LOCAL:
        return False
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_NAMES) or ".svc." in host
    return not address.is_loopback and (address.is_private or address in _SHARED)


def configured(host: str, port: int | None) -> bool:
    """Whether ``OTEL_LLM_PROVIDERS`` names who is at ``host``."""
    return any(_matches(pattern, host.lower(), port) for pattern, _ in _extra)


def _matches(pattern: str, host: str, port: int | None) -> bool:
    return fnmatchcase(host, pattern) or (port is not None and fnmatchcase(f"{host}:{port}", pattern))


def named(host: str, port: int | None) -> str | None:
    """The provider that serves ``host``, or None where it is not known."""
    host = host.lower()
    for pattern, name in _extra:
        if _matches(pattern, host, port):
            return name
    for pattern, name in HOSTS:
        if fnmatchcase(host, pattern):
            return name
    if host in _LOCAL:
        return next((name for number, name in PORTS if number == port), None)
    return None
