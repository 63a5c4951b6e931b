"""Answers that went wrong without an error, by what the reply says. No content is kept, and none leaves the process.

What ended an answer and how many tokens it has is known of every call. Answers are looked into only where the request asked for
JSON or offered tools, or where ``OTEL_LLM_ANSWER_CHECKS`` says to look into all.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import Any

from otel_llm.core.digest import digest
from otel_llm.core.jsonview import loaded
from otel_llm.core.model import Expected, Request, Response, Usage
from otel_llm.core.semconv import finish_reason

PROBLEMS = (
    "refusal", "empty", "truncation", "content_filter", "invalid_json", "invalid_tool_call", "unknown_tool", "repeated",
)  # fmt: skip
"""The values of the label ``kind`` of ``otel_llm_answer_problems_total``."""
LONGEST = 262_144
"""Letters of an answer beyond which its JSON is not parsed: it takes some milliseconds."""
SHORTEST = 40
"""Letters of an answer that may repeat: short ones do so in good health."""
REMEMBERED = 32
"""Answers of a model that a new one is compared with."""
MOST_MODELS = 200
_ANSWERING = frozenset(("chat", "generate_content", "text_completion"))
_OF_END = {"length": "truncation", "content_filter": "content_filter"}
Remembered = dict[tuple[str, str, str], "deque[bytes]"]


@lru_cache(maxsize=256)
def _of_end(reason: str) -> str:
    """What is wrong with an answer that ended for this reason; empty where nothing is."""
    return "refusal" if "refusal" in reason.lower() else _OF_END.get(finish_reason(reason), "")


def problems(
    request: Request, response: Response, usage: Usage, remembered: Remembered | None = None
) -> tuple[str, ...]:
    """What is wrong with an answer, each kind once. With ``remembered``, answers that repeat are reported as well."""
    ended = {kind for reason in response.finish_reasons if (kind := _of_end(reason))}
    if response.refused:
        ended.add("refusal")
    if request.operation not in _ANSWERING or response.pending:
        return tuple(sorted(ended))
    if response.content is None:
        if not ended and usage.output_tokens == 0:
            ended.add("empty")
        return tuple(sorted(ended)) if ended else ()
    expected = None if request.expects is None else request.expects()
    text, calls, other = _read(response.content)
    if not ended and not (text.strip() or calls or other):
        ended.add("empty")
    ended |= _of_calls(calls, expected)
    if expected is not None and expected.json and text and not (ended or calls) and not _parses(text):
        ended.add("invalid_json")
    if remembered is not None and not ended and _repeats(remembered, request, text):
        ended.add("repeated")
    return tuple(sorted(ended))


def _read(content: list[Any]) -> tuple[str, list[tuple[Any, Any]], bool]:
    """Text, tool calls (name, arguments), and whether there is anything else, as a picture."""
    texts: list[str] = []
    calls: list[tuple[Any, Any]] = []
    other = False
    for message in content:
        for part in message.get("parts", ()):
            kind = part.get("type")
            if kind == "text":
                texts.append(part.get("content") or "")
            elif kind == "tool_call":
                calls.append((part.get("name"), part.get("arguments")))
            elif kind != "reasoning":
                other = True
    return "".join(texts), calls, other


def _of_calls(calls: list[tuple[Any, Any]], expected: Expected | None) -> set[str]:
    problems = set()
    for name, arguments in calls:
        if isinstance(arguments, str) and arguments.strip() and not _parses(arguments):
            problems.add("invalid_tool_call")
        if expected is not None and expected.tools is not None and name not in expected.tools:
            problems.add("unknown_tool")
    return problems


def _parses(text: str) -> bool:
    if len(text) > LONGEST:
        return True
    try:
        loaded(text)
    except (ValueError, RecursionError):
        return False
    return True


def _repeats(remembered: Remembered, request: Request, text: str) -> bool:
    if len(text) < SHORTEST:
        return False
    key = request.provider, request.model or "", request.operation
    if key not in remembered and len(remembered) >= MOST_MODELS:
        remembered.clear()
    answers = remembered.setdefault(key, deque(maxlen=REMEMBERED))
    hashed = digest(text)
    repeated = hashed in answers
    answers.append(hashed)
    return repeated
