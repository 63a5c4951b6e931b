"""One table of what providers are called: by us, by OpenTelemetry's conventions old and new, by client libraries, and by price lists.

``canonical`` is for names that come from outside: ``OTEL_LLM_PROVIDERS``, price files, spans of other instrumentations. The
canonical name is that of the conventions' registry (``gen_ai.provider.name``) where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping

from otel_llm.core.shapes import NamedTuple


class Named(NamedTuple):
    """A provider's other names, and the id that genai-prices lists it under; empty where that is our own name."""

    aliases: tuple[str, ...] = ()
    listed: str = ""


PROVIDERS: Mapping[str, Named] = {
    "ai21": Named(("ai21_labs",)),
    "alibaba": Named(("dashscope", "qwen", "aliyun", "bailian", "alibaba_cloud", "tongyi")),
    "anthropic": Named(("claude", "anthropic_text")),
    "aws.bedrock": Named(("bedrock", "aws", "amazon", "amazon_bedrock", "bedrock_converse", "bedrock_mantle"), "aws"),
    "aws.sagemaker": Named(("sagemaker", "sagemaker_chat", "amazon_sagemaker")),
    "azure.ai.inference": Named(("az.ai.inference", "azure_ai", "azure_ai_foundry", "azure_foundry"), "azure"),
    "azure.ai.openai": Named(("az.ai.openai", "azure", "azure_openai", "azure_text", "azureopenai"), "azure"),
    "baseten": Named(),
    "cerebras": Named(),
    "cloudflare": Named(("cloudflare_workers_ai", "workers_ai", "workersai")),
    "cohere": Named(("cohere_chat", "co")),
    "databricks": Named(),
    "deepinfra": Named(("deep_infra",)),
    "deepseek": Named(("deep_seek",)),
    "elevenlabs": Named(("eleven_labs",)),
    "fireworks": Named(("fireworks_ai",)),
    "gcp.gemini": Named(
        ("gemini", "google", "google_gemini", "google_genai", "google_ai", "google_ai_studio", "google_gla", "gcp.gen_ai",
         "generativelanguage", "ai_studio"),
        "google",
    ),
    "gcp.vertex_ai": Named(
        ("vertex_ai", "vertexai", "vertex", "vertex_ai_beta", "google_vertex", "google_vertexai", "google_vertex_ai"), "google",
    ),
    "github": Named(("github_models",)),
    "github_copilot": Named(("copilot",), "github-copilot"),
    "groq": Named(("groq_cloud",)),
    "huggingface": Named(("hugging_face", "hf")),
    "hyperbolic": Named(),
    "ibm.watsonx.ai": Named(("watsonx", "watsonx_text", "watsonx_ai", "ibm", "ibm_watsonx", "ibm_watsonx_ai")),
    "llama_cpp": Named(("llamacpp", "llama_cpp_python")),
    "lm_studio": Named(("lmstudio",)),
    "meta": Named(("llama_api", "meta_llama")),
    "minimax": Named(("minimaxi",)),
    "mistral_ai": Named(("mistral", "mistralai", "codestral"), "mistral"),
    "moonshot": Named(("moonshotai", "moonshot_ai", "kimi"), "moonshotai"),
    "nebius": Named(("nebius_ai",)),
    "novita": Named(("novita_ai",)),
    "nvidia": Named(("nvidia_nim", "nim")),
    "ollama": Named(("ollama_chat",)),
    "openai": Named(("text_completion_openai", "open_ai")),
    "openai_compatible": Named(("openai_like", "custom_openai")),
    "openrouter": Named(("open_router",)),
    "ovhcloud": Named(("ovh",)),
    "perplexity": Named(("perplexity_ai", "pplx")),
    "replicate": Named(),
    "sambanova": Named(("samba_nova",)),
    "sglang": Named(),
    "tgi": Named(("text_generation_inference",)),
    "together": Named(("together_ai", "togetherai")),
    "transformers": Named(),
    "vercel": Named(("vercel_ai_gateway",)),
    "vllm": Named(("hosted_vllm",)),
    "voyage": Named(("voyageai", "voyage_ai"), "voyageai"),
    "writer": Named(("writer_ai",)),
    "x_ai": Named(("xai", "grok"), "x-ai"),
    "z_ai": Named(("zai",), "zai"),
    "zhipu": Named(("zhipuai", "zhipu_ai", "bigmodel", "glm"), "zhipuai"),
}  # fmt: skip


def _spelled(name: str) -> str:
    """One spelling of all: no case, and one sign for ``-``, ``.``, ``/``, a space and ``_``."""
    return name.strip().lower().translate(_SIGNS)


_SIGNS = str.maketrans("-./ ", "____")
_CANONICAL = {
    _spelled(alias): name for name, named in PROVIDERS.items() for alias in (name, named.listed or name, *named.aliases)
}  # fmt: skip
_CANONICAL |= {
    _spelled(name): name for name in PROVIDERS
}  # a list may call two of them the same: their own names come first
_CANONICAL |= {"aws": "aws.bedrock", "azure": "azure.ai.openai", "google": "gcp.gemini"}
_LISTED = {name: named.listed or name for name, named in PROVIDERS.items()}


def canonical(name: str) -> str:
    """The name that metrics and spans show for a provider that somebody calls ``name``; an unknown one is left as it is."""
    return _CANONICAL.get(_spelled(name), name)


def listed(name: str) -> str:
    """The id under which genai-prices lists the provider that is called ``name``, in lower case where it is not known."""
    canonical_name = _CANONICAL.get(_spelled(name))
    return _LISTED[canonical_name] if canonical_name is not None else name.strip().lower()
