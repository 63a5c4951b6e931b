"""One request understood: the model's switches, the tokens and the text that every family's answer is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .exchange import JSON, Reply, Request, Timing
from .schema import example
from .switches import PIECES, Switches, Tokens, read_switches, tokens_of

if TYPE_CHECKING:
    import re

DEFAULT_MODEL = "loopback-model"
TOOL_NAME = "get_weather"
TOOL_ARGUMENTS: JSON = {"city": "Paris"}
_RETRIABLE = (408, 409, 429)
_SERVER_ERRORS = 500

THOUGHTS = ("Let me", " think.")
REFUSAL = "I cannot help with that."
VECTOR = [0.5, -0.25, 0.125]  # exact in single precision, so that base64 and JSON agree
EMBEDDING_TOKENS = 8
NO_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler answers to."""

    request: Request
    model: str
    switches: Switches
    tokens: Tokens
    timing: Timing

    @classmethod
    def of(cls, request: Request, timing: Timing | None = None) -> Call:
        switches = read_switches(request.wishes)
        if "thinking" not in switches and _asks_to_think(request.json):
            switches = replace(switches, words=switches.words | {"thinking"})
        timing = timing or NO_TIMING
        return cls(request, request.model or DEFAULT_MODEL, switches, tokens_of(switches, timing), timing)

    def __contains__(self, word: str) -> bool:
        return word in self.switches

    @property
    def body(self) -> JSON:
        return self.request.json

    @property
    def stream(self) -> bool:
        return self.request.field("stream") in (True, "true", "True")

    @property
    def usage(self) -> bool:
        """Whether usage is reported at all."""
        return "nousage" not in self.switches

    @property
    def embedded(self) -> int:
        """The tokens that an embedding reports."""
        tokens = self.timing.input_tokens
        return EMBEDDING_TOKENS if tokens is None else tokens

    @property
    def answers_model(self) -> str:
        """The model that the answer names: the one asked for, or a dated snapshot of it."""
        return self.model + "-2026-01-15" if "dated" in self.switches else self.model

    def ending(self, *, forced: bool = False, answered: bool = False) -> str:
        """Why the answer ends: ``stop``, ``length``, ``filter``, ``refusal``, or ``tools`` if the name or the caller insists.

        A tool whose result is in the conversation already is not called again, so that loops of tools end.
        """
        if forced or self.switches.finish == "tools":
            return "stop" if answered else "tools"
        return self.switches.finish

    def id(self, prefix: str) -> str:
        return f"{prefix}{self.request.number:08d}"

    def text(self, schema: JSON | None = None) -> tuple[str, ...]:
        """The answer's text in the pieces that a stream sends; an instance of ``schema`` where one is asked for."""
        if schema is not None:
            written = json.dumps(example(schema))
            return (written[:4], written[4:])
        count = self.timing.events or self.switches.chunks
        return tuple(PIECES[i % len(PIECES)] for i in range(count)) if count else PIECES

    @property
    def tool_answered(self) -> bool:
        """Whether the last message is a tool's result, by its role in OpenAI's format and its likes."""
        last = (self.body.get("messages") or [None])[-1]
        return isinstance(last, dict) and last.get("role") == "tool"

    def function_call(self) -> JSON:
        """A call of the first tool offered, as OpenAI's format and its likes word it."""
        offered = (self.body.get("tools") or [{}])[0].get("function") or {}
        name, arguments = self.tool(offered.get("name"), offered.get("parameters"))
        function = {"name": name, "arguments": json.dumps(arguments)}
        return {"id": self.id("call_"), "type": "function", "function": function}

    def tool(self, name: str | None = None, schema: JSON | None = None) -> tuple[str, Any]:
        """The name and arguments of a tool call: of the tool that was offered, or of an invented one."""
        return (name, example(schema)) if name and schema else (name or TOOL_NAME, TOOL_ARGUMENTS)


def _asks_to_think(body: JSON) -> bool:
    """Whether the request itself turns thinking on, in the words of OpenAI, Anthropic, Cohere, Gemini or Ollama."""
    effort = body.get("reasoning_effort") or _inner(body, "reasoning").get("effort") or "none"
    kind = _inner(body, "thinking").get("type")
    google = _inner(body, "generationConfig", "thinkingConfig")
    thinks = effort != "none" or kind in ("enabled", "adaptive") or bool(body.get("think"))
    return thinks or (bool(google) and google.get("thinkingBudget") != 0)


def _inner(body: JSON, *names: str) -> JSON:
    member: object = body
    for name in names:
        member = member.get(name) if isinstance(member, dict) else None
    return member if isinstance(member, dict) else {}


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal to be worded by a family. ``kind`` is ``quota``, ``context``, ``filter`` or empty; times in seconds."""

    request: Request
    status: int
    kind: str = ""
    retry_after: int | None = None
    retry: bool = True

    @property
    def retriable(self) -> bool:
        return self.retry and self.kind != "quota" and (self.status in _RETRIABLE or self.status >= _SERVER_ERRORS)

    def headers(self) -> dict[str, str]:
        """When to come back: at once for a retriable refusal (so that tests never wait), later only if that was asked for."""
        if self.retry_after is not None:
            return {"retry-after": str(self.retry_after), "retry-after-ms": str(self.retry_after * 1000)}
        return {"retry-after-ms": "1"} if self.retriable else {}


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Family:
    """How a provider words what is common to all of its endpoints."""

    name: str
    error: Callable[[Failure], Reply]
    stream_error: Callable[[Failure], bytes]
    headers: Callable[[Request], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: which requests it takes, and who answers."""

    method: str
    path: re.Pattern[str]
    handler: Handler
    family: Family
