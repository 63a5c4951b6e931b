"""The tables of docs/spans.md, from the table of the conventions."""

from __future__ import annotations

from otel_llm.core.semconv.steps import STEPS
from otel_llm.core.semconv.table import TABLE, Attribute
from otel_llm.ops.markdown import table

from .marks import between

_OLD = "https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs"
_MAIN = "https://github.com/open-telemetry/semantic-conventions-genai"
_TEXTS: tuple[tuple[str, str, str], ...] = (  # what names begin with, what the text is called, where it is
    ("otel_llm.", "ours", ""),
    ("openai.", "OpenAI", f"{_OLD}/gen-ai/openai.md"),
    ("aws.bedrock.", "Bedrock", f"{_OLD}/gen-ai/aws-bedrock.md"),
    ("http.", "HTTP", f"{_OLD}/http/http-spans.md"),
    ("exception.", "exceptions", f"{_OLD}/exceptions/exceptions-spans.md"),
    ("gen_ai.usage.cost.", "proposal 443", f"{_MAIN}/pull/443"),
    ("gen_ai.embeddings.", "embeddings", f"{_OLD}/gen-ai/gen-ai-spans.md#embeddings"),
    ("gen_ai.request.encoding_formats", "embeddings", f"{_OLD}/gen-ai/gen-ai-spans.md#embeddings"),
    ("gen_ai.agent.", "agents", f"{_OLD}/gen-ai/gen-ai-agent-spans.md"),
    ("gen_ai.prompt.", "main", f"{_MAIN}/blob/main/docs/gen-ai/client-inference.md"),
    ("gen_ai.workflow.", "agents", f"{_OLD}/gen-ai/gen-ai-agent-spans.md"),
    ("gen_ai.tool.", "tools", f"{_OLD}/gen-ai/gen-ai-spans.md#execute-tool-span"),
    ("gen_ai.data_source.", "retrieval", f"{_OLD}/gen-ai/gen-ai-spans.md#retrievals"),
    ("", "inference", f"{_OLD}/gen-ai/gen-ai-spans.md#inference"),
)
_HEAD = ("attribute", "type", "level", "since", "vocabulary", "text", "")


def filled(text: str) -> str:
    """``text`` of docs/spans.md with its tables as they are now. Raises ``ValueError`` where a mark is missing."""
    for stage in ("start", "end", "failure", "content"):
        rows = [_row(row) for row in TABLE.values() if row.stage == stage]
        text = between(text, f"spans-{stage}", table(_HEAD, rows))
    return between(text, "spans-steps", table(_HEAD, [_row(row) for row in STEPS.values()]))


def _row(row: Attribute) -> tuple[str, ...]:
    name = row.name.replace("otel_llm.label.*", "otel_llm.label.<key>")
    levels = dict.fromkeys(row.on.values())
    where = "" if "inference" in row.on else " (" + ", ".join(row.on) + ")"
    words = "both" if len(row.words) > 1 else row.words[0]
    type_ = row.type if row.other is None else f"{row.type}, latest {row.other}"
    return (
        f"`{name}`",
        type_,
        ", ".join(levels) + where,
        row.since or "",
        "" if row.ours else words,
        _text(row),
        row.about,
    )


def _text(row: Attribute) -> str:
    _, name, where = next(text for text in _TEXTS if row.name.startswith(text[0]))
    if row.since == "main":
        name, where = "main", f"{_MAIN}/blob/main/docs/gen-ai/client-inference.md"
    return f"[{name}]({where})" if where else name
