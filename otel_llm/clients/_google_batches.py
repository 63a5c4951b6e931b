"""The results of Gemini's batches that come with the job. https://ai.google.dev/gemini-api/docs/batch-api

Results in files are read as the caller downloads them; those on Cloud Storage and in BigQuery do not come through this client.
"""

from __future__ import annotations

import re
from typing import Any

from otel_llm.calls import batches
from otel_llm.calls.declarations import Around
from otel_llm.core.jsonview import parsed
from otel_llm.core.model import Reader

from ._google_usage import word
from ._read import attr, items, text

_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def hooks(content: Reader, embeddings: Reader) -> tuple[Around, ...]:
    """What sees a job with its results, and a file of results."""

    def polled(client: Any, _: Any, job: Any, error: BaseException | None) -> None:
        if error is not None or job is None:
            return
        provider = "gcp.vertex_ai" if attr(client, "_api_client", "vertexai") is True else "gcp.gemini"
        model = (text(attr(job, "model")) or "").rpartition("/")[2] or None
        for kind, reader in (("inlined_responses", content), ("inlined_embed_content_responses", embeddings)):
            for number, item in enumerate(items(attr(job, "dest", kind))):
                if (answer := attr(item, "response")) is not None:
                    batches.count(
                        ("google", text(attr(job, "name")) or "", str(number)), provider, model, reader, answer
                    )

    def downloaded(client: Any, name: Any, result: Any, error: BaseException | None) -> None:
        if error is not None or not isinstance(result, bytes) or b'"response"' not in result.partition(b"\n")[0]:
            return
        provider = "gcp.vertex_ai" if attr(client, "_api_client", "vertexai") is True else "gcp.gemini"
        for number, line in enumerate(result.splitlines()):
            answer = _snake(attr(parsed(line), "response"))
            if isinstance(answer, dict):
                key = ("google", str(name), str(number))
                batches.count(key, provider, text(answer.get("model_version")), content, answer)

    return (
        Around("google.genai.batches", ("Batches.get", "AsyncBatches.get"), polled),
        Around("google.genai.files", ("Files.download", "AsyncFiles.download"), downloaded, _name),
    )


def _name(_: Any, __: Any, kwargs: Any) -> str:
    file = kwargs.get("file")
    return word(file) or text(attr(file, "name")) or ""


def _snake(value: Any) -> Any:
    """JSON as the wire has it, with the names that the library's models have."""
    if isinstance(value, dict):
        return {_CAPITAL.sub(r"_\1", key).lower(): _snake(part) for key, part in value.items()}
    return [_snake(part) for part in value] if isinstance(value, list) else value
