"""OpenAI, Azure OpenAI, and every server that the openai client is pointed at."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial

from . import _openai_realtime, _openai_responses_socket
from ._hosts import COMPATIBLE
from ._openai_api import describer
from ._openai_aside import hooks as aside_hooks
from ._stainless import hooks

_CLASSES = {"AzureOpenAI": "azure.ai.openai", "AsyncAzureOpenAI": "azure.ai.openai"}
_RUNTIMES = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}


def _named(client: Any, by_host: str) -> str:
    if by_host not in ("openai", COMPATIBLE):
        return by_host
    runtime = getattr(getattr(client, "_provider_runtime", None), "name", None)
    return _RUNTIMES.get(runtime or "", "") or _CLASSES.get(type(client).__name__, by_host)


library = ClientLibrary(
    name="openai", distribution="openai", requires=">=1.26", tested=("1.26.0", "1.109.1", "2.54.0", "3.52.0"),
    operations=(
        "chat",
        "text_completion",
        "embeddings",
        "image_generation",
        "transcription",
        "translation",
        "speech",
        "moderation",
    ),
    hooks=(
        *hooks("openai", describer("openai", named=_named)),
        *aside_hooks(),
        *_openai_realtime.hooks(),
        *_openai_responses_socket.hooks(),
    ),
    notes="The host of the base URL decides the provider (Azure and others); see OTEL_LLM_PROVIDERS. "
    "Of realtime sessions each response is a call, and each transcription; of Responses over a WebSocket each response. "
    "A background response is one call until its end is polled here. Results of batches count as `batch`. "
    "Live sessions are not watched.",
    trial=Trial(
        "openai",
        lambda openai, url: openai.OpenAI(base_url=f"{url}/v1", api_key="doctor", max_retries=0).chat.completions.create(
            model="gpt-doctor", messages=HELLO
        ),
    ),
)  # fmt: skip
