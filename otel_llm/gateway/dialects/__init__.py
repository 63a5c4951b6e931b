"""The dialects in the order in which they are asked: the first that knows a span reads it, and no other."""

from __future__ import annotations

from otel_llm.gateway.span import Span

from .adk import ADK
from .anthropic_sdk import ANTHROPIC_SDK
from .claude_code import CLAUDE_CODE
from .conventions import CONVENTIONS, UNNAMED
from .langfuse import LANGFUSE
from .langsmith import LANGSMITH
from .litellm import LITELLM
from .logfire import LOGFIRE
from .openinference import OPENINFERENCE
from .openlit import OPENLIT
from .strands import STRANDS
from .table import Dialect
from .traceloop import TRACELOOP
from .vercel import VERCEL
from .vllm import VLLM

ORDER: tuple[Dialect, ...] = (
    OPENINFERENCE, LANGFUSE, LANGSMITH, LOGFIRE, VERCEL, ADK, STRANDS, VLLM, LITELLM, CLAUDE_CODE, OPENLIT, ANTHROPIC_SDK, CONVENTIONS,
    TRACELOOP, UNNAMED,
)  # fmt: skip
_SCOPED = ("logfire.", "gcp.vertex.agent", "strands.telemetry", "vllm", "litellm", "openlit", "com.anthropic.sdk")
_PREFIXES = (
    "gen_ai.", "llm.", "ai.", "openinference.", "langfuse.", "langsmith.", "traceloop.", "mcp.", "embedding.", "tool.", "retrieval.",
)  # fmt: skip
_NAMED = ("claude_code.", "llm_request")


def speaks(span: Span) -> bool:
    """Whether a span is about models, agents or tools at all; most spans of a service are not."""
    if span.scope.startswith(_SCOPED) or span.name.startswith(_NAMED):
        return True
    return any(name.startswith(_PREFIXES) for name in span.attributes)


def recognise(span: Span) -> Dialect | None:
    """The dialect of a span; None where no one knows it."""
    return next((dialect for dialect in ORDER if dialect.knows(span)), None)
