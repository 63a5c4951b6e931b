"""The conversations whose bytes are on record: for each family the same seven, each asked of a server of its own.

``python tests/wire/wire_conversations.py`` writes the records anew; the diff shows what changed on the wire.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any, NamedTuple

from otel_llm.testing.loopback import Loopback

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import wire_formats  # noqa: F401 - after its folder is on the path

RECORDS = Path(__file__).parent
ASKED = [{"role": "user", "content": "Hello?"}]
MODELS = {
    "plain": "model",
    "stream": "model",
    "tools": "model-tools",
    "thinking": "model-thinking",
    "cached": "model-cached",
    "refused": "fail-429-retry-after-2",
    "broken": "sse-error",
}
STREAMED = {"stream", "thinking", "broken"}


class Conversation(NamedTuple):
    family: str
    name: str
    path: str
    body: dict[str, Any]

    @property
    def record(self) -> Path:
        return RECORDS / self.family / f"{self.name}.http"


def _in_body(family: str, path: str, **body: Any) -> list[Conversation]:
    """Families that name the model and the stream in the body."""
    return [
        Conversation(family, name, path, {"model": model, **body, "stream": name in STREAMED})
        for name, model in MODELS.items()
    ]


def _watsonx(family: str) -> list[Conversation]:
    """The model in the body, the stream in the path."""
    return [
        Conversation(
            family,
            name,
            "/ml/v1/text/chat" + ("_stream" if name in STREAMED else ""),
            {"model_id": model, "messages": ASKED},
        )
        for name, model in MODELS.items()
    ]


def _in_path(family: str, whole: str, stream: str, prefix: str = "") -> list[Conversation]:
    """Families that name both in the path."""
    return [
        Conversation(family, name, (stream if name in STREAMED else whole).format(prefix + model), {"messages": []})
        for name, model in MODELS.items()
    ]


_BEDROCK = "/model/{}/invoke"
_GEMINI = "/v1beta/models/{}:"
_WITH_USAGE = {"stream_options": {"include_usage": True}}
CONVERSATIONS = [
    *_in_body("openai_chat", "/v1/chat/completions", messages=ASKED, **_WITH_USAGE),
    *_in_body("openai_responses", "/v1/responses", input="Hello?"),
    *_in_body("anthropic", "/v1/messages", messages=ASKED, max_tokens=50),
    *_in_path("gemini", _GEMINI + "generateContent", _GEMINI + "streamGenerateContent?alt=sse"),
    *_in_body("gemini_interactions", "/v1/interactions", input="Hello?"),
    *_in_path("bedrock_converse", "/model/{}/converse", "/model/{}/converse-stream"),
    *_in_path("bedrock_anthropic", _BEDROCK, _BEDROCK + "-with-response-stream", "anthropic."),
    *_in_path("bedrock_nova", _BEDROCK, _BEDROCK + "-with-response-stream", "amazon.nova-"),
    *_in_path("bedrock_llama", _BEDROCK, _BEDROCK + "-with-response-stream", "meta.llama-"),
    *_in_body("cohere", "/v2/chat", messages=ASKED),
    *_in_body("ollama", "/api/chat", messages=ASKED),
    *_in_body("mistral", "/mistral/v1/chat/completions", messages=ASKED),
    *_in_body("mistral_conversations", "/v1/conversations", inputs="Hello?"),
    *_in_body("groq", "/groq/v1/chat/completions", messages=ASKED),
    *_in_body("together", "/together/v1/chat/completions", messages=ASKED),
    *_in_body("cerebras", "/cerebras/v1/chat/completions", messages=ASKED),
    *_in_body("openrouter", "/openrouter/v1/chat/completions", messages=ASKED),
    *_in_body("deepseek", "/deepseek/v1/chat/completions", messages=ASKED),
    *_in_body("xai", "/xai/v1/chat/completions", messages=ASKED),
    *_watsonx("watsonx"),
    *_in_body("azure", "/azure/v1/chat/completions", messages=ASKED, **_WITH_USAGE),
]


def exchange(asked: Conversation) -> bytes:
    """All bytes that come back, up to the end of the connection."""
    body = json.dumps(asked.body).encode()
    head = f"POST {asked.path} HTTP/1.1\r\nhost: loopback\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    with Loopback() as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as answer:
            return answer.read()


def main() -> int:
    for conversation in CONVERSATIONS:
        conversation.record.parent.mkdir(exist_ok=True)
        conversation.record.write_bytes(exchange(conversation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
