"""langchain-core: ``with_fallbacks``, and look-ups in its caches of answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary, Replace
from otel_llm.core.guard import guard

from ._naming import name_of
from .caches import record_cache
from .fallbacks import fallback

_HOOK = guard("hook")
_LOOKING: ContextVar[bool] = ContextVar("otel_llm_langchain_lookup", default=False)
_MODEL = re.compile(r"""["']model(?:_name)?["']\s*[:,]\s*["']([^"']+)["']""")
_KIND = re.compile(r"""^\{"id": \[[^\]]*"(\w+)", "\w+"\]|["']_type["'][:,]\s*["']([a-z0-9]+)""")
_PROVIDERS = {"azure_openai": "azure.ai.openai", "azure": "azure.ai.openai", "bedrock": "aws.bedrock", "amazon": "aws.bedrock",
              "mistralai": "mistral_ai", "vertexai": "gcp.vertex_ai", "google_genai": "gcp.gemini", "xai": "x_ai"}  # fmt: skip


def reporting(original: Any, _: Callable[[], Any]) -> Any:
    """``RunnableWithFallbacks.runnables``: whoever takes a second one from it falls back."""

    def runnables(self: Any) -> Iterator[Any]:
        before = None
        for runnable in original.fget(self):
            scope = _scope(before, runnable) if before is not None else None
            before = runnable
            if scope is None:
                yield runnable
                continue
            with scope:
                yield runnable

    return property(runnables, doc=original.__doc__)


def _scope(before: Any, after: Any) -> fallback | None:
    with _HOOK:
        return fallback(name_of(before), name_of(after), "error")
    return None


def _looks(_: Any, args: Args, kwargs: Kwargs) -> tuple[Any, str] | None:
    if _LOOKING.get():
        return None  # one look-up, as asked for by the one that counts
    llm = kwargs.get("llm_string", args[1] if len(args) > 1 else "")
    return _LOOKING.set(True), llm if isinstance(llm, str) else ""


def _looked(cache: Any, looking: tuple[Any, str] | None, answer: Any, error: BaseException | None) -> None:
    if looking is None:
        return
    _LOOKING.reset(looking[0])
    if error is None:
        model, kind = _MODEL.search(looking[1]), _KIND.search(looking[1])
        provider = kind.group(1) or kind.group(2) if kind else ""
        record_cache(
            hit=answer is not None, cache=_word(cache), provider=_PROVIDERS.get(provider, provider),
            model=model.group(1) if model else "",
        )  # fmt: skip


def _word(cache: Any) -> str:
    """``InMemoryCache`` as ``in_memory``."""
    name = type(cache).__name__.removesuffix("Cache") or "langchain"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


signal = ReliabilityLibrary(
    name="langchain_core",
    distribution="langchain-core",
    requires=">=0.3,<2",
    tested=("1.8.1",),
    hooks=(
        Replace("langchain_core.runnables.fallbacks", "RunnableWithFallbacks.runnables", reporting),
        Around("langchain_core.caches", ("BaseCache.lookup", "BaseCache.alookup"), _looked, _looks, heirs=True),
    ),
    notes="Of a batch that falls back, one fallback is counted. LangChain does not say what the error was: its reason is error.",
)
