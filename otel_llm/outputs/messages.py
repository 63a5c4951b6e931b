"""Prompts and answers on spans and events: only where OpenTelemetry's own switch asks, shortened, and through the redactor."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.calls.invocation import Invocation
from otel_llm.core.config import Config
from otel_llm.core.guard import foreign, guard
from otel_llm.core.model import Observation
from otel_llm.core.semconv import start_attributes
from otel_llm.core.semconv.table import kind_of

from .events import DETAILS, emit

logger = logging.getLogger("otel_llm")
Redact = Callable[[str], str]
_WORDS = ("role", "type", "finish_reason")  # what a message and a part of it are: no redactor may take that away


class Content:
    """Writes a call's messages to its span, to an event, or to both, in the conventions' JSON form."""

    def __init__(self, config: Config, event_logger: Any = None) -> None:
        self._limit = config.content_max_length
        self._redact = _redactor(config.content_redact)
        self._on_span = config.content in ("span_only", "span_and_event")
        self._event_logger = event_logger if config.content in ("event_only", "span_and_event") else None

    def __call__(self, call: Invocation, observation: Observation, attributes: Mapping[str, Any]) -> None:
        """Write the messages of a call that has ended, and has these ``attributes``. A redactor that raises keeps the messages out,
        and nothing else."""
        with guard("content"):
            self._write(call, observation, attributes)

    def _write(self, call: Invocation, observation: Observation, attributes: Mapping[str, Any]) -> None:
        if kind_of(observation.operation) == "embeddings":  # whose spans have no messages, by the conventions
            return
        content = dict(call.request.content()) if call.request.content is not None else {}
        if call.response.content:
            content["gen_ai.output.messages"] = ended(
                call.response.content, call.response.finish_reasons, observation.error_type
            )
        content = {key: self._clean(value, frame=True) for key, value in content.items()}
        if self._on_span and call.span is not None and call.span.is_recording():
            call.span.set_attributes({key: json.dumps(value, ensure_ascii=False) for key, value in content.items()})
        if self._event_logger is not None and kind_of(observation.operation) == "inference":
            known = {**start_attributes(call.request, call.labels), **attributes, **content}
            emit(self._event_logger, DETAILS, call, observation, known)

    def _clean(self, value: Any, *, frame: bool = False) -> Any:
        """``value`` with every text redacted and shortened; what is no JSON becomes text first.

        In the ``frame`` of messages and their parts, the conventions' own words stay as they are.
        """
        if isinstance(value, str):
            kept = self._redact(value) if self._redact is not None else value
            return kept if len(kept) <= self._limit else kept[: self._limit] + "..."
        if isinstance(value, dict):
            return {
                str(key): part if frame and key in _WORDS else self._clean(part, frame=frame and key == "parts")
                for key, part in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._clean(part, frame=frame) for part in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self._clean(str(value))


def ended(messages: list[Any], reasons: list[str], error: str) -> list[Any]:
    """Answers with what ended each. One that nobody finished has the call's reason, else ``error``, or how its caller left it."""
    if all(message.get("finish_reason") for message in messages):
        return messages
    otherwise = {"": "unknown", "abandoned": "abandoned", "cancelled": "cancelled"}.get(error, "error")
    return [
        {
            **message,
            "finish_reason": message.get("finish_reason") or (reasons[place] if place < len(reasons) else otherwise),
        }
        for place, message in enumerate(messages)
    ]


def _redactor(path: str) -> Redact | None:
    """The function that ``OTEL_LLM_CONTENT_REDACT`` names. Where there is none of that name, every text is kept back, with a warning."""
    if not path:
        return None
    module, _, name = path.partition(":")
    failures: list[BaseException] = []
    function: Any = None
    with foreign(failures.append):
        function = getattr(importlib.import_module(module), name)
    if callable(function):
        redact: Redact = function
        return redact
    logger.warning(
        "OTEL_LLM_CONTENT_REDACT=%r cannot be used (%s): all captured text is replaced by [redacted]",
        path, failures[0] if failures else "it is no function",
    )  # fmt: skip
    return lambda _: "[redacted]"
