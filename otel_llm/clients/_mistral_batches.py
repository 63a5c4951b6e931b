"""The results of Mistral's batches: those that come with the job, and files of results. https://docs.mistral.ai/capabilities/batch"""

from __future__ import annotations

from typing import Any

from otel_llm.calls import batches
from otel_llm.calls.declarations import Around
from otel_llm.core.jsonview import View
from otel_llm.core.model import Reader

from ._read import attr, items, text


def hooks(package: str, readers: dict[str, Reader]) -> tuple[Around, ...]:
    """What sees a job with its results; ``readers`` by the kind of answer."""

    def polled(_: Any, __: Any, job: Any, error: BaseException | None) -> None:
        for number, item in enumerate(items(attr(job, "outputs")) if error is None else ()):
            body = attr(item, "response", "body")
            if isinstance(body, dict):
                answer = _viewed(body)
                reader = readers.get(text(body.get("object")) or "", readers["list"])
                name = text(attr(item, "id")) or f"{text(attr(job, 'id'))}/{number}"
                batches.count(("mistral", name), "mistral_ai", text(body.get("model")), reader, answer)

    return (Around(f"{package}.jobs", ("Jobs.get", "Jobs.get_async"), polled),)


def _viewed(value: Any) -> Any:
    if isinstance(value, dict):
        reply = View()
        reply.__dict__.update({key: _viewed(part) for key, part in value.items()})
        return reply
    return [_viewed(part) for part in value] if isinstance(value, list) else value
