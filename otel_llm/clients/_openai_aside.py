"""What OpenAI's client does beside calls of models, and what that brings: a background answer that is polled or resumed, the results
of a batch, and the models that a server of one's own says it has."""

from __future__ import annotations

from typing import Any

from otel_llm.calls import batches
from otel_llm.calls.declarations import Args, Around, Kwargs
from otel_llm.calls.resume import resume
from otel_llm.core.jsonview import View, view

from . import _hosts
from ._gateways import server_name
from ._openai_dialects import spoken
from ._openai_shape import CHAT, EMBEDDINGS, RESPONSES
from ._read import attr, items, text
from ._stainless import base_url_of, watch

_RESOURCES = "openai.resources"
_READERS = {"chat.completion": CHAT, "text_completion": CHAT, "response": RESPONSES, "list": EMBEDDINGS}


def hooks() -> tuple[Around, ...]:
    """The methods whose results are looked at."""
    polls = tuple(f"{twin}Responses.{method}" for twin in ("", "Async") for method in ("retrieve", "cancel"))
    files = tuple(f"{twin}Files.{method}" for twin in ("", "Async") for method in ("content", "retrieve_content"))
    return (
        Around(f"{_RESOURCES}.responses.responses", polls, _polled, _first),
        Around(f"{_RESOURCES}.files", files, _results, _first),
        Around(f"{_RESOURCES}.models", ("Models.list",), _models),
    )


def _first(_: Any, args: Args, kwargs: Kwargs) -> str:
    """The id that a method is asked about."""
    return text(args[0] if args else kwargs.get("response_id", kwargs.get("file_id"))) or ""


def _polled(_: Any, name: str, result: Any, error: BaseException | None) -> None:
    if error is None:
        resume(name, watch, result)


def _models(resource: Any, _: Any, page: Any, error: BaseException | None) -> None:
    """The engine that owns the models of a server of one's own: vLLM, llama.cpp and others write their name there."""
    name, host, port = _hosts.behind(base_url_of(resource._client), "openai")  # noqa: SLF001 - it has no public name
    if name != _hosts.COMPATIBLE or error is not None:
        return
    for model in items(attr(page, "data")):
        if (engine := server_name(text(attr(model, "owned_by")) or "")) is not None:
            _hosts.learn(host or "", port, engine)
            return


def _results(resource: Any, file: str, result: Any, error: BaseException | None) -> None:
    """The lines of a file that holds the results of a batch: https://platform.openai.com/docs/api-reference/batch/request-output.

    A response that is unread stays so, and is not counted.
    """
    content = result if isinstance(result, str) else None
    for place in ("response", "http_response"):
        if content is None:
            content = attr(result, place, "_content")
    if error is not None or not isinstance(content, (str, bytes)):
        return
    lines = (content if isinstance(content, str) else content.decode(errors="replace")).splitlines()
    if lines and '"custom_id"' in lines[0]:
        provider = _hosts.behind(base_url_of(resource._client), "openai")[0]  # noqa: SLF001 - as above
        for number, line in enumerate(lines):
            _read_line(f"{file}/{number}", provider, line)


def _read_line(place: str, provider: str, line: str) -> None:
    try:
        item = view(line)
    except (ValueError, RecursionError):
        return
    body = attr(item, "response", "body")
    if isinstance(body, View) and attr(item, "response", "status_code") in (None, 200):
        model = text(attr(body, "model"))
        reader = spoken(_READERS.get(text(attr(body, "object")) or "", EMBEDDINGS), provider, model)
        batches.count(("openai", text(attr(item, "id")) or place), provider, model, reader, body)
